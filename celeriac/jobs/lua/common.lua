-- Constants stand before this, see open_line.py: line (the keys' prefix), offer_ms, on_seconds,
-- held_seconds, most_dead, kept_seconds.
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000

local function put(list, doorbell)
  redis.call('RPUSH', list, doorbell)
  redis.call('EXPIRE', list, kept_seconds)
end

-- Put the doorbell into the newest free place of the queue; say whether there was one.
local function give(queue, doorbell)
  for _ = 1, most_dead do
    local found = redis.call('ZPOPMAX', line .. 'free:' .. queue)
    if #found == 0 then return false end
    if redis.call('DEL', line .. 'place:' .. found[1]) == 1 then
      put(line .. 'mail:' .. found[1], doorbell)
      return true
    end
  end
  return false
end
