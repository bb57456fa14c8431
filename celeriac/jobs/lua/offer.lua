-- ARGV: the child, whether it says that it is on the line, its queues.
local child, queues = ARGV[1], {unpack(ARGV, 3)}
if ARGV[2] == '1' then
  for _, queue in ipairs(queues) do
    redis.call('ZADD', line .. 'on:' .. queue, now + on_seconds, child)
    redis.call('ZREMRANGEBYSCORE', line .. 'on:' .. queue, '-inf', now)
    redis.call('ZREMRANGEBYSCORE', line .. 'free:' .. queue, '-inf', now - offer_ms / 1000)
    redis.call('EXPIRE', line .. 'on:' .. queue, kept_seconds)
  end
end
local mail = line .. 'mail:' .. child
local there = redis.call('LLEN', mail)
if there > 0 then there = there - redis.call('LREM', mail, 0, '') end
if there == 0 then
  for _, queue in ipairs(queues) do
    local doorbell = redis.call('LPOP', line .. 'more:' .. queue)
    if doorbell then
      put(mail, doorbell)
      there = 1
      break
    end
  end
end
if there > 0 then
  redis.call('DEL', line .. 'place:' .. child)
  return 1
end
redis.call('SET', line .. 'place:' .. child, 1, 'PX', offer_ms)
for _, queue in ipairs(queues) do
  redis.call('ZADD', line .. 'free:' .. queue, now, child)
  redis.call('EXPIRE', line .. 'free:' .. queue, kept_seconds)
end
return 0
