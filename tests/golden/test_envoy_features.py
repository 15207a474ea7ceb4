"""Envoy's configuration for each feature: the file of a case shows what it adds to the plain proxy, and what it drops.

`envoy/plain.yaml` is the configuration of a small stack that declares nothing but its servers. Each other file is the
difference from it, in the lines of `diff -u` without their numbers, so that it changes only with its own feature.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.configs import stack_config
from tests.support.golden import check, render
from tests.support.stacks import record

FOLDER = Path(__file__).with_name("envoy")
CONTEXT_LINES = 2

TLS = {"exposure": {"kind": "cluster-ip", "client_cidrs": ["10.0.0.0/8"], "tls_secret": "sonic-tls"}}
ISSUER = {"issuer": "https://issuer.example", "audiences": ["sonic"], "jwks_url": "https://issuer.example/jwk"}
OTHER = {"issuer": "https://other.example/", "audiences": ["sonic"], "jwks_url": "https://other.example:8443/keys"}
TENANTS = [{"name": "production", "weight": 3, "groups": ["/cms/production"]}, {"name": "cms", "groups": ["/cms"]}]

CASES: Mapping[str, Mapping[str, Any]] = {
    "tls": {"site": TLS},
    "certificates": {
        "site": TLS,
        "experiment": {"clients": {"kind": "certificate", "authorities_secret": "grid", "names": ["CN=.*,O=Grid"]}},
    },
    "tokens": {"site": TLS, "experiment": {"clients": {"kind": "token", "issuers": [ISSUER]}}},
    "tokens-of-two-issuers": {
        "site": TLS,
        "experiment": {
            "clients": {
                "kind": "token",
                "issuers": [{**ISSUER, "groups": ["/cms"]}, {**OTHER, "scopes": ["inference"]}],
            }
        },
    },
    "tenants": {
        "site": TLS,
        "experiment": {
            "clients": {"kind": "token", "issuers": [ISSUER], "tenants": TENANTS},
            "admission": {"requests_in_flight_per_server_max": 10},
        },
    },
    "model-control": {
        "site": TLS,
        "experiment": {
            "server": {
                "image": "example.org/triton:24.10",
                "cpu_cores": 2.0,
                "memory_gib": 4.0,
                "flags": {"strict_readiness": False},
            },
            "clients": {
                "kind": "token",
                "issuers": [ISSUER],
                "model_control": [{"groups": ["/cms/models"], "scopes": ["models.load"]}],
            },
            "scaling": {"servers_max": 1},
        },
    },
    "admission-by-requests": {"experiment": {"admission": {"requests_in_flight_per_server_max": 10}}},
    "admission-by-wait": {"experiment": {"admission": {"queue_refuse_new_jobs_ms": 500}}},
    "stateful": {
        "experiment": {
            "models": {
                "repository": {"kind": "s3", "bucket": "models", "prefix": "demo"},
                "expected": [{"name": "sequence", "stateful": True}],
            }
        }
    },
    "two-pools": {
        "site": {
            "pools": [
                {"kind": "kubernetes", "name": "gpu", "servers_max": 2, "gpu": {"products": ["NVIDIA-A10"]}},
                {"kind": "kubernetes", "name": "old", "servers_max": 2, "gpu": {"products": ["NVIDIA-T4"]}},
            ]
        }
    },
    "large-messages": {
        "experiment": {"traffic": {"largest_message_mib": 256}},
        "site": {"proxy": {"memory_mib": 4096}},
    },
    "long-requests": {"experiment": {"traffic": {"longest_request_seconds": 7200}}},
    "tracing": {"site": {"tracing": {"url": "http://otel-collector.observability.svc:4318"}}},
    "tracing-as-clients-ask": {
        "site": {
            "tracing": {
                "url": "http://otel-collector.observability.svc:4318",
                "sampling_percent": 0.5,
                "client_sampling_percent": 10,
            }
        }
    },
    "one-attempt": {"experiment": {"traffic": {"attempts_max": 1}}},
}
"""Name of a golden file -> what is declared besides, as in the files of a site and of an experiment."""


def envoy(declared: Mapping[str, Any]) -> str:
    return render(record(stack_config(**declared)))["envoy.yaml"]


def difference(plain: str, other: str) -> str:
    lines = difflib.unified_diff(plain.splitlines(), other.splitlines(), lineterm="", n=CONTEXT_LINES)
    without_names = list(lines)[2:]
    return "".join("@@\n" if line.startswith("@@") else f"{line}\n" for line in without_names)


def test_each_feature_adds_to_the_plain_proxy_what_its_golden_file_shows(request: pytest.FixtureRequest) -> None:
    plain = envoy({})
    rendered = {f"{case}.diff": difference(plain, envoy(declared)) for case, declared in CASES.items()}
    assert [name for name, text in rendered.items() if not text] == []
    check(FOLDER, {"plain.yaml": plain, **rendered}, update=request.config.getoption("--update-golden"))
