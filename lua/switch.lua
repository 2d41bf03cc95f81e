-- switch: a namespace that was just written becomes the partition's state, in one step.
--
--   KEYS[1]  usher:{p}:state
--   ARGV     epoch, generation, version, now
--
-- Leaves `published` alone: a new namespace takes no answer away.
--
-- Returns 'SWITCHED' or 'FENCED'.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 'FENCED'
end
redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'version', ARGV[3], 'now', ARGV[4], 'clean', 1)
return 'SWITCHED'
