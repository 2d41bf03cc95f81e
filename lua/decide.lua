-- decide: one batch of requests, in order. This follows model.lua, state.lua, seats.lua,
-- admission.lua, operations.lua, payments.lua, several.lua, waiting.lua and admin.lua.
--
--   KEYS[1]      usher:{p}:state
--   KEYS[2 …]    where answers to these ids would lie: hashes id → answer, then keys of one answer
--   ARGV         epoch, generation, version (that this run makes), now (ms), batch, known, places
--     batch      msgpack [[id, op, show, user, deadline, arguments …], …]   (operations.lua)
--                arguments: BOOK, HOLD tier, quantity, …; CONFIRM, EXTEND, PAY booking; CANCEL
--                booking, tier, quantity; SETTLE booking, payment, result; BOOK, HOLD and CANCEL
--                seats behind that, if any are named; SEVERAL as in several.lua; JOIN tier,
--                quantity; LEAVE entry; ADMIN as in admin.lua
--     known      msgpack [{booking id → booking}, {show → true}, {request id → [number, until]}]:
--                what an earlier run NEEDed, bookings that are not live (as in state.lua; [0, '']
--                if there is none) and shows that this partition does not have; and the admissions
--                that came with the requests (admission.lua)
--     places     msgpack [hashes, [place …]]: how many of the places are hashes, and for each
--                request the number of its own (1: KEYS[2])
--
-- Returns msgpack, one of
--   ['FENCED', epoch]                      another owner has the partition; nothing was changed
--   ['REBUILD', why]                       Redis is not what the caller thinks; nothing was changed
--   ['NEED', [show …], [booking id …]]     load or look these up and ask again; nothing was changed
--   ['DONE', taken, next_due, decisions, expired, counters, seats, waits]
--     taken      0 if so many holds were due that the requests must wait for the next run
--     next_due   when the next hold expires, or 0; 1 if there are offers left to be made
--     decisions  for each request: a decision (operations.lua), or a string: the answer that this
--                id got before
--     expired    ids of the holds that were released, [id …]
--     counters   [[show, tier, available, held, pending, confirmed, blocked], …] of every tier of
--                the shows that changed
--     seats      numbered seats that have another booking than before (seats.lua)
--     waits      offers to people who wait: [[id, user, expires, tier, quantity, price, seats]
--                …]
local EXPIRIES_MAX = 512

local function check_state(epoch, generation, version)
  local state = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'version', 'clean')
  local seen = tonumber(state[1])
  if not seen or seen < epoch then
    return {'REBUILD', 'epoch'}
  elseif seen > epoch then
    return {'FENCED', seen}
  elseif state[2] ~= generation then
    return {'REBUILD', 'generation'}
  elseif tonumber(state[3]) ~= version - 1 then
    return {'REBUILD', 'version'}
  elseif state[4] ~= '1' then
    return {'REBUILD', 'unclean'}
  end
end

-- Lists by show without repetitions: number → {item …}, each item also a key of `seen[number]`.
local function new_lists()
  return {seen = {}, of = {}}
end

