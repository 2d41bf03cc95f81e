-- mend: the stream goes on behind the committed cursor. One that Redis lost is made; one whose last
-- id Redis forgot is set forward. Entries at or behind the cursor are appended again, marked: they
-- may never have been decided (their ids were given while Redis had forgotten later ones), and who
-- was decided after all gets the first answer again. Usually there are none, or those of a batch
-- that was committed and not yet trimmed.
--
--   KEYS[1]  usher:{p}:requests
--   ARGV     cursor, entries_max
--
-- Returns {created, appended}: whether the stream had to be made, and how many entries were
-- appended again.
local cursor, entries_max = ARGV[1], tonumber(ARGV[2])
local created = 0
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('XGROUP', 'CREATE', KEYS[1], 'made', '$', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[1], 'made')
  created = 1
end

local function parts(id)
  local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(sequence)
end

local function is_behind(a, b)
  local a_ms, a_sequence = parts(a)
  local b_ms, b_sequence = parts(b)
  return a_ms < b_ms or (a_ms == b_ms and a_sequence < b_sequence)
end

local info = redis.call('XINFO', 'STREAM', KEYS[1])
local last
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then
    last = info[i + 1]
  end
end
if is_behind(last, cursor) then
  redis.call('XSETID', KEYS[1], cursor)
end

local entries = redis.call('XRANGE', KEYS[1], '-', cursor, 'COUNT', entries_max)
for _, entry in ipairs(entries) do
  redis.call('XDEL', KEYS[1], entry[1])
  local body
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'b' then
      body = entry[2][i + 1]
    end
  end
  if body then
    redis.call('XADD', KEYS[1], '*', 'b', body, 'again', 1)
  end
end
return {created, #entries}
