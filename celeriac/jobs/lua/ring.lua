-- ARGV: how many queues, then each with its slots, then queue and doorbell of each. Returns which of
-- the doorbells are on the line (1 or 0), and the overflow of queues that have a slot elsewhere.
local queues, whole, none, taken, back = tonumber(ARGV[1]), {}, {}, {}, {}
for i = 2, 2 * queues, 2 do
  local queue, slots = ARGV[i], tonumber(ARGV[i + 1])
  whole[queue] = slots > 0 and redis.call('ZCOUNT', line .. 'on:' .. queue, now, '+inf') >= slots
  while not whole[queue] do
    local doorbell = redis.call('LPOP', line .. 'more:' .. queue)
    if not doorbell then break end
    back[#back + 1] = {queue, doorbell}
  end
end
for i = 2 * queues + 2, #ARGV, 2 do
  local queue, doorbell = ARGV[i], ARGV[i + 1]
  local given = not none[queue] and give(queue, doorbell)
  if not given then
    none[queue] = true
    if whole[queue] then
      put(line .. 'more:' .. queue, doorbell)
      given = true
    end
  end
  taken[#taken + 1] = given and 1 or 0
end
return {taken, back}
