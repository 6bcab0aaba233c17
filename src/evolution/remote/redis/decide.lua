-- Appends a decision, if the stream ends where its author thinks.
-- KEYS: the stream. ARGV: the id of the last decision that its author knew of; the first id behind that; the decision.
if last == ARGV[1] then
  return {'done', redis.call('XADD', KEYS[1], '*', 'lines', ARGV[3])}
end
-- It may have landed before, and the answer been lost.
local behind = redis.call('XRANGE', KEYS[1], ARGV[2], '+', 'COUNT', 1)[1]
if behind and behind[2][1] == 'lines' and behind[2][2] == ARGV[3] then return {'done', behind[1]} end
return {'moved', last}
