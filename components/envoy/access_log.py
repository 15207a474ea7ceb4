"""Access log of the clients' calls: all failures, and a sample of the refusals."""

from collections.abc import Mapping

from components.envoy.typed import Config, extension, response_matches

REFUSALS_LOGGED_PERCENT = 1
"""Percentage of refused calls that are logged. Refused clients ask again: 1,000 a second would be 30 MB of lines a
minute, and the kubelet keeps the last 50 MB of a container, failures and all. Metrics count every refusal."""

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
    """One JSON line on stdout for each call that did not end with OK, `further` fields included.

    Calls that succeed are counted, not logged: at 1,000 requests a second they would be some 50 GB a day of lines that
    nobody reads, and each costs time in the worker that serves it.
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
    """Filter of calls for which there was place: the status is neither UNAVAILABLE (14) nor RESOURCE_EXHAUSTED (8), or
    a server said so. A call over the limit of requests has a server, too, which was chosen and not asked."""
    return response_matches(
        "!(response.grpc_status in [8, 14]) || (has(upstream.address) && !response.code_details.contains('overflow'))"
    )
