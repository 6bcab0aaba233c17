-- The number, token, and flags `more` and `sealed` that a line begins with; nothing if it begins otherwise.
local function header(line)
  local number, token, at = string.match(line, '^{"seq":(%d+),"token":"([0-9a-f]+)"()')
  if not number then
    local pattern = '^[ \t]*{[ \t]*"seq"[ \t]*:[ \t]*(%d+)[ \t]*,[ \t]*"token"[ \t]*:[ \t]*"([0-9a-f]+)"()'
    number, token, at = string.match(line, pattern)
  end
  -- A number of more than 15 digits is not exact here, and no log has so many lines.
  if not number or #number > 15 or #token ~= 16 or string.byte(line, -1) ~= 125 then return nil end
  local more = string.match(line, '^[ \t]*,[ \t]*"more"[ \t]*:[ \t]*true()', at)
  at = more or at
  local sealed = string.match(line, '^[ \t]*,[ \t]*"sealed"[ \t]*:[ \t]*true()', at)
  if not string.find(line, '^[ \t]*,', sealed or at) or tonumber(number) == 0 then return nil end
  return tonumber(number), token, more, sealed
end
