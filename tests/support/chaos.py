"""The faults that the stack is to survive. Tests that prove one are marked `chaos(Fault.…)` and stand in their rings.

What each costs, and what an operator does then, stands in docs/chaos.md.
"""

from enum import Enum


class Fault(Enum):
    """A fault, with its title and what is expected of the stack."""

    TRITON_CRASHES = "Triton crashes", "what it had in progress is done by another server"
    TRITON_HANGS = "Triton hangs", "what it had in progress is done by another server"
    GPU_SLOW = "a GPU is slow", "it gets work by its speed, and no queue forms before it"
    TRITON_REFUSES = "Triton refuses", "the client hears why; nothing that would be so everywhere is repeated"
    NETWORK = "packets are lost, late or nowhere", "no call fails; a server that is cut off is left out"
    DNS = "DNS is down or slow", "the last servers known stay; but an answer that there are none is believed"
    PROMETHEUS = "Prometheus is down, empty or NaN", "nobody is refused for it, no server is taken away"
    ISSUER = "issuer down, key rotated, wrong CA", "good tokens pass, keys of a man in the middle never"
    MODEL_REPOSITORY = "model repository broken", "the new server never counts, the old ones serve"
    DISK_FULL = "disk full", "what runs goes on"
    ENVOY = "Envoy killed or misconfigured", "the other takes over; a bad file is refused at preview"
    API_SERVER = "API server restarts during `up`", "`up` finishes, or the next one repairs"
    ENGINE_KILLED = "engine killed during `up`", "the lock names its owner; the next `up` converges, no orphan"
    PROVIDER_KILLED = (
        "provider killed during `up`",
        "the next `up` names the object that stands in its way",
    )
    STATE_UNWRITABLE = "state cannot be written", "`up` fails, the state is readable, the next `up` converges"
    TWO_UPS = "two `up` at once", "the second refuses at once and names the first"
    NODE_LOST = "kubelet lost", "pods serve on, and it takes them over again"
    CLOCK_SKEW = "clocks differ", "tokens pass that are early or late by less than 60 s"

    def __init__(self, title: str, expectation: str) -> None:
        self.title = title
        self.expectation = expectation
