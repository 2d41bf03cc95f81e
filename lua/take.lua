-- take: a new owner's epoch goes into Redis, and from then on older owners are fenced.
--
--   KEYS[1]  usher:{p}:state
--   ARGV     epoch
--
-- Returns {'FENCED', epoch} or {'TAKEN', epoch before, generation, version, clean, published}, each
-- a string, '' where there is none.
local state = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'version', 'clean', 'published')
local seen = tonumber(state[1])
if seen and seen > tonumber(ARGV[1]) then
  return {'FENCED', state[1]}
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
return {
  'TAKEN', state[1] or '', state[2] or '', state[3] or '', state[4] or '', state[5] or '',
}
