-- Sends the requests of a file, one after the other and then again, and prints what came of them.
--
-- Each line of the file is a method, a path and a body, separated by tabs; the body may be missing. `{n}`
-- in path or body becomes a number that no other request of the run has. Arguments: the file, the first
-- number.

local requests, at, number = {}, 0, 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        local method, path, body = line:match("^(%S+)\t([^\t]+)\t?(.*)$")
        requests[#requests + 1] = { method = method, path = path, body = body ~= "" and body or nil }
    end
    number = tonumber(arguments[2])
end

function request()
    at = at % #requests + 1
    number = number + 1
    local next = requests[at]
    local path = next.path:gsub("{n}", number)
    local body = next.body and next.body:gsub("{n}", number)
    return wrk.format(next.method, path, nil, body)
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "microseconds": %d, "bytes": %d, "refused": %d, "broken": %d, ' ..
        '"p50": %d, "p95": %d, "p99": %d, "max": %d}\n',
        summary.requests, summary.duration, summary.bytes, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max))
end
