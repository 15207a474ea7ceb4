"""Load shedding: who decides (a controller beside each Envoy), who refuses (Envoy), and with which words.

Envoy refuses by two runtime keys, without asking anybody; `controller` sets them once a second and holds the policy as
a table; `supervisor` withdraws them when it fails. docs/admission.md is the page for operators.
"""

import json
import math
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.base import Manifest
from components.envoy.admission import controller, supervisor
from components.envoy.tls import CONFIG_FOLDER
from components.envoy.typed import Config
from components.network import Edge
from components.pod import CONTAINER_SECURITY
from stacks.schema.clients import OTHERS, Tenant
from stacks.schema.experiment import Admission

PROBE_PORT = 9903
"""Where the supervisor answers the kubelet."""

PUSHBACK: Config = {"header": {"key": "grpc-retry-pushback-ms", "value": "1000"}}
"""When a refused client may ask again here: gRPC's own header, obeyed by clients with a retry policy."""

POLICY_FILE = "admission.json"
CONTROLLER_FILE, SUPERVISOR_FILE = "controller.py", "supervisor.py"

_MEMORY_MIB = 48
_LOGS_MIB = 16
_INDEX = "/inference.GRPCInferenceService/RepositoryIndex"


@dataclass(frozen=True, kw_only=True)
class AdmissionArgs:
    """What is let in, where something is declared."""

    declared: Admission
    """The experiment's words."""
    servers_max: int
    """Servers at most: with all of them up the limit is as high as it ever gets."""
    query: str
    """The wait in the servers' queues in milliseconds, in PromQL."""
    prometheus_url: str
    """Who is asked it."""
    prometheus_peers: Sequence[Mapping[str, Any]]
    """NetworkPolicy peers that it stands for; empty: anywhere."""
    tenants: Sequence[Tenant] = ()
    """Who shares the capacity while there is too little, besides all others."""
    image: str
    """Image with python3 on PATH, 3.11 or later."""


def limit_of_configuration(args: AdmissionArgs | None, *, envoys: int, memory_max: int) -> int:
    """Requests that one Envoy lets in while no controller tells it otherwise: what all servers could take, if declared.

    Args:
        args: what is declared.
        envoys: how many share the servers.
        memory_max: requests that fit into an Envoy's memory.
    """
    if args is None or args.declared.requests_in_flight_per_server_max is None:
        return memory_max
    return min(memory_max, math.ceil(args.declared.requests_in_flight_per_server_max * args.servers_max / envoys))


def runtime() -> Config:
    """Envoy's runtime: one layer, which the admin interface writes."""
    return {"layers": [{"name": "admission", "admin_layer": {}}]}


def refusal_of_new_jobs() -> Config:
    """The route of a job's first question, to stand before the one that answers it."""
    return {
        "match": {
            "path": _INDEX,
            "grpc": {},
            "runtime_fraction": {
                "runtime_key": controller.REFUSE_NEW_JOBS_KEY,
                "default_value": {"numerator": 0, "denominator": "HUNDRED"},
            },
        },
        # 503 is UNAVAILABLE in gRPC.
        "direct_response": {
            "status": 503,
            "body": {"inline_string": "the servers have work enough: take another site or the job's own CPU"},
        },
        "response_headers_to_add": [PUSHBACK],
    }


def refusal_of_requests() -> Config:
    """What is said in the place of Envoy's own words, "upstream connect error ... overflow", for the same status."""
    return {
        "filter": {"response_flag_filter": {"flags": ["UO"]}},
        "body": {"inline_string": "as many requests are in progress as the servers can take: try elsewhere"},
        "headers_to_add": [PUSHBACK],
    }


def files(args: AdmissionArgs, *, envoys: int, memory_max: int, admin_port: int) -> dict[str, str]:
    """Name -> content of the files that the container runs and reads."""
    policy = controller.Policy(
        requests_in_flight_per_server_max=args.declared.requests_in_flight_per_server_max,
        envoys=envoys,
        requests_max=limit_of_configuration(args, envoys=envoys, memory_max=memory_max),
        queue_refuse_new_jobs_ms=args.declared.queue_refuse_new_jobs_ms,
        prometheus_url=args.prometheus_url,
        query=args.query,
        admin_port=admin_port,
        weights=weights(args),
    )
    return {
        POLICY_FILE: json.dumps(asdict(policy), indent=2),
        CONTROLLER_FILE: Path(controller.__file__).read_text(),
        SUPERVISOR_FILE: Path(supervisor.__file__).read_text(),
    }


def weights(args: AdmissionArgs) -> dict[str, int]:
    """Tenant -> its share of the capacity, to that of the others; empty where nobody is told apart."""
    return {**{tenant.name: tenant.weight for tenant in args.tenants}, OTHERS: 1} if args.tenants else {}


def command(
    args: AdmissionArgs, *, folder: str, admin_port: int, probe_port: int = PROBE_PORT, python: str = "python3"
) -> list[str]:
    """Command line of the container; `-I` keeps Python to its own folders, `-B` from writing."""
    told = [controller.LIMIT_KEY, controller.REFUSE_NEW_JOBS_KEY, *map(controller.refuse_key, weights(args))]
    keys = urllib.parse.urlencode(dict.fromkeys(told, ""))
    run = [python, "-I", "-B"]
    return [
        *run,
        f"{folder}/{SUPERVISOR_FILE}",
        str(probe_port),
        f"http://127.0.0.1:{admin_port}/runtime_modify?{keys}",
        *run,
        f"{folder}/{CONTROLLER_FILE}",
        f"{folder}/{POLICY_FILE}",
    ]


def container(args: AdmissionArgs, *, admin_port: int) -> Manifest:
    """The container beside Envoy's. The kubelet asks only whether the supervisor is there, which cures all else."""

    def probe(path: str, **numbers: int) -> Manifest:
        return {"httpGet": {"path": path, "port": "admission"}, "timeoutSeconds": 5, **numbers}

    fixed = {"memory": f"{_MEMORY_MIB}Mi", "ephemeral-storage": f"{_LOGS_MIB}Mi"}
    return {
        "name": "admission",
        "image": args.image,
        "imagePullPolicy": "IfNotPresent",
        "command": command(args, folder=CONFIG_FOLDER, admin_port=admin_port),
        "ports": [{"name": "admission", "containerPort": PROBE_PORT}],
        # Starting two Pythons takes 0.3 s of a core; from then on a hundredth of one is enough.
        "resources": {"requests": {"cpu": "20m", **fixed}, "limits": {"cpu": "200m", **fixed}},
        "startupProbe": probe("/started", periodSeconds=1, failureThreshold=60),
        "readinessProbe": probe("/ready", periodSeconds=10, failureThreshold=6),
        "livenessProbe": probe("/live", periodSeconds=20, failureThreshold=6),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True}],
    }


def egress(args: AdmissionArgs | None) -> list[Edge]:
    """Prometheus, where the wait is asked for."""
    if args is None or args.declared.queue_refuse_new_jobs_ms is None:
        return []
    url = urllib.parse.urlsplit(args.prometheus_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    return [Edge(peers=args.prometheus_peers, ports=[port])]
