-- ARGV: options, version, token, probe (1 or 0), finding, slow (1 or 0), asked (ms), and
-- successes of this process not yet counted, and how long ago the last of them was (us).
if not st then return {'empty'} end
local version, token, probe = tonumber(ARGV[2]), ARGV[3], ARGV[4] == '1'
local finding, slow, asked = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local pending = tonumber(ARGV[8])

if probe and (st.state ~= 'half_open' or st.token ~= token) then
  -- Its permit ended and went to another: too late to have a say.
elseif probe then
  if finding == 'fault' or slow == 1 then
    seen = {calls = 1, failures = finding == 'fault' and 1 or 0, slow = slow, in_a_row = 0}
    open(asked)
  else
    st.token, st.permit = '', 0
    if finding == 'ok' then st.passed = st.passed + 1 end
    if st.passed >= opt.probes then
      seen = {calls = st.passed, failures = 0, slow = 0, in_a_row = 0}
      st.till = 0
      move('closed')
    else
      save()
    end
  end
elseif finding ~= 'nothing' and st.state == 'closed' and st.version == version then
  if pending > 0 then count(pending, 0, 0, tonumber(ARGV[9])) end
  count(1, finding == 'fault' and 1 or 0, slow, 0)
  judge()
  if asked > 0 then
    if st.state == 'closed' then
      open(asked)
    else
      st.till = math.max(st.till, now + math.min(asked, opt.max_retry_after))
      save()
    end
  end
end
return reply('done', st.state == 'open' and st.till - now or 0)
