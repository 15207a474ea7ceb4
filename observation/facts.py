"""Answers of a cluster and of its Prometheus at one moment, as they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from access.cluster import Object


@dataclass(frozen=True)
class Unknown:
    """An answer that could not be had."""

    sentence: str
    """Reason, and the way out."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A value of a series."""

    labels: Mapping[str, str]
    """Labels of the series."""
    value: float
    """Value, finite."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that is asked for one frame."""

    now: datetime
    """Time of the questions."""
    pods: Sequence[Object] | Unknown
    """Pods of the instance, also those that are stopping."""
    deployments: Sequence[Object] | Unknown
    """Deployments of the instance."""
    scaled_objects: Sequence[Object] | Unknown
    """ScaledObjects of KEDA."""
    autoscalers: Sequence[Object] | Unknown
    """HorizontalPodAutoscalers that KEDA made."""
    events: Sequence[Object] | Unknown
    """Events of the namespace."""
    servers: Sequence[Sample] | Unknown
    """Samples of the servers' series; `promql.server_values` names them."""
    envoys: Sequence[Sample] | Unknown
    """Samples of Envoy's series; `promql.envoy_values` names them."""
