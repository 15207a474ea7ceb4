"""Numbers with quotes or units, as the number that a key asks for."""

import pytest

from stacks.origin import Json
from stacks.quantities import bare_number, meant_numbers


@pytest.mark.parametrize(
    ("key", "value", "number"),
    [
        ("servers_max", "4", 4),
        ("servers_max", 4.0, 4),
        ("servers_max", "4000m", 4),
        ("servers_max", "4 servers", 4),
        ("servers_max", "16Gi", 16),
        ("servers_max", "four", 4),
        ("servers_max", "010", 10),
        ("servers_max", "0x10", 16),
        ("servers_max", "10_000", 10000),
        ("servers_max", "10,000", 10000),
        ("memory_gib", "16,5", 16.5),
        ("memory_gib", "16Gi", 16),
        ("memory_gib", "16384 MiB", 16),
        ("memory_mib", "1Gi", 1024),
        ("cpu_cores", "500m", 0.5),
        ("memory_gib", "16gib", 16),
        ("cpu_cores", "2 cores", 2),
        ("longest_request_seconds", "5m", 300),
        ("longest_request_seconds", "5 minutes", 300),
        ("longest_request_seconds", "1h30m", 5400),
        ("longest_request_seconds", "PT5M", 300),
        ("longest_request_seconds", "00:05:00", 300),
        ("queue_target_ms", "0.1s", 100),
        ("retention_hours", "2d", 48),
        ("time_limit_minutes", "0-04:00:00", 240),
        ("time_limit_minutes", "1-12", 2160),
        ("sampling_percent", "50%", 50),
    ],
)
def test_a_quantity_is_read_in_the_unit_of_its_key(key: str, value: Json, number: float) -> None:
    assert bare_number(key, value) == pytest.approx(number)


@pytest.mark.parametrize(("key", "value", "number"), [("port", "8001:30801", 30801), ("pods", "300/400", 300)])
def test_a_count_in_a_text_is_one_of_its_numbers(key: str, value: Json, number: float) -> None:
    assert number in meant_numbers(key, value)


@pytest.mark.parametrize("value", ["50%", "8001:x", "1.5-2"])
def test_a_share_is_no_count(value: Json) -> None:
    assert 50 not in meant_numbers("servers_max", value)
    assert 1.5 not in meant_numbers("servers_max", value)


@pytest.mark.parametrize("value", ["many", "5 parsecs", "", ".", "1h30", None, True, [], 10**400, "9" * 400])
def test_no_number_is_made_up(value: Json) -> None:
    assert bare_number("longest_request_seconds", value) is None
