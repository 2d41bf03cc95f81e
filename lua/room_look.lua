-- room_look: the owner looks at a waiting room, and brings back one that Redis has lost.
--
--   KEYS[1]  usher:{p}:state   KEYS[2]  usher:{p}:room:<show>   KEYS[3]  usher:{p}:room-came:<show>
--   ARGV     epoch, generation, show, upto, serving, gone, over, move
--     upto     the last number that Postgres knows may have been given
--     gone     whoever was called up to this number and has not come need not come any more
--     over     nobody's admission up to this number can be good any more
--     move     of all moves of the show, the number of the last one; 0: there was none
--
-- Returns 'FENCED', 'REBUILD', 'MOVED' (the show has left by a later move), or
--   {next, missed, available, returning, live, used, no_shows, unused}
--     next       the last number given    missed     how many found none left since the last look
--     available  places of the show; -1 if it is not loaded     returning  places held or pending
--     live       numbers behind over that have come, or still may        used   … and have booked
--     no_shows, unused   numbers that gone and over have newly passed: who never came; who came and
--                did not book
--
-- What a room was lost with is not guessed: every number of the block counts as given, and whoever
-- was called counts as having come. So it is with what is left of an earlier stay of the show. A
-- room that has arrived whole (room_arrive) goes on where it was.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  return 'REBUILD'
elseif epoch ~= ARGV[1] then
  return 'FENCED'
end
local prefix = string.sub(KEYS[1], 1, -6) .. ARGV[2] .. ':'
local upto, serving = tonumber(ARGV[4]), tonumber(ARGV[5])
local gone, over = tonumber(ARGV[6]), tonumber(ARGV[7])
local move = tonumber(ARGV[8])
local admitted = prefix .. 'admitted:' .. ARGV[3]

local function all_came(from, to)
  local first, last = math.ceil(from / 8), math.floor((to + 1) / 8) -- whole bytes between
  if last <= first then
    first, last = math.floor(to / 8) + 1, math.floor(to / 8) + 1
  else
    redis.call('SETRANGE', KEYS[3], first, string.rep('\255', last - first))
  end
  for number = from, math.min(to, first * 8 - 1) do
    redis.call('SETBIT', KEYS[3], number, 1)
  end
  for number = math.max(from, last * 8), to do
    redis.call('SETBIT', KEYS[3], number, 1)
  end
end

local function count(key, after, to)
  return to > after and redis.call('BITCOUNT', key, after + 1, to, 'BIT') or 0
end

local function places()
  local tiers = redis.call('HGET', prefix .. 'show:' .. ARGV[3], 'tiers')
  if not tiers then
    return -1, 0
  end
  local available, returning = 0, 0
  for tier = 1, tonumber(tiers) do
    local counts = redis.call('HMGET', prefix .. 'show:' .. ARGV[3], tier .. ':available',
                              tier .. ':held', tier .. ':pending')
    available = available + tonumber(counts[1])
    returning = returning + tonumber(counts[2]) + tonumber(counts[3])
  end
  return available, returning
end

local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local room = redis.call('HMGET', KEYS[2], 'history', 'next', 'missed', 'gone', 'over')
local stay = redis.call('HMGET', KEYS[2], 'move', 'staged', 'left')
local is_of_this_stay = tonumber(stay[1] or 0) == move
if tonumber(stay[3] or 0) > move or tonumber(stay[1] or 0) > move then
  return 'MOVED'
elseif is_of_this_stay and stay[2] == history then
  redis.call('HDEL', KEYS[2], 'staged')
  redis.call('HSET', KEYS[2], 'history', history, 'upto', upto, 'serving', serving)
elseif not is_of_this_stay or room[1] ~= history then
  redis.call('DEL', KEYS[2], KEYS[3])
  all_came(over + 1, serving)
  redis.call('HSET', KEYS[2], 'history', history, 'next', upto, 'upto', upto, 'serving', serving,
             'move', move)
  room = {history, upto, 0, gone, over}
end
local gone_before, over_before = tonumber(room[4] or gone), tonumber(room[5] or over)
gone, over = math.max(gone, gone_before), math.max(over, over_before)
redis.call('HSET', KEYS[2], 'missed', 0, 'gone', gone, 'over', over)
local available, returning = places()
return {
  tonumber(room[2]), tonumber(room[3] or 0), available, returning,
  serving - gone + count(KEYS[3], over, gone), count(admitted, over, serving),
  gone - gone_before - count(KEYS[3], gone_before, gone),
  count(KEYS[3], over_before, over) - count(admitted, over_before, over),
}
