"""Configuration of the own Prometheus: its targets, its rules, and how long it keeps samples."""

from typing import Any

from components.labels import POOL_LABEL
from components.monitoring.agents import scrape_config
from components.monitoring.args import MonitoringArgs
from stacks.schema.site import OwnPrometheus

STORAGE_GIB = 4
"""Size of the samples on the pod's disk, where they have no claim."""

RULES_FILE = "rules.yml"
"""File with the rule groups, beside the configuration."""

_SCRAPE_TIMEOUT_MAX_SECONDS = 10


def configuration(args: MonitoringArgs, prometheus: OwnPrometheus) -> dict[str, Any]:
    """Return the configuration: the annotated pods of this instance, and retention by time and by size.

    Labels of every series beside `job` and `instance`: namespace, pod, component, and pool for servers.
    """
    interval_seconds = prometheus.scrape_interval_seconds
    timeout_seconds = min(interval_seconds, _SCRAPE_TIMEOUT_MAX_SECONDS)
    return {
        "global": {"scrape_interval": f"{interval_seconds}s", "scrape_timeout": f"{timeout_seconds}s"},
        "storage": {
            "tsdb": {
                "retention": {"time": f"{prometheus.retention_hours}h", "size": f"{_retention_mib(prometheus)}MB"}
            },
        },
        "rule_files": [RULES_FILE],
        "scrape_configs": [
            *(scrape_config(agent, args.naming.instance) for agent in args.agents),
            {
                "job_name": "sonic",
                "kubernetes_sd_configs": [
                    {
                        "role": "pod",
                        "namespaces": {"names": args.target_namespaces},
                        "selectors": [{"role": "pod", "label": f"app.kubernetes.io/instance={args.naming.instance}"}],
                    }
                ],
                "relabel_configs": _relabeling(),
            },
        ],
    }


def _retention_mib(prometheus: OwnPrometheus) -> int:
    """Return the size of the stored blocks. The block that is being written comes on top."""
    storage_gib = prometheus.claim.size_gib if prometheus.claim else STORAGE_GIB
    return storage_gib * 768


def _relabeling() -> list[dict[str, Any]]:
    annotation, label = "__meta_kubernetes_pod_annotation_prometheus_io", "__meta_kubernetes_pod_label"
    return [
        {"action": "keep", "source_labels": [f"{annotation}_scrape"], "regex": "true"},
        {"action": "keep", "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "Running"},
        # Discovery gives one target for each port of a pod. With the annotated port instead they become one.
        {
            "source_labels": ["__address__", f"{annotation}_port"],
            "regex": r"(\[.+\]|[^:]+)(?::\d+)?;(\d+)",
            "replacement": "$1:$2",
            "target_label": "__address__",
        },
        {"source_labels": [f"{annotation}_path"], "regex": "(/.*)", "target_label": "__metrics_path__"},
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        {"source_labels": [f"{label}_app_kubernetes_io_component"], "target_label": "component"},
        {"source_labels": [f"{label}_{_sanitized(POOL_LABEL)}"], "target_label": "pool"},
    ]


def _sanitized(label: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in label)
