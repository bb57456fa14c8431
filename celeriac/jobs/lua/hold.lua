-- ARGV: how many names are held, they, and names that no longer are.
for i = 2, #ARGV do
  if i <= ARGV[1] + 1 then
    redis.call('ZADD', line .. 'held', now + held_seconds, ARGV[i])
  else
    redis.call('ZREM', line .. 'held', ARGV[i])
  end
end
redis.call('EXPIRE', line .. 'held', kept_seconds)
