-- report: what an owner says of itself. Under the fence of the epoch: an old owner that wakes does
-- not speak over the one who has its place.
--
--   KEYS[1]  usher:{p}:state     KEYS[2]  usher:{p}:status     KEYS[3]  usher:{p}:generations
--   ARGV     epoch, seconds that the report is kept, field, value, …
--
-- Returns 'REPORTED' or 'FENCED'.
local state = redis.call('HMGET', KEYS[1], 'epoch', 'generation')
if state[1] ~= ARGV[1] then
  return 'FENCED'
end
-- If somebody has deleted that list: what is not in it is never dropped.
if state[2] then
  redis.call('SADD', KEYS[3], state[2])
end
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 'REPORTED'
