-- The waiting list. Who joins stands in line for so many places of one tier; when places come back
-- (a cancellation, a hold that expired, a payment that failed, rules that changed) they are offered
-- at once, before the next request is looked at: the first group in the order of joining that fits
-- and whose user may have so many gets a hold, whose id is that of the request that joined. So an
-- offer is a booking like any other: it is accepted by confirming or paying it, declined by
-- cancelling it, and what it gives back is offered to the next.
--
-- Below the generation, per show:
--   waiting:<show>                 hash id → packed {tier, quantity, user, joined, position}
--   waiters:<show>                 hash tier:user → id: one entry for each user and tier
--   sizes:<show>                   hash tier:quantity → how many groups of that size wait
--   order:<show>:<tier>:<quantity> zset of their ids by position
--   passed:<show>                  hash tier:quantity → position: so far a search has come that
--                                  goes on with the next run
-- and in show:<show> the fields `waits` (how many wait), `joined` (the last position given). A list
-- for each size finds the first group that fits without reading all those that do not.
--
-- `offers` is a set of shows whose lists are to be looked at by the next run: those that were just
-- loaded, and those that had more offers to make than one run makes, or more people to pass over.
local E_TIER, E_QUANTITY, E_USER, E_POSITION = 1, 2, 3, 5

local WAITING_MAX = 100000 -- of one show
local OFFERS_MAX = 256     -- made by one run; the rest by the next one
local SKIPS_MAX = 2000     -- entries one run passes over because their users may not have more;
                           -- the next one goes on behind them
local OFFER_SHOWS_MAX = 64 -- shows that one run looks at because an earlier one asked for it
local PAGE = 64

local offers = {}          -- made by this run: {id, user, expires, tier, quantity, price}
local offers_due = {}      -- number → true: shows in the set `offers`
local skips = 0

local function waiting_key(show, name)
  return prefix .. name .. ':' .. show.number
end

-- What this run knows and changes of a show's list.
local function waiting_of(show)
  local w = show.waiting
  if w then
    return w
  end
  w = {
    entries = {},  -- id → entry, or false where it does not wait
    waiters = {},  -- tier:user → id or false
    waiters_touched = {},
    sizes = {}, sizes_touched = {},
    passed = {}, passed_touched = {},
    orders = {},   -- tier:quantity → what was read of its order
    joined = {},   -- tier:quantity → ids that joined in this run
    came = {}, gone = {},  -- id → entry: changes in this run
  }
  if show.waits > 0 then
    local raw = redis.call('HGETALL', waiting_key(show, 'sizes'))
    for i = 1, #raw, 2 do
      w.sizes[raw[i]] = tonumber(raw[i + 1])
    end
    raw = redis.call('HGETALL', waiting_key(show, 'passed'))
    for i = 1, #raw, 2 do
      w.passed[raw[i]] = tonumber(raw[i + 1])
    end
  end
  show.waiting = w
  return w
end

local function entry_of(show, id)
  local w = waiting_of(show)
  local entry = w.entries[id]
  if entry == nil then
    local packed = show.waits > 0 and redis.call('HGET', waiting_key(show, 'waiting'), id)
    entry = packed and cmsgpack.unpack(packed) or false
    w.entries[id] = entry
  end
  return entry
end

local function waiter_field(tier, user)
  return tier .. ':' .. user
end

local function waiter_of(show, tier, user)
  local w, field = waiting_of(show), waiter_field(tier, user)
  if w.waiters[field] == nil then
    w.waiters[field] = show.waits > 0
      and redis.call('HGET', waiting_key(show, 'waiters'), field) or false
  end
  return w.waiters[field]
end

local function slot_of(entry)
  return entry[E_TIER] .. ':' .. entry[E_QUANTITY]
end

local function count_entry(show, entry, change)
  local w, slot = waiting_of(show), slot_of(entry)
  w.sizes[slot] = (w.sizes[slot] or 0) + change
  w.sizes_touched[slot] = true
  show.waits = show.waits + change
end

local function set_waiter(show, entry, id)
  local w, field = waiting_of(show), waiter_field(entry[E_TIER], entry[E_USER])
  w.waiters[field] = id
  w.waiters_touched[field] = true
end

local function add_entry(show, id, entry)
  local w, slot = waiting_of(show), slot_of(entry)
  w.entries[id], w.came[id] = entry, entry
  w.joined[slot] = w.joined[slot] or {}
  table.insert(w.joined[slot], id)
  set_waiter(show, entry, id)
  count_entry(show, entry, 1)
end

local function remove_entry(show, id, entry)
  local w = waiting_of(show)
  w.entries[id], w.gone[id] = false, entry
  set_waiter(show, entry, false)
  count_entry(show, entry, -1)
end

-- How many wait for places of a tier, or for so many of them.
local function waits_of(show, tier)
  local count = 0
  for slot, waits in pairs(waiting_of(show).sizes) do
    if tonumber(string.match(slot, '^%d+')) == tier then
      count = count + waits
    end
  end
  return count
end

