-- Makes the index KEYS[2] say whether the key KEYS[3] is there, which it calls ARGV[3].
if redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('ZADD', KEYS[2], '0', ARGV[3])
else
  redis.call('ZREM', KEYS[2], ARGV[3])
end
return {'ok', id, writes}
