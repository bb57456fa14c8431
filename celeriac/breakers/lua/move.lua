-- ARGV[2]: the state to move to: open (for a cooldown), closed, half_open (the next call probes).
if not st then return {'empty'} end
local to = ARGV[2]
if to == 'open' then
  open(0)
elseif to ~= st.state then
  if to == 'half_open' then st.till = now else st.till = 0 end
  st.opened = 0
  move(to)
end
return reply('done', st.state == 'open' and st.till - now or 0)
