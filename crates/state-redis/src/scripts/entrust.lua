-- Gives each value its number, and keeps it: the same value the same number, whoever asks.
-- KEYS: the conversation's vault, a hash with the fields `h:<entity>:<name of a value>` (its number),
--       `n:<entity>` (the last number), `v:<entity>:<number>` (`<name>:<sealed value>`), `count`.
-- ARGV: ttl in ms, values to keep, then for each value its entity, its name, its name under the secret
--       before or '', and the sealed value.
-- Returns for each value its number, or 0 where there was no room for it.
local key, ttl, room = KEYS[1], ARGV[1], tonumber(ARGV[2])
local numbers = {}
for i = 3, #ARGV, 4 do
  local entity, name, before, sealed = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local number = redis.call('HGET', key, 'h:' .. entity .. ':' .. name)
  if not number and before ~= '' then
    number = redis.call('HGET', key, 'h:' .. entity .. ':' .. before)
  end
  if not number then
    local count = tonumber(redis.call('HGET', key, 'count') or '0')
    if count < room then
      number = redis.call('HINCRBY', key, 'n:' .. entity, 1)
      redis.call('HSET', key, 'count', count + 1, 'h:' .. entity .. ':' .. name, number,
        'v:' .. entity .. ':' .. number, name .. ':' .. sealed)
    else
      number = 0
    end
  end
  numbers[#numbers + 1] = tonumber(number)
end
redis.call('PEXPIRE', key, ttl)
return numbers
