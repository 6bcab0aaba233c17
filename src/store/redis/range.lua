-- Members of the sorted set KEYS[2] from ARGV[3] to ARGV[4] in the order of their bytes, at most ARGV[5].
return {'ok', id, writes, redis.call('ZRANGEBYLEX', KEYS[2], ARGV[3], ARGV[4], 'LIMIT', '0', ARGV[5])}
