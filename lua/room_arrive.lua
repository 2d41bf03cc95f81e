-- room_arrive: what was counted of a waiting room in another partition is written down here, in
-- bounded parts, under the fence of the epoch. Nobody gets a number of it before the owner looks
-- at it for the first time (room_look).
--
--   KEYS     usher:{p}:state, room:<show>, room-users:<show>, room-came:<show>, queue-news:<show>
--   ARGV     epoch, what, …
--     'begin'                      nothing of an earlier stay is left
--     'users', user, number, …     orders of arrival
--     'came', offset, bytes        who has come
--     'whole', move, next          that was all of it: the move by which the show came, and the
--                                  last number given
--
-- Returns 'TAKEN', 'FENCED' or 'REBUILD'.
local epoch, what = redis.call('HGET', KEYS[1], 'epoch'), ARGV[2]
if not epoch then
  return 'REBUILD'
elseif epoch ~= ARGV[1] then
  return 'FENCED'
end
if what == 'begin' then
  redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
elseif what == 'users' then
  redis.call('HSET', KEYS[3], unpack(ARGV, 3))
elseif what == 'came' then
  redis.call('SETRANGE', KEYS[4], ARGV[3], ARGV[4])
elseif what == 'whole' then
  local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  redis.call('HSET', KEYS[2], 'staged', history, 'move', ARGV[3], 'next', ARGV[4])
end
return 'TAKEN'
