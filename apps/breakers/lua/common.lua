-- Shared by every operation. Times are milliseconds of the store's own clock.
-- KEYS: the breaker's state, its window. ARGV[1]: the options as JSON.
local STATE, WINDOW = KEYS[1], KEYS[2]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local opt = cjson.decode(ARGV[1])
local KEPT = 7 * 86400 * 1000

local moved, seen = '', {calls = 0, failures = 0, slow = 0}
local raw = redis.call('HMGET', STATE, 'version', 'state', 'until', 'opened', 'token', 'permit',
  'passed', 'changed', 'forced', 'forced_until', 'edit', 'synced', 'expires')
local st = nil
if raw[1] then
  st = {
    version = tonumber(raw[1]), state = raw[2], till = tonumber(raw[3]), opened = tonumber(raw[4]),
    token = raw[5], permit = tonumber(raw[6]), passed = tonumber(raw[7]),
    changed = tonumber(raw[8]), forced = raw[9], forced_until = tonumber(raw[10]),
    edit = tonumber(raw[11]), synced = tonumber(raw[12]), expires = tonumber(raw[13]),
  }
end

local function save()
  redis.call('HSET', STATE, 'version', st.version, 'state', st.state, 'until', st.till,
    'opened', st.opened, 'token', st.token, 'permit', st.permit, 'passed', st.passed,
    'changed', st.changed, 'forced', st.forced, 'forced_until', st.forced_until,
    'edit', st.edit, 'synced', st.synced, 'expires', now + KEPT)
  redis.call('PEXPIRE', STATE, KEPT)
end

local function forced()
  if st.forced ~= '' and (st.forced_until == 0 or now < st.forced_until) then return st.forced end
  return ''
end

-- Counts what the window holds; buckets that slid out are dropped.
local function tally()
  local oldest = math.floor(now / opt.bucket) - opt.buckets
  seen = {calls = 0, failures = 0, slow = 0}
  local flat = redis.call('HGETALL', WINDOW)
  for i = 1, #flat, 2 do
    local bucket, what = string.match(flat[i], '^(%d+)(%a)$')
    if tonumber(bucket) <= oldest then
      redis.call('HDEL', WINDOW, flat[i])
    elseif what == 'c' then seen.calls = seen.calls + tonumber(flat[i + 1])
    elseif what == 'f' then seen.failures = seen.failures + tonumber(flat[i + 1])
    else seen.slow = seen.slow + tonumber(flat[i + 1]) end
  end
end

local function count(calls, failures, slow)
  local bucket = string.format('%.0f', math.floor(now / opt.bucket))
  redis.call('HINCRBY', WINDOW, bucket .. 'c', calls)
  if failures > 0 then redis.call('HINCRBY', WINDOW, bucket .. 'f', failures) end
  if slow > 0 then redis.call('HINCRBY', WINDOW, bucket .. 's', slow) end
  redis.call('PEXPIRE', WINDOW, opt.bucket * (opt.buckets + 1))
end

local function move(to)
  moved = st.state
  st.state, st.version, st.changed = to, st.version + 1, now
  st.token, st.permit = '', 0
  if to ~= 'half_open' then st.passed = 0 end
  redis.call('DEL', WINDOW)
  save()
end

-- Opens for as long as the provider asked, else for a cooldown that grows.
local function open(asked)
  if st.state == 'closed' and now - st.changed > opt.stable then st.opened = 0 end
  if asked > 0 then
    st.till = now + math.min(asked, opt.max_retry_after)
  else
    st.opened = st.opened + 1
    st.till = now + math.min(opt.max_cooldown,
      math.floor(opt.cooldown * opt.growth ^ math.min(st.opened - 1, 60)))
  end
  move('open')
end

local function judge()
  tally()
  if seen.calls < opt.min_volume then return end
  if seen.failures >= opt.failure_rate * seen.calls or seen.slow >= opt.slow_rate * seen.calls then
    open(0)
  end
end

-- A negative wait means: without an end.
local function reply(verdict, wait)
  local due = 0
  if now - st.synced > opt.sync then
    due = 1
    redis.call('HSET', STATE, 'synced', now)
  end
  if st.expires - now < KEPT / 2 then
    redis.call('HSET', STATE, 'expires', now + KEPT)
    redis.call('PEXPIRE', STATE, KEPT)
  end
  return {verdict, st.version, st.state, math.max(-1, wait), st.edit, due, moved,
    seen.calls, seen.failures, seen.slow, st.opened}
end
