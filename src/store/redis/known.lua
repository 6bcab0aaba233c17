-- In front of every script. KEYS[1] is the hash that says which store this is. ARGV[1] is the id that the caller knows, or
-- empty, and ARGV[2] the highest count of writes that it has seen. A store that has another id, or fewer writes, has lost what
-- it acknowledged: then nothing is done, and nothing that is left is shown.
local store = redis.call('HMGET', KEYS[1], 'schema', 'id', 'writes')
local schema, id, writes = store[1], store[2] or '', tonumber(store[3] or 0) or 0
if schema ~= 'tc.store/1' and (schema or id ~= '') then return {'schema', schema or ''} end
if (id ~= ARGV[1] and ARGV[1] ~= '') or writes < tonumber(ARGV[2]) then return {'gone', id, writes} end
