-- ADMIN: what an operator does. Its arguments are action, settings (JSON), booking ('' if it is
-- about none), and what Postgres says that the action would do (allocator/preview.c): a code,
-- a sentence or what the show would be like (JSON), and the fields of the show's hash that its
-- rules would have, as name, value, …
--
-- What Postgres refuses is refused. What concerns stock is decided here then: the actions below.
-- All others are about rules, and what Postgres said of them is the decision; the script takes the
-- fields over, so that from here on, in order, the new rules hold. So an action of that kind has
-- no row here.
--
-- An ADMIN is decided alone, in a run that neither releases holds nor makes offers before it: then
-- what the run changes of the stock is what the action does, and the commit can demand exactly
-- that. A decision is
--
--   code, {code, detail}, {code, detail, sentence}   refused
--   {0, told}                                        what it is like now, as JSON
--   {0, before, after}                               a booking, as CANCEL has it
--
-- All of it stands in a function: a Lua function has at most 200 local variables at a time, the
-- whole script is one, and nobody else needs these.
local admin_must_wait, admin_booking, apply_admin = (function()
  local ACTION, SETTINGS, BOOKING, VERDICT, TOLD, FIELDS = FIRST, FIRST + 1, FIRST + 2, FIRST + 3,
                                                           FIRST + 4, FIRST + 5
  local CATALOGUE = 2147483647  -- a request about the list of shows has this for a show
  local CAPACITY_MAX = 100000000

  -- Must the requests wait, until what is due is done?
  local function must_wait(requests, due)
    return #requests == 1 and requests[1][OPERATION] == OP.ADMIN
      and (#due > 0 or redis.call('EXISTS', prefix .. 'offers') == 1)
  end

  -- Who waits may have more than before: that is looked at by the next run, which is due at once.
  local function look_at_list(show)
    show.returned = false
    if show.waits > 0 then
      offers_due[show.number] = true
    end
  end

  local function tiers_told(show, tiers)
    local told = {}
    for i, tier in ipairs(tiers) do
      local counts = show.tiers[tier]
      local capacity = counts.available + counts.held + counts.pending + counts.confirmed
                       + counts.blocked
      told[i] = string.format(
        '{"tier":%d,"capacity":%d,"available":%d,"held":%d,"pending":%d,"confirmed":%d,'
        .. '"blocked":%d}',
        tier, capacity, counts.available, counts.held, counts.pending, counts.confirmed,
        counts.blocked)
    end
    return '{"tiers":[' .. table.concat(told, ',') .. ']}'
  end

  local function is_count(n)
    return type(n) == 'number' and n >= 1 and n <= CAPACITY_MAX and n == math.floor(n)
  end

  -- Places of a tier that is a counter go from one of its figures to another; nothing stands for
  -- places that there are not.
  local function move_inventory(from, to)
    return function(show, _, settings)
      local tier, quantity = settings.tier, settings.quantity
      local counts = show.tiers[tier]
      if not counts then
        return CODE.NOT_FOUND
      elseif counts.has_seats then
        return {CODE.INVALID, 0, 'This tier has numbered seats: they are blocked one by one'}
      elseif not is_count(quantity) then
        return CODE.INVALID
      elseif from and counts[from] < quantity then
        return {CODE.INVENTORY_IN_USE, counts[from]}
      elseif not from and counts.available + counts.held + counts.pending + counts.confirmed
                          + counts.blocked + quantity > CAPACITY_MAX then
        return {CODE.LIMIT_EXCEEDED, CAPACITY_MAX}
      end
      if from then
        counts[from] = counts[from] - quantity
      end
      if to then
        counts[to] = counts[to] + quantity
      end
      show.touched[tier] = true
      return {CODE.GRANTED, tiers_told(show, {tier})}
    end
  end

  -- Seats that are named go from one status to another; those that have it already stay.
  local function move_named_seats(from, to)
    local names, owners = {[0] = 'available', [4] = 'blocked'}, {[0] = '', [4] = BLOCKED}
    return function(show, _, settings)
      local map, moving, taken, touched, tiers = seats_of(show), {}, {}, {}, {}
      for _, position in ipairs(settings.seats or {}) do
        local byte = type(position) == 'number' and position >= 1 and seat_at(map, position)
        if not byte then
          return CODE.NOT_FOUND
        elseif byte % 8 == from then
          moving[#moving + 1] = position
        elseif byte % 8 ~= to then
          taken[#taken + 1] = position
        end
        if not touched[tier_of_byte(byte)] then
          touched[tier_of_byte(byte)] = true
          tiers[#tiers + 1] = tier_of_byte(byte)
        end
      end
      if #taken > 0 then
        return {CODE.SEAT_TAKEN, pack_positions(taken)}
      end
      for _, position in ipairs(moving) do
        local counts = show.tiers[tier_of_byte(seat_at(map, position))]
        counts[names[from]], counts[names[to]] = counts[names[from]] - 1, counts[names[to]] + 1
        move_seats(show, {position}, from, to, owners[from], owners[to])
      end
      for _, tier in ipairs(tiers) do
        show.touched[tier] = true
      end
      table.sort(tiers)
      return {CODE.GRANTED, tiers_told(show, tiers)}
    end
  end

  -- A booking is cancelled whole, whoever has it; what was paid for it goes back.
  local function cancel_booking(show, request, _, known)
    local id = request[BOOKING]
    if id == '' then
      return CODE.INVALID
    end
    return decide_change(show, {request[ID], OP.CANCEL, show.number, '', request[DEADLINE], id,
                                0, 0}, known)
  end

  local ACTIONS = {
    ['inventory.add'] = move_inventory(nil, 'available'),
    ['inventory.remove'] = move_inventory('available', nil),
    ['inventory.block'] = move_inventory('available', 'blocked'),
    ['inventory.unblock'] = move_inventory('blocked', 'available'),
    ['seats.block'] = move_named_seats(0, 4),
    ['seats.unblock'] = move_named_seats(4, 0),
    ['booking.cancel'] = cancel_booking,
  }

  -- A tier that comes brings its figures along; nobody has any of it yet.
  local function take_new_tiers(show)
    local raw = by_name(show.fields)
    for tier = #show.tiers + 1, tonumber(raw.tiers or 0) do
      show.tiers[tier] = read_tier(raw, tier)
      show.touched[tier] = true
    end
  end

  -- Rules, as Postgres has them once this is committed.
  local function take_over(show, request)
    if show and request[ACTION] == 'show.move' then
      show.leaves = true
    elseif show then
      show.fields = request[FIELDS]
      take_new_tiers(show)
    end
    return {CODE.GRANTED, request[TOLD]}
  end

  local function decide_admin(show, request, known)
    if not show and request[SHOW] ~= CATALOGUE then
      return CODE.NOT_FOUND
    elseif request[VERDICT] ~= CODE.GRANTED then
      return {request[VERDICT], 0, request[TOLD]}
    end
    local act = ACTIONS[request[ACTION]]
    local decision, unknown
    if show and act then
      local is_json, settings = pcall(cjson.decode, request[SETTINGS])
      if not is_json or type(settings) ~= 'table' then
        return CODE.INVALID
      end
      decision, unknown = act(show, request, settings, known)
    else
      decision = take_over(show, request)
    end
    if show and type(decision) == 'table' and decision[1] == CODE.GRANTED then
      look_at_list(show)
    end
    return decision, unknown
  end

  OTHERS[OP.ADMIN] = decide_admin

  -- Whose holds these are: all of one show's, wherever in the order they stand.
  local function drop_holds_of(number)
    local at, ids = 0, {}
    repeat
      local page = redis.call('ZRANGE', prefix .. 'holds', at, at + SLICE - 1)
      for _, id in ipairs(page) do
        if show_number_of(id) == number then
          ids[#ids + 1] = id
        end
      end
      at = at + #page
    until #page < SLICE
    call_in_slices('ZREM', prefix .. 'holds', ids)
  end

  -- A show that another partition has from now on: nothing of it stays.
  local function forget_show(show)
    local number = show.number
    for slot in pairs(waiting_of(show).sizes) do
      redis.call('UNLINK', prefix .. 'order:' .. number .. ':' .. slot)
    end
    for _, name in ipairs({'show', 'users', 'bookings', 'seats', 'seatlog', 'admitted', 'waiting',
                           'waiters', 'sizes'}) do
      redis.call('UNLINK', prefix .. name .. ':' .. number)
    end
    redis.call('SREM', prefix .. 'shows', number)
    drop_holds_of(number)
    offers_due[number] = false
  end

  local function write(show)
    if show.leaves then
      forget_show(show)
    end
    if show.fields and #show.fields > 0 then
      call_in_slices('HSET', prefix .. 'show:' .. show.number, show.fields)
    end
  end

  -- The booking that a request is about, or ''.
  local function booking_of(request)
    return request[BOOKING]
  end

  return must_wait, booking_of, write
end)()
