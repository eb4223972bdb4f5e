-- An exact number of buys, each of another shopper, spread evenly over products. Arguments: the
-- number of the run, what the products begin with, how many products, how many buys, and how many
-- connections there are. Keys are as long as UUIDs, and shoppers as ids of identity providers,
-- since bytes in Redis depend on it.
--
-- wrk knows only durations. So a connection that finds no buy left is parked, and when all are,
-- every answer has come: the program is ended from here.

-- Milliseconds longer than any run.
local PARKED = 3600000

local heads, tails = {}, {}
local products, buys, connections
-- Requests are made up once more often than they are begun: wrk looks at one first.
local begun, made, parked = 0, 0, 0

function init(arguments)
  local run, prefix = tonumber(arguments[1]), arguments[2]
  products, buys, connections = tonumber(arguments[3]), tonumber(arguments[4]), tonumber(arguments[5])
  for index = 0, products - 1 do
    local body = string.format('{"productId":"%s%d","userId":"user_%05d%%012d"}', prefix, index, run)
    heads[index] = 'POST /buy HTTP/1.1\r\nHost: ' .. wrk.host .. ':' .. wrk.port ..
      '\r\nContent-Type: application/json\r\nContent-Length: ' .. #string.format(body, 0) ..
      string.format('\r\nIdempotency-Key: %08d-0000-4000-8000-%%012d\r\n\r\n', run)
    tails[index] = body
  end
end

-- Asked before each request of a connection, and only when its last one was answered.
function delay()
  if begun < buys then
    begun = begun + 1
    return 0
  end
  parked = parked + 1
  if parked == connections then
    io.write('{"answered":', begun, '}\n')
    io.flush()
    os.exit(0)
  end
  return PARKED
end

function request()
  local index = made % products
  made = made + 1
  return string.format(heads[index], made) .. string.format(tails[index], made)
end
