-- One kind of request, by wrk's first argument after --: book, refused, read. Distinct users; every
-- thread counts what came back, and `done` adds it up. Called by bench/wrk.

local kind, show, tag
local thread_number = 0
local counts = {}

function setup(thread)
    thread_number = thread_number + 1
    thread:set("number", thread_number)
    table.insert(counts, thread)
end

function init(args)
    kind, show, tag = args[1], args[2], args[3]
    serial, good, wrong = 0, 0, 0
    wrk.headers["Content-Type"] = "application/json"
end

function request()
    if kind == "read" then
        return wrk.format("GET", "/v1/shows/" .. show .. "/availability")
    end
    serial = serial + 1
    local body = string.format('{"user":"w%s-%d-%d","tier":"A","quantity":1}', tag, number, serial)
    return wrk.format("POST", "/v1/shows/" .. show .. "/bookings", nil, body)
end

local wanted = { book = 201, refused = 409, read = 200 }

function response(status)
    if status == wanted[kind] then
        good = good + 1
    else
        wrong = wrong + 1
    end
end

function done(summary, latency)
    local good_sum, wrong_sum = 0, 0
    for _, thread in ipairs(counts) do
        good_sum = good_sum + thread:get("good")
        wrong_sum = wrong_sum + thread:get("wrong")
    end
    io.write(string.format("RESULT %.0f/s  p50 %.2f ms  p95 %.2f ms  p99 %.2f ms  other answers %d\n",
        good_sum / (summary.duration / 1e6), latency:percentile(50) / 1000,
        latency:percentile(95) / 1000, latency:percentile(99) / 1000, wrong_sum))
end
