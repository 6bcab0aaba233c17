-- Lets go of the lines of the sealed log KEYS[2] in front of the last, at most ARGV[3] at a time: to free millions takes a
-- while in which nobody else is served.
local tail = redis.call('LINDEX', KEYS[2], '-1')
if not tail then return {'open'} end
local number, _, _, sealed = header(tail)
if not number then return {'corrupt', 0, 'its last line is not a line of a log'} end
if not sealed then return {'open'} end
local count = redis.call('LLEN', KEYS[2])
local go = math.min(count - 1, tonumber(ARGV[3]))
if go > 0 then redis.call('LTRIM', KEYS[2], go, '-1') end
return {'ok', id, writes, count - 1 - go}
