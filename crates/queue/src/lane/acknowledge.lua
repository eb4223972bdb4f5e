#!lua flags=allow-oom
-- Acknowledges some entries of one lane: takes them out of it and tells what became of them, but
-- only of those that were still there. Runs at maxmemory too, since it is what frees memory.
--
-- KEYS: 1 the sale's record, 2 the lane, 3 stock, 4 notes of retries, 5 jobs, 6 dead letters, 7 lease;
--       and where orders are not completed yet: 8 orders, 9 when they are looked at.
-- ARGV: 1 product, 2 stock, 3 its version (both empty when unknown), 4 greatest order number,
--       5 the event's channel, 6 the event if every entry is still there,
--       7 and 8 ids of the first and the last entry (empty: they do not stand in order),
--       9 a text of the last entry, by which it is known again,
--       10 the id after the last (empty: other entries lay between these when they were read),
--       11 number of entries, 12 of entry ids given here, 13 of jobs that ended, 14 of dead letters,
--       15 who must hold the lane's lease (empty: anybody may);
--       then the entry ids (those of the jobs first, in their order), id and record of each job,
--       and of each dead letter the number of its entry, reason, attempts and job;
--       then the numbers of all orders that are not completed, and where they stand, in the same order.
--
-- Answer: the number of entries, all of which were there; or the numbers of those that were; or -1
-- when the sale is not in force, or -2 when it takes the entry ids to tell, or -3 when another holds
-- the lease. With a negative answer nothing was changed.
--
-- An entry can be taken out only once, so XDEL alone says who tells of it. It costs a call for each
-- entry, though, several times what all the rest of an order does. So where it can be proved before
-- that all are there, they go in one command: see `intact`.

local call = redis.call
local RECORD, LANE, STOCK, RETRIES, JOBS, DEAD, LEASE, ORDERS, DUE = unpack(KEYS)
local product, event = ARGV[1], ARGV[6]
local first, last = ARGV[7], ARGV[8]
local entries, given, ended, dead =
  tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local ids = 15
