-- Appends lines of calls, once however often it is called.
-- KEYS: the stream; the number of what this writer wrote last.
-- ARGV: the writer; the number of these lines; the lines; for how many seconds the number is kept.
local last = tonumber(redis.call('GET', KEYS[2]) or 0) or 0
if last >= tonumber(ARGV[2]) then return 0 end
redis.call('XADD', KEYS[1], '*', 'lines', ARGV[3], 'writer', ARGV[1])
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[4])
return 1
