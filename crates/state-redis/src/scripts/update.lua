-- Begins a conversation where there is none, takes in what a message taught, returns what is kept.
-- KEYS: the conversation, its values.
-- ARGV: a salt if it is new, ttl in ms, values to keep, 1 if something was learned, turns,
--       weight of the new polarity, the new polarity or '', then the digests.
local is_new = redis.call('HSETNX', KEYS[1], 'salt', ARGV[1]) == 1
if is_new then redis.call('DEL', KEYS[2]) end
for i = 8, #ARGV do
  redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], 'sequence', 1), ARGV[i])
end
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[3]))
if ARGV[7] ~= '' then
  local old, polarity = redis.call('HGET', KEYS[1], 'polarity'), tonumber(ARGV[7])
  if old then polarity = tonumber(old) + tonumber(ARGV[6]) * (polarity - tonumber(old)) end
  redis.call('HSET', KEYS[1], 'polarity', string.format('%.17g', polarity))
end
redis.call('HINCRBY', KEYS[1], 'turns', ARGV[5])
if is_new or ARGV[4] == '1' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
local kept = redis.call('HMGET', KEYS[1], 'salt', 'polarity', 'turns')
return {kept[1], kept[2] or '', kept[3], redis.call('ZRANGE', KEYS[2], 0, -1)}
