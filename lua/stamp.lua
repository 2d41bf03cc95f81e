-- stamp: the answers up to a version have been sent; readers may see what it left, and entries that
-- are decided leave the stream. Under the fence of the epoch: an old owner that wakes neither
-- stamps nor trims, nor shows anybody its older figures.
--
--   KEYS[1]    usher:{p}:state     KEYS[2]  usher:{p}:requests
--   KEYS[3 …]  usher:{p}:availability:<show>
--   ARGV       epoch, version, the first stream id to keep, the availability of each show
--
-- Returns 'STAMPED' or 'FENCED'.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 'FENCED'
end
for i = 3, #KEYS do
  redis.call('SET', KEYS[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[1], 'published', ARGV[2])
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[3])
return 'STAMPED'
