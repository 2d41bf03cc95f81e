-- Numbered seats: which are free, which are best, and how they move with their bookings.
--
-- A show's seats are one string, a byte a position: (tier - 1) * 8 + status, SEPARATOR behind each
-- block of adjacent seats of one tier (base/seats.h). Seats that are named are read and written one
-- by one, since most runs touch few of many. A search for the best reads all of it and cuts it into
-- chunks of whole blocks, so that a change copies one chunk and not the show, and the search goes
-- at the speed of memchr.
local SEPARATOR = '\255'
local CHUNK = 1024
local TRIES_MAX = 8        -- runs of one too many that a chunk is searched for one by one
local NEAREST_MAX = 2000   -- free seats that are looked at where no row has enough together

-- The status of a booking's seats in each state; the dead give them back.
local SEAT_STATUS = {
  [STATE.HELD] = 1, [STATE.PENDING] = 2, [STATE.CONFIRMED] = 3,
  [STATE.CANCELLED] = 0, [STATE.EXPIRED] = 0, [STATE.FAILED] = 0,
}

local function positions_in(packed)
  local list = {}
  for at = 1, #packed, 4 do
    local a, b, c, d = string.byte(packed, at, at + 3)
    list[#list + 1] = ((a * 256 + b) * 256 + c) * 256 + d
  end
  return list
end

-- The same list as often as it is asked for in a row; nobody changes it.
local last_packed, last_positions
local function positions_of(packed)
  if packed ~= last_packed then
    last_packed, last_positions = packed, positions_in(packed)
  end
  return last_positions
end

local function pack_positions(list)
  local packed = {}
  for i = 1, #list do
    packed[i] = struct.pack('>I4', list[i])
  end
  return table.concat(packed)
end

-- `bytes`: of the seats that were looked at, as they are now, or false where there is none. Those
-- that have moved are numbered: `number` of a position, and by number their positions in `order`,
-- their bytes `before`, and the bookings that `had` and `has` them: '' for none, BLOCKED where the
-- seat is blocked, MADE for one that this run has made and that has all that it took.
local BLOCKED, MADE = string.rep('\0', 16), true

local function seats_of(show)
  if not show.seats then
    show.seats = {
      key = prefix .. 'seats:' .. show.number,
      bytes = {}, number = {}, order = {}, before = {}, had = {}, has = {}, undone = {},
    }
  end
  return show.seats
end

-- The byte at a position, or false where there is no seat.
local function seat_at(map, position)
  local byte = map.bytes[position]
  if byte == nil then
    local at = string.format('%d', position - 1)
    byte = string.byte(redis.call('GETRANGE', map.key, at, at))
    byte = byte and byte ~= 255 and byte
    map.bytes[position] = byte or false
  end
  return byte
end

local function tier_of_byte(byte)
  return (byte - byte % 8) / 8 + 1
end

-- Where chunk k begins: behind the first separator at or behind k * CHUNK. It may be empty.
local function start_of(map, k)
  local start = map.starts[k]
  if not start then
    start = (string.find(map.text, SEPARATOR, k * CHUNK, true) or #map.text) + 1
    map.starts[k] = start
  end
  return start
end

local function chunk_with(map, position)
  local k = math.floor((position - 1) / CHUNK)
  while start_of(map, k) > position do
    k = k - 1
  end
  return k
end

local function chunk_of(map, k)
  local chunk = map.chunks[k]
  if not chunk then
    chunk = string.sub(map.text, start_of(map, k), start_of(map, k + 1) - 1)
    map.chunks[k] = chunk
  end
  return chunk
end

-- A run of neighbours is of one block, and so of one tier and in one chunk.
local function change_chunk(map, first, count, byte)
  local k = chunk_with(map, first)
  local chunk, at = chunk_of(map, k), first - start_of(map, k) + 1
  map.chunks[k] = string.sub(chunk, 1, at - 1) .. string.rep(string.char(byte), count)
                  .. string.sub(chunk, at + count)
end

-- From now on there are chunks, and they follow what moves.
local function cut(map)
  if not map.text then
    map.text = redis.call('GET', map.key) or ''
    map.chunks, map.starts, map.count = {}, {[0] = 1}, math.ceil(#map.text / CHUNK)
    for _, position in ipairs(map.order) do
      change_chunk(map, position, 1, map.bytes[position])
    end
  end
end

-- A seat goes from a status and its booking to another, or stays its booking's (`to_booking` is
-- nil). Returns its byte.
local function move_seat(map, position, from, to, from_booking, to_booking)
  local byte, number = seat_at(map, position), map.number[position]
  assert(byte and byte % 8 == from, 'seats have drifted')
  if not number then
    number = #map.order + 1
    map.number[position], map.order[number] = number, position
    map.before[number], map.had[number] = byte, from_booking
  end
  byte = byte - from + to
  map.bytes[position] = byte
  map.has[number] = to_booking or map.has[number] or from_booking
  return byte
end

local function move_seats(show, positions, from, to, from_booking, to_booking)
  local map, i = seats_of(show), 1
  while i <= #positions do
    local first, count = positions[i], 0
    local byte
    while positions[i + count] == first + count do
      byte = move_seat(map, first + count, from, to, from_booking, to_booking)
      count = count + 1
    end
    if map.text then
      change_chunk(map, first, count, byte)
    end
    i = i + count
  end
end

-- A booking that this run has made does not keep all that it took: what it has is told by seats.
local function undo(show, id, positions)
  local map = seats_of(show)
  local number = map.number[positions[1]]
  if number and map.has[number] == MADE then
    for _, position in ipairs(positions) do
      map.has[map.number[position]] = id
    end
    map.undone[#map.undone + 1] = id
  end
end

-- All of a booking's seats follow it from one state to another.
local function move_seats_of(show, id, booking, from, to)
  if #booking[SEATS] == 0 then
    return
  end
  local positions = positions_of(booking[SEATS])
  local from_status, to_status = SEAT_STATUS[from], SEAT_STATUS[to]
  if to_status == 0 then
    undo(show, id, positions)
    move_seats(show, positions, from_status, 0, id, '')
  elseif from_status == 0 then
    move_seats(show, positions, 0, to_status, '', id)
  else
    move_seats(show, positions, from_status, to_status, id, nil)
  end
end

-- Are all the seats that a booking had before it ended available?
local function seats_are_free(show, booking)
  for _, position in ipairs(positions_of(booking[SEATS])) do
    local byte = seat_at(seats_of(show), position)
    if not byte or byte % 8 ~= 0 then
      return false
    end
  end
  return true
end

-- Seats for a new booking in this state. The list is ascending; `packed` is the same, if given.
local function take_seats(show, booking, positions, packed)
  booking[SEATS] = packed or pack_positions(positions)
  move_seats(show, positions, 0, SEAT_STATUS[booking[STATE_OF]], '', MADE)
end

-- Some of a booking's seats are available again: `gone` is a set of positions.
local function give_seats(show, id, booking, gone)
  local kept, given, positions = {}, {}, positions_of(booking[SEATS])
  for _, position in ipairs(positions) do
    local list = gone[position] and given or kept
    list[#list + 1] = position
  end
  undo(show, id, positions)
  booking[SEATS] = pack_positions(kept)
  move_seats(show, given, SEAT_STATUS[booking[STATE_OF]], 0, id, '')
end

-- Best available. `free` is the byte of an available seat of the tier, as a string.

local function in_pattern(free)
  return free == '\0' and '%z' or (string.find(free, '^%w') and free or '%' .. free)
end

-- In a chunk, from a place that no run crosses: the first run of exactly n or of at least n + 2.
local function find_by_pattern(chunk, n, free, at)
  local longer = string.find(chunk, string.rep(free, n + 2), at, true)
  local class = in_pattern(free)
  local exact = string.find(chunk, '[^' .. class .. ']' .. string.rep(class, n) .. '[^' .. class ..
                            ']', at - 1)
  if exact and (not longer or exact < longer) then
    return exact + 1
  end
  return longer
end

-- The first run that n seats fill, or of which they leave two or more: where its best place is.
-- Second result: the first run that they would leave a single seat of.
local function find_in_chunk(chunk, n, free)
  local needle, byte = string.rep(free, n), string.byte(free)
  local at, orphaning = 1, nil
  for _ = 1, TRIES_MAX do
    local first = string.find(chunk, needle, at, true)
    if not first then
      return nil, orphaning
    end
    if string.byte(chunk, first + n) ~= byte or string.byte(chunk, first + n + 1) == byte then
      return first, orphaning
    end
    orphaning = orphaning or first
    at = first + n + 2
  end
  return find_by_pattern(chunk, n, free, at), orphaning
end

local function find_adjacent(map, n, free)
  local orphaning
  for k = 0, map.count - 1 do
    local first, other = find_in_chunk(chunk_of(map, k), n, free)
    if first then
      return start_of(map, k) + first - 1
    end
    orphaning = orphaning or (other and start_of(map, k) + other - 1)
  end
  return orphaning
end

-- The first free seats of the tier, in order, at most `most`, and for each the number of its block.
local function list_free(map, free, most)
  local list, blocks, block, block_end = {}, {}, 0, 0
  for k = 0, map.count - 1 do
    local chunk, before, at = chunk_of(map, k), start_of(map, k) - 1, 1
    while true do
      local found = string.find(chunk, free, at, true)
      if not found then
        break
      end
      if before + found > block_end then
        block, block_end = block + 1, before + string.find(chunk, SEPARATOR, found, true)
      end
      list[#list + 1], blocks[#list + 1] = before + found, block
      if #list == most then
        return list, blocks
      end
      at = found + 1
    end
  end
  return list, blocks
end

-- Where no block has n together: the n that lie in the fewest blocks, then the closest, then first.
local function find_nearest(map, n, free)
  local list, blocks = list_free(map, free, NEAREST_MAX + n)
  local best, best_blocks, best_span
  for i = 1, #list - n + 1 do
    local span, crossed = list[i + n - 1] - list[i], blocks[i + n - 1] - blocks[i]
    if not best or crossed < best_blocks or (crossed == best_blocks and span < best_span) then
      best, best_blocks, best_span = i, crossed, span
    end
  end
  return {unpack(list, best, best + n - 1)}
end

-- n seats of a tier that has as many available.
local function best_seats(show, tier, n)
  local map, free = seats_of(show), string.char((tier - 1) * 8)
  cut(map)
  local first = find_adjacent(map, n, free)
  if not first then
    return find_nearest(map, n, free)
  end
  local positions = {}
  for i = 1, n do
    positions[i] = first + i - 1
  end
  return positions
end

-- Applying, and what the allocator is told.

local function seat_changes(map)
  local changes = {}
  for number = 1, #map.order do
    local position, before = map.order[number], map.before[number]
    local now = map.bytes[position]
    if before ~= now then
      changes[#changes + 1] = struct.pack('>I4BB', position, before, now)
    end
  end
  return table.concat(changes)
end

local function write_seats(map)
  each_slice(map.order, SLICE / 4, function(first, last)
    local words = {}
    for number = first, last do
      local position, at = map.order[number], #words
      words[at + 1], words[at + 2] = 'SET', 'u8'
      words[at + 3] = string.format('%d', (position - 1) * 8)
      words[at + 4] = text_of(map.bytes[position])
    end
    redis.call('BITFIELD', map.key, unpack(words))
  end)
end

-- What readers still see is written before what it hides from them.
local function apply_seats(show, version)
  local map = show.seats
  local changes = map and seat_changes(map) or ''
  if #changes > 0 then
    redis.call('HSET', prefix .. 'unseen', version .. ':' .. show.number, changes)
    write_seats(map)
  end
end

-- [[[show, position, booking before, booking after], …], [booking, …]], or [] where nothing is to
-- be told: seats that go from or to a booking ('' for none), and the bookings that this run made
-- and that did not keep all that they took. What new bookings took otherwise, their lists tell.
local function seats_moved()
  local moves, undone = {}, {}
  for _, show in ipairs(show_order) do
    local map = show.seats or {order = {}, undone = {}}
    for number = 1, #map.order do
      local had, has = map.had[number], map.has[number]
      if has == MADE then
        has = ''
      end
      if had ~= has then
        moves[#moves + 1] = {show.number, map.order[number], had, has}
      end
    end
    for _, id in ipairs(map.undone) do
      undone[#undone + 1] = id
    end
  end
  if #moves + #undone == 0 then
    return {}
  end
  return {moves, undone}
end
