-- Shared by every operation. Times are milliseconds of the store's own clock.
-- KEYS: the breaker's state. ARGV[1]: the options as JSON.
local STATE = KEYS[1]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local micros = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local opt = cjson.decode(ARGV[1])
local KEPT = 7 * 86400 * 1000

local moved = ''
local raw = redis.call('HMGET', STATE, 'version', 'state', 'until', 'opened', 'token', 'permit',
  'passed', 'changed', 'forced', 'forced_until', 'edit', 'synced', 'expires', 'calls', 'in_a_row')
local seen = {calls = 0, failures = 0, slow = 0, in_a_row = tonumber(raw[15] or 0)}
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

-- What the circuit remembers of its calls. `runs`, from the oldest to the newest, are calls that
-- ended alike: three numbers each, the begin of their bucket, 1 for failed plus 2 for slow, and
-- how many. `failed` are the moments (microseconds) of the failures since the last success.
-- It belongs to one version and edit of the circuit: a move forgets it.
local memory = nil
local function remembered()
  if not memory and raw[14] and raw[14] ~= '' then memory = cmsgpack.unpack(raw[14]) end
  if not memory or memory.version ~= st.version or memory.edit ~= st.edit then
    memory = {version = st.version, edit = st.edit, runs = {}, failed = {}}
  end
  return memory
end

-- Counts what the window holds: the newest calls, so many and so young. The others are dropped.
local function count_window()
  local known, left = remembered(), opt.calls
  local oldest = (math.floor(now / opt.bucket) - opt.buckets) * opt.bucket
  seen = {calls = 0, failures = 0, slow = 0, in_a_row = #known.failed}
  local i = #known.runs - 2
  while i > 0 and left > 0 and known.runs[i] > oldest do
    local kind, n = known.runs[i + 1], math.min(left, known.runs[i + 2])
    seen.calls, left = seen.calls + n, left - n
    if kind % 2 == 1 then seen.failures = seen.failures + n end
    if kind >= 2 then seen.slow = seen.slow + n end
    known.runs[i + 2] = n
    i = i - 3
  end
  if i > 0 then
    local kept = {}
    for j = i + 3, #known.runs do kept[#kept + 1] = known.runs[j] end
    known.runs = kept
  end
end

-- Adds calls that ended alike, the last of them `ago` microseconds ago (a failure: just now).
local function count(calls, failed, slow, ago)
  local known, kind = remembered(), failed + 2 * slow
  if failed == 1 then
    known.failed[#known.failed + 1] = micros
  else
    local after = {}
    for _, at in ipairs(known.failed) do
      if at > micros - ago then after[#after + 1] = at end
    end
    known.failed = after
  end
  if ago > opt.bucket * opt.buckets * 1000 then return end
  local at, last = math.floor(now / opt.bucket) * opt.bucket, #known.runs - 2
  if last > 0 and known.runs[last] == at and known.runs[last + 1] == kind then
    known.runs[last + 2] = known.runs[last + 2] + calls
  else
    known.runs[last + 3], known.runs[last + 4], known.runs[last + 5] = at, kind, calls
  end
end

local function move(to)
  moved = st.state
  st.state, st.version, st.changed = to, st.version + 1, now
  st.token, st.permit = '', 0
  if to ~= 'half_open' then st.passed = 0 end
  redis.call('HSET', STATE, 'calls', '', 'in_a_row', 0)
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

-- Opens when too many of the calls that count failed, or nothing comes back at all.
local function judge()
  count_window()
  if seen.in_a_row >= opt.min_volume or (seen.calls >= opt.min_volume and
      (seen.failures >= opt.failure_rate * seen.calls or
       seen.slow >= opt.slow_rate * seen.calls)) then
    open(0)
  else
    redis.call('HSET', STATE, 'calls', cmsgpack.pack(memory), 'in_a_row', seen.in_a_row)
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
    seen.calls, seen.failures, seen.slow, st.opened,
    seen.in_a_row}
end
