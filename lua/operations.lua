-- What each operation decides. All of a request is checked before anything is changed; a refusal
-- changes nothing. A decision is
--
--   code                                   refused
--   {code, detail}                         refused, with a figure (base/answer.h)
--   {0, available, expires, price, …}      BOOK, HOLD: left in the first tier; a price for a line
--   {0, before, after}                     CONFIRM, CANCEL, EXTEND, PAY, SETTLE: the booking, as in
--                                          state.lua
--   {0}                                    REFRESH
--
-- A request is {id, op, show, user, deadline, …}; its operation's arguments follow.
local ID, OPERATION, SHOW, OWNER, DEADLINE, FIRST = 1, 2, 3, 4, 5, 6

local function sale_refusal(show, now)
  if show.state == 'draft' or show.opens > now then
    return CODE.SALE_NOT_OPEN
  end
  if show.state ~= 'open' or (show.closes > 0 and show.closes <= now) then
    return CODE.SALE_CLOSED
  end
end

-- Sold out is told before anything about the user: who has a place already learns no less.
local function stock_refusal(show, request)
  for i = FIRST, #request, 2 do
    local available = show.tiers[request[i]].available
    if available == 0 then
      return CODE.SOLD_OUT
    elseif available < request[i + 1] then
      return {CODE.NOT_ENOUGH, available}
    end
  end
end

local function user_refusal(show, request, quantity)
  local limit = show.max_per_user
  if limit == 0 or show.users[request[OWNER]] + quantity <= limit then
    return nil
  end
  if limit == 1 then
    return CODE.ALREADY_BOOKED
  end
  return {CODE.LIMIT_EXCEEDED, limit}
end

local function costs(show, request, now)
  for i = FIRST, #request, 2 do
    if price_of(show.tiers[request[i]], now) > 0 then
      return true
    end
  end
  return false
end

local function take_refusal(show, request, now)
  local quantity = 0
  for i = FIRST, #request, 2 do
    if not show.tiers[request[i]] then
      return CODE.NOT_FOUND
    end
    quantity = quantity + request[i + 1]
  end
  local refusal = sale_refusal(show, now)
  if refusal then
    return refusal
  end
  if quantity > show.max_per_booking then
    return {CODE.LIMIT_EXCEEDED, show.max_per_booking}
  end
  refusal = stock_refusal(show, request) or user_refusal(show, request, quantity)
  if not refusal and request[OPERATION] == OP.BOOK and show.payment_required and
     costs(show, request, now) then
    return CODE.PAYMENT_REQUIRED
  end
  return refusal
end

