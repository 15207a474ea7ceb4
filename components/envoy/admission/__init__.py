"""Load shedding. Envoy rejects requests by runtime keys that a controller beside it sets.

`controller` holds the policy as tables and sets the keys once a second. `supervisor` resets them when the controller
fails. docs/admission.md is the page for operators.
"""

import json
import math
import urllib.parse
from dataclasses import asdict
from pathlib import Path

from components.base import Manifest
from components.envoy.admission import supervisor
from components.envoy.admission.controller import policy
from components.envoy.args import AdmissionArgs, EnvoyProxyArgs
from components.envoy.feature import CONFIG_FOLDER, Feature
from components.envoy.memory import requests_max
from components.envoy.ports import ADMIN_PORT
from components.envoy.replies import PUSHBACK, local_reply
from components.envoy.routes import INDEX_PATH, STREAM_PATH, replaced
from components.envoy.typed import Config
from components.network import Edge, edge_to_url
from components.pod import CONTAINER_SECURITY, guaranteed
from stacks.schema.clients import OTHERS
from stacks.schema.url import endpoint

PROBE_PORT = 9903
"""Port on which the supervisor answers the kubelet's probes."""

CREDENTIALS_FOLDER = "/etc/sonic-prometheus"
"""Mount path of the Secret with the header that Prometheus requires."""

POLICY_FILE, SUPERVISOR_FILE = "admission.json", "supervisor.py"
CONTROLLER = "controller"
"""Package of the controller: a folder beside the other files."""
_RUN = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), {}, '__main__', True)"
"""Runs a package of a folder: an isolated Python (`-I`) looks for none beside its script."""

_MEMORY_MIB = 48
_LOGS_MIB = 16


def feature(args: EnvoyProxyArgs) -> Feature:
    """Return the feature, with its controller; empty if there is nothing to decide."""
    if args.admission is None:
        return Feature()
    envoys, memory_max = args.proxy.replicas, requests_max(args.proxy)
    return Feature(
        # After the routes of inference, which match most calls.
        patch_routes=lambda routes: replaced(routes, STREAM_PATH, lambda stream: [stream, _refusal_of_new_jobs()]),
        # Replaces Envoy's text "upstream connect error ... overflow"; the status is the same.
        local_replies=[
            local_reply(
                {"response_flag_filter": {"flags": ["UO"]}},
                "server pool overloaded, too many requests in progress: retry later or use another site",
            )
        ],
        requests_max=limit_of_configuration(args.admission, envoys=envoys, memory_max=memory_max),
        runtime_layers=[{"name": "admission", "admin_layer": {}}],
        files=files(args.admission, envoys=envoys, memory_max=memory_max, admin_port=ADMIN_PORT),
        containers=[container(args.admission, admin_port=ADMIN_PORT)],
        volumes=volumes(args.admission),
        egress=egress(args.admission),
    )


def limit_of_configuration(args: AdmissionArgs, *, envoys: int, memory_max: int) -> int:
    """Return the requests in flight that one Envoy accepts without a controller: its share of what all servers take.

    Args:
        args: the declared limits.
        envoys: number of Envoys that share the servers.
        memory_max: requests that fit into an Envoy's memory.
    """
    if args.declared.requests_in_flight_per_server_max is None:
        return memory_max
    return min(memory_max, math.ceil(args.declared.requests_in_flight_per_server_max * args.servers_max / envoys))


def _refusal_of_new_jobs() -> Config:
    """Return the route that rejects a new job's first call, the repository index."""
    return {
        "match": {
            "path": INDEX_PATH,
            "grpc": {},
            "runtime_fraction": {
                "runtime_key": policy.REFUSE_NEW_JOBS_KEY,
                "default_value": {"numerator": 0, "denominator": "HUNDRED"},
            },
        },
        # 503 is UNAVAILABLE in gRPC.
        "direct_response": {
            "status": 503,
            "body": {
                "inline_string": "server pool overloaded: retry later, use another site, or run on the job's own CPU"
            },
        },
        "response_headers_to_add": [PUSHBACK],
    }


