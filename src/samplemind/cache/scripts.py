"""What the Redis tier has done in the server: Lua scripts, each of which the server runs alone and wholly.

The first two keys of each are the index, the others are entries. All times are the server's.
"""

from __future__ import annotations

from typing import Final

OVERHEAD: Final = 340
"""Bytes that the server takes for an entry beside its value and three copies of its name, measured with Redis 7."""
_COMMON: Final = (
    f"local OVERHEAD = {OVERHEAD}"
    + """
local used, sizes = KEYS[1], KEYS[2]
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000

local function total(what) return tonumber(redis.call('HGET', sizes, what) or 0) end

local function forget(name)
  local size = redis.call('HGET', sizes, name)
  if not size then return end
  redis.call('ZREM', used, name)
  redis.call('HDEL', sizes, name)
  redis.call('HINCRBY', sizes, 'entries', -1)
  redis.call('HINCRBY', sizes, 'bytes', -size)
end

local function note(name, length, time)
  forget(name)
  local size = length + 3 * #name + OVERHEAD
  redis.call('ZADD', used, time, name)
  redis.call('HSET', sizes, name, size)
  redis.call('HINCRBY', sizes, 'entries', 1)
  redis.call('HINCRBY', sizes, 'bytes', size)
end

local function drop(name)
  forget(name)
  return redis.call('DEL', name)
end

-- Drop entries used before a time, then those unused for longest until max_bytes are left, but look at no more than
-- `limit`: how many were looked at, and how many of them were there.
local function evict(before, max_bytes, limit)
  local looked, dropped = 0, 0
  while looked < limit do
    local oldest = redis.call('ZRANGE', used, 0, 0, 'WITHSCORES')
    if not oldest[1] or (tonumber(oldest[2]) > before and total('bytes') <= max_bytes) then break end
    dropped = dropped + drop(oldest[1])
    looked = looked + 1
  end
  return looked, dropped
end

-- Forget, among the `limit` unused for longest, what the server itself has evicted.
local function forget_evicted(limit)
  for _, name in ipairs(redis.call('ZRANGE', used, 0, limit - 1)) do
    if redis.call('EXISTS', name) == 0 then
      forget(name)
      redis.call('HINCRBY', sizes, 'evictions', 1)
    end
  end
end

-- The index expires with the last entry.
local function expire_index(ttl_ms)
  for _, key in ipairs({used, sizes}) do
    if redis.call('PTTL', key) < ttl_ms then redis.call('PEXPIRE', key, ttl_ms) end
  end
end

-- One half of the index is no use without the other, and the server may have evicted one.
if redis.call('ZCARD', used) ~= total('entries') then redis.call('DEL', used, sizes) end
"""
)

# PEXPIRE comes first: a script that has written may go on where the server's memory is full, and ZADD is not refused.
GET: Final = (
    _COMMON
    + """
local name, ttl_ms = KEYS[3], tonumber(ARGV[1])
local value = redis.call('GET', name)
if value then
  redis.call('PEXPIRE', name, ttl_ms)
  if redis.call('HEXISTS', sizes, name) == 1 then
    redis.call('ZADD', used, now, name)
  else
    note(name, #value, now)
  end
  expire_index(ttl_ms)
else
  forget(name)
end
return value
"""
)

# SET comes first: it is refused, and with it all, where the server's memory is full.
PUT: Final = (
    _COMMON
    + """
local ttl_ms, max_bytes, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
for i = 3, #KEYS do
  redis.call('SET', KEYS[i], ARGV[i + 1], 'PX', ttl_ms)
  note(KEYS[i], #ARGV[i + 1], now)
end
evict(now - ttl_ms / 1000, math.huge, limit)
forget_evicted(10)
local looked = evict(-math.huge, max_bytes, limit)
if looked > 0 then redis.call('HINCRBY', sizes, 'evictions', looked) end
expire_index(ttl_ms)
return looked
"""
)

REMOVE: Final = (
    _COMMON
    + """
local removed = 0
for i = 3, #KEYS do removed = removed + drop(KEYS[i]) end
if redis.call('ZCARD', used) == 0 then redis.call('DEL', sizes) end
return removed
"""
)

EVICT: Final = (
    _COMMON
    + """
local unused_s, max_bytes, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
return {evict(now - unused_s, max_bytes, limit)}
"""
)

# When an entry that the index lost was used is told by the time that it has left.
MEND: Final = (
    _COMMON
    + """
local ttl_ms = tonumber(ARGV[1])
for i = 3, #KEYS do
  local name = KEYS[i]
  local left_ms = redis.call('PTTL', name)
  if left_ms == -2 then
    forget(name)
  elseif not redis.call('HGET', sizes, name) then
    note(name, redis.call('STRLEN', name), now - math.max(0, ttl_ms - left_ms) / 1000)
  end
end
expire_index(ttl_ms)
"""
)

STATE: Final = (
    _COMMON
    + """
local ttl_ms, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
evict(now - ttl_ms / 1000, math.huge, limit)
forget_evicted(limit)
local oldest = redis.call('ZRANGE', used, 0, 0, 'WITHSCORES')
local unused_us = oldest[1] and math.max(0, now - oldest[2]) * 1000000 or false
return {total('entries'), total('bytes'), total('evictions'), unused_us}
"""
)
