-- Payments: a hold becomes PENDING when its owner pays, and the provider's word comes back as a
-- request of its own. PAY booking; SETTLE booking, payment, result.
--
-- A booking's `payment`: whose result is still awaited, or was taken. A dead booking whose money
-- was taken, and so given back, has none (''): no second success can bring it back.
local function decide_pay(show, id, booking, request)
  if booking[STATE_OF] ~= STATE.HELD then
    return {CODE.ILLEGAL_STATE, booking[STATE_OF]}
  end
  local before = copy_of(booking)
  booking[PAYMENT] = request[ID]
  move_booking(show, id, booking, amount_of(booking) > 0 and STATE.PENDING or STATE.CONFIRMED)
  return {CODE.GRANTED, before, copy_of(booking)}
end

-- Is all that the booking had still free, and within what its user may have?
local function may_come_back(show, booking)
  for i = LINES, #booking, 3 do
    if show.tiers[booking[i]].available < booking[i + 1] then
      return false
    end
  end
  if not seats_are_free(show, booking) then
    return false
  end
  local limit = show.max_per_user
  return limit == 0 or (show.users[booking[USER]] or 0) + places_of(booking) <= limit
end

-- Money that was taken: the booking has it, or it goes back (the commit sees to that).
local function settle_success(show, id, booking)
  local state, before = booking[STATE_OF], copy_of(booking)
  if state == STATE.PENDING or (state == STATE.FAILED and may_come_back(show, booking)) then
    move_booking(show, id, booking, STATE.CONFIRMED)
    return {CODE.GRANTED, before, copy_of(booking)}
  end
  booking[PAYMENT] = ''
  return {CODE.GRANTED, before, before}
end

local function settle_failure(show, id, booking)
  local state, before = booking[STATE_OF], copy_of(booking)
  if state == STATE.FAILED then
    return {CODE.ILLEGAL_STATE, state}
  elseif state == STATE.PENDING then
    move_booking(show, id, booking, STATE.FAILED)
  end
  return {CODE.GRANTED, before, copy_of(booking)}
end

local function decide_settle(show, id, booking, request)
  local payment, result = request[FIRST + 1], request[FIRST + 2]
  local state = booking[STATE_OF]
  if booking[PAYMENT] ~= payment or state == STATE.HELD or state == STATE.CONFIRMED then
    return {CODE.ILLEGAL_STATE, state}
  elseif result == RESULT.SUCCEEDED then
    return settle_success(show, id, booking)
  end
  return settle_failure(show, id, booking)
end

CHANGES[OP.PAY] = decide_pay
CHANGES[OP.SETTLE] = decide_settle
CHANGES_OF_DEAD[OP.SETTLE] = decide_settle
