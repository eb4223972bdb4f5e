#!lua flags=allow-oom
-- Says when workers have to look at the orders of some products, be their lanes empty or not.
--
-- KEYS: 1 the sale's record, 2 when orders are looked at. ARGV: 1 the channel that wakes workers (empty: nobody is
--       woken), 2 the sale, 3 in how many milliseconds; then the products.

-- A sale that was withdrawn is being freed: what were written now would stay for ever.
if redis.call('EXISTS', KEYS[1]) == 0 then return end
local time = redis.call('TIME')
local due = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[3])
for i = 4, #ARGV do
  redis.call('HSET', KEYS[2], ARGV[i], string.format('%.0f', due))
  if ARGV[1] ~= '' then redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' ' .. ARGV[i]) end
end