local function take(show, request, now, state, expires)
  local refusal = take_refusal(show, request, now)
  if refusal then
    return refusal
  end
  local booking = {state, request[OWNER], expires, 0, now, {}, ''}
  local decision = {CODE.GRANTED, 0, expires}
  local quantity = 0
  for i = FIRST, #request, 2 do
    local tier, count = request[i], request[i + 1]
    local price = price_of(show.tiers[tier], now)
    move_places(show, tier, 'available', COUNTER[state], count)
    quantity = quantity + count
    local at = #booking
    booking[at + 1], booking[at + 2], booking[at + 3] = tier, count, price
    decision[#decision + 1] = price
  end
  add_to_user(show, request[OWNER], quantity)
  touch_booking(show, request[ID], booking)
  decision[2] = show.tiers[request[FIRST]].available
  return decision
end

local function copy_of(booking)
  return {unpack(booking)}
end

-- Every place of a booking goes to another state, and so does the booking.
local function move_booking(show, id, booking, to)
  local from = booking[STATE_OF]
  assert(MOVES[from][to], 'illegal move')
  local count = 0
  for i = LINES, #booking, 3 do
    move_places(show, booking[i], COUNTER[from], COUNTER[to], booking[i + 1])
    count = count + booking[i + 1]
  end
  if COUNTER[to] == 'available' then
    add_to_user(show, booking[USER], -count)
  elseif COUNTER[from] == 'available' then
    add_to_user(show, booking[USER], count)
  end
  if from == STATE.HELD then
    drop_hold(id)
  end
  if from == STATE.CONFIRMED then
    booking[PAYMENT] = ''  -- its money was taken: no word of it changes anything any more
  end
  booking[STATE_OF] = to
  touch_booking(show, id, booking)
end

-- A booking that is not live: what Postgres said of it, or that it died earlier in this batch.
local function dead_refusal(state)
  if state == STATE.EXPIRED then
    return CODE.HOLD_EXPIRED
  end
  return {CODE.ILLEGAL_STATE, state}
end

local function amount_of(booking)
  local amount = 0
  for i = LINES, #booking, 3 do
    amount = amount + booking[i + 1] * booking[i + 2]
  end
  return amount
end

local function decide_confirm(show, id, booking)
  if booking[STATE_OF] ~= STATE.HELD then
    return {CODE.ILLEGAL_STATE, booking[STATE_OF]}
  elseif show.payment_required and amount_of(booking) > 0 then
    return CODE.PAYMENT_REQUIRED
  end
  local before = copy_of(booking)
  move_booking(show, id, booking, STATE.CONFIRMED)
  return {CODE.GRANTED, before, copy_of(booking)}
end

-- The line of a tier; tier 0 means the only one. Nothing if there is no such line.
local function line_of(booking, tier)
  if tier == 0 then
    return #booking < LINES + 3 and LINES or nil
  end
  for i = LINES, #booking, 3 do
    if booking[i] == tier then
      return i
    end
  end
end

local function places_of(booking)
  local count = 0
  for i = LINES, #booking, 3 do
    count = count + booking[i + 1]
  end
  return count
end

local function decide_cancel(show, id, booking, request)
  local tier, quantity = request[FIRST + 1], request[FIRST + 2]
  local before = copy_of(booking)
  if tier == 0 and quantity == 0 then
    move_booking(show, id, booking, STATE.CANCELLED)
    return {CODE.GRANTED, before, copy_of(booking)}
  end
  local line = line_of(booking, tier)
  if not line then
    return CODE.INVALID
  end
  local has = booking[line + 1]
  if quantity == 0 then
    quantity = has
  end
  if quantity > has then
    return {CODE.NOT_ENOUGH, has}
  end
  if quantity == places_of(booking) then
    move_booking(show, id, booking, STATE.CANCELLED)
    return {CODE.GRANTED, before, copy_of(booking)}
  end
  move_places(show, booking[line], COUNTER[booking[STATE_OF]], 'available', quantity)
  add_to_user(show, booking[USER], -quantity)
  booking[line + 1] = has - quantity
  touch_booking(show, id, booking)
  return {CODE.GRANTED, before, copy_of(booking)}
end

local function decide_extend(show, id, booking)
  if booking[STATE_OF] ~= STATE.HELD then
    return {CODE.ILLEGAL_STATE, booking[STATE_OF]}
  end
  local longest = booking[CREATED] + show.hold_ms_max
  local expires = math.min(booking[EXPIRES] + show.hold_ms, longest)
  if booking[EXTENDED] == 1 or expires <= booking[EXPIRES] then
    return {CODE.LIMIT_EXCEEDED, 1}
  end
  local before = copy_of(booking)
  booking[EXPIRES], booking[EXTENDED] = expires, 1
  set_hold(id, expires)
  touch_booking(show, id, booking)
  return {CODE.GRANTED, before, copy_of(booking)}
end

local CHANGES = {
  [OP.CONFIRM] = decide_confirm, [OP.CANCEL] = decide_cancel, [OP.EXTEND] = decide_extend,
}

-- What may also happen to a booking that is not live.
local CHANGES_OF_DEAD = {}

-- `known`: id → what Postgres has of bookings that are not live here, as in state.lua; one that it
-- does not have is {0, ''}. Second result: the id, when it must be looked up first.
local function decide_change(show, request, known)
  local id = request[FIRST]
  local booking = show.bookings[id] or known[id]
  if not booking then
    return nil, id
  end
  local state, user = booking[STATE_OF], booking[USER]
  if state == 0 or (request[OWNER] ~= '' and request[OWNER] ~= user) then
    return CODE.NOT_FOUND
  end
  local change = CHANGES[request[OPERATION]]
  if COUNTER[state] == 'available' then
    change = CHANGES_OF_DEAD[request[OPERATION]]
    if not change then
      return dead_refusal(state)
    end
  end
  return change(show, id, booking, request)
end

local function decide_request(show, request, now, known)
  if now > request[DEADLINE] then
    return CODE.TIMED_OUT
  end
  if not show then
    return CODE.NOT_FOUND
  end
  local op = request[OPERATION]
  if op == OP.BOOK then
    return take(show, request, now, STATE.CONFIRMED, 0)
  elseif op == OP.HOLD then
    local expires = now + show.hold_ms
    local decision = take(show, request, now, STATE.HELD, expires)
    if show.bookings[request[ID]] then
      set_hold(request[ID], expires)
    end
    return decision
  elseif op == OP.REFRESH then
    return {CODE.GRANTED}
  end
  return decide_change(show, request, known)
end
