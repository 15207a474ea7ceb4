"""Arguments of the admission controller for tests."""

from components.envoy import AdmissionArgs
from stacks.schema.experiment import Admission


def admission(prometheus_url: str = "http://127.0.0.1:1", **declared: float) -> AdmissionArgs:
    """Return the arguments of a controller that reaches no Prometheus, unless a URL is given."""
    return AdmissionArgs(
        declared=Admission.model_validate(declared),
        servers_max=4,
        query="wait",
        prometheus_url=prometheus_url,
        prometheus_peers=[],
        image="unused",
    )
