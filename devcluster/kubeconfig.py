"""Kubeconfigs: one self-contained file per client, so that the person's can be copied anywhere on the machine."""

import base64

import yaml

from devcluster.addresses import API_URL, CLUSTER_NAME
from devcluster.certificates import (
    ADMIN,
    CLUSTER_AUTHORITY,
    CONTROLLER_MANAGER,
    KUBE_PROXY,
    KUBELET,
    SCHEDULER,
    Identity,
    authority_certificate,
)
from devcluster.files import SECRET_MODE, write
from devcluster.paths import STATE

KUBECONFIG = STATE / "kubeconfig"
"""The person's: cluster administrator, context `sonic-dev`."""

KUBECONFIGS = {
    identity.file: STATE / "kubeconfigs" / f"{identity.file}.yaml"
    for identity in (CONTROLLER_MANAGER, SCHEDULER, KUBELET, KUBE_PROXY)
}
"""The components', by the component's name."""


def write_kubeconfigs() -> None:
    """Write the person's and the components' kubeconfigs from the certificates."""
    write(KUBECONFIG, _render(ADMIN), SECRET_MODE)
    for identity in (CONTROLLER_MANAGER, SCHEDULER, KUBELET, KUBE_PROXY):
        write(KUBECONFIGS[identity.file], _render(identity), SECRET_MODE)


def _render(identity: Identity) -> str:
    authority, certificate, key = (
        base64.b64encode(path.read_bytes()).decode()
        for path in (authority_certificate(CLUSTER_AUTHORITY), identity.certificate, identity.key)
    )
    user = {"client-certificate-data": certificate, "client-key-data": key}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": CLUSTER_NAME, "cluster": {"server": API_URL, "certificate-authority-data": authority}}
            ],
            "users": [{"name": identity.user, "user": user}],
            "contexts": [{"name": CLUSTER_NAME, "context": {"cluster": CLUSTER_NAME, "user": identity.user}}],
            "current-context": CLUSTER_NAME,
        },
        sort_keys=False,
    )
