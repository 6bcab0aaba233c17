-- In front of the scripts for decisions: the id of the last entry that the stream ever had, and how many it has.
local last, length = '0-0', 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for at = 1, #info, 2 do
    if info[at] == 'last-generated-id' then last = info[at + 1] end
    if info[at] == 'length' then length = info[at + 1] end
  end
end
