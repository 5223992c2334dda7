-- What is remembered of a conversation, or false.
-- KEYS: the conversation, its values.
local kept = redis.call('HMGET', KEYS[1], 'salt', 'turns', 'polarity', 'distress', 'agitation', 'urgency')
if not kept[1] then return false end
local means = {kept[3] or '', kept[4] or '', kept[5] or '', kept[6] or ''}
return {kept[1], kept[2] or '0', means, redis.call('ZRANGE', KEYS[2], 0, -1)}
