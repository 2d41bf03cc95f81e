-- load: part of a show goes from Postgres into a namespace, under the fence of the epoch.
--
--   KEYS[1]  usher:{p}:state
--   ARGV     epoch, generation, what, pairs …
--     what   'users:<show>', 'bookings:<show>', 'waiting:<show>', 'waiters:<show>',
--            'sizes:<show>'                     pairs are field, value of that hash
--            'holds', 'order:<show>:…'          pairs are score, id of that sorted set
--            'offers'                           not pairs, but members of that set
--            'admitted:<show>'                  not pairs, but numbers whose bits are set
--            'seats:<show>'                     pairs are offset, bytes of that string
--            'seatlog:<show>'                   one pair: the version that the seats are of, ''
--            'show:<show>'                      pairs are its fields; comes last, and marks the
--                                               show as loaded
--
-- Returns 'LOADED' or 'FENCED'.
local SLICE = 4000

if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 'FENCED'
end
local prefix = string.sub(KEYS[1], 1, -6) .. ARGV[2] .. ':'
local what = ARGV[3]
for first = 4, #ARGV, SLICE do
  local last = math.min(first + SLICE - 1, #ARGV)
  if string.find(what, '^seats:') then
    for i = first, last, 2 do
      redis.call('SETRANGE', prefix .. what, ARGV[i], ARGV[i + 1])
    end
  elseif string.find(what, '^seatlog:') then
    redis.call('DEL', prefix .. what)
    redis.call('RPUSH', prefix .. what, cmsgpack.pack({tonumber(ARGV[first]), ''}))
  elseif what == 'holds' or string.find(what, '^order:') then
    redis.call('ZADD', prefix .. what, unpack(ARGV, first, last))
  elseif string.find(what, '^admitted:') then
    for i = first, last do
      redis.call('SETBIT', prefix .. what, ARGV[i], 1)
    end
  elseif what == 'offers' then
    redis.call('SADD', prefix .. what, unpack(ARGV, first, last))
  else
    redis.call('HSET', prefix .. what, unpack(ARGV, first, last))
  end
end
local show = string.match(what, '^show:(%d+)$')
if show then
  redis.call('SADD', prefix .. 'shows', show)
end
return 'LOADED'
