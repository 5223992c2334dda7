-- The common case of check.lua, in half its time: nothing but GCRA, nothing to settle.
-- KEYS: one a rule. ARGV: now or -1 for the server's clock; then for each rule microseconds that the check
--   takes, and microseconds of its limit.
-- Returns for each key how many microseconds its arrival time was ahead of now, before this check.
local now, least = tonumber(ARGV[1]), 3600000
if now < 0 then
  local time = redis.call('TIME')
  now, least = time[1] * 1000000 + time[2], 1
end
local ahead = redis.call('MGET', unpack(KEYS))
local admitted = true
for i = 1, #ahead do
  local count = (ahead[i] or now) - now
  if count < 0 then count = 0 end
  local limit = ARGV[2 * i + 1] + 0
  if count > limit then count = limit end
  ahead[i] = count
  if count + ARGV[2 * i] > limit then admitted = false end
end
if admitted then
  for i = 1, #ahead do
    local rest = ahead[i] + ARGV[2 * i]
    if rest > 0 then
      redis.call('SET', KEYS[i], now + rest, 'PX', math.max(math.ceil(rest / 1000), least))
    end
  end
end
return ahead
