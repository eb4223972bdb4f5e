-- The turnstile: decides a handful of concurrent buys of one sale in one call.
--
-- KEYS: 1 the sale's record, 2 its stock, 3 its jobs, 4 first answers by shopper and key,
--       5 and 6 the rate limiter's two halves, then one lane for each product of the call.
-- ARGV: number of products, the products in the order of the lanes, then five for each buy:
--       which product (1-based), shopper, idempotency key, job id, job (JSON; empty where the price
--       is above what the shopper would pay, who is then taken only with a repeat); then whether the
--       caller waits for replicas (0/1); last the channel on which a lane that stops being empty is
--       told.
--
-- Answer: for a sale that is unknown or not yet open one text for all: U, or N<opensAt in
-- microseconds>. Otherwise one value for each buy: an integer is "queued at this position"; a text
-- is C closed, H held by hand, T<milliseconds to wait>, X key used for another product, P unknown
-- product, S sold out, F lane full, E too expensive, or R<job id> <position> for a repeat.
--
-- All buys of a call are looked up together and written down together: a command costs Redis more
-- than one more field of it does.

local call, format, max = redis.call, string.format, math.max

-- Microseconds that one half of the rate limiter's memory gathers shoppers, at least.
local MINUTE = 60000000

local sale = call('HMGET', KEYS[1],
  'opensAt', 'closesAt', 'suspended', 'closing', 'interval', 'tolerance', 'maxDepth')
if not sale[5] then return {'U'} end

-- Redis's own clock, so that every gateway opens and closes at the same instant (law 5).
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]
local shut = sale[4] == '1' or (sale[2] ~= '' and now >= tonumber(sale[2]))
local refusal = shut and 'C' or sale[3] == '1' and 'H'
if not refusal and sale[1] ~= '' and now < tonumber(sale[1]) then return {'N' .. sale[1]} end

