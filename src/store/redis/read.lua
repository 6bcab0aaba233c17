-- Reads lines of the log KEYS[2] behind number ARGV[3]: whole appends of at least ARGV[4] bytes, or to the end; none for 0.
-- No more than ARGV[5] bytes beyond that, even if what is stored says that an append goes on.
local after, least, slack = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local count = redis.call('LLEN', KEYS[2])
if count == 0 then return {'ok', id, writes, 0} end
local tail = redis.call('LINDEX', KEYS[2], '-1')
local last, token, more, sealed = header(tail)
if not last then return {'corrupt', 0, 'its last line is not a line of a log'} end
if more then return {'corrupt', 0, 'its last append is not whole'} end
local before = last - count
if before < 0 then return {'corrupt', 0, 'it has more lines than its last number says'} end
local at = math.max(after - before, 0)
if at == 0 and before > after and not sealed then return {'missing', 0, before} end

local lines, found, size, step = {}, 0, 0, 8
local first = before + at + 1
local going = least > 0
while going and at < count do
  local part = redis.call('LRANGE', KEYS[2], at, at + step - 1)
  for _, line in ipairs(part) do
    found = found + 1
    lines[found] = line
    size = size + #line + 1
    if size >= least then
      local number, _, goes_on = header(line)
      if not number or not goes_on or size > least + slack then
        going = false
        break
      end
    end
  end
  at = at + #part
  -- As many lines as are still wanted, by the size of those before; growing slowly, because the next may be larger.
  local wanted = math.ceil(math.max(least - size, 1) * found / size)
  step = math.max(1, math.min(wanted, step * 4, 1000))
end
return {'ok', id, writes, last, token, sealed and 1 or 0, first, found, table.concat(lines, '\n')}
