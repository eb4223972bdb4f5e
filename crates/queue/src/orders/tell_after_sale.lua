#!lua flags=allow-oom
-- Tells where orders of a sale stand whose product another sale has by now.
--
-- KEYS: 1 the sale's record, 2 orders. ARGV: 1 the channel of the event, 2 the event; then number and state of
--       each order.

-- A sale that was withdrawn is being freed: what were written now would stay for ever.
if redis.call('EXISTS', KEYS[1]) == 0 then return end
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
redis.call('PUBLISH', ARGV[1], ARGV[2])
