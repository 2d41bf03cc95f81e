-- room_come: whoever has a number that was called comes for the admission.
--
--   KEYS[1]  usher:{p}:room:<show>   KEYS[2]  usher:{p}:room-came:<show>   KEYS[3]  usher:{p}:state
--   ARGV     number, show
--
-- Returns 'CAME'; 'WAIT': it was not called; 'GONE': its place was given on, since nobody came for
-- it in time, or its time is over; 'USED': its admission has made a booking; 'AWAY': as in
-- room_join, or the show is not in the state, so that nobody here knows whose admission was used.
local room = redis.call('HMGET', KEYS[1], 'history', 'serving', 'gone', 'over')
local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local number = tonumber(ARGV[1])
if not room[1] or room[1] ~= history or not room[2] then
  return 'AWAY'
elseif number > tonumber(room[2]) then
  return 'WAIT'
end
local generation = redis.call('HGET', KEYS[3], 'generation')
local prefix = string.sub(KEYS[3], 1, -6) .. (generation or '') .. ':'
if redis.call('SISMEMBER', prefix .. 'shows', ARGV[2]) == 0 then
  return 'AWAY'
elseif redis.call('GETBIT', prefix .. 'admitted:' .. ARGV[2], number) == 1 then
  return 'USED'
elseif number <= tonumber(room[4]) then
  return 'GONE'
elseif number <= tonumber(room[3]) and redis.call('GETBIT', KEYS[2], number) == 0 then
  return 'GONE'
end
redis.call('SETBIT', KEYS[2], number, 1)
return 'CAME'