local jobs = ids + given
local letters = jobs + 2 * ended
local orders = letters + 4 * dead
local states = orders + (#ARGV - orders) / 2

-- Arguments that one call gets: Lua's stack holds 8,000 values.
local MOST = 4000

-- Up to so many entries, asking for each is cheaper than the proof.
local FEW = 3

-- A sale that was withdrawn is being freed: what were written now would stay for ever.
if call('EXISTS', RECORD) == 0 then return -1 end

if ARGV[15] ~= '' and call('GET', LEASE) ~= ARGV[15] then return -3 end

-- Whether the entry id `a` comes before `b`. False too where a number is too great to be compared.
local function before(a, b)
  local a_ms, a_sequence = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_sequence = string.match(b, '^(%d+)-(%d+)$')
  if not a_ms or not b_ms then return false end
  if a_ms == b_ms then return tonumber(a_sequence) < tonumber(b_sequence) end
  return tonumber(a_ms) < tonumber(b_ms)
end

-- Whether every entry from `first` to `last` that ever was in the lane still is, and whether `first`
-- is the lane's oldest. Entries leave a stream by XDEL, which remembers the greatest id, or from
-- its head. And a stream that has the last entry had those before it: also one that went on from an
-- older copy, whose history is the beginning of this one. (A stream begun anew could have the id,
-- but not the job.)
local function intact()
  if first == '' then return false end
  local reply = redis.pcall('XINFO', 'STREAM', LANE)
  if reply.err then return false end
  local facts = {}
  for i = 1, #reply, 2 do facts[reply[i]] = reply[i + 1] end
  local oldest, deleted = facts['first-entry'], facts['max-deleted-entry-id']
  if not oldest or not deleted or not before(deleted, first) then return false end
  local is_oldest = oldest[1] == first
  if not is_oldest and not before(oldest[1], first) then return false end
  local found = call('XRANGE', LANE, last, last)[1]
  for _, text in ipairs(found and found[2] or {}) do
    if string.find(text, ARGV[9], 1, true) then return true, is_oldest end
  end
  return false
end

-- Calls `command` with some of the arguments after the first `offset`, as often as it takes.
-- Answers the sum of what it answers.
local function call_with(command, key, offset, count)
  local sum = 0
  for from = offset + 1, offset + count, MOST do
    sum = sum + call(command, key, unpack(ARGV, from, math.min(from + MOST - 1, offset + count)))
  end
  return sum
end

local function bury(letter)
  local at = letters + 4 * (letter - 1)
  call('XADD', DEAD, '*', 'product', product,
    'reason', ARGV[at + 2], 'attempts', ARGV[at + 3], 'job', ARGV[at + 4])
end

-- Notes where those of `count` orders stand that nothing was noted of: what is there was told later. Order
-- and state number `i` are arguments `order_of(i)` and `state_of(i)`. A worker has to look at orders that wait
-- for payment, and the one that drives the lane may be about to die: somebody is to look at once. The
-- driver says better when it has looked itself.
local function note_orders(count, order_of, state_of)
  for from = 1, count, MOST / 2 do
    local upto = math.min(from + MOST / 2 - 1, count)
    local numbers = {}
    for i = from, upto do numbers[#numbers + 1] = order_of(i) end
    local known, new = call('HMGET', ORDERS, unpack(numbers)), {}
    for i, number in ipairs(numbers) do
      if not known[i] then
        new[#new + 1] = number
        new[#new + 1] = state_of(from + i - 1)
      end
    end
    if #new > 0 then call('HSET', ORDERS, unpack(new)) end
  end
  for i = 1, count do
    if string.sub(state_of(i), 1, 2) == 'p ' then
      local time = call('TIME')
      local now = time[1] * 1000 + math.floor(time[2] / 1000)
      if now < tonumber(call('HGET', DUE, product) or now + 1) then
        call('HSET', DUE, product, string.format('%.0f', now))
      end
      return
    end
  end
end

-- What the removal of `gone` entries means for the sale: told in the same instant, since the
-- turnstile compares the lane's length with the stock.
local function tell(gone, highest, message)
  call('HINCRBY', STOCK, product .. '#', gone)
  local known = call('HMGET', STOCK, product, product .. '@', '$')
  -- A product without stock has been taken out of the sale, or Redis lost it: then the control loop
  -- tells it again.
  if ARGV[3] ~= '' and known[1] and tonumber(ARGV[3]) > tonumber(known[2] or -1) then
    call('HSET', STOCK, product, ARGV[2], product .. '@', ARGV[3])
  end
  if tonumber(highest) > tonumber(known[3] or 0) then call('HSET', STOCK, '$', highest) end
  call('PUBLISH', ARGV[5], message)
end

local has_notes = call('EXISTS', RETRIES) == 1
if entries > FEW or given == 0 then
  local all, are_oldest = intact()
  local gone
  if all and are_oldest and ARGV[10] ~= '' and not has_notes then
    gone = call('XTRIM', LANE, 'MINID', '=', ARGV[10])
  elseif given == 0 then
    return -2
  elseif all then
    gone = call_with('XDEL', LANE, ids, entries)
    if has_notes then call_with('HDEL', RETRIES, ids, entries) end
  end
  if gone then
    call_with('HSET', JOBS, jobs, 2 * ended)
    note_orders(states - orders,
      function(i) return ARGV[orders + i] end, function(i) return ARGV[states + i] end)
    for letter = 1, dead do bury(letter) end
    tell(gone, ARGV[4], event)
    return gone
  end
end

-- One by one. The event is made of the records: no character of an id needs escaping in JSON.
local OUTCOMES = {c = 'confirmed', s = 'sold_out', l = 'limit_reached', f = 'failed'}
local removed, is_removed, confirmed, rejected, highest = {}, {}, {}, {}, '0'
local state_of, made, stands = {}, {}, {}
for i = 1, states - orders do state_of[ARGV[orders + i]] = ARGV[states + i] end
for entry = 1, entries do
  local id = ARGV[ids + entry]
  if call('XDEL', LANE, id) == 1 then
    removed[#removed + 1] = entry
    is_removed[entry] = true
    if has_notes then call('HDEL', RETRIES, id) end
    if entry <= ended then
      local job, record = ARGV[jobs + 2 * entry - 1], ARGV[jobs + 2 * entry]
      call('HSET', JOBS, job, record)
      local letter, order, user = string.match(record, '^(%l) (%d+) [^ ]+ (.*)$')
      if letter == 'c' and order ~= '0' then
        confirmed[#confirmed + 1] = string.format('["%s","%s",%s]', user, job, order)
        if tonumber(order) > tonumber(highest) then highest = order end
        made[#made + 1] = order
        stands[#stands + 1] = state_of[order] or 'c'
      else
        rejected[#rejected + 1] = string.format('["%s","%s","%s"]', user, job, OUTCOMES[letter])
      end
    end
  end
end
if #removed == 0 then return removed end
local uncompleted = {}
for i, state in ipairs(stands) do
  if state ~= 'c' then uncompleted[#uncompleted + 1] = i end
end
note_orders(#uncompleted, function(i) return made[uncompleted[i]] end,
  function(i) return stands[uncompleted[i]] end)
for letter = 1, dead do
  if is_removed[tonumber(ARGV[letters + 4 * letter - 3])] then bury(letter) end
end
if #removed < entries then
  local _, head = string.find(event, '"confirmed":[', 1, true)
  event = string.sub(event, 1, head) .. table.concat(confirmed, ',')
    .. '],"rejected":[' .. table.concat(rejected, ',') .. ']'
  if #uncompleted > 0 then
    -- Reasons are words; whatever else is in one stays inside of its quotes.
    for i, state in ipairs(stands) do
      stands[i] = '"' .. string.gsub(state, '["\\]', '\\%0') .. '"'
    end
    event = event .. ',"states":[' .. table.concat(stands, ',') .. ']'
  end
  event = event .. '}'
end
tell(#removed, highest, event)
return removed
