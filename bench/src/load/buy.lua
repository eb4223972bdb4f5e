-- Every request is the first buy of another shopper. Arguments: what the run's keys and shoppers
-- begin with, the product, and the file of tokens, one a line, with which shoppers take turns in
-- place of that.
--
-- Requests are put together here rather than by wrk.format, which costs the one thread that loads
-- several times as much.

local head, tail
local number = 0
local tokens = {}

function init(arguments)
  local run, product = arguments[1], arguments[2]
  local body = string.format('{"productId":"%s","userId":"user_%s_%%010d"}', product, run)
  local length = #string.format(body, 0)
  head = 'POST /buy HTTP/1.1\r\nHost: ' .. wrk.host .. ':' .. wrk.port ..
    '\r\nContent-Type: application/json\r\nContent-Length: ' .. length ..
    '\r\nIdempotency-Key: ' .. run .. '-00000000-0000-4000-8000-%010d\r\n'
  tail = body
  if arguments[3] then
    for token in io.lines(arguments[3]) do
      tokens[#tokens + 1] = 'Authorization: Bearer ' .. token .. '\r\n\r\n'
    end
  else
    tokens[1] = '\r\n'
  end
end

function request()
  number = number + 1
  return string.format(head, number) .. tokens[number % #tokens + 1] .. string.format(tail, number)
end

function done(summary, latency, requests)
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,"status":%d,"socket":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9),
    summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
