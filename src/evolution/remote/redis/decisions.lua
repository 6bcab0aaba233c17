-- Decisions behind a place, with what tells whether those in front are still the same.
-- KEYS: the stream. ARGV: the first id; how many.
return {last, length, redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])}
