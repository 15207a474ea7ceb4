"""Spelling of Envoy's v3 API: extensions, durations, sizes."""

from typing import Any

Config = dict[str, Any]
"""A message of Envoy's v3 API, as its JSON."""


def typed(message: str, **fields: Any) -> Config:
    """A message with its type, `message` being its full name below `envoy.`, such as `config.core.v3.Address`."""
    return {"@type": f"type.googleapis.com/envoy.{message}", **fields}


def extension(name: str, message: str, **fields: Any) -> Config:
    """A named extension and its configuration. Envoy finds the extension by the type; the name is for people."""
    return {"name": name, "typed_config": typed(message, **fields)}


def response_matches(expression: str) -> Config:
    """Return an access log filter, which local replies use too: calls whose end a CEL expression describes."""
    cel = extension(
        "envoy.access_loggers.extension_filters.cel",
        "extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        expression=expression,
    )
    return {"extension_filter": cel}


def seconds(duration: float) -> str:
    """A duration, as protobuf's JSON spells it."""
    return f"{duration:g}s" if duration < 1 else f"{duration:.0f}s"


def milliseconds(duration: int) -> str:
    """A duration, as protobuf's JSON spells it."""
    return f"{duration / 1000:.3f}s"


def mib(size: int) -> int:
    """MiB as bytes."""
    return size * 1024 * 1024


def percent(value: int) -> Config:
    """A `type.v3.Percent`."""
    return {"value": value}


def socket_address(address: str, port: int) -> Config:
    """A TCP address: an IP address, or in a DNS cluster a name. `::` is every address of IPv4 too."""
    compat = {"ipv4_compat": True} if address == "::" else {}
    return {"socket_address": {"address": address, "port_value": port, **compat}}
