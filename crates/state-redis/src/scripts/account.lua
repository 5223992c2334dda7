-- The count of one key: for GCRA how far its arrival time is ahead of now, in microseconds; for a window
-- {number of the newest slot, microseconds of a slot, the sum of the units, then the units of up to 17 slots, newest
-- first}; slots that are not there are empty.
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
  if type(kept) ~= 'table' or kept[2] ~= unit then return {slot, unit, 0, 0} end
  local gone = slot - kept[1]
  if gone <= 0 then return kept end
  local window = {slot, unit, 0}
  for i = 4, math.min(#kept + gone, 20) do
    local units = i - gone >= 4 and kept[i - gone] or 0
    window[i], window[3] = units, window[3] + units
  end
  return window
end

local function used(kind, count)
  return kind == 'g' and count or count[3]
end

-- Takes units, or gives back what was taken at `since`.
local function change(kind, count, unit, limit, units, since)
  if kind == 'g' then return math.min(math.max(count + units * unit, 0), limit) end
  local slot, more = 4, math.min(units, math.max(limit - count[3], 0))
  if units < 0 then
    slot = 4 + count[1] - math.floor(since / unit)
    if slot < 4 or not count[slot] then return count end
    more = math.max(units, -count[slot])
  end
  count[slot], count[3] = count[slot] + more, count[3] + more
  return count
end

-- Microseconds until the units of a window at index `i` count no more.
local function leaves(count, i)
  return (count[1] + 21 - i) * count[2] - now
end

local function reset(kind, count)
  if kind == 'g' then return count end
  for i = 4, #count do
    if count[i] > 0 then return leaves(count, i) end
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
