-- Applies a batch: looks at all appends first, then does all parts in their order.
--
-- ARGV[3] is the id to give to a store that is not there yet, ARGV[4] the batch's token, ARGV[5] what tells the caller's own
-- announcements from others, ARGV[6] is '1' if something must be written whatever has landed. Then come the parts, each with
-- its own keys:
--   A after token lines    KEYS: log           an append to a log that has lines; the token of the line before, or empty
--   N lines                KEYS: log, names    an append to a new log; without a second key ('n') if lists do not name it
--   P entry                KEYS: entries, queues
--   D entry                KEYS: entries, queues
local token, origin = ARGV[4], ARGV[5]

-- Whether an append is to be written, or has landed; else why neither. The rules are those of `admit` in page.rs.
local function admit(log, after, known)
  local last = redis.call('LINDEX', log, '-1')
  if not last then
    if after > 0 then return 'lost', 0 end
    return 'write'
  end
  local number, found, more, sealed = header(last)
  if not number then return 'corrupt', 'its last line is not a line of a log' end
  if more then return 'corrupt', 'its last append is not whole' end
  if number > after then
    local line = redis.call('LINDEX', log, after - number)
    local first, landed = header(line or '')
    if line and first ~= after + 1 then return 'corrupt', 'its lines are not numbered without a gap' end
    if landed == token then return 'landed' end
  end
  if number < after then return 'lost', number end
  if sealed then return 'sealed', number end
  if number > after then return 'conflict', number end
  if known ~= '' and known ~= found then return 'changed', number end
  return 'write'
end

-- Lines that are separated by newlines become elements, some at a time: a call does not take any number of arguments.
local function push(log, text)
  if not string.find(text, '\n', 1, true) then return redis.call('RPUSH', log, text) end
  local lines, count, from = {}, 0, 1
  repeat
    local newline = string.find(text, '\n', from, true)
    count = count + 1
    lines[count] = string.sub(text, from, newline and newline - 1)
    if count == 1000 or not newline then
      redis.call('RPUSH', log, unpack(lines, 1, count))
      count = 0
    end
    from = newline and newline + 1
  until not from
end

local changes, outcomes, key, at, appends = ARGV[6] == '1', {}, 2, 7, 0
while ARGV[at] do
  local part = ARGV[at]
  if part == 'A' or part == 'N' or part == 'n' then
    appends = appends + 1
    local outcome, detail
    if part == 'A' then
      outcome, detail = admit(KEYS[key], tonumber(ARGV[at + 1]), ARGV[at + 2])
      key, at = key + 1, at + 4
    else
      outcome, detail = admit(KEYS[key], 0, '')
      key, at = key + (part == 'N' and 2 or 1), at + 2
    end
    if outcome == 'write' then
      changes = true
    elseif outcome ~= 'landed' then
      return {outcome, appends, detail}
    end
    outcomes[appends] = outcome
  else
    changes, key, at = true, key + 2, at + 2
  end
end

if id == '' then
  id, writes = ARGV[3], 1
  redis.call('HSET', KEYS[1], 'schema', 'tc.store/1', 'id', id, 'writes', '1')
elseif changes then
  writes = redis.call('HINCRBY', KEYS[1], 'writes', '1')
end

key, at, appends = 2, 7, 0
while ARGV[at] do
  local part, first = ARGV[at], KEYS[key]
  if part == 'A' then
    appends = appends + 1
    if outcomes[appends] == 'write' then
      push(first, ARGV[at + 3])
      redis.pcall('PUBLISH', first, origin)
    end
    key, at = key + 1, at + 4
  elseif part == 'N' or part == 'n' then
    appends = appends + 1
    if outcomes[appends] == 'write' then
      if part == 'N' then redis.call('ZADD', KEYS[key + 1], '0', string.match(first, '[^/]*$') .. '/') end
      push(first, ARGV[at + 1])
      redis.pcall('PUBLISH', first, origin)
    end
    key, at = key + (part == 'N' and 2 or 1), at + 2
  else
    if part == 'P' then
      if redis.call('ZADD', first, '0', ARGV[at + 1]) == 1 then
        if redis.call('ZCARD', first) == 1 then redis.call('ZADD', KEYS[key + 1], '0', string.match(first, '[^:]*$')) end
        redis.pcall('PUBLISH', first, origin)
      end
    elseif redis.call('ZREM', first, ARGV[at + 1]) == 1 and redis.call('EXISTS', first) == 0 then
      redis.call('ZREM', KEYS[key + 1], string.match(first, '[^:]*$'))
    end
    key, at = key + 2, at + 2
  end
end
if ARGV[1] ~= '' then return writes end
return {'ok', id, writes}
