-- stamp: the answers up to a version have been sent; readers may see what it left, and entries that
-- are decided leave the stream. Under the fence of the epoch: an old owner that wakes neither
-- stamps nor trims, nor shows anybody its older figures.
--
--   KEYS[1]    usher:{p}:state     KEYS[2]  usher:{p}:requests
--   KEYS[3 …]  usher:{p}:availability:<show>
--   ARGV       epoch, version, the first stream id to keep, the availability of each show
--
-- Returns 'STAMPED' or 'FENCED'.
local SEATLOG_MAX = 128 -- batches of one show that a reader can catch up on

local state = redis.call('HMGET', KEYS[1], 'epoch', 'generation')
if state[1] ~= ARGV[1] then
  return 'FENCED'
end

-- Changes of seats up to this version are hidden from nobody any more; they go into their shows'
-- logs, in order.
local function show_seats(prefix, version)
  local unseen, due = redis.call('HGETALL', prefix .. 'unseen'), {}
  for i = 1, #unseen, 2 do
    local made, show = string.match(unseen[i], '^(%d+):(%d+)$')
    if tonumber(made) <= version then
      due[#due + 1] = {made = tonumber(made), show = show, field = unseen[i], text = unseen[i + 1]}
    end
  end
  table.sort(due, function(a, b) return a.made < b.made end)
  for _, change in ipairs(due) do
    local log = prefix .. 'seatlog:' .. change.show
    redis.call('RPUSH', log, cmsgpack.pack({change.made, change.text}))
    redis.call('LTRIM', log, -SEATLOG_MAX, -1)
    redis.call('HDEL', prefix .. 'unseen', change.field)
  end
end

for i = 3, #KEYS do
  redis.call('SET', KEYS[i], ARGV[i + 1])
end
if state[2] then
  show_seats(string.sub(KEYS[1], 1, -6) .. state[2] .. ':', tonumber(ARGV[2]))
end
redis.call('HSET', KEYS[1], 'published', ARGV[2])
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[3])
return 'STAMPED'
