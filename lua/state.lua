-- The partition's state in Redis, read once and written once a run.
--
-- A run works on tables: `gather` reads what the batch can touch, the decisions change the tables,
-- `apply` writes what has changed. Redis does not roll back, so nothing is written before all is
-- decided, and the state is marked unclean while the writing lasts.
--
-- A booking is kept as the packed array
--   {state, user, expires, extended, created, seats, payment, tier, quantity, price, …}
--
-- `seats` are positions as base/seats.h packs them, `payment` is an id: '' where there are none.
local STATE_OF, USER, EXPIRES, EXTENDED, CREATED, SEATS, PAYMENT, LINES = 1, 2, 3, 4, 5, 6, 7, 8

local prefix                 -- usher:{p}:<generation>:
local shows = {}             -- number → show, or false where it is not loaded
local show_order = {}        -- the loaded ones, in the order in which they were met
local holds_in, holds_out = {}, {}  -- id → expiry; id → true

local function each_slice(list, size, visit)
  for first = 1, #list, size do
    visit(first, math.min(first + size - 1, #list))
  end
end

-- unpack() is bound by Lua's C stack: lists go in slices.
local SLICE = 4000

-- The steps of a tier's price as base/price.h says; nothing where it has none.
local function read_steps(text)
  if not text or text == '' then
    return nil
  end
  local steps = {}
  for by, from, price in string.gmatch(text, '([st])(%d+)=(%d+)') do
    steps[#steps + 1] = {by = by, from = tonumber(from), price = tonumber(price)}
  end
  return steps
end

-- What stands as name, value, … by name.
local function by_name(fields)
  local raw = {}
  for i = 1, #fields, 2 do
    raw[fields[i]] = fields[i + 1]
  end
  return raw
end

local function read_tier(raw, tier)
  return {
    price = tonumber(raw[tier .. ':price']), available = tonumber(raw[tier .. ':available']),
    held = tonumber(raw[tier .. ':held']), pending = tonumber(raw[tier .. ':pending']),
    confirmed = tonumber(raw[tier .. ':confirmed']), blocked = tonumber(raw[tier .. ':blocked']),
    steps = read_steps(raw[tier .. ':steps']),
    has_seats = raw[tier .. ':seats'] == '1',
  }
end

local function read_show(number)
  local fields = redis.call('HGETALL', prefix .. 'show:' .. number)
  if #fields == 0 then
    return false
  end
  local raw = by_name(fields)
  local show = {
    number = number, state = raw.state, opens = tonumber(raw.opens), closes = tonumber(raw.closes),
    max_per_user = tonumber(raw.max_per_user), max_per_booking = tonumber(raw.max_per_booking),
    hold_ms = tonumber(raw.hold_ms), hold_ms_max = tonumber(raw.hold_ms_max),
    payment_required = raw.payment == 'required',
    offer_ms = tonumber(raw.offer_ms), waits = tonumber(raw.waits or 0),
    joined = tonumber(raw.joined or 0), returned = false,
    tiers = {}, users = {}, bookings = {}, touched = {}, users_touched = {}, bookings_touched = {},
    admitted = {}, -- numbers whose admission this run uses up (admission.lua)
  }
  for tier = 1, tonumber(raw.tiers) do
    show.tiers[tier] = read_tier(raw, tier)
  end
  show_order[#show_order + 1] = show
  return show
end

local function show_of(number)
  local show = shows[number]
  if show == nil then
    show = read_show(number)
    shows[number] = show
  end
  return show
end

-- Read many fields of one of a show's hashes; `read` makes a value of a string or of false.
local function read_fields(name, show, wanted, into, read)
  local key = prefix .. name .. ':' .. show.number
  each_slice(wanted, SLICE, function(first, last)
    local values = redis.call('HMGET', key, unpack(wanted, first, last))
    for i = first, last do
      into[wanted[i]] = read(values[i - first + 1])
    end
  end)
end

-- A number as Redis takes it. Redis' own way to write one takes longer than all else about it.
local number_texts = {}
local function text_of(number)
  local text = number_texts[number]
  if not text then
    text = string.format('%.0f', number)
    number_texts[number] = text
  end
  return text
end

local function read_count(text)
  return text and tonumber(text) or 0
end

local function read_booking(text)
  return text and cmsgpack.unpack(text)
end

-- The first four bytes of an id are its show's number.
local function show_number_of(id)
  local a, b, c, d = string.byte(id, 1, 4)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

-- `users` and `bookings`: show number → list of what the batch may touch.
local function gather(users, bookings)
  for number, list in pairs(users) do
    local show = show_of(number)
    if show then
      read_fields('users', show, list, show.users, read_count)
    end
  end
  for number, list in pairs(bookings) do
    local show = show_of(number)
    if show then
      read_fields('bookings', show, list, show.bookings, read_booking)
    end
  end
end

local function touch_booking(show, id, booking)
  show.bookings[id] = booking
  show.bookings_touched[id] = true
end

local function add_to_user(show, user, count)
  show.users[user] = (show.users[user] or 0) + count
  show.users_touched[user] = true
end

local function move_places(show, tier, from, to, quantity)
  local counts = show.tiers[tier]
  counts[from] = counts[from] - quantity
  counts[to] = counts[to] + quantity
  show.touched[tier] = true
  if to == 'available' then
    show.returned = true -- for who waits (waiting.lua)
  end
end

-- What a place of a tier costs now: the price of the last step that holds, by the share of the
-- capacity that is taken or by time.
local function price_of(counts, now)
  local price = counts.price
  if not counts.steps then
    return price
  end
  local taken = counts.held + counts.pending + counts.confirmed
  local capacity = taken + counts.available + counts.blocked
  for _, step in ipairs(counts.steps) do
    if step.by == 's' and taken * 1000 >= step.from * capacity
        or step.by == 't' and now >= step.from then
      price = step.price
    end
  end
  return price
end

local function set_hold(id, expires)
  holds_in[id] = expires
  holds_out[id] = nil
end

local function drop_hold(id)
  holds_in[id] = nil
  holds_out[id] = true
end

local function call_in_slices(command, key, list)
  each_slice(list, SLICE, function(first, last)
    redis.call(command, key, unpack(list, first, last))
  end)
end

-- Write the touched entries of a hash: those for which `text` gives a string, and delete the rest.
local function apply_hash(key, touched, text)
  local set, gone = {}, {}
  for field in pairs(touched) do
    local value = text(field)
    if value then
      set[#set + 1] = field
      set[#set + 1] = value
    else
      gone[#gone + 1] = field
    end
  end
  call_in_slices('HSET', key, set)
  call_in_slices('HDEL', key, gone)
end

local function apply_show(show)
  local counters = {}
  for tier in pairs(show.touched) do
    local counts = show.tiers[tier]
    for _, name in ipairs({'available', 'held', 'pending', 'confirmed', 'blocked'}) do
      counters[#counters + 1] = tier .. ':' .. name
      counters[#counters + 1] = counts[name]
    end
  end
  call_in_slices('HSET', prefix .. 'show:' .. show.number, counters)
  apply_hash(prefix .. 'users:' .. show.number, show.users_touched, function(user)
    local count = show.users[user]
    return count > 0 and text_of(count)
  end)
  apply_hash(prefix .. 'bookings:' .. show.number, show.bookings_touched, function(id)
    local booking = show.bookings[id]
    return COUNTER[booking[STATE_OF]] ~= 'available' and cmsgpack.pack(booking)
  end)
end

local function apply_holds()
  local add, remove = {}, {}
  for id, expires in pairs(holds_in) do
    local at = #add
    add[at + 1], add[at + 2] = text_of(expires), id
  end
  for id in pairs(holds_out) do
    remove[#remove + 1] = id
  end
  call_in_slices('ZADD', prefix .. 'holds', add)
  call_in_slices('ZREM', prefix .. 'holds', remove)
end

-- `also`: functions that write what other parts of the script keep of a show; `last`, of all.
local function apply(state_key, version, now, also, last)
  redis.call('HSET', state_key, 'clean', 0)
  for _, show in ipairs(show_order) do
    apply_show(show)
    for _, write in ipairs(also) do
      write(show, version)
    end
  end
  apply_holds()
  last()
  redis.call('HSET', state_key, 'version', version, 'now', now, 'clean', 1)
end
