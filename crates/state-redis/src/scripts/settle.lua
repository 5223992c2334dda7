-- What one entry of the record changes in the limits of an admitted check, once.
-- KEYS: the ticket; then for each change the rule's key, its box where a block goes on record, and its
--   reservations where they are given back.
-- ARGV: now or -1 for the server's clock; the entry; how many entries settle a ticket at most; then eight a
--   change: g or w, unit, limit, units, number of the rule from 1, 1 to give back what is reserved,
--   microseconds in which a block is forgiven or 0, blocks kept on record.
-- Returns 1, or 0 where the ticket is gone or the entry was here before.
local ticket = KEYS[1]
local kept = redis.call('HMGET', ticket, 'since', 'times', 'until', 'entries')
if not kept[1] or tonumber(kept[3]) <= now then return 0 end
if tonumber(kept[4] or 0) >= tonumber(ARGV[3]) then return 0 end
if redis.call('HSETNX', ticket, 'entry:' .. ARGV[2], 1) == 0 then return 0 end
redis.call('HINCRBY', ticket, 'entries', 1)
local since, times = tonumber(kept[1]), {}
for one in string.gmatch(kept[2], '%d+') do times[#times + 1] = tonumber(one) end

local key = 1
for i = 1, (#ARGV - 3) / 8 do
  local a = 8 * i - 4
  local kind, unit, limit = ARGV[a], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local units, rule = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  local release, forgive, most = ARGV[a + 5] == '1', tonumber(ARGV[a + 6]), tonumber(ARGV[a + 7])
  key = key + 1
  local name = KEYS[key]
  local count = account(kind, redis.call('GET', name), unit, limit)
  if forgive > 0 then
    key = key + 1
    local forgiven = math.max(tonumber(redis.call('GET', KEYS[key]) or 0), now) + forgive
    forgiven = math.min(forgiven, now + forgive * most)
    redis.call('SET', KEYS[key], forgiven, 'PX', math.max(math.ceil((forgiven - now) / 1000), least))
  end
  if release then
    key = key + 1
    local one = redis.call('HGET', ticket, 'reserved:' .. rule)
    if one and redis.call('ZREM', KEYS[key], one) == 1 then
      local taken, at = string.match(one, '^(%d+):(%d+):')
      count = change(kind, count, unit, limit, -taken, tonumber(at))
    end
  end
  count = change(kind, count, unit, limit, units * (times[rule] or 1), since)
  save(kind, name, count)
end
return 1
