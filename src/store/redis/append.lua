-- The commonest batches, several at once: each has lines for one log of which its writer knows the last line. If that line is
-- there, as a store writes it, this is the log that the writer knows and nobody wrote meanwhile, so the lines may follow. It is
-- all the evidence that an append needs, at half the price of the whole examination. In any other case nothing is done and the
-- answer is 0; apply.lua then tells why.
--
-- KEYS are the logs. ARGV[1] tells the writer's own announcements from others; then come for each log what its last line begins
-- with, and the lines with newlines between them. One log is answered with a number, several with a list.
local call, find, outcomes = redis.pcall, string.find, KEYS[2] and {}
for index = 1, #KEYS do
  local log, opening, outcome = KEYS[index], ARGV[2 * index], 0
  local last = call('LINDEX', log, '-1')
  if last and not last.err and find(last, opening, 1, true) == 1 and string.byte(last, -1) == 125 then
    -- The flags would be behind the opening; an `m` or `s` is a reason to look.
    local behind = #opening + 1
    local letter = string.byte(last, behind + 1)
    if letter ~= 109 and letter ~= 115 or not find(last, '^"more":', behind) and not find(last, '^"sealed":', behind) then
      local lines, length = ARGV[2 * index + 1]
      if find(lines, '\n', 1, true) then
        local each, count = {}, 0
        for line in string.gmatch(lines, '[^\n]+') do
          count = count + 1
          each[count] = line
        end
        length = call('RPUSH', log, unpack(each))
      else
        length = call('RPUSH', log, lines)
      end
      if type(length) == 'number' then
        call('PUBLISH', log, ARGV[1])
        outcome = 1
      end
    end
  end
  if not outcomes then return outcome end
  outcomes[index] = outcome
end
return outcomes
