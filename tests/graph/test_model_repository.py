"""The resources of each kind of model repository."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from components.model_repository import ModelRepository, ModelRepositoryArgs, MountedRepository
from components.naming import Naming
from tests.support.configs import stack_config
from tests.support.recorder import AUTO_NAME_SUFFIX, SECRET, Recorder

CVMFS = {"kind": "cvmfs", "paths": ["/cvmfs/cms.cern.ch/models"]}
VOLUME = {"kind": "volume"}
S3 = {"kind": "s3", "bucket": "models", "prefix": "demo"}
PRIVILEGED = {"pod_security": "privileged", "exception_reason": "CVMFS is on the nodes."}


def deploy(
    recorder: Recorder, repository: Mapping[str, Any], storage: Mapping[str, Any], **site: Any
) -> MountedRepository:
    models = {"repository": repository, "expected": [{"name": "identity"}]}
    config = stack_config(site={"storage": storage, **site}, experiment={"models": models})
    made: list[ModelRepository] = []

    def program() -> None:
        args = ModelRepositoryArgs(
            naming=Naming(instance=config.name, namespace=config.namespace),
            repository=config.experiment.models.repository,
            storage=config.site.storage,
            secrets={name: pulumi.Output.secret(f"value of {name}") for name in config.secret_names},
        )
        made.append(ModelRepository("repository", args))

    recorder.run(program)
    return made[0].mounted


@pytest.mark.parametrize(
    ("repository", "storage"),
    [
        (CVMFS, {"cvmfs": {"kind": "cvmfs-pvc"}}),
        (VOLUME, {"volume": {"kind": "pvc", "claim": "models"}}),
        ({"kind": "image", "paths": ["/models"]}, {}),
    ],
)
def test_nothing_is_made_where_the_site_has_it_already(
    recorder: Recorder, repository: Mapping[str, Any], storage: Mapping[str, Any]
) -> None:
    deploy(recorder, repository, storage)
    assert recorder.manifests() == []


def test_an_existing_claim_is_mounted_by_its_name(recorder: Recorder) -> None:
    mounted = deploy(recorder, VOLUME, {"volume": {"kind": "pvc", "claim": "atlas-models"}})
    assert mounted.volumes == ({"name": "models", "persistentVolumeClaim": {"claimName": "atlas-models"}},)


def test_a_cvmfs_claim_is_made_on_request_and_holds_nothing_to_protect(recorder: Recorder) -> None:
    mounted = deploy(recorder, CVMFS, {"cvmfs": {"kind": "cvmfs-pvc", "create": True, "storage_class": "cvmfs"}})
    claim = recorder.one("kubernetes:core/v1:PersistentVolumeClaim")
    assert not claim.protect
    assert claim.inputs["spec"]["accessModes"] == ["ReadOnlyMany"]
    assert claim.inputs["spec"]["storageClassName"] == "cvmfs"
    assert mounted.volumes[0]["persistentVolumeClaim"]["claimName"] == claim.manifest["metadata"]["name"]


def test_a_claim_for_models_is_made_on_request_and_protected(recorder: Recorder) -> None:
    deploy(recorder, VOLUME, {"volume": {"kind": "pvc", "claim": "models", "create": True, "size_gib": 50}})
    claim = recorder.one("kubernetes:core/v1:PersistentVolumeClaim")
    assert claim.protect
    assert claim.inputs["spec"]["resources"] == {"requests": {"storage": "50Gi"}}
    assert "storageClassName" not in claim.inputs["spec"]  # the cluster's default


def test_a_host_path_is_bound_where_the_node_has_it(recorder: Recorder) -> None:
    cvmfs = {"kind": "cvmfs-hostpath", "path": "/mnt/cvmfs"}
    mounted = deploy(recorder, CVMFS, {"cvmfs": cvmfs}, security=PRIVILEGED)
    assert recorder.manifests() == []
    assert mounted.volumes == ({"name": "models", "hostPath": {"path": "/mnt/cvmfs", "type": "Directory"}},)


def test_an_nfs_export_is_a_volume_that_one_claim_alone_can_bind(recorder: Recorder) -> None:
    nfs = {"kind": "nfs", "server": "nfs.example.org", "path": "/models"}
    mounted = deploy(recorder, VOLUME, {"volume": nfs})
    volume = recorder.one("kubernetes:core/v1:PersistentVolume")
    claim = recorder.one("kubernetes:core/v1:PersistentVolumeClaim")
    claim_name = claim.manifest["metadata"]["name"]
    assert not volume.protect, "the volume points to the models, and `pulumi destroy` ends"
    assert not claim.protect
    assert volume.inputs["spec"]["nfs"] == {"server": "nfs.example.org", "path": "/models", "readOnly": True}
    assert volume.inputs["spec"]["claimRef"] == {"name": claim_name, "namespace": "sonic-demo"}
    assert claim.inputs["spec"]["volumeName"] == volume.manifest["metadata"]["name"]
    assert claim.inputs["spec"]["storageClassName"] == volume.inputs["spec"]["storageClassName"] == ""
    assert mounted.volumes[0]["persistentVolumeClaim"]["claimName"] == claim_name


@pytest.mark.parametrize("change", [{"server": "nfs2.example.org"}, {"path": "/models/v2"}])
def test_another_nfs_export_is_another_volume_and_claim(change: Mapping[str, str]) -> None:
    """Kubernetes takes no change of a volume's source, and under one name Pulumi deletes before it creates."""
    nfs = {"kind": "nfs", "server": "nfs.example.org", "path": "/models"}
    names: list[str] = []
    for export in (nfs, {**nfs, **change}):
        recorder = Recorder()
        mounted = deploy(recorder, VOLUME, {"volume": export})
        kinds = ("PersistentVolume", "PersistentVolumeClaim")
        names += [recorder.manifest(kind)["metadata"]["name"] for kind in kinds]
        assert mounted.volumes[0]["persistentVolumeClaim"]["claimName"] == names[-1]
    assert len(set(names)) == 4


def test_s3_credentials_are_secret_and_a_new_secret_when_they_change(recorder: Recorder) -> None:
    s3 = {"endpoint_url": "http://10.0.0.1:9000", "access_key_secret": "key", "secret_key_secret": "secret"}
    deploy(recorder, S3, {"s3": s3})
    secret = recorder.manifest("Secret")
    assert secret["stringData"] == SECRET
    assert secret["immutable"] is True
    assert secret["metadata"]["name"].endswith(AUTO_NAME_SUFFIX)


def test_the_server_takes_its_credentials_from_the_secret(recorder: Recorder) -> None:
    s3 = {"endpoint_url": "http://10.0.0.1:9000", "access_key_secret": "key", "secret_key_secret": "secret"}
    mounted = deploy(recorder, S3, {"s3": s3})
    from_secret = {entry["name"] for entry in mounted.env if "valueFrom" in entry}
    assert from_secret == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert mounted.repository_urls == ("s3://http://10.0.0.1:9000/models/demo",)
    assert len(mounted.egress) == 1
