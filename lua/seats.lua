-- Numbered seats: which are free, which are best, and how they move with their bookings.
--
-- A show's seats are one string, a byte a position: (tier - 1) * 8 + status, SEPARATOR behind each
-- block of adjacent seats of one tier (base/seats.h). It is read when the first request of a run
-- needs it, and cut where needed into chunks of whole blocks, so that a change copies one chunk and
-- not the show, and a search goes at the speed of memchr.
local SEPARATOR = '\255'
local CHUNK = 1024
local TRIES_MAX = 8        -- runs of one too many that a chunk is searched for one by one
local NEAREST_MAX = 2000   -- free seats that are looked at where no row has enough together

-- The status of a booking's seats in each state; the dead give them back.
local SEAT_STATUS = {
  [STATE.HELD] = 1, [STATE.PENDING] = 2, [STATE.CONFIRMED] = 3,
  [STATE.CANCELLED] = 0, [STATE.EXPIRED] = 0, [STATE.FAILED] = 0,
}

local function positions_of(packed)
  local list = {}
  for at = 1, #packed, 4 do
    local a, b, c, d = string.byte(packed, at, at + 3)
    list[#list + 1] = ((a * 256 + b) * 256 + c) * 256 + d
  end
  return list
end

local function pack_positions(list)
  local packed = {}
  for i, position in ipairs(list) do
    packed[i] = struct.pack('>I4', position)
  end
  return table.concat(packed)
end

local function seats_of(show)
  if not show.seats then
    local text = redis.call('GET', prefix .. 'seats:' .. show.number) or ''
    show.seats = {
      text = text, chunks = {}, starts = {[0] = 1}, count = math.ceil(#text / CHUNK), changed = {},
      moved = {}, order = {}, lists = {},
    }
  end
  return show.seats
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

local function chunk_of(map, k)
  local chunk = map.chunks[k]
  if not chunk then
    chunk = string.sub(map.text, start_of(map, k), start_of(map, k + 1) - 1)
    map.chunks[k] = chunk
  end
  return chunk
end

local function chunk_with(map, position)
  local k = math.floor((position - 1) / CHUNK)
  while start_of(map, k) > position do
    k = k - 1
  end
  return k
end

-- The byte at a position, or nothing where there is no seat.
local function seat_at(map, position)
  if position > #map.text then
    return nil
  end
  local k = chunk_with(map, position)
  local byte = string.byte(chunk_of(map, k), position - start_of(map, k) + 1)
  return byte ~= 255 and byte or nil
end

local function tier_of_byte(byte)
  return math.floor(byte / 8) + 1
end

-- One run of neighbouring positions goes from a status and its booking to another.
local function move_run(map, first, count, from, to, from_booking, to_booking)
  local k = chunk_with(map, first)
  local chunk = chunk_of(map, k)
  local at = first - start_of(map, k) + 1
  local byte = string.byte(chunk, at)
  local old = string.sub(chunk, at, at + count - 1)
  assert(byte % 8 == from and old == string.rep(string.char(byte), count), 'seats have drifted')
  map.chunks[k] = string.sub(chunk, 1, at - 1) .. string.rep(string.char(byte - from + to), count)
                  .. string.sub(chunk, at + count)
  map.changed[k] = true
  for position = first, first + count - 1 do
    local move = map.moved[position]
    if not move then
      move = {byte, byte, from_booking, to_booking}
      map.moved[position] = move
      map.order[#map.order + 1] = position
    end
    move[2], move[4] = byte - from + to, to_booking
  end
end

local function move_seats(show, positions, from, to, from_booking, to_booking)
  local map, i = seats_of(show), 1
  while i <= #positions do
    local first, count = positions[i], 1
    while positions[i + count] == first + count do
      count = count + 1
    end
    move_run(map, first, count, from, to, from_booking, to_booking)
    i = i + count
  end
end

-- All of a booking's seats follow it from one state to another.
local function move_seats_of(show, id, booking, from, to)
  if #booking[SEATS] > 0 then
    local from_status, to_status = SEAT_STATUS[from], SEAT_STATUS[to]
    move_seats(show, positions_of(booking[SEATS]), from_status, to_status,
               from_status > 0 and id or '', to_status > 0 and id or '')
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

-- Seats for a new booking in this state. The list is ascending.
local function take_seats(show, id, booking, positions)
  booking[SEATS] = pack_positions(positions)
  seats_of(show).lists[id] = booking[SEATS]
  move_seats(show, positions, 0, SEAT_STATUS[booking[STATE_OF]], '', id)
end

-- Some of a booking's seats are available again: `gone` is a set of positions.
local function give_seats(show, id, booking, gone)
  local kept, given = {}, {}
  for _, position in ipairs(positions_of(booking[SEATS])) do
    local list = gone[position] and given or kept
    list[#list + 1] = position
  end
  booking[SEATS] = pack_positions(kept)
  seats_of(show).lists[id] = booking[SEATS]
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
  for _, position in ipairs(map.order) do
    local move = map.moved[position]
    if move[1] ~= move[2] then
      changes[#changes + 1] = struct.pack('>I4BB', position, move[1], move[2])
    end
  end
  return table.concat(changes)
end

-- What readers still see is written before what it hides from them.
local function apply_seats(show, version)
  local map = show.seats
  if not map or #map.order == 0 then
    return
  end
  local changes = seat_changes(map)
  if #changes > 0 then
    redis.call('HSET', prefix .. 'unseen', version .. ':' .. show.number, changes)
  end
  for k in pairs(map.changed) do
    redis.call('SETRANGE', prefix .. 'seats:' .. show.number, start_of(map, k) - 1, map.chunks[k])
  end
end

-- [[[show, position, status before, booking before, status after, booking after], …],
--  [[booking, its seats], …]], or [] where no seat moved.
local function seats_moved()
  local moves, lists = {}, {}
  for _, show in ipairs(show_order) do
    local map = show.seats or {order = {}, lists = {}}
    for _, position in ipairs(map.order) do
      local move = map.moved[position]
      if move[1] ~= move[2] or move[3] ~= move[4] then
        moves[#moves + 1] = {show.number, position, move[1] % 8, move[3], move[2] % 8, move[4]}
      end
    end
    for id, seats in pairs(map.lists) do
      lists[#lists + 1] = {id, seats}
    end
  end
  if #moves + #lists == 0 then
    return {}
  end
  return {moves, lists}
end
