#!lua flags=allow-oom
-- Tells what became of some orders of one product after their settlement, wholly or not at all. May be
-- repeated. Runs at maxmemory too: it writes little, and units that came back are to be sold.
--
-- KEYS: 1 the sale's record, 2 lease of the lane, 3 orders, 4 when they are looked at, 5 stock, 6 the lane.
-- ARGV: 1 product, 2 who must hold the lease, 3 number of the last change that was told before these,
--       4 that with these, 5 stock, 6 its version, 7 version of the last batch in it (all three empty when
--       unknown), 8 the event of the stock, 9 the channel of 8, 10 the event of the orders, 11 the channel of 10,
--       12 in how many milliseconds to look again (empty: it stays as it is), 13 how many jobs of the lane had
--       ended when somebody looked, from which 12 comes; then number and state of each order.
--
-- Answer: 1 and how many jobs of the lane have ended and whether the stock is told (0, 1); or a negative
-- number, and nothing was changed: -1 the sale is not in force, -2 another holds the lease, -3 another change
-- was told last, whose number follows.

local call = redis.call
local RECORD, LEASE, ORDERS, DUE, STOCK, LANE = unpack(KEYS)
local product = ARGV[1]

-- Arguments that one call gets: Lua's stack holds 8,000 values.
local MOST = 4000

-- A sale that was withdrawn is being freed: what were written now would stay for ever.
if call('EXISTS', RECORD) == 0 then return {-1} end
if call('GET', LEASE) ~= ARGV[2] then return {-2} end
local cursor = call('HGET', DUE, product .. '!') or '0'
if cursor ~= ARGV[3] then return {-3, tonumber(cursor)} end

for from = 14, #ARGV, MOST do
  call('HSET', ORDERS, unpack(ARGV, from, math.min(from + MOST - 1, #ARGV)))
end
call('HSET', DUE, product .. '!', ARGV[4])

local known = call('HMGET', STOCK, product, product .. '@', product .. '#')
local ended = known[3] or '0'

-- As every other figure of the ledger: not over a newer one, and not while it contains a batch whose jobs
-- are still in the lane, since the turnstile would count those twice. A product without stock has been taken
-- out of the sale.
local is_told = not known[1]
if known[1] and ARGV[6] ~= '' then
  local before = tonumber(known[2] or -1)
  is_told = before >= tonumber(ARGV[6])
  if not is_told and (before >= tonumber(ARGV[7]) or call('XLEN', LANE) == 0) then
    call('HSET', STOCK, product, ARGV[5], product .. '@', ARGV[6])
    call('PUBLISH', ARGV[9], ARGV[8])
    is_told = true
  end
end

-- Batches that were acknowledged since somebody looked may have orders that are due sooner.
if ARGV[12] ~= '' then
  local time = call('TIME')
  local due = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[12])
  local is_latest = ended == ARGV[13]
  if is_latest or due < tonumber(call('HGET', DUE, product) or due + 1) then
    call('HSET', DUE, product, string.format('%.0f', due))
  end
end

if ARGV[10] ~= '' then call('PUBLISH', ARGV[11], ARGV[10]) end
return {1, tonumber(ended), is_told and 1 or 0}
