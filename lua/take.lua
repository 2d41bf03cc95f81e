-- take: a new owner's epoch goes into Redis, and from then on older owners are fenced.
--
--   KEYS[1]  usher:{p}:state
--   ARGV     epoch
--
-- Returns {'FENCED', epoch} or {'TAKEN', epoch before, generation, version, clean, published}, each
-- a string, '' where there is none. `published` is read below the generation that Redis has.
local state = redis.call('HMGET', KEYS[1], 'epoch', 'generation', 'version', 'clean')
local seen = tonumber(state[1])
if seen and seen > tonumber(ARGV[1]) then
  return {'FENCED', state[1]}
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
local generation = state[2] or ''
local published = redis.call('GET', string.sub(KEYS[1], 1, -6) .. generation .. ':published')
return {'TAKEN', seen and state[1] or '', generation, state[3] or '', state[4] or '', published or ''}
