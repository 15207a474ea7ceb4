"""The faults that the stack must survive. Tests that prove one are marked `chaos(Fault.…)`, in the ring they belong to.

docs/chaos.md says what each costs, and what an operator has to do.
"""

from enum import Enum


class Fault(Enum):
    """A fault: its title, and what the stack must do."""

    TRITON_CRASHES = "Triton crashes", "another server does its requests in progress"
    TRITON_HANGS = "Triton hangs", "another server does its requests in progress"
    DEADLY_REQUEST = "a request ends its server", "it takes two servers at most; a crash loses no other request"
    GPU_SLOW = "a GPU is slow", "it gets as many requests as it can do, and no queue forms before it"
    MODEL_STOPS = "a model stops working", "its server leaves and starts again; no client's bad input does that"
    TRITON_REFUSES = "Triton refuses", "the client gets the reason; what every server would refuse is not retried"
    NETWORK = "packets are lost, late or nowhere", "no call fails; a server that is cut off gets no requests"
    DNS = "DNS is down or slow", "the last known servers stay; an empty answer is trusted"
    PROMETHEUS = "Prometheus is down, empty or NaN", "no request is refused for it, no server is removed"
    ISSUER = "issuer down, key rotated, wrong CA", "valid tokens pass, keys of a man in the middle never"
    MODEL_REPOSITORY = "model repository broken", "the new server gets no request, the old ones serve"
    DISK_FULL = "disk full", "running servers go on"
    ENVOY = "Envoy killed or misconfigured", "the other takes over; preview refuses an invalid configuration"
    API_SERVER = "API server restarts during `up`", "`up` finishes, or the next one repairs it"
    ENGINE_KILLED = "engine killed during `up`", "the lock names its owner; the next `up` converges, no orphan"
    PROVIDER_KILLED = "provider killed during `up`", "the next `up` names the object that already exists"
    STATE_UNWRITABLE = "state cannot be written", "`up` fails, the state is readable, the next `up` converges"
    TWO_UPS = "two `up` at once", "the second fails at once and names the first"
    NODE_LOST = "kubelet lost", "its pods go on serving, and it takes them over again"
    EVICTION = (
        "a node is drained",
        "each evicted pod finishes its requests; its successor is ready before the next goes",
    )
    SLURM_PART = "a part of a Slurm pool is lost", "its servers go on, or the next pool serves; one command heals it"
    CLOCK_SKEW = "clocks differ", "tokens that are early or late by less than 60 s pass"

    def __init__(self, title: str, expectation: str) -> None:
        self.title = title
        self.expectation = expectation
