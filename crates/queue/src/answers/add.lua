-- Adds what a gateway has answered to the buys of a sale, once for each number of a batch.
--
-- KEYS: the sale's record, its answers. ARGV: the gateway's field, the number of the batch, the field of the time of
-- the first, then answers and counts in turn. Returns 1 if the batch is counted, 0 if the sale is not in force.

-- A sale that was withdrawn is being freed: what were written now would stay for ever.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
-- Added before, and the answer did not arrive, or the call itself arrives once more.
if tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0) >= tonumber(ARGV[2]) then
  return 1
end
local time = redis.call('TIME')
redis.call('HSETNX', KEYS[2], ARGV[3], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
for i = 4, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