local products = tonumber(ARGV[1])
local buys = (#ARGV - 3 - products) / 5
local users, names = {}, {}
for buy = 1, buys do
  local base = 5 * buy + products - 4
  users[buy] = ARGV[base + 2]
  names[buy] = ARGV[base + 2] .. ' ' .. ARGV[base + 3]
end
local first = call('HMGET', KEYS[4], unpack(names))

-- The job and position that a key had before, as the answer to this buy for `product`. What was
-- bought then stands in the job's record, for the few that ask.
local function repeated(answer, product)
  local record = call('HGET', KEYS[3], string.match(answer, '^[^ ]+'))
  if record and string.match(record, '^[^ ]+ [^ ]+ ([^ ]+)') ~= product then return 'X' end
  return 'R' .. answer
end

if refusal then
  -- Whoever was taken in the last moment and never heard asks again now: taken is taken.
  local answers, is_repeat = {}, false
  for buy = 1, buys do
    local product = ARGV[1 + ARGV[5 * buy + products - 3]]
    answers[buy] = first[buy] and repeated(first[buy], product) or refusal
    is_repeat = is_repeat or first[buy]
  end
  -- WAIT waits for the last write of its own connection. The buy that is repeated here was written
  -- over another one, and may have reached no replica: a write after it has to. (Redis 7.0 counts any
  -- command as a write there, later ones do not.) This one changes nothing. A sale that is not shut
  -- needs none: whoever passes the rate limit with a repeat is written down.
  if is_repeat and ARGV[#ARGV - 1] == '1' then call('HSET', KEYS[1], 'maxDepth', sale[7]) end
  return answers
end

-- Generic cell rate algorithm: a shopper's `arrival` is when their bucket will be full again. The
-- two halves take turns in gathering arrivals, as microseconds since the turn began. Those of the
-- turn before are still looked at; what is older is over, and can be thrown away as a whole. So is
-- what is of another length of turn (a limit of more than a minute was edited) or of later turns (the
-- clock was set back by more than one): all buckets are full again then, once. To keep them would
-- take a longer memory of every shopper for an event that gives each of them one burst.
local interval, tolerance = tonumber(sale[5]), tonumber(sale[6])
local length = max(MINUTE, math.ceil(interval + tolerance))
local turn = math.floor(now / length)
local half = KEYS[5 + turn % 2]
local arrivals = {}
local function look_up(key, of_turn)
  local found = call('HMGET', key, '', unpack(users))
  if tonumber(found[1] or -1) ~= of_turn then return false end
  local began = of_turn * length
  for buy = 1, buys do
    local since = found[1 + buy]
    if since then
      local user = users[buy]
      arrivals[user] = max(arrivals[user] or now, began + since)
    end
  end
  return true
end
local is_begun = look_up(half, turn)
look_up(KEYS[6 - turn % 2], turn - 1)

local fields = {}
for i = 1, products do
  fields[2 * i - 1] = ARGV[1 + i]
  fields[2 * i] = ARGV[1 + i] .. '#'
end
local known = call('HMGET', KEYS[2], unpack(fields))
local max_depth = tonumber(sale[7])
local stock, settled, depth, was_empty = {}, {}, {}, {}
for i = 1, products do
  stock[i] = tonumber(known[2 * i - 1])
  settled[i] = tonumber(known[2 * i] or 0)
  depth[i] = stock[i] and call('XLEN', KEYS[6 + i]) or 0
  was_empty[i] = depth[i] == 0
end

local answers, records, taken, rates, taken_now = {}, {}, {}, {'', turn}, {}
local rated, recorded = 2, 0
for buy = 1, buys do
  local base = 5 * buy + products - 4
  local lane, user, name = tonumber(ARGV[base + 1]), users[buy], names[buy]
  local remembered = arrivals[user]
  local arrival = (remembered or now) + interval
  if arrival - now > tolerance + 1 then
    answers[buy] = 'T' .. format('%d', math.ceil((arrival - now - tolerance) / 1000))
  else
    local product = ARGV[1 + lane]
    local before = first[buy]
    if before then
      answers[buy] = repeated(before, product)
    elseif taken_now[name] then
      local of_product, answer = unpack(taken_now[name])
      answers[buy] = of_product == product and 'R' .. answer or 'X'
    elseif not stock[lane] then
      answers[buy] = 'P'
    elseif stock[lane] <= depth[lane] then
      -- Each waiting job holds one unit, so what is left for this buy is stock minus depth.
      answers[buy] = 'S'
    elseif depth[lane] >= max_depth then
      answers[buy] = 'F'
    elseif ARGV[base + 5] == '' then
      answers[buy] = 'E'
    else
      local job = ARGV[base + 4]
      call('XADD', KEYS[6 + lane], '*', 'job', ARGV[base + 5])
      local position = depth[lane] + 1
      depth[lane] = position
      local answer = format('%s %d', job, position)
      taken_now[name] = {product, answer}
      taken[recorded + 1], taken[recorded + 2] = name, answer
      records[recorded + 1] = job
      records[recorded + 2] = format('q %d %s %s', settled[lane] + position, product, user)
      recorded = recorded + 2
      answers[buy] = position
    end
    -- Only shoppers who have been in line are remembered: a first answer and a job are kept of them
    -- anyway. Shoppers whom somebody made up and who are all turned away take no room; what they may
    -- ask is limited by gateways, by address.
    if remembered or before or taken_now[name] then
      arrivals[user] = arrival
      rates[rated + 1], rates[rated + 2] = user, format('%d', arrival - turn * length)
      rated = rated + 2
    end
  end
end

if rated > 2 then
  if not is_begun then call('UNLINK', half) end
  call('HSET', half, unpack(rates))
  if not is_begun then call('PEXPIRE', half, format('%d', 2 * length / 1000)) end
end
if recorded > 0 then
  call('HSET', KEYS[4], unpack(taken))
  call('HSET', KEYS[3], unpack(records))
  local name = string.sub(KEYS[1], 5, -2) -- without 'fs:{' and '}'
  for i = 1, products do
    if was_empty[i] and depth[i] > 0 then
      call('PUBLISH', ARGV[#ARGV], name .. ' ' .. ARGV[1 + i])
    end
  end
end
return answers
