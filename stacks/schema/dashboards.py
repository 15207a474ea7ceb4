"""Dashboards of a stack in a Grafana."""

from typing import Annotated, Literal

from pydantic import Field

from stacks.schema.base import DnsLabel, LabelKey, LabelValue, Model, SecretName, Text
from stacks.schema.pod_settings import PodLabel, PodSettings
from stacks.schema.web_ingress import WebIngress


class SidecarDashboards(Model):
    """Dashboards for a Grafana of the site, whose sidecar looks for ConfigMaps, as that of kube-prometheus-stack does.

    With a Prometheus of the site, the stack that `singletons_owner` names makes the dashboard of all stacks, too.
    """

    kind: Literal["sidecar"]
    """ConfigMaps for the sidecar of a Grafana of the site."""
    map_labels: Annotated[dict[PodLabel, LabelValue], Field(min_length=1)] = {"grafana_dashboard": "1"}
    """Labels by which the sidecar finds a ConfigMap."""
    map_annotations: dict[LabelKey, str] = {}
    """Annotations of the ConfigMaps, such as `grafana_folder: SONIC`, if the sidecar reads its folder there."""
    namespace: DnsLabel | None = None
    """Namespace in which the sidecar looks; by default that of the stack, for a sidecar that looks everywhere."""
    datasource: Text | None = None
    """Uid of the Prometheus in Grafana; by default the reader of a dashboard chooses it."""
    grafana_namespace: DnsLabel | None = None
    """Namespace of Grafana's pods, which may then query a Prometheus of the stack's own. Required with that, and
    refused with the site's."""


class _GrafanaSize(Model):
    """Login, way in and size of a Grafana."""

    kind: Literal["grafana"]
    """A Grafana of the stack's own, which shows nothing without a login."""
    password_secret: Annotated[SecretName, Field(examples=["grafana-password"])]
    """Pulumi secret with the password of its user `admin`."""
    ingress: WebIngress | None = None
    """Way of people to it; by default `kubectl port-forward` alone."""
    cpu_cores: Annotated[float, Field(gt=0)] = 0.2
    """CPU request and limit, in cores."""
    memory_mib: Annotated[int, Field(ge=256)] = 512
    """Memory request and limit in MiB."""


class GrafanaDashboards(PodSettings, _GrafanaSize):
    """A Grafana of the stack's own. Its users and their settings are on the pod's disk."""


Dashboards = Annotated[SidecarDashboards | GrafanaDashboards, Field(discriminator="kind")]
