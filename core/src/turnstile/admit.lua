-- The turnstile: decides a handful of concurrent buys of one sale in one call.
--
-- KEYS: 1 the sale's record, 2 its stock, 3 its jobs, 4 first answers by shopper and key,
--       5 and 6 the rate limiter's two halves, then one lane for each product of the call.
-- ARGV: number of products, the products in the order of the lanes, then five for each buy:
--       which product (1-based), shopper, idempotency key, job id, job (JSON).
--
-- Answer: for a sale that is unknown or not yet open one text for all: U, or N<opensAt in
-- microseconds>. Otherwise one value for each buy: an integer is "queued at this position"; a text
-- is C closed, H held by hand, T<milliseconds to wait>, X key used for another product, P unknown
-- product, S sold out, F lane full, or R<job id> <position> <product> for a repeat.
--
-- All buys of a call are looked up together and written down together: a command costs Redis more
-- than one more field of it does.

-- Microseconds that one half of the rate limiter's memory gathers shoppers, at least.
local MINUTE = 60000000

local sale = redis.call('HMGET', KEYS[1],
  'opensAt', 'closesAt', 'suspended', 'closing', 'interval', 'tolerance', 'maxDepth')
if not sale[5] then return {'U'} end

-- Redis's own clock, so that every gateway opens and closes at the same instant (law 5).
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local shut = sale[4] == '1' or (sale[2] ~= '' and now >= tonumber(sale[2]))
local refusal = shut and 'C' or sale[3] == '1' and 'H'
if not refusal and sale[1] ~= '' and now < tonumber(sale[1]) then return {'N' .. sale[1]} end

local products = tonumber(ARGV[1])
local buys = (#ARGV - 1 - products) / 5
local users, names = {}, {}
for buy = 1, buys do
  local base = 5 * buy + products - 4
  users[buy] = ARGV[base + 2]
  names[buy] = ARGV[base + 2] .. ' ' .. ARGV[base + 3]
end
local first = redis.call('HMGET', KEYS[4], unpack(names))

-- The job, position and product that a key had before, as the answer to this buy for `product`.
local function repeated(answer, product)
  return string.match(answer, '[^ ]+$') == product and 'R' .. answer or 'X'
end

if refusal then
  -- Whoever was taken in the last moment and never heard asks again now: taken is taken.
  local answers = {}
  for buy = 1, buys do
    local product = ARGV[1 + ARGV[5 * buy + products - 3]]
    answers[buy] = first[buy] and repeated(first[buy], product) or refusal
  end
  return answers
end

-- Generic cell rate algorithm: a shopper's `arrival` is when their bucket will be full again. The
-- two halves take turns in gathering arrivals. Those of the half before are still looked at, and
-- what is older is over, so that it can be thrown away as a whole.
local interval, tolerance = tonumber(sale[5]), tonumber(sale[6])
local turn = math.floor(now / math.max(MINUTE, interval + tolerance))
local half, half_before = KEYS[5 + turn % 2], KEYS[6 - turn % 2]
local began = redis.call('HGET', half, '')
local arrivals = {}
local function look_up(key)
  local found = redis.call('HMGET', key, unpack(users))
  for buy = 1, buys do
    local user = users[buy]
    arrivals[user] = math.max(arrivals[user] or now, tonumber(found[buy] or 0))
  end
end
if began == tostring(turn) then
  look_up(half)
elseif began then
  redis.call('UNLINK', half)
end
look_up(half_before)

local fields = {}
for i = 1, products do
  fields[2 * i - 1] = ARGV[1 + i]
  fields[2 * i] = ARGV[1 + i] .. '#'
end
local known = redis.call('HMGET', KEYS[2], unpack(fields))
local max_depth = tonumber(sale[7])
local stock, settled, depth, was_empty = {}, {}, {}, {}
for i = 1, products do
  stock[i] = tonumber(known[2 * i - 1])
  settled[i] = tonumber(known[2 * i] or 0)
  depth[i] = stock[i] and redis.call('XLEN', KEYS[6 + i]) or 0
  was_empty[i] = depth[i] == 0
end

local answers, records, taken, rates, taken_now = {}, {}, {}, {'', turn}, {}
for buy = 1, buys do
  local base = 5 * buy + products - 4
  local lane, user, name = tonumber(ARGV[base + 1]), users[buy], names[buy]
  local arrival = arrivals[user] + interval
  if arrival - now > tolerance + 1 then
    answers[buy] = 'T' .. string.format('%d', math.ceil((arrival - now - tolerance) / 1000))
  else
    arrivals[user] = arrival
    rates[#rates + 1] = user
    rates[#rates + 1] = string.format('%d', arrival)
    local product = ARGV[1 + lane]
    local before = first[buy] or taken_now[name]
    if before then
      answers[buy] = repeated(before, product)
    elseif not stock[lane] then
      answers[buy] = 'P'
    elseif stock[lane] <= depth[lane] then
      -- Each waiting job holds one unit, so what is left for this buy is stock minus depth.
      answers[buy] = 'S'
    elseif depth[lane] >= max_depth then
      answers[buy] = 'F'
    else
      local job = ARGV[base + 4]
      redis.call('XADD', KEYS[6 + lane], '*', 'job', ARGV[base + 5])
      local position = depth[lane] + 1
      depth[lane] = position
      local answer = job .. ' ' .. position .. ' ' .. product
      taken_now[name] = answer
      taken[#taken + 1] = name
      taken[#taken + 1] = answer
      records[#records + 1] = job
      records[#records + 1] = 'q ' .. string.format('%d', settled[lane] + position) ..
        ' ' .. product .. ' ' .. user
      answers[buy] = position
    end
  end
end

if #rates > 2 then
  redis.call('HSET', half, unpack(rates))
  if began ~= tostring(turn) then
    redis.call('PEXPIRE', half, string.format('%d', 2 * math.max(MINUTE, interval + tolerance) / 1000))
  end
end
if #records > 0 then
  redis.call('HSET', KEYS[4], unpack(taken))
  redis.call('HSET', KEYS[3], unpack(records))
  local name = string.sub(KEYS[1], 5, -2) -- without 'fs:{' and '}'
  for i = 1, products do
    if was_empty[i] and depth[i] > 0 then
      redis.call('PUBLISH', 'fs:wake', name .. ' ' .. ARGV[1 + i])
    end
  end
end
return answers
