-- seatmap: the seats of a show as they are committed and published. Changes nothing.
--
--   KEYS[1]  usher:{p}:state
--   ARGV     show, and a version whose later changes are wanted, or ''
--
-- Returns nothing if the show is not loaded, or
--   {generation, version, seats, [hidden …], complete, [changes …]}
--     version   of the last change of these seats
--     seats     one byte a position (base/seats.h), as decided, which may be ahead of what is
--               published; '' where only changes are wanted, and known
--     hidden    what is not published yet, the newest first, each a string of position (4 bytes),
--               byte before, byte after, …; the bytes before are what readers see
--     complete  '1' with seats; '0' with changes, which have that same form, the oldest first
local state = redis.call('HMGET', KEYS[1], 'generation', 'published')
if not state[1] then
  return false
end
local prefix = string.sub(KEYS[1], 1, -6) .. state[1] .. ':'
local show, since, published = ARGV[1], tonumber(ARGV[2]), tonumber(state[2]) or 0
local log = redis.call('LRANGE', prefix .. 'seatlog:' .. show, since and 0 or -1, -1)
if #log == 0 then
  return false
end
local version = cmsgpack.unpack(log[#log])[1]

-- The log's first entry may be cut off from what was before it: it tells only where it begins.
if since and cmsgpack.unpack(log[1])[1] <= since then
  local changes = {}
  for i = 2, #log do
    local entry = cmsgpack.unpack(log[i])
    if entry[1] > since then
      changes[#changes + 1] = entry[2]
    end
  end
  return {state[1], tostring(version), '', {}, '0', changes}
end

local unseen, hidden = redis.call('HGETALL', prefix .. 'unseen'), {}
for i = 1, #unseen, 2 do
  local made, whose = string.match(unseen[i], '^(%d+):(%d+)$')
  if whose == show and tonumber(made) > published then
    hidden[#hidden + 1] = {tonumber(made), unseen[i + 1]}
  end
end
table.sort(hidden, function(a, b) return a[1] > b[1] end)
for i, change in ipairs(hidden) do
  hidden[i] = change[2]
end
local seats = redis.call('GET', prefix .. 'seats:' .. show)
return {state[1], tostring(version), seats, hidden, '1', {}}
