-- room_tell: what the owner has decided of a waiting room, and Postgres has, is there for all.
--
--   KEYS[1]  usher:{p}:state   KEYS[2]  usher:{p}:room:<show>
--   KEYS[3]  usher:{p}:queue-news:<show>
--   ARGV     epoch, upto, serving, view, channel, news
--
-- A room that was lost since it was looked at stays lost: the next look brings it back. Of one that
-- has left nothing is told here.
--
-- Returns 'TOLD', 'MOVED', 'FENCED' or 'REBUILD'.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  return 'REBUILD'
elseif epoch ~= ARGV[1] then
  return 'FENCED'
end
if redis.call('HGET', KEYS[2], 'left') then
  return 'MOVED'
elseif redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HSET', KEYS[2], 'upto', ARGV[2], 'serving', ARGV[3], 'view', ARGV[4])
end
if redis.call('GET', KEYS[3]) ~= ARGV[6] then
  redis.call('SET', KEYS[3], ARGV[6])
  redis.call('PUBLISH', ARGV[5], ARGV[6])
end
return 'TOLD'