-- `after`: the position behind which it is read; `passed`: of the last one that was passed over.
local function order_of(show, slot)
  local w = waiting_of(show)
  w.orders[slot] = w.orders[slot] or
    {ids = {}, first = 1, read = 0, whole = false, after = w.passed[slot] or 0}
  return w.orders[slot]
end

local function read_page(show, slot, order)
  local key = prefix .. 'order:' .. show.number .. ':' .. slot
  if order.after == 0 then
    return redis.call('ZRANGE', key, order.read, order.read + PAGE - 1)
  end
  return redis.call('ZRANGE', key, '(' .. order.after, '+inf', 'BYSCORE', 'LIMIT', order.read, PAGE)
end

-- The n-th of a size's order, as it was at the beginning of this run and with those who have joined
-- since; read page by page. Those who are gone stand there still.
local function nth_of_order(show, slot, order, n)
  while not order.whole and order.read < n do
    local page = read_page(show, slot, order)
    for i, id in ipairs(page) do
      order.ids[order.read + i] = id
    end
    order.read = order.read + #page
    order.whole = #page < PAGE
  end
  if n <= order.read then
    return order.ids[n]
  end
  local joined = waiting_of(show).joined[slot]
  return joined and joined[n - order.read]
end

local function may_have(show, entry)
  local user, limit = entry[E_USER], show.max_per_user
  if show.users[user] == nil then
    show.users[user] = read_count(redis.call('HGET', waiting_key(show, 'users'), user))
  end
  return limit == 0 or show.users[user] + entry[E_QUANTITY] <= limit
end

-- The first of one size who may have so many more places.
local function first_of_size(show, slot)
  local gone = waiting_of(show).gone
  local order = order_of(show, slot)
  local n = order.first
  local id = nth_of_order(show, slot, order, n)
  while id and skips < SKIPS_MAX do
    if gone[id] then
      if n == order.first then
        order.first = n + 1
      end
    else
      local entry = entry_of(show, id)
      if entry and may_have(show, entry) then
        return id, entry
      end
      skips = skips + 1
      order.passed = entry and entry[E_POSITION] or order.passed
    end
    n = n + 1
    id = nth_of_order(show, slot, order, n)
  end
end

local function set_passed(w, slot, position)
  if w.passed[slot] ~= position then
    w.passed[slot], w.passed_touched[slot] = position, true
  end
end

-- A search of a tier's lists ends here, or goes on behind those who were passed over.
local function end_search(show, tier, goes_on)
  local w = waiting_of(show)
  for slot in pairs(w.sizes) do
    if tonumber(string.match(slot, '^%d+')) == tier then
      local order = w.orders[slot]
      set_passed(w, slot, goes_on and (order and order.passed or w.passed[slot]) or nil)
    end
  end
  if goes_on then
    offers_due[show.number] = true
  end
end

-- The first in the order of joining who fits into what is left of a tier. Nobody, if some were not
-- looked at: the first may be among them.
local function first_that_fits(show, tier)
  local most = math.min(show.tiers[tier].available, show.max_per_booking)
  local first, first_entry
  for slot, waits in pairs(waiting_of(show).sizes) do
    local of, quantity = string.match(slot, '^(%d+):(%d+)$')
    if waits > 0 and tonumber(of) == tier and tonumber(quantity) <= most then
      local id, entry = first_of_size(show, slot)
      if id and (not first or entry[E_POSITION] < first_entry[E_POSITION]) then
        first, first_entry = id, entry
      end
    end
  end
  local goes_on = skips >= SKIPS_MAX
  if goes_on or not first then
    end_search(show, tier, goes_on)
    return nil
  end
  return first, first_entry
end

