-- report_program: what a gateway or a courier says of itself (base/program_report.h). The set has
-- the names of those that said something lately, by Redis' own clock; a name whose text has expired
-- is gone from it with the next report of any other.
--
--   KEYS[1]  usher:{1}:reports:<kind>     KEYS[2]  usher:{1}:report:<kind>:<name>
--   ARGV     name, text, seconds that the report is kept
local now = tonumber(redis.call('TIME')[1])
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. now - tonumber(ARGV[3]))
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 'REPORTED'
