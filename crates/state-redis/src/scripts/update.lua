-- Begins a conversation where there is none, takes in what a message taught, returns what is kept.
-- KEYS: the conversation, its values.
-- ARGV: a salt if it is new, ttl in ms, values to keep, 1 if something was learned, turns,
--       weight of the newest in each mean, the new polarity, distress, agitation and urgency (each a
--       number or ''), then the digests.
local means = {'polarity', 'distress', 'agitation', 'urgency'}
local is_new = redis.call('HSETNX', KEYS[1], 'salt', ARGV[1]) == 1
if is_new then redis.call('DEL', KEYS[2]) end
for i = 7 + #means, #ARGV do
  redis.call('ZADD', KEYS[2], redis.call('HINCRBY', KEYS[1], 'sequence', 1), ARGV[i])
end
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[3]))
for i, name in ipairs(means) do
  if ARGV[6 + i] ~= '' then
    local old, mean = redis.call('HGET', KEYS[1], name), tonumber(ARGV[6 + i])
    if old then mean = tonumber(old) + tonumber(ARGV[6]) * (mean - tonumber(old)) end
    redis.call('HSET', KEYS[1], name, string.format('%.17g', mean))
  end
end
redis.call('HINCRBY', KEYS[1], 'turns', ARGV[5])
if is_new or ARGV[4] == '1' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
local kept = redis.call('HMGET', KEYS[1], 'salt', 'turns', unpack(means))
return {kept[1], kept[2], {kept[3] or '', kept[4] or '', kept[5] or '', kept[6] or ''},
  redis.call('ZRANGE', KEYS[2], 0, -1)}
