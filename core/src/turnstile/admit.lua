-- The turnstile: decides a handful of concurrent buys of one sale in one call.
--
-- KEYS: 1 the sale's record, 2 its stock, 3 its jobs, then one lane for each product of the call,
--       then one user hash for each buy.
-- ARGV: number of products, the products in the order of the lanes, then four for each buy:
--       which product (1-based), idempotency key, job id, job (JSON).
--
-- Answer: for a sale that is unknown or not yet open one text for all: U, or N<opensAt in
-- microseconds>. Otherwise one value for each buy: an integer is "queued at this position"; a text
-- is C closed, H held by hand, T<milliseconds to wait>, X key used for another product, P unknown
-- product, S sold out, F lane full, or R<job id> <position> <product> for a repeat.

local sale = redis.call('HMGET', KEYS[1],
  'opensAt', 'closesAt', 'suspended', 'closing', 'interval', 'tolerance', 'maxDepth', 'retention')
if not sale[5] then return {'U'} end

-- Redis's own clock, so that every gateway opens and closes at the same instant (law 5).
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
-- The job, position and product that a key had before, as the answer to this buy for `product`.
local function repeated(first, product)
  return string.match(first, '[^ ]+$') == product and 'R' .. first or 'X'
end

local shut = sale[4] == '1' or (sale[2] ~= '' and now >= tonumber(sale[2]))
if shut or sale[3] == '1' then
  -- Whoever was taken in the last moment and never heard asks again now: taken is taken.
  local refusal, answers = shut and 'C' or 'H', {}
  local products = tonumber(ARGV[1])
  for buy = 1, #KEYS - 3 - products do
    local base = 1 + products + 4 * (buy - 1)
    local first = redis.call('HGET', KEYS[3 + products + buy], 'k' .. ARGV[base + 2])
    answers[buy] = first and repeated(first, ARGV[1 + ARGV[base + 1]]) or refusal
  end
  return answers
end
if sale[1] ~= '' and now < tonumber(sale[1]) then return {'N' .. sale[1]} end

local interval, tolerance = tonumber(sale[5]), tonumber(sale[6])
local max_depth, retention = tonumber(sale[7]), sale[8]

local products = tonumber(ARGV[1])
local fields = {}
for i = 1, products do
  fields[2 * i - 1] = ARGV[1 + i]
  fields[2 * i] = ARGV[1 + i] .. '#'
end
local known = redis.call('HMGET', KEYS[2], unpack(fields))
local stock, settled, depth, was_empty = {}, {}, {}, {}
for i = 1, products do
  stock[i] = tonumber(known[2 * i - 1])
  settled[i] = tonumber(known[2 * i] or 0)
  depth[i] = stock[i] and redis.call('XLEN', KEYS[3 + i]) or 0
  was_empty[i] = depth[i] == 0
end

local user_prefix = #KEYS[1] + 4 -- after 'fs:{sale}' stands ':u:'
local answers, records = {}, {}
for buy = 1, #KEYS - 3 - products do
  local user_key = KEYS[3 + products + buy]
  local base = 1 + products + 4 * (buy - 1)
  local lane = tonumber(ARGV[base + 1])
  local field = 'k' .. ARGV[base + 2]
  local user = redis.call('HMGET', user_key, 'r', field)

  -- Generic cell rate algorithm: `arrival` is when the bucket will be full again.
  local arrival = math.max(tonumber(user[1] or 0), now) + interval
  if arrival - now > tolerance + 1 then
    answers[buy] = 'T' .. string.format('%.0f', math.ceil((arrival - now - tolerance) / 1000))
  else
    local rate = string.format('%.0f', arrival)
    local product = ARGV[1 + lane]
    local answer
    if user[2] then
      answer = repeated(user[2], product)
    elseif not stock[lane] then
      answer = 'P'
    elseif stock[lane] <= depth[lane] then
      -- Each waiting job holds one unit, so what is left for this buy is stock minus depth.
      answer = 'S'
    elseif depth[lane] >= max_depth then
      answer = 'F'
    end
    if answer then
      redis.call('HSET', user_key, 'r', rate)
      answers[buy] = answer
    else
      local job = ARGV[base + 3]
      redis.call('XADD', KEYS[3 + lane], '*', 'job', ARGV[base + 4])
      local position = depth[lane] + 1
      depth[lane] = position
      redis.call('HSET', user_key, 'r', rate, field, job .. ' ' .. position .. ' ' .. product)
      records[#records + 1] = job
      records[#records + 1] = 'q ' .. string.format('%.0f', settled[lane] + position) ..
        ' ' .. product .. ' ' .. string.sub(user_key, user_prefix)
      answers[buy] = position
    end
    if not user[1] then redis.call('PEXPIRE', user_key, retention) end
  end
end

if #records > 0 then
  redis.call('HSET', KEYS[3], unpack(records))
  local name = string.sub(KEYS[1], 5, -2) -- without 'fs:{' and '}'
  for i = 1, products do
    if was_empty[i] and depth[i] > 0 then
      redis.call('PUBLISH', 'fs:wake', name .. ' ' .. ARGV[1 + i])
    end
  end
end
return answers
