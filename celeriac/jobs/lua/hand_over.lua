-- ARGV: the channel, the nudge that is due where not all were handed over, the one that is due where
-- all were, then queue, circuit and doorbell of each. Returns 1 for each that was, else 0.
local function held(name)
  local till = redis.call('ZSCORE', line .. 'held', name)
  return till and tonumber(till) > now
end

local handed, nudge = {}, ARGV[3]
for i = 4, #ARGV, 3 do
  local guarded = ARGV[i + 1] ~= '' and held('circuit ' .. ARGV[i + 1])
  local stays = guarded or held('queue ' .. ARGV[i])
  local given = not stays and give(ARGV[i], ARGV[i + 2])
  if not given then nudge = ARGV[2] end
  handed[#handed + 1] = given and 1 or 0
end
if nudge ~= '' then redis.call('PUBLISH', ARGV[1], nudge) end
return handed
