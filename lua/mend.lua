-- mend: a stream that Redis lost, or brought back older than the committed cursor, is made to go on
-- behind the cursor. Entries at or behind the cursor may never have been decided (their ids were
-- given while Redis had forgotten later ones): they are appended again, marked, and each request
-- that was decided after all gets its first answer again.
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
if not is_behind(last, cursor) then
  return {created, 0}
end

local entries = redis.call('XREVRANGE', KEYS[1], cursor, '-', 'COUNT', entries_max)
redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
redis.call('XSETID', KEYS[1], cursor)
for i = #entries, 1, -1 do
  local fields = entries[i][2]
  redis.call('XADD', KEYS[1], '*', 'b', fields[2], 'again', 1)
end
return {created, #entries}
