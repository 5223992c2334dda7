-- Several limits, all or nothing.
-- KEYS: one a rule; then, in the order of the rules, the box of each rule that has a penalty box and the
--   reservations of each that reserves; last the ticket, where there is one.
-- ARGV: now or -1 for the server's clock; the ticket's life in ms or 0; its body; its id; microseconds that
--   reservations last; then six a rule: g or w (G or W: in shadow), unit, limit, cost, reserve, and
--   after:forgive:most of a penalty box or nothing.
-- Returns four numbers a rule: used before, units, microseconds to wait (0 now, -1 never), microseconds to
--   reset.

-- What `units` cost a key with blocks on record: times as much, but no more than could ever be let in.
local function priced(units, times, largest)
  return math.min(units * times, math.max(units, largest))
end

local keep, lasts = tonumber(ARGV[2]), tonumber(ARGV[5])
local rules = (#ARGV - 5) / 6
local raws = redis.call('MGET', unpack(KEYS, 1, rules))
local extra, admitted, found = rules, true, {}

for i = 1, rules do
  local a = 6 * i
  local kind, unit, limit = ARGV[a], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local cost, reserve, box = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]), ARGV[a + 5]
  local shadow = kind == 'G' or kind == 'W'
  if shadow then kind = string.lower(kind) end
  local count = account(kind, raws[i], unit, limit)
  local rule = {kind = kind, unit = unit, limit = limit, times = 1}
  if box ~= '' then
    extra = extra + 1
    local forgiven = tonumber(redis.call('GET', KEYS[extra]) or 0)
    if forgiven > now then
      local after, forgive, most = string.match(box, '(%d+):(%d+):(%d+)')
      local over = math.ceil((forgiven - now) / forgive) - after
      if over >= 0 then rule.times = math.min(2 ^ math.min(over + 1, 10), tonumber(most)) end
    end
  end
  if reserve > 0 then
    extra = extra + 1
    rule.reservations = KEYS[extra]
    local over = redis.call('ZRANGEBYSCORE', KEYS[extra], '-inf', now, 'LIMIT', 0, 256)
    for _, one in ipairs(over) do
      local units, since = string.match(one, '^(%d+):(%d+):')
      count = change(kind, count, unit, limit, -units, tonumber(since))
      redis.call('ZREM', KEYS[extra], one)
    end
    if #over > 0 then save(kind, KEYS[i], count) end
  end
  local largest = kind == 'g' and math.floor(limit / unit) or limit
  local units = priced(cost + reserve, rule.times, largest)
  if reserve > 0 then rule.reserved = units - math.min(priced(cost, rule.times, largest), units) end
  local before = used(kind, count)
  local need = before + (kind == 'g' and units * unit or units) - limit
  local wait = 0
  if need > 0 then
    if units > largest then
      wait = -1
    elseif kind == 'g' then
      wait = need
    else
      local freed, slot = 0, #count
      while slot > 4 do
        freed = freed + count[slot]
        if freed >= need then break end
        slot = slot - 1
      end
      wait = leaves(count, slot)
    end
    if not shadow then admitted = false end
  end
  rule.count, rule.before, rule.units, rule.wait = count, before, units, wait
  found[i] = rule
end

local answer, held = {}, {}
for i = 1, rules do
  local rule = found[i]
  if admitted and rule.wait == 0 and rule.units > 0 then
    rule.count = change(rule.kind, rule.count, rule.unit, rule.limit, rule.units, now)
    save(rule.kind, KEYS[i], rule.count)
    if (rule.reserved or 0) > 0 then
      local one = string.format('%.0f:%.0f:%s', rule.reserved, now, ARGV[4])
      redis.call('ZADD', rule.reservations, now + lasts, one)
      redis.call('PEXPIRE', rule.reservations, math.max(math.ceil(lasts / 1000) + 60000, least))
      held[#held + 1] = 'reserved:' .. i
      held[#held + 1] = one
    end
  end
  local a = 4 * i
  answer[a - 3], answer[a - 2], answer[a - 1] = rule.before, rule.units, rule.wait
  answer[a] = reset(rule.kind, rule.count)
end

if admitted and keep > 0 then
  local times = {}
  for i = 1, rules do times[i] = found[i].times end
  redis.call('DEL', KEYS[#KEYS])
  redis.call('HSET', KEYS[#KEYS], 'body', ARGV[3], 'since', now, 'until', now + keep * 1000,
    'times', table.concat(times, ','), unpack(held))
  redis.call('PEXPIRE', KEYS[#KEYS], math.max(keep, least))
end
return answer
