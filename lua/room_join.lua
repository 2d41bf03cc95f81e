-- room_join: who joins a waiting room gets the next number of the order of arrival.
--
--   KEYS[1]  usher:{p}:room:<show>     KEYS[2]  usher:{p}:room-users:<show>
--   ARGV     user or '', the number that this user gives up for a new one or 0
--
-- Returns the number, or 'AWAY': Redis lost the room and its owner has not brought it back, or the
-- show is in another partition now; or 'FULL': the owner must reserve more numbers first.
--
-- A Redis that came back with an old file would give numbers again. Redis names each history of its
-- data, and so does the room: one that is of another history gives none.
local room = redis.call('HMGET', KEYS[1], 'history', 'next', 'upto')
local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
if not room[1] or room[1] ~= history then
  return 'AWAY'
end
if ARGV[1] ~= '' then
  local had = redis.call('HGET', KEYS[2], ARGV[1])
  if had and had ~= ARGV[2] then
    return tonumber(had)
  end
end
if tonumber(room[2]) >= tonumber(room[3]) then
  redis.call('HINCRBY', KEYS[1], 'missed', 1)
  return 'FULL'
end
local number = redis.call('HINCRBY', KEYS[1], 'next', 1)
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[2], ARGV[1], number)
end
return number