def files(args: AdmissionArgs, *, envoys: int, memory_max: int, admin_port: int) -> dict[str, str]:
    """Return the files that the container runs and reads, by name."""
    declared = policy.Policy(
        requests_in_flight_per_server_max=args.declared.requests_in_flight_per_server_max,
        envoys=envoys,
        requests_max=limit_of_configuration(args, envoys=envoys, memory_max=memory_max),
        queue_refuse_new_jobs_ms=args.declared.queue_refuse_new_jobs_ms,
        prometheus_url=args.prometheus_url,
        query=args.query,
        credentials_folder=CREDENTIALS_FOLDER if volumes(args) else None,
        admin_port=admin_port,
        weights=weights(args),
        spill_ms=args.spill_ms,
        spill_in_flight_per_server=args.spill_in_flight_per_server,
    )
    modules = sorted(Path(policy.__file__).parent.glob("*.py"))
    return {
        POLICY_FILE: json.dumps(asdict(declared), indent=2),
        **{f"{CONTROLLER}/{module.name}": module.read_text() for module in modules},
        SUPERVISOR_FILE: Path(supervisor.__file__).read_text(),
    }


def weights(args: AdmissionArgs) -> dict[str, int]:
    """Return the weight of each tenant and of all other clients; empty without tenants."""
    return {**{tenant.name: tenant.weight for tenant in args.tenants}, OTHERS: 1} if args.tenants else {}


def command(
    args: AdmissionArgs, *, folder: str, admin_port: int, probe_port: int = PROBE_PORT, python: str = "python3"
) -> list[str]:
    """Return the command line of the container. Python runs isolated (`-I`) and writes no bytecode (`-B`)."""
    keys = urllib.parse.urlencode(dict.fromkeys(runtime_keys(args), ""))
    run = [python, "-I", "-B"]
    return [
        *run,
        f"{folder}/{SUPERVISOR_FILE}",
        str(probe_port),
        f"http://127.0.0.1:{admin_port}/runtime_modify?{keys}",
        *run,
        *("-c", _RUN, folder, CONTROLLER),
        f"{folder}/{POLICY_FILE}",
    ]


def runtime_keys(args: AdmissionArgs) -> list[str]:
    """Return Envoy's runtime keys that the controller sets."""
    tenants = list(weights(args))
    keys = [policy.limit_key(policy.CLUSTER), policy.REFUSE_NEW_JOBS_KEY, *map(policy.refuse_key, tenants)]
    if args.spill_ms is not None:
        keys += [policy.limit_key(policy.NEXT_CLUSTER), *map(policy.spill_key, tenants or [""])]
    return keys


def container(args: AdmissionArgs, *, admin_port: int) -> Manifest:
    """Return the container. Its probes ask the supervisor, which restarts the controller by itself."""

    def probe(path: str, **numbers: int) -> Manifest:
        return {"httpGet": {"path": path, "port": PROBE_PORT}, "timeoutSeconds": 5, **numbers}

    # Starting two Pythons takes 0.3 s of a core; from then on a hundredth of one is enough.
    fixed = {"cpu": "50m", "memory": f"{_MEMORY_MIB}Mi", "ephemeral-storage": f"{_LOGS_MIB}Mi"}
    return {
        "name": "admission",
        "image": args.image,
        "imagePullPolicy": "IfNotPresent",
        "command": command(args, folder=CONFIG_FOLDER, admin_port=admin_port),
        "resources": guaranteed(fixed),
        "startupProbe": probe("/started", periodSeconds=1, failureThreshold=60),
        "readinessProbe": probe("/ready", periodSeconds=10, failureThreshold=6),
        "livenessProbe": probe("/live", periodSeconds=20, failureThreshold=6),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            *({"name": each["name"], "mountPath": CREDENTIALS_FOLDER, "readOnly": True} for each in volumes(args)),
        ],
    }


def volumes(args: AdmissionArgs) -> list[Manifest]:
    """Return the volume with the header that Prometheus requires, where the wait is queried with one."""
    if args.credentials is None or not args.queries_prometheus:
        return []
    return [{"name": "prometheus-credentials", "secret": {"secretName": args.credentials.secret_name}}]


def egress(args: AdmissionArgs) -> list[Edge]:
    """Return the edge to Prometheus, if a limit on the wait is declared."""
    if not args.queries_prometheus:
        return []
    if not args.prometheus_peers:
        return [edge_to_url(args.prometheus_url)]
    return [Edge(peers=args.prometheus_peers, ports=[endpoint(args.prometheus_url).port])]
