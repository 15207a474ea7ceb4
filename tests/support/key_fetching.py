"""Short intervals for the fetch of an issuer's keys."""

from components.envoy.typed import Config


def hours_are_seconds(config: Config) -> None:
    """Fetch keys each second, and 0.2 s after a failure."""
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    (tokens,) = [f for f in manager["http_filters"] if f["name"] == "envoy.filters.http.jwt_authn"]
    for provider in tokens["typed_config"]["providers"].values():
        provider["remote_jwks"]["cache_duration"] = "1s"
        provider["remote_jwks"]["async_fetch"]["failed_refetch_duration"] = "0.200s"
