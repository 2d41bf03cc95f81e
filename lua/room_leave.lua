-- room_leave: a waiting room's show has another partition now. Here, under the keys of the one that
-- it left, no number is given any more, and nobody comes; what was counted is kept for whoever
-- fetches it, for a day at most.
--
--   KEYS     usher:{p}:room:<show>, room-users:<show>, room-came:<show>, queue-news:<show>
--   ARGV     move, 'close' or 'drop'
--     move   of all moves of the show, the number of the one by which it left
--     drop   it was fetched: nothing of it stays
--
-- Returns the last number given; 'LOST': Redis lost the room, or came back with an old file of it;
-- 'FENCED': the show has been back since, nothing was done; 'DROPPED'.
local KEPT_SECONDS = 86400

local room = redis.call('HMGET', KEYS[1], 'history', 'closed', 'move', 'next')
local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
if tonumber(room[3] or 0) >= tonumber(ARGV[1]) then
  return 'FENCED'
end
if ARGV[2] == 'drop' then
  -- Without the hash nobody knows whose the rest is: perhaps the show is on its way back.
  if room[4] then
    redis.call('UNLINK', unpack(KEYS))
  end
  return 'DROPPED'
end
if not room[4] or (room[1] or room[2]) ~= history then
  return 'LOST'
end
if room[1] then
  redis.call('HDEL', KEYS[1], 'history')
  redis.call('HSET', KEYS[1], 'closed', history)
  for _, key in ipairs(KEYS) do
    redis.call('EXPIRE', key, KEPT_SECONDS)
  end
end
redis.call('HSET', KEYS[1], 'left', ARGV[1])
return tonumber(room[4])
