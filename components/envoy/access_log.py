"""Access log of the clients' calls: all failures, and a sample of the refusals."""

from collections.abc import Mapping

from components.envoy.typed import Config, extension, response_matches

REFUSALS_LOGGED_PERCENT = 1
"""Percentage of refused calls that are logged. Refused clients retry, and logging each would push all failures out of
the log that the kubelet keeps: docs/adr, "Envoy logs failures, and one refusal in 100". Metrics count every refusal."""

_FIELDS: Mapping[str, str] = {
    "time": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "method": "%REQ(:PATH)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "deadline": "%REQ(GRPC-TIMEOUT)%",
    "grpc_status": "%GRPC_STATUS(SNAKE_STRING)%",
    "grpc_message": "%RESP(GRPC-MESSAGE)%",
    "cause": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "upstream_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "server": "%UPSTREAM_HOST%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "duration_ms": "%DURATION%",
    "request_bytes": "%BYTES_RECEIVED%",
    "response_bytes": "%BYTES_SENT%",
}


def failed_calls(further: Mapping[str, str]) -> Config:
    """Return the log: one JSON line on stdout for each call that did not end with OK, with the `further` fields.

    Metrics count the calls that succeed.
    """
    log = extension(
        "envoy.access_loggers.stdout",
        "extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={"json_format": {**_FIELDS, **further}},
    )
    failed = {"grpc_status_filter": {"statuses": ["OK"], "exclude": True}}
    sample = {
        "runtime_filter": {
            "runtime_key": "access_log.refusals",
            "percent_sampled": {"numerator": REFUSALS_LOGGED_PERCENT, "denominator": "HUNDRED"},
            "use_independent_randomness": True,
        }
    }
    return {
        **log,
        "filter": {"and_filter": {"filters": [failed, {"or_filter": {"filters": [_is_no_refusal(), sample]}}]}},
    }


def _is_no_refusal() -> Config:
    """Return the filter of calls that Envoy did not refuse.

    Their status is neither UNAVAILABLE (14) nor RESOURCE_EXHAUSTED (8), or a server sent it. A call over the limit on
    requests has a server, too: Envoy chose one and sent it nothing.
    """
    return response_matches(
        "!(response.grpc_status in [8, 14]) || (has(upstream.address) && !response.code_details.contains('overflow'))"
    )
