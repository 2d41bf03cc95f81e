-- limits: may this command be sent? One call for a command that is checked, by whichever gateway;
-- the clock is Redis' own, so all gateways agree.
--
--   KEYS   what is counted
--   ARGV   for each key four: how, quota, window (ms), member
--     take    one of `quota` in `window` by GCRA: they may be taken at once, and come back one by
--             one. If one of several is used up, nothing is taken of the others either
--     count   one more within the window; nobody is refused for it
--     look    what `count` has counted
--     crowd   one more member of a set within the window
--
-- Returns for each key {state, ms, left}:
--   take    state 1: used up; ms until there is one again; what is left (after this one)
--   others  state 1: more than the quota; 2: since this call; ms until the window's end
--
-- Every key lives as long as its window. A set has at most quota + 1 members.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local told, taken, used_up = {}, {}, false

local function over(key, count, quota, was)
  if count <= quota then
    return {0, 0, 0}
  end
  return {was <= quota and 2 or 1, redis.call('PTTL', key), 0}
end

local function begin_window(key, count, window)
  if count == 1 then
    redis.call('PEXPIRE', key, window)
  end
end

local ways = {}

function ways.take(key, quota, window)
  local step = window / quota
  local full = math.max(now, tonumber(redis.call('GET', key) or 0)) + step
  local left = math.floor((window - (full - now)) / step + 0.001)
  if left < 0 then
    used_up = true
    return {1, math.ceil(full - now - window), 0}
  end
  taken[#taken + 1] = {key, full}
  return {0, 0, left}
end

function ways.count(key, quota, window)
  local count = redis.call('INCR', key)
  begin_window(key, count, window)
  return over(key, count, quota, count - 1)
end

function ways.look(key, quota)
  local count = tonumber(redis.call('GET', key) or 0)
  return over(key, count, quota, count)
end

function ways.crowd(key, quota, window, member)
  local before = redis.call('SCARD', key)
  if before <= quota and redis.call('SADD', key, member) == 1 then
    begin_window(key, before + 1, window)
    return over(key, before + 1, quota, before)
  end
  return over(key, before, quota, before)
end

for i, key in ipairs(KEYS) do
  local at = i * 4 - 3
  told[i] = ways[ARGV[at]](key, tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3])
end
if not used_up then
  for _, one in ipairs(taken) do
    redis.call('SET', one[1], string.format('%.3f', one[2]), 'PX', math.ceil(one[2] - now))
  end
end
return told