local function add_to_list(lists, number, item)
  local seen = lists.seen[number]
  if not seen then
    seen = {}
    lists.seen[number], lists.of[number] = seen, {}
  end
  if not seen[item] then
    seen[item] = true
    local list = lists.of[number]
    list[#list + 1] = item
  end
end

-- The answers that these ids got before: position in the batch → answer, or false.
local function answers_before(requests, places)
  local hashes, answered = places[1], {}
  local positions, fields, keys, alone = {}, {}, {}, {}
  for i, place in ipairs(places[2]) do
    if place > hashes then
      keys[#keys + 1], alone[#alone + 1] = KEYS[place + 1], i
    elseif positions[place] then
      local at = #fields[place] + 1
      positions[place][at], fields[place][at] = i, requests[i][ID]
    else
      positions[place], fields[place] = {i}, {requests[i][ID]}
    end
  end
  local function note(answers, whose)
    for at, answer in ipairs(answers) do
      answered[whose[at]] = answer
    end
  end
  for place = 1, hashes do
    note(redis.call('HMGET', KEYS[place + 1], unpack(fields[place])), positions[place])
  end
  if #keys > 0 then
    note(redis.call('MGET', unpack(keys)), alone)
  end
  return answered
end

-- What the due holds and the requests can touch.
local function gather_batch(due, requests, answered, known, missing)
  local users, bookings, unloaded = new_lists(), new_lists(), {}
  for _, id in ipairs(due) do
    add_to_list(bookings, show_number_of(id), id)
  end
  for i, request in ipairs(requests) do
    local number, op = request[SHOW], request[OPERATION]
    if not answered[i] and op == OP.SEVERAL then
      for _, part in ipairs(request[FIRST + 1]) do
        if not missing[part[2]] and not show_of(part[2]) then
          unloaded[part[2]] = true
        end
        add_to_list(users, part[2], request[OWNER])
      end
    elseif not answered[i] then
      if not missing[number] and not show_of(number) then
        unloaded[number] = true
      elseif op == OP.BOOK or op == OP.HOLD or op == OP.JOIN then
        add_to_list(users, number, request[OWNER])
      elseif CHANGES[op] or op == OP.LEAVE then
        add_to_list(bookings, number, request[FIRST])
      elseif op == OP.ADMIN and admin_booking(request) ~= '' then
        add_to_list(bookings, number, admin_booking(request))
      end
    end
  end
  gather(users.of, bookings.of)
  -- A booking's places count for its user, who need not be the one who asks.
  local owners = new_lists()
  for number, list in pairs(bookings.of) do
    local show = show_of(number)
    for _, id in ipairs(list) do
      local booking = show and (show.bookings[id] or known[id])
      if booking and not show.users[booking[USER]] then
        add_to_list(owners, number, booking[USER])
      end
    end
  end
  gather(owners.of, {})
  return unloaded
end

local function release_due(due, now)
  for _, id in ipairs(due) do
    local show = show_of(show_number_of(id))
    move_booking(show, id, show.bookings[id], STATE.EXPIRED)
  end
  for _, show in ipairs(show_order) do
    offer_returned(show, now)
  end
  offer_due(now)
end

local function decide_all(requests, answered, now, known)
  local decisions, unknown = {}, {}
  for i, request in ipairs(requests) do
    if answered[i] then
      decisions[i] = answered[i]
    elseif request[OPERATION] == OP.SEVERAL then
      decisions[i] = decide_several(request, now)
    else
      local show = show_of(request[SHOW])
      local decision, id = decide_request(show, request, now, known)
      if show then
        offer_returned(show, now)
      end
      decisions[i] = decision
      if id then
        unknown[#unknown + 1] = id
        decisions[i] = 0
      end
    end
  end
  return decisions, unknown
end

local function counters_touched()
  local list = {}
  for _, show in ipairs(show_order) do
    if next(show.touched) then
      for tier, counts in ipairs(show.tiers) do
        list[#list + 1] = {show.number, tier, counts.available, counts.held, counts.pending,
                           counts.confirmed, counts.blocked}
      end
    end
  end
  return list
end

local function keys_of(set)
  local list = {}
  for key in pairs(set) do
    list[#list + 1] = key
  end
  table.sort(list)
  return list
end

local function next_due()
  local first = redis.call('ZRANGE', prefix .. 'holds', 0, 0, 'WITHSCORES')
  if redis.call('EXISTS', prefix .. 'offers') == 1 then
    return 1
  end
  return tonumber(first[2] or 0)
end

local function decide()
  local epoch, generation, version = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
  local now = tonumber(ARGV[4])
  local trouble = check_state(epoch, generation, version)
  if trouble then
    return trouble
  end
  prefix = string.sub(KEYS[1], 1, -6) .. generation .. ':'

  local due = redis.call('ZRANGEBYSCORE', prefix .. 'holds', '-inf', now, 'LIMIT', 0, EXPIRIES_MAX)
  local requests = {}
  if #due < EXPIRIES_MAX then
    requests = cmsgpack.unpack(ARGV[5])
  end
  if admin_must_wait(requests, due) then
    requests = {}
  end
  local answered = {}
  if #requests > 0 then
    answered = answers_before(requests, cmsgpack.unpack(ARGV[7]))
  end
  local known = cmsgpack.unpack(ARGV[6])
  admissions = known[3] or admissions
  local unloaded = gather_batch(due, requests, answered, known[1], known[2])
  if next(unloaded) then
    return {'NEED', keys_of(unloaded), {}}
  end

  release_due(due, now)
  local decisions, unknown = decide_all(requests, answered, now, known[1])
  if #unknown > 0 then
    return {'NEED', {}, unknown}
  end
  apply(KEYS[1], version, now, {apply_seats, apply_waiting, apply_admin, apply_admissions},
        apply_offers_due)
  return {'DONE', #requests, next_due(), decisions, due, counters_touched(), seats_moved(), offers}
end

return cmsgpack.pack(decide())
