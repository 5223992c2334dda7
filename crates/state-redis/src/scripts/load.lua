-- What is remembered of a conversation, or false.
-- KEYS: the conversation, its values.
local kept = redis.call('HMGET', KEYS[1], 'salt', 'polarity', 'turns')
if not kept[1] then return false end
return {kept[1], kept[2] or '', kept[3] or '0', redis.call('ZRANGE', KEYS[2], 0, -1)}
