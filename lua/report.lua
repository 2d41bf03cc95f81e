-- report: what an owner says of itself. Under the fence of the epoch: an old owner that wakes does
-- not speak over the one who has its place.
--
--   KEYS[1]  usher:{p}:state     KEYS[2]  usher:{p}:status
--   ARGV     epoch, seconds that the report is kept, field, value, …
--
-- Returns 'REPORTED' or 'FENCED'.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 'FENCED'
end
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 'REPORTED'