-- The hold that is the offer: of numbered seats, the best that are available.
local function make_offer(show, id, entry, now)
  local tier, quantity, user = entry[E_TIER], entry[E_QUANTITY], entry[E_USER]
  local price, expires = price_of(show.tiers[tier], now), now + show.offer_ms
  remove_entry(show, id, entry)
  move_places(show, tier, 'available', COUNTER[STATE.HELD], quantity)
  add_to_user(show, user, quantity)
  local booking = {STATE.HELD, user, expires, 0, now, '', '', tier, quantity, price}
  local seats = choose_seats(show, {id, OP.HOLD, show.number, user, now, tier, quantity})
  if #seats > 0 then
    take_seats(show, booking, seats)
  end
  touch_booking(show, id, booking)
  set_hold(id, expires)
  offers[#offers + 1] = {id, user, expires, tier, quantity, price, booking[SEATS]}
end

local function offer_tier(show, tier, now)
  local id, entry = first_that_fits(show, tier)
  while id do
    if #offers == OFFERS_MAX then
      offers_due[show.number] = true
      return
    end
    make_offer(show, id, entry, now)
    id, entry = first_that_fits(show, tier)
  end
end

-- Offer what has come back, if anybody waits for it and the sale is on. In every tier: who gives
-- places of one back may have some of another now.
local function offer_returned(show, now)
  if not show.returned then
    return
  end
  show.returned = false
  if show.waits == 0 or sale_refusal(show, now) then
    return
  end
  for tier, counts in ipairs(show.tiers) do
    if counts.available > 0 then
      offer_tier(show, tier, now)
    end
  end
end

-- Shows that an earlier run, or whoever loaded them, left to this one.
local function offer_due(now)
  local numbers = redis.call('SRANDMEMBER', prefix .. 'offers', OFFER_SHOWS_MAX)
  for _, text in ipairs(numbers) do
    local number = tonumber(text)
    local show = show_of(number)
    offers_due[number] = false
    if show then
      show.returned = true
      offer_returned(show, now)
    end
  end
end

local function join_refusal(show, request, now)
  local tier, quantity = request[FIRST], request[FIRST + 1]
  local counts = show.tiers[tier]
  if not counts then
    return CODE.NOT_FOUND
  end
  local refusal = sale_refusal(show, now)
  if refusal then
    return refusal
  end
  if quantity > show.max_per_booking then
    return {CODE.LIMIT_EXCEEDED, show.max_per_booking}
  end
  local capacity = counts.available + counts.held + counts.pending + counts.confirmed
                   + counts.blocked
  if quantity > capacity then
    return {CODE.NOT_ENOUGH, capacity}
  end
  refusal = user_refusal(show, request, quantity)
  if refusal then
    return refusal
  end
  if waiter_of(show, tier, request[OWNER]) then
    return CODE.ALREADY_WAITING
  end
  if counts.available >= quantity and waits_of(show, tier) == 0 then
    return {CODE.STILL_AVAILABLE, counts.available}
  end
  if show.waits >= WAITING_MAX then
    return {CODE.LIMIT_EXCEEDED, WAITING_MAX}
  end
end

-- {0, place, position}: how many wait for the tier, with this one; the number it got in the show.
local function decide_join(show, request, _, now)
  local refusal = join_refusal(show, request, now)
  if refusal then
    return refusal
  end
  local tier, quantity = request[FIRST], request[FIRST + 1]
  show.joined = show.joined + 1
  add_entry(show, request[ID], {tier, quantity, request[OWNER], now, show.joined})
  show.returned = true
  return {CODE.GRANTED, waits_of(show, tier), show.joined}
end

-- An offer is declined: its booking is cancelled.
local function decline(show, id, booking)
  if booking[STATE_OF] ~= STATE.HELD then
    return {CODE.ILLEGAL_STATE, booking[STATE_OF]}
  end
  local before = copy_of(booking)
  move_booking(show, id, booking, STATE.CANCELLED)
  return {CODE.GRANTED, before, copy_of(booking)}
end

-- {0, entry}: it waited and does no more; {0, before, after}: an offer is declined. Second result:
-- the id, when it must be looked up first.
local function decide_leave(show, request, known)
  local id, owner = request[FIRST], request[OWNER]
  local function is_another(user)
    return owner ~= '' and owner ~= user
  end
  local entry, booking = entry_of(show, id), show.bookings[id]
  if entry then
    if is_another(entry[E_USER]) then
      return CODE.NOT_FOUND
    end
    remove_entry(show, id, entry)
    return {CODE.GRANTED, entry}
  elseif booking then
    if is_another(booking[USER]) then
      return CODE.NOT_FOUND
    elseif COUNTER[booking[STATE_OF]] == 'available' then
      return dead_refusal(booking[STATE_OF])
    end
    return decline(show, id, booking)
  elseif not known[id] then
    return nil, id
  elseif known[id][1] == 0 or is_another(known[id][2]) then
    return CODE.NOT_FOUND
  end
  return dead_refusal(known[id][1])
end

OTHERS[OP.JOIN], OTHERS[OP.LEAVE] = decide_join, decide_leave

local function apply_sizes(show, w)
  apply_hash(waiting_key(show, 'sizes'), w.sizes_touched, function(slot)
    return w.sizes[slot] > 0 and w.sizes[slot]
  end)
  apply_hash(waiting_key(show, 'waiters'), w.waiters_touched, function(field)
    return w.waiters[field]
  end)
end

local function apply_waiting(show)
  local w = show.waiting
  if w and next(w.passed_touched) then
    apply_hash(waiting_key(show, 'passed'), w.passed_touched, function(slot)
      return w.passed[slot]
    end)
  end
  if not w or not next(w.sizes_touched) then
    return
  end
  local touched = {}
  for id, entry in pairs(w.came) do
    touched[id] = true
    if not w.gone[id] then
      redis.call('ZADD', prefix .. 'order:' .. show.number .. ':' .. slot_of(entry),
                 entry[E_POSITION], id)
    end
  end
  for id, entry in pairs(w.gone) do
    touched[id] = true
    if not w.came[id] then
      redis.call('ZREM', prefix .. 'order:' .. show.number .. ':' .. slot_of(entry), id)
    end
  end
  apply_hash(waiting_key(show, 'waiting'), touched, function(id)
    return w.entries[id] and cmsgpack.pack(w.entries[id])
  end)
  apply_sizes(show, w)
  redis.call('HSET', waiting_key(show, 'show'), 'waits', show.waits, 'joined', show.joined)
end

local function apply_offers_due()
  for number, due in pairs(offers_due) do
    redis.call(due and 'SADD' or 'SREM', prefix .. 'offers', number)
  end
end
