-- ARGV: the child, whether it waits at its mailbox, its queues. Withdraws the child's place and
-- returns what lies in its mailbox; a child that waits there is woken by an empty doorbell instead.
local child = ARGV[1]
local mail = line .. 'mail:' .. child
redis.call('DEL', line .. 'place:' .. child)
for i = 3, #ARGV do
  redis.call('ZREM', line .. 'free:' .. ARGV[i], child)
  redis.call('ZREM', line .. 'on:' .. ARGV[i], child)
end
if ARGV[2] == '0' then
  redis.call('LREM', mail, 0, '')
  return redis.call('LPOP', mail)
end
if redis.call('LLEN', mail) == 0 then put(mail, '') end
