-- ARGV[2]: the breaker as the database (or this process) knows it, as JSON, or ''.
-- Adopts what is newer there, and answers with all that the store knows.
local row = ARGV[2] ~= '' and cjson.decode(ARGV[2]) or nil
if row then
  if not st then
    st = {version = -1, state = 'closed', till = 0, opened = 0, token = '', permit = 0, passed = 0,
      changed = now, forced = '', forced_until = 0, edit = -1, synced = now, expires = 0}
  end
  if row.version > st.version then
    st.version, st.state, st.opened = row.version, row.state, row.opened
    st.till = row.state == 'closed' and 0 or now + row.open_for
    st.changed, st.token, st.permit, st.passed = now - row.changed_ago, '', 0, 0
    redis.call('HSET', STATE, 'calls', '', 'in_a_row', 0)
  end
  if row.edit > st.edit then
    st.edit, st.forced = row.edit, row.forced
    st.forced_until = row.forced_for >= 0 and now + row.forced_for or 0
    redis.call('HSET', STATE, 'options', row.options, 'reason', row.reason,
      'calls', '', 'in_a_row', 0)
  end
  st.synced = now
  save()
end
if not st then return '' end
count_window()
local extra = redis.call('HMGET', STATE, 'options', 'reason')
local force = forced()
return cjson.encode({
  version = st.version, state = st.state, open_for = math.max(0, st.till - now),
  opened = st.opened, forced = force,
  forced_for = (force ~= '' and st.forced_until > 0) and st.forced_until - now or -1,
  edit = st.edit, changed_ago = now - st.changed, options = extra[1] or '{}',
  reason = extra[2] or '', calls = seen.calls, failures = seen.failures, slow = seen.slow,
  in_a_row = seen.in_a_row,
})
