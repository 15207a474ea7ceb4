"""Scrapes of the agents of Slurm clusters (`components.virtual_node.agent`), which are outside the cluster."""

from dataclasses import dataclass
from typing import Any

from components.base import Manifest

SCRAPE_CONFIG_API_VERSION = "monitoring.coreos.com/v1alpha1"
CERTIFICATES_FOLDER = "/etc/sonic-agents"
"""Folder of the own Prometheus with a folder for each agent's certificates."""
_INTERVAL_SECONDS = 30
"""Half the time from one look of an agent to the next."""


@dataclass(frozen=True, kw_only=True)
class AgentTarget:
    """An agent, as Prometheus reaches it by TLS."""

    virtual_node: str
    """Virtual node of the Slurm cluster."""
    url: str
    """URL of the agent, with its port."""
    certificate_secret: str
    """Secret beside Prometheus, or beside its ScrapeConfig: `tls.crt` and `tls.key` for it, `ca.crt` for the agent."""

    @property
    def address(self) -> str:
        """Host and port."""
        return self.url.removeprefix("https://").rstrip("/")


def scrape_config(agent: AgentTarget, instance: str) -> dict[str, Any]:
    """Return a scrape of the own Prometheus.

    Args:
        agent: the agent.
        instance: the stack's instance. Series of other stacks' pools are dropped.
    """
    folder = f"{CERTIFICATES_FOLDER}/{agent.virtual_node}"
    return {
        "job_name": f"slurm-agent-{agent.virtual_node}",
        "scheme": "https",
        "scrape_interval": f"{_INTERVAL_SECONDS}s",
        "tls_config": {
            "ca_file": f"{folder}/ca.crt",
            "cert_file": f"{folder}/tls.crt",
            "key_file": f"{folder}/tls.key",
        },
        "static_configs": [{"targets": [agent.address], "labels": _labels(agent)}],
        "metric_relabel_configs": [
            {"action": "keep", "source_labels": ["sonic_instance"], "regex": _own_or_none(instance)}
        ],
    }


def operator_scrape_config(agent: AgentTarget, instance: str) -> Manifest:
    """Return the spec of a ScrapeConfig, which the Prometheus Operator knows from 0.65 on.

    Args:
        agent: the agent.
        instance: as for `scrape_config`.
    """

    def file(key: str) -> dict[str, str]:
        return {"name": agent.certificate_secret, "key": key}

    return {
        "scheme": "HTTPS",
        "scrapeInterval": f"{_INTERVAL_SECONDS}s",
        "tlsConfig": {
            "ca": {"secret": file("ca.crt")},
            "cert": {"secret": file("tls.crt")},
            "keySecret": file("tls.key"),
        },
        "staticConfigs": [{"targets": [agent.address], "labels": _labels(agent)}],
        "metricRelabelings": [{"action": "keep", "sourceLabels": ["sonic_instance"], "regex": _own_or_none(instance)}],
    }


def volumes(agents: tuple[AgentTarget, ...]) -> list[dict[str, Any]]:
    """Return the volumes of the own Prometheus with the certificates."""
    items = [{"key": key, "path": key} for key in ("tls.crt", "tls.key", "ca.crt")]
    return [
        {
            "name": f"slurm-agent-{index}",
            "secret": {"secretName": agent.certificate_secret, "defaultMode": 0o440, "items": items},
        }
        for index, agent in enumerate(agents)
    ]


def volume_mounts(agents: tuple[AgentTarget, ...]) -> list[dict[str, Any]]:
    """Return the mounts of these volumes."""
    return [
        {"name": f"slurm-agent-{index}", "mountPath": f"{CERTIFICATES_FOLDER}/{agent.virtual_node}", "readOnly": True}
        for index, agent in enumerate(agents)
    ]


def _labels(agent: AgentTarget) -> dict[str, str]:
    return {"virtual_node": agent.virtual_node}


def _own_or_none(instance: str) -> str:
    """Return a pattern of the label: that of a pool of this instance, or empty, for the series of the whole node."""
    return f"({instance})?"
