-- What each operation decides. All of a request is checked before anything is changed; a refusal
-- changes nothing. A decision is
--
--   code                                   refused
--   {code, detail}                         refused, with a figure (base/answer.h); SEAT_TAKEN with
--                                          the seats that are not available, packed
--   {0, available, expires, price, …}      BOOK, HOLD: left in the first tier; a price for a line;
--                                          then the seats, packed, if it has any
--   {0, before, after}                     CONFIRM, CANCEL, EXTEND, PAY, SETTLE: the booking, as in
--                                          state.lua
--   {0, place, position}                   JOIN (waiting.lua)
--   {0, entry}, {0, before, after}         LEAVE: who waited, or declines an offer
--   {0}                                    REFRESH
--                                          SEVERAL: several.lua; ADMIN: admin.lua
--
-- A request is {id, op, show, user, deadline, …}; its operation's arguments follow: those of BOOK
-- and HOLD are tier, quantity, …, and then the seats that are named, packed, if there are any.
local ID, OPERATION, SHOW, OWNER, DEADLINE, FIRST = 1, 2, 3, 4, 5, 6

local function sale_refusal(show, now)
  if show.state == 'draft' or show.opens > now then
    return CODE.SALE_NOT_OPEN
  end
  if show.state == 'paused' then
    return CODE.SALE_PAUSED
  end
  if show.state ~= 'open' or (show.closes > 0 and show.closes <= now) then
    return CODE.SALE_CLOSED
  end
end

-- Sold out is told before anything about the user: who has a place already learns no less.
local function stock_refusal(show, request, named)
  for i = FIRST, #request - 1, 2 do
    local tier = show.tiers[request[i]]
    local available = tier.available
    if named and tier.has_seats then
      available = request[i + 1]
    end
    if available == 0 then
      return CODE.SOLD_OUT
    elseif available < request[i + 1] then
      return {CODE.NOT_ENOUGH, available}
    end
  end
end

-- The seats that a request names, or nothing.
local function named_in(request)
  return #request % 2 == 0 and request[#request] or nil
end

