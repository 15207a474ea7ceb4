-- Decides as SuperSONIC 0.3.1's limiter does; see limiter.py. Each fault of the original is marked.

local INDEX = "/inference.GRPCInferenceService/RepositoryIndex"
local WAIT_MS = 5000

-- Fault: only decimals with a point on both sides of the comma. An integer time stamp, NaN and 1e-05 are not found; and
-- of several series the first is taken.
local SAMPLE = '"value":%[%d+%.%d+,"([%d%.]+)"%]'

local function remember(handle, accepted)
  handle:streamInfo():dynamicMetadata():set("sonic.peer", "accepted", accepted)
end

local function ask_prometheus(handle)
  -- Fault: the request waits for the answer, up to WAIT_MS, and any client can make it ask.
  local headers, body = handle:httpCall("prometheus_cluster", {
    [":method"] = "GET", [":scheme"] = "http", [":path"] = "@PATH@", [":authority"] = "@AUTHORITY@",
  }, "", WAIT_MS)
  return headers and body
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local asks_for_index = headers:get(":path") == INDEX and headers:get("content-type") == "application/grpc"
  remember(handle, not asks_for_index)
  if not asks_for_index then return end

  -- Fault: refused unless a value is found, so also when Prometheus is down or has no data yet.
  local answer = ask_prometheus(handle)
  if not answer or answer == "" then return end
  local sample = string.match(answer, SAMPLE)
  handle:logInfo("sample: " .. sample) -- Fault: joining nil to a string is an error, which ends the script.
  if tonumber(sample) <= @THRESHOLD@ then remember(handle, true) end
end

function envoy_on_response(handle)
  if handle:streamInfo():dynamicMetadata():get("sonic.peer")["accepted"] then return end
  -- Fault: the status belongs into the trailers, and 1 is CANCELLED, neither "elsewhere" (14) nor "your share" (8).
  handle:body():setBytes("")
  handle:headers():replace("grpc-status", "1")
end
