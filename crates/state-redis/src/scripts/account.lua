-- The count of one key: for GCRA how far its arrival time is ahead of now, in microseconds; for a window
-- {number of the newest slot, microseconds of a slot, units of 17 slots, oldest first}.
-- The arithmetic is that of terms.rs and account.rs in crates/state, where it is explained.
local now = tonumber(ARGV[1])
local least = 1
if now < 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
else
  least = 3600000 -- a clock of a test, which the server's expiry must not overtake
end

local function account(kind, raw, unit, limit)
  if kind == 'g' then
    local arrival = raw and tonumber(raw) or now
    return math.min(math.max(arrival - now, 0), limit)
  end
  local slot = math.floor(now / unit)
  local kept = raw and cmsgpack.unpack(raw)
  local known = type(kept) == 'table' and kept[2] == unit
  if known and kept[1] > slot then slot = kept[1] end
  local gone = known and slot - kept[1] or 0
  local window = {slot, unit}
  for i = 3, 19 do window[i] = known and kept[i + gone] or 0 end
  return window
end

local function used(kind, count)
  if kind == 'g' then return count end
  local sum = 0
  for i = 3, 19 do sum = sum + count[i] end
  return sum
end

-- Takes units, or gives back what was taken at `since`.
local function change(kind, count, unit, limit, units, since)
  if kind == 'g' then return math.min(math.max(count + units * unit, 0), limit) end
  if units >= 0 then
    count[19] = count[19] + math.min(units, math.max(limit - used(kind, count), 0))
  else
    local slot = 19 - (count[1] - math.floor(since / unit))
    if slot >= 3 and slot <= 19 then count[slot] = math.max(count[slot] + units, 0) end
  end
  return count
end

local function reset(kind, count)
  if kind == 'g' then return count end
  for i = 19, 3, -1 do
    if count[i] > 0 then return (count[1] + i - 2) * count[2] - now end
  end
  return 0
end

local function save(kind, key, count)
  local rest = reset(kind, count)
  if rest <= 0 then
    redis.call('DEL', key)
  elseif kind == 'g' then
    redis.call('SET', key, now + rest, 'PX', math.max(math.ceil(rest / 1000), least))
  else
    redis.call('SET', key, cmsgpack.pack(count), 'PX', math.max(math.ceil(rest / 1000), least))
  end
end
