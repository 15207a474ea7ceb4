"""An update that cannot succeed ends with its cause, while the pods of the revision before go on serving."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.dev_cluster import Cluster
from tests.support.dev_stack import eventually
from tests.support.second_stack import EXPOSURE, POOL, SecondStack, deployed

pytestmark = pytest.mark.engine

NAMESPACE = "sonic-failing"
IN_THE_WAY = "in-the-way"
SHORT_START = {"start_timeout_seconds": 20}
"""Less time than the demo gives its servers: an update that cannot succeed waits for it."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A change of the stack, or objects of the cluster, with which no new pod starts."""

    told: str
    """Words of the cause."""
    site: Mapping[str, Any] = field(default_factory=dict)
    """Changes of the site."""
    experiment: Mapping[str, Any] = field(default_factory=lambda: {"server": SHORT_START})
    """Changes of the experiment; by default another revision of the servers."""
    objects: Sequence[Mapping[str, Any]] = ()
    """Objects in the way, without their name."""


QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"requests.memory": "1Mi"}}}
LIMITS = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]},
}
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
POLICY = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "spec": {
        "matchConstraints": {
            "resourceRules": [PODS],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
        },
        "validations": [{"expression": "'team' in object.metadata.labels", "message": "a pod names its team"}],
    },
}
POLICY_BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "spec": {"policyName": IN_THE_WAY, "validationActions": ["Deny"]},
}
BROKEN_CERTIFICATE = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "kubernetes.io/tls",
    "stringData": {"tls.crt": "no certificate", "tls.key": "no key"},
}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "spec": {
        "accessModes": ["ReadOnlyMany"],
        "storageClassName": "none",
        "resources": {"requests": {"storage": "1Gi"}},
    },
}
FAULTS = {
    "image": Fault(
        told="its image localhost/sonic-dev/triton:0.0 cannot be pulled",
        experiment={"server": {**SHORT_START, "image": "localhost/sonic-dev/triton:0.0"}},
    ),
    "crash": Fault(
        told="it ends with exit code 1: unrecognized option '--no-such-flag'",
        experiment={"server": {**SHORT_START, "extra_flags": ["--no-such-flag"]}},
    ),
    "model": Fault(
        told="model `no_such_model` does not load: model not found in any model repository",
        experiment={"server": SHORT_START, "models": {"expected": [{"name": "no_such_model"}]}},
    ),
    "node": Fault(told="no node takes it", site={"pools": [{**POOL, "node_selector": {"no": "such-node"}}]}),
    "claim": Fault(
        told='it is Pending, without a volume, so no pod that mounts it starts: storageclass.storage.k8s.io "none"',
        site={"storage": {"data": {"geometry": {"kind": "pvc", "claim": IN_THE_WAY}}}},
        experiment={"server": {**SHORT_START, "data": [{"volume": "geometry", "path": "/geometry"}]}},
        objects=[CLAIM],
    ),
    "secret": Fault(
        told='secret "no-such-secret" not found',
        site={"storage": {"s3": {"authorities_secret": "no-such-secret"}}},
    ),
    "quota": Fault(told="exceeded quota", objects=[QUOTA]),
    "limit range": Fault(told="maximum memory usage per Container is 1Gi", objects=[LIMITS]),
    "admission": Fault(told="denied request: a pod names its team", objects=[POLICY, POLICY_BINDING]),
    "Envoy's configuration": Fault(
        told="Envoy refuses its configuration: Failed to load certificate chain",
        site={"exposure": {**EXPOSURE, "tls_secret": IN_THE_WAY}},
        experiment={},
        objects=[BROKEN_CERTIFICATE],
    ),
}


@pytest.fixture(scope="module")
def stack(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondStack]:
    """A stack that works."""
    with deployed(tmp_path_factory.mktemp("program"), cluster.kubectl, "failing") as stack:
        yield stack


def test_why_finds_no_cause_in_a_stack_that_works_and_tells_envoys_view(stack: SecondStack) -> None:
    eventually(
        lambda: "sees 1 of 1 ready servers of pool node healthy" in stack.why().output, "Envoy counts the server"
    )
    assert stack.why().returncode == 0


@pytest.mark.parametrize("name", FAULTS)
def test_an_update_that_cannot_succeed_names_its_cause(stack: SecondStack, name: str) -> None:
    fault = FAULTS[name]
    objects = [{**each, "metadata": {"name": IN_THE_WAY}} for each in fault.objects]
    before = stack.available()
    for each in objects:
        stack.apply(each)
    stack.configure(fault.site, fault.experiment)
    try:
        told = stack.project.up(fails=True).output
        asked = stack.why()
        assert asked.returncode == 1
        for text in (told, asked.output):
            assert fault.told in text
            assert "way out" in text
            assert "Traceback" not in text
        assert stack.available() == before
    finally:
        for each in objects:
            stack.delete(each["kind"], IN_THE_WAY)
        stack.configure()
        stack.project.up()
    assert stack.available() == before
