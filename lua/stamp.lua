-- stamp: the answers up to a version have been sent; entries that are decided leave the stream.
-- Under the fence of the epoch: an old owner that wakes neither stamps nor trims.
--
--   KEYS[1]  usher:{p}:state     KEYS[2]  usher:{p}:requests
--   ARGV     epoch, version, the first stream id to keep
--
-- Returns 'STAMPED' or 'FENCED'.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 'FENCED'
end
redis.call('HSET', KEYS[1], 'published', ARGV[2])
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[3])
return 'STAMPED'
