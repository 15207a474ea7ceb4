"""Arguments of the admission controller for tests."""

from components.envoy import AdmissionArgs
from stacks.schema.experiment import Admission


def admission(prometheus_url: str = "http://127.0.0.1:1", **declared: float) -> AdmissionArgs:
    """What is let in, as declared."""
    return AdmissionArgs(
        declared=Admission.model_validate(declared),
        servers_max=4,
        query="wait",
        prometheus_url=prometheus_url,
        prometheus_peers=[],
        image="unused",
    )
