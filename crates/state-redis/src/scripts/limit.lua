-- GCRA for several keys, all or nothing.
-- KEYS: one a rule. ARGV: for each key its increment and its window, in microseconds.
-- Returns for each key how far its theoretical arrival time was ahead of now, before this check.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ahead, fits = {}, true
for i = 1, #KEYS do
  local increment, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local arrival = tonumber(redis.call('GET', KEYS[i]) or now)
  ahead[i] = math.min(math.max(arrival - now, 0), window)
  if ahead[i] + increment > window then fits = false end
end
if fits then
  for i = 1, #KEYS do
    local next = ahead[i] + tonumber(ARGV[2 * i - 1])
    if next > 0 then
      redis.call('SET', KEYS[i], string.format('%.0f', now + next), 'PX',
        string.format('%.0f', math.ceil(next / 1000)))
    end
  end
end
return ahead
