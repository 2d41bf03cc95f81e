-- SEVERAL: places in several shows of this partition, all or nothing. Its arguments are BOOK or
-- HOLD and a list {{booking id, show, tier, quantity, …}, …}, a booking for each show; behind the
-- lines of a show stand the seats that are named there, packed, if there are any. It is decided as
-- so many requests would be, one for each show, except that none is granted unless all would be:
-- shows share neither stock nor limits, so what one takes cannot refuse another. A decision is
--
--   {code, detail, show}   refused, for this show's sake; SEAT_TAKEN with the seats of that show
--   {0, decision, …}       what BOOK or HOLD of each show decided
local function parts_of(request)
  local parts = {}
  for i, part in ipairs(request[FIRST + 1]) do
    parts[i] = {part[1], request[FIRST], part[2], request[OWNER], request[DEADLINE],
                unpack(part, 3)}
  end
  return parts
end

local function refusal_of_part(part, request, now)
  local show = show_of(part[SHOW])
  if show then
    return take_refusal(show, part, now)
  end
  return part[SHOW] == request[SHOW] and CODE.NOT_FOUND or CODE.DIFFERENT_PARTITIONS
end

local function decide_several(request, now)
  if now > request[DEADLINE] then
    return CODE.TIMED_OUT
  end
  local parts, decision = parts_of(request), {CODE.GRANTED}
  for _, part in ipairs(parts) do
    local refusal = refusal_of_part(part, request, now)
    if type(refusal) == 'table' then
      return {refusal[1], refusal[2], part[SHOW]}
    elseif refusal then
      return {refusal, 0, part[SHOW]}
    end
  end
  for i, part in ipairs(parts) do
    decision[i + 1] = decide_request(show_of(part[SHOW]), part, now, {})
    assert(decision[i + 1][1] == CODE.GRANTED, 'part of a request refused')
  end
  return decision
end
