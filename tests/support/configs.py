"""A small valid stack for tests of components, independent of the YAML files."""

import json
from collections.abc import Mapping
from typing import Any

from stacks.schema import StackConfig

_SITE: Mapping[str, Any] = {
    "description": "A cluster for tests.",
    "access": {"context": "test", "namespace": "sonic-demo", "create_namespace": True},
    "pools": [
        {"kind": "kubernetes", "name": "gpu", "servers_max": 4, "gpu": {"products": ["NVIDIA-A10"]}},
    ],
    "storage": {
        "cvmfs": {"kind": "cvmfs-pvc"},
        "volume": {"kind": "pvc", "claim": "models"},
        "s3": {
            "endpoint_url": "http://10.0.0.1:9000",
            "access_key_secret": "s3-access-key",
            "secret_key_secret": "s3-secret-key",
        },
    },
    "exposure": {"kind": "cluster-ip", "client_cidrs": ["10.0.0.0/8"]},
    "monitoring": {"kind": "own"},
    "keda": {"namespace": "keda"},
}

_EXPERIMENT: Mapping[str, Any] = {
    "description": "Models for tests.",
    "server": {"image": "example.org/triton:24.10", "cpu_cores": 2.0, "memory_gib": 4.0},
    "models": {
        "repository": {"kind": "s3", "bucket": "models", "prefix": "demo"},
        "expected": [{"name": "identity"}, {"name": "particlenet"}],
    },
    "scaling": {"servers_min": 2, "servers_max": 4},
}


def stack_config(*, site: Mapping[str, Any] | None = None, experiment: Mapping[str, Any] | None = None) -> StackConfig:
    """The stack `test-demo`: one GPU pool, models on S3, own Prometheus, KEDA from 2 to 4 servers.

    `site` and `experiment` replace top-level keys of the two; None removes a key.
    """
    config = {
        "stack": "test-demo",
        "site_name": "test",
        "experiment_name": "demo",
        "instance": "demo",
        "site": _replaced(_SITE, site),
        "experiment": _replaced(_EXPERIMENT, experiment),
    }
    return StackConfig.model_validate_json(json.dumps(config))  # strict types take lists for tuples only from JSON


def _replaced(base: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    merged = {**base, **(changes or {})}
    return {key: value for key, value in merged.items() if value is not None}
