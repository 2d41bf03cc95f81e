-- Admissions of waiting rooms. A booking of a show that has one carries what its maker was admitted
-- with: a number in line, and until when that is good. The gateway has looked whether it is signed
-- and for this show; here it is used up. It makes one booking, ever: a bit for each number, which
-- Postgres has too (admissions, sql/0010_room.sql). A refused request leaves it as it was.
local NUMBER, GOOD_UNTIL = 1, 2
local EXPIRED, USED = 1, 2   -- the detail of a refusal

local admissions = {}        -- request id → {number, good until}

local function is_used(show, number)
  return show.admitted[number] or
         redis.call('GETBIT', prefix .. 'admitted:' .. show.number, number) == 1
end

local function admission_refusal(show, id, now)
  local admission = admissions[id]
  if not admission then
    return nil
  elseif is_used(show, admission[NUMBER]) then
    return {CODE.QUEUE_REQUIRED, USED}
  elseif admission[GOOD_UNTIL] <= now then
    return {CODE.QUEUE_REQUIRED, EXPIRED}
  end
end

local function use_admission(show, id)
  if admissions[id] then
    show.admitted[admissions[id][NUMBER]] = true
  end
end

local function apply_admissions(show)
  for number in pairs(show.admitted) do
    redis.call('SETBIT', prefix .. 'admitted:' .. show.number, number, 1)
  end
end