-- Named seats must be there, and as many of each tier as its line says. Second result: a refusal if
-- some of them are not available.
local function look_at_named(show, request, named)
  local map, positions, wanted, taken = seats_of(show), positions_of(named), {}, {}
  for i = 1, #positions do
    local byte = seat_at(map, positions[i])
    if not byte then
      return CODE.NOT_FOUND
    end
    local tier = tier_of_byte(byte)
    wanted[tier] = (wanted[tier] or 0) + 1
    if byte % 8 ~= 0 then
      taken[#taken + 1] = positions[i]
    end
  end
  for i = FIRST, #request - 1, 2 do
    if show.tiers[request[i]].has_seats then
      if wanted[request[i]] ~= request[i + 1] then
        return CODE.INVALID
      end
      wanted[request[i]] = nil
    end
  end
  if next(wanted) then
    return CODE.INVALID
  end
  return nil, #taken > 0 and {CODE.SEAT_TAKEN, pack_positions(taken)} or nil
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
  for i = FIRST, #request - 1, 2 do
    if price_of(show.tiers[request[i]], now) > 0 then
      return true
    end
  end
  return false
end

local function take_refusal(show, request, now)
  local named, quantity = named_in(request), 0
  for i = FIRST, #request - 1, 2 do
    if not show.tiers[request[i]] then
      return CODE.NOT_FOUND
    end
    quantity = quantity + request[i + 1]
  end
  local wrong, taken
  if named then
    wrong, taken = look_at_named(show, request, named)
  end
  local refusal = wrong or sale_refusal(show, now)
  if refusal then
    return refusal
  end
  if quantity > show.max_per_booking then
    return {CODE.LIMIT_EXCEEDED, show.max_per_booking}
  end
  refusal = stock_refusal(show, request, named) or taken or
            user_refusal(show, request, quantity) or admission_refusal(show, request[ID], now)
  if not refusal and request[OPERATION] == OP.BOOK and show.payment_required and
     costs(show, request, now) then
    return CODE.PAYMENT_REQUIRED
  end
  return refusal
end

local NO_SEATS = {}

-- The seats that a request will have: those that it names, or the best of each of its tiers that
-- has seats.
local function choose_seats(show, request)
  local named = named_in(request)
  if named then
    return positions_of(named)
  end
  local positions, tiers = NO_SEATS, 0
  for i = FIRST, #request - 1, 2 do
    if show.tiers[request[i]].has_seats then
      positions, tiers = tiers == 0 and {} or positions, tiers + 1
      for _, position in ipairs(best_seats(show, request[i], request[i + 1])) do
        positions[#positions + 1] = position
      end
    end
  end
  if tiers > 1 then
    table.sort(positions)
  end
  return positions
end

local function take(show, request, now, state, expires)
  local refusal = take_refusal(show, request, now)
  if refusal then
    return refusal
  end
  local booking = {state, request[OWNER], expires, 0, now, '', ''}
  local decision = {CODE.GRANTED, 0, expires}
  local quantity = 0
  local seats = choose_seats(show, request)
  for i = FIRST, #request - 1, 2 do
    local tier, count = request[i], request[i + 1]
    local price = price_of(show.tiers[tier], now)
    move_places(show, tier, 'available', COUNTER[state], count)
    quantity = quantity + count
    local at = #booking
    booking[at + 1], booking[at + 2], booking[at + 3] = tier, count, price
    decision[#decision + 1] = price
  end
  if #seats > 0 then
    take_seats(show, booking, seats, named_in(request))
    decision[#decision + 1] = booking[SEATS]
  end
  add_to_user(show, request[OWNER], quantity)
  touch_booking(show, request[ID], booking)
  use_admission(show, request[ID])
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
  move_seats_of(show, id, booking, from, to)
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

-- The last `quantity` seats that a booking has in a tier, as a set.
local function last_seats(show, booking, tier, quantity)
  local map, positions, gone = seats_of(show), positions_of(booking[SEATS]), {}
  for i = #positions, 1, -1 do
    if quantity > 0 and tier_of_byte(seat_at(map, positions[i])) == tier then
      gone[positions[i]] = true
      quantity = quantity - 1
    end
  end
  return gone
end

-- Seats to be given back: all of one tier and of this booking. The set, the tier, how many; nothing
-- if they are not.
local function seats_to_give(show, booking, packed)
  local map, has, gone, tier = seats_of(show), {}, {}, nil
  for _, position in ipairs(positions_of(booking[SEATS])) do
    has[position] = true
  end
  local positions = positions_of(packed)
  for _, position in ipairs(positions) do
    if not has[position] then
      return nil
    end
    local its = tier_of_byte(seat_at(map, position))
    gone[position], tier = true, tier or its
    if its ~= tier and #packed < #booking[SEATS] then
      return nil
    end
  end
  return gone, tier, #positions
end

local function decide_cancel(show, id, booking, request)
  local tier, quantity, gone = request[FIRST + 1], request[FIRST + 2], nil
  local before = copy_of(booking)
  if request[FIRST + 3] then
    gone, tier, quantity = seats_to_give(show, booking, request[FIRST + 3])
    if not gone then
      return CODE.INVALID
    end
    if quantity == places_of(booking) then
      tier, quantity = 0, 0
    end
  end
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
  if show.tiers[booking[line]].has_seats then
    give_seats(show, id, booking, gone or last_seats(show, booking, booking[line], quantity))
  end
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

-- Operations that have a file of their own: op → what decides it, called as decide_change is.
local OTHERS = {}

local function decide_request(show, request, now, known)
  if now > request[DEADLINE] then
    return CODE.TIMED_OUT
  end
  local op = request[OPERATION]
  if not show and op ~= OP.ADMIN then
    return CODE.NOT_FOUND
  end
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
    show.returned = true
    return {CODE.GRANTED}
  end
  return (OTHERS[op] or decide_change)(show, request, known, now)
end
