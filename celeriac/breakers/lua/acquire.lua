-- ARGV[2]: a token for the probe's permit. ARGV[3], ARGV[4], ARGV[5]: successes of this process
-- not yet counted, the version they belong to, and how long ago the last of them was (us).
if not st then return {'empty'} end
local pending = tonumber(ARGV[3])
if pending > 0 and forced() == '' and st.state == 'closed' and tonumber(ARGV[4]) == st.version then
  count(pending, 0, 0, tonumber(ARGV[5]))
  judge()
end

local force = forced()
if force == 'open' then
  return reply('forced_open', st.forced_until == 0 and -1 or st.forced_until - now)
elseif force == 'closed' then
  return reply('forced_closed', 0)
elseif st.state == 'closed' then
  return reply('pass', 0)
elseif st.state == 'open' and now < st.till then
  return reply('open', st.till - now)
end

if st.token ~= '' and st.token ~= ARGV[2] and now < st.permit then
  return reply('held', st.permit - now)
end
if st.state == 'open' then move('half_open') end
st.token, st.permit = ARGV[2], now + opt.permit
save()
return reply('probe', opt.permit)
