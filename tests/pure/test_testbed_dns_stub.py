"""The stub that stands for CoreDNS in the benchmarks."""

import socket
import struct
from dataclasses import replace

import pytest

from testbed.dns_stub import DnsStub, Zone, answer

ZONE = Zone(name="triton.test", addresses=("127.0.1.1", "127.0.1.2"), ttl_seconds=30)
A, AAAA = 1, 28


def query(name: str, kind: int = A, identity: int = 0x1234) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", identity, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def parsed(message: bytes | None, question: bytes) -> tuple[int, list[tuple[str, int]]]:
    """Response code, and address and TTL of each record."""
    assert message is not None
    identity, flags, questions, answers, _, _ = struct.unpack_from("!HHHHHH", message)
    assert identity == struct.unpack_from("!H", question)[0]
    assert flags & 0x8000, "it is a response"
    assert questions == 1
    assert message[12 : len(question)] == question[12:]
    records = []
    for number in range(answers):
        pointer, kind, klass, ttl, length = struct.unpack_from("!HHHIH", message, len(question) + number * 16)
        assert (pointer, kind, klass, length) == (0xC00C, A, 1, 4)
        start = len(question) + number * 16 + 12
        records.append((socket.inet_ntoa(message[start : start + 4]), ttl))
    return flags & 0xF, records


def test_every_address_is_told_with_its_ttl() -> None:
    question = query("triton.test")
    assert parsed(answer(question, ZONE), question) == (0, [("127.0.1.1", 30), ("127.0.1.2", 30)])


def test_names_are_compared_without_case() -> None:
    question = query("TRITON.test")
    assert len(parsed(answer(question, ZONE), question)[1]) == 2


def test_there_is_no_ipv6_address_but_the_name_exists() -> None:
    question = query("triton.test", AAAA)
    assert parsed(answer(question, ZONE), question) == (0, [])


def test_another_name_does_not_exist() -> None:
    question = query("other.test")
    assert parsed(answer(question, ZONE), question) == (3, [])


def test_an_empty_answer_is_no_error() -> None:
    question = query("triton.test")
    assert parsed(answer(question, replace(ZONE, behaviour="empty")), question) == (0, [])


def test_a_failing_server_says_so() -> None:
    question = query("triton.test")
    assert parsed(answer(question, replace(ZONE, behaviour="servfail")), question) == (2, [])


@pytest.mark.parametrize("zone", [replace(ZONE, behaviour="silent")])
def test_silence(zone: Zone) -> None:
    assert answer(query("triton.test"), zone) is None


def test_over_udp_a_change_is_told_from_then_on() -> None:
    question = query("triton.test")
    with DnsStub(ZONE) as stub, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", stub.port))
        client.send(question)
        assert len(parsed(client.recv(512), question)[1]) == 2
        stub.set_addresses(["127.0.1.3"])
        client.send(question)
        assert parsed(client.recv(512), question) == (0, [("127.0.1.3", 30)])
        assert stub.queries == 2
