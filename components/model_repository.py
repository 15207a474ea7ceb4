"""The model repository of the servers: a mounted volume, a bucket, or a part of the image.

`StackConfig` refuses a kind of repository that the site has no storage for.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import names
from components.base import Manifest, SonicComponent
from components.naming import Naming
from components.network import Edge, edge_to_url
from components.rollout import not_awaited
from stacks.schema.experiment import CvmfsRepository, ImageRepository, Repository, S3Repository, VolumeRepository
from stacks.schema.storage import ClaimVolume, CvmfsHostPath, CvmfsPvc, NfsVolume, S3Endpoint, Storage
from stacks.schema.url import endpoint

CVMFS_PATH = "/cvmfs"
"""Path of CVMFS in a server, however the site mounts it."""
VOLUME_PATH = "/models"
"""Path of the site's volume in a server."""

_VOLUME_NAME = "models"
_AUTHORITIES = "s3-authorities"
_AUTHORITIES_FILE = "/etc/ssl/certs/ca-certificates.crt"
"""File that libcurl of Triton's images reads: the AWS client in Triton names none."""
_TOKEN_SERVICE = Edge(peers=(), ports=(443,))
"""Amazon's STS, which gives the keys of a role and is known by name only."""
_ENFORCED_NOWHERE = "1Gi"  # a claim must name a size, which neither CVMFS nor NFS enforces


@dataclass(frozen=True, kw_only=True)
class MountedRepository:
    """The parts of a server's pod that give it the models."""

    repository_urls: tuple[str, ...]
    """Values of `--model-repository`."""
    volumes: tuple[Mapping[str, Any], ...] = ()
    """Volumes of the pod."""
    volume_mounts: tuple[Mapping[str, Any], ...] = ()
    """Mounts of the container."""
    env: tuple[Mapping[str, Any], ...] = ()
    """Environment of the container; a value may be an Output."""
    account_annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of the pod's ServiceAccount."""
    egress: tuple[Edge, ...] = ()
    """Traffic from the pod to the models. The kubelet reads mounted volumes from the node, where no policy applies."""


@dataclass(frozen=True, kw_only=True)
class ModelRepositoryArgs:
    """The experiment's repository and the site's storage."""

    naming: Naming
    """Instance and namespace of the stack."""
    repository: Repository
    """Repository of the experiment."""
    storage: Storage
    """Storage of the site."""
    secrets: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    """Pulumi secrets by name: those that `StackConfig.secret_names` lists."""


class ModelRepository(SonicComponent):
    """The repository's volume or credentials.

    A claim that holds models is protected from deletion. A claim or volume that points to models elsewhere (CVMFS, NFS)
    is not, since deleting it deletes no model.
    """

    mounted: MountedRepository
    """The parts of a server's pod that give it the models."""

    def __init__(self, name: str, args: ModelRepositoryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        labels = args.naming.labels("model-repository").all
        match args.repository, args.storage:
            case CvmfsRepository() as repository, Storage(cvmfs=CvmfsPvc() as cvmfs):
                if cvmfs.create:
                    spec = claim_spec("ReadOnlyMany", _ENFORCED_NOWHERE, cvmfs.storage_class)
                    self._claim(cvmfs.claim, args.naming.namespace, labels, spec, protect=False)
                self.mounted = mounted_cvmfs(repository, {"persistentVolumeClaim": {"claimName": cvmfs.claim}})
            case CvmfsRepository() as repository, Storage(cvmfs=CvmfsHostPath() as cvmfs):
                self.mounted = mounted_cvmfs(repository, {"hostPath": {"path": cvmfs.path, "type": "Directory"}})
            case VolumeRepository() as repository, Storage(volume=ClaimVolume() as volume):
                if volume.create:
                    spec = claim_spec("ReadWriteMany", f"{volume.size_gib}Gi", volume.storage_class)
                    self._claim(volume.claim, args.naming.namespace, labels, spec, protect=True)
                self.mounted = mounted_volume(repository, volume.claim)
            case VolumeRepository() as repository, Storage(volume=NfsVolume() as volume):
                claim = nfs_claim_name(args.naming.instance, volume)
                self._nfs(claim, args.naming.namespace, labels, volume)
                self.mounted = mounted_volume(repository, claim)
            case S3Repository() as repository, Storage(s3=S3Endpoint() as s3):
                self.mounted = mounted_s3(
                    repository, s3, self._credentials(args.naming.namespace, labels, s3, args.secrets)
                )
            case ImageRepository(paths=paths), _:
                self.mounted = MountedRepository(repository_urls=paths)
            case repository, _:
                msg = f"repository kind `{repository.kind}` has no storage; StackConfig should have refused it"
                raise AssertionError(msg)
        self.register_outputs({"repository_urls": list(self.mounted.repository_urls)})

    def _claim(self, claim: str, namespace: str, labels: Mapping[str, str], spec: Manifest, *, protect: bool) -> None:
        # A claim that no volume fits would hold the update before there is a pod, whose `Rollout` tells the reason.
        metadata = not_awaited({"name": claim, "namespace": namespace, "labels": labels})
        opts = self.options(protect=protect)
        k8s.core.v1.PersistentVolumeClaim(self.child("claim"), metadata=metadata, spec=spec, opts=opts)

    def _nfs(self, claim: str, namespace: str, labels: Mapping[str, str], nfs: NfsVolume) -> None:
        # Volumes have no namespace: the name carries it.
        volume = names.join(namespace, claim, length_max=names.SUBDOMAIN_LENGTH_MAX)
        metadata: Manifest = {"name": volume, "labels": labels}
        spec = nfs_volume_spec(nfs, claim, namespace)
        k8s.core.v1.PersistentVolume(self.child("volume"), metadata=metadata, spec=spec, opts=self.options())
        static = {**claim_spec("ReadOnlyMany", _ENFORCED_NOWHERE, ""), "volumeName": volume}
        self._claim(claim, namespace, labels, static, protect=False)

    def _credentials(
        self, namespace: str, labels: Mapping[str, str], s3: S3Endpoint, secrets: Mapping[str, pulumi.Output[str]]
    ) -> pulumi.Output[str] | None:
        """Make the Secret with the keys; None without keys."""
        if s3.access_key_secret is None or s3.secret_key_secret is None:
            return None
        metadata: Manifest = {"namespace": namespace, "labels": labels}
        data = {
            "access-key-id": secrets[s3.access_key_secret],
            "secret-access-key": secrets[s3.secret_key_secret],
        }
        # Pulumi gives a changed Secret a new name, which rolls the pods that read it.
        secret: k8s.core.v1.Secret = k8s.core.v1.Secret(
            self.child("s3-credentials"), metadata=metadata, string_data=data, immutable=True, opts=self.options()
        )
        name: pulumi.Output[str] = secret.metadata.apply(lambda metadata: str(metadata.name))
        return name


def mounted_cvmfs(repository: CvmfsRepository, source: Mapping[str, Any]) -> MountedRepository:
    """Mount CVMFS from a volume source, read-only. File systems that the node mounts later appear in the pod too."""
    mount = {
        "name": _VOLUME_NAME,
        "mountPath": CVMFS_PATH,
        "readOnly": True,
        "mountPropagation": "HostToContainer",  # autofs mounts each repository at its first use
    }
    return MountedRepository(
        repository_urls=repository.paths,
        volumes=({"name": _VOLUME_NAME, **source},),
        volume_mounts=(mount,),
    )


def mounted_volume(repository: VolumeRepository, claim: str) -> MountedRepository:
    """Mount a claim with models, read-only."""
    return MountedRepository(
        repository_urls=tuple(f"{VOLUME_PATH}{path}".rstrip("/") for path in repository.paths),
        volumes=({"name": _VOLUME_NAME, "persistentVolumeClaim": {"claimName": claim}},),
        volume_mounts=({"name": _VOLUME_NAME, "mountPath": VOLUME_PATH, "readOnly": True},),
    )


def mounted_s3(repository: S3Repository, s3: S3Endpoint, secret_name: pulumi.Input[str] | None) -> MountedRepository:
    """Read from a bucket, from which Triton copies the models when it starts.

    With the keys of a Secret, with the role of the ServiceAccount, or, with neither, unsigned: Triton's AWS client
    signs nothing if it finds no credentials.
    """

    def secret(key: str) -> dict[str, Any]:
        return {"secretKeyRef": {"name": secret_name, "key": key}}

    keys: tuple[Mapping[str, Any], ...] = (
        {"name": "AWS_ACCESS_KEY_ID", "valueFrom": secret("access-key-id")},
        {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": secret("secret-access-key")},
    )
    authorities = s3.authorities_secret
    volume = {"name": _AUTHORITIES, "secret": {"secretName": authorities}}
    mount = {"name": _AUTHORITIES, "mountPath": _AUTHORITIES_FILE, "subPath": "ca.crt", "readOnly": True}
    return MountedRepository(
        repository_urls=(s3_url(s3.endpoint_url, repository.bucket, repository.prefix),),
        volumes=(volume,) if authorities else (),
        volume_mounts=(mount,) if authorities else (),
        env=(
            *(keys if secret_name is not None else ()),
            {"name": "AWS_DEFAULT_REGION", "value": s3.region},
            # Otherwise the AWS client first asks a cloud's metadata service, which the policy lets run into a timeout.
            {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"},
        ),
        account_annotations={"eks.amazonaws.com/role-arn": s3.role_arn} if s3.role_arn else {},
        egress=(edge_to_url(s3.endpoint_url), *((_TOKEN_SERVICE,) if s3.role_arn else ())),
    )


def s3_url(endpoint_url: str, bucket: str, prefix: str) -> str:
    """Return the URL of a bucket as Triton reads it, such as `s3://https://s3.example.org:443/models/cms`.

    Triton recognizes an endpoint by its port (`s3_regex_` in triton-inference-server/core, filesystem/s3.h). Without a
    port it would look for a bucket called `https:` at Amazon.
    """
    scheme, host, port = endpoint(endpoint_url)
    return "/".join(filter(None, (f"s3://{scheme}://{host}:{port}", bucket, prefix)))


def claim_spec(access_mode: str, size: str, storage_class: str | None) -> Manifest:
    """Return the spec of a claim. `storage_class` None is the cluster's default, "" none: for a volume that exists."""
    spec = {"accessModes": [access_mode], "resources": {"requests": {"storage": size}}}
    return spec if storage_class is None else {**spec, "storageClassName": storage_class}


def nfs_claim_name(instance: str, nfs: NfsVolume) -> str:
    """Return the name of the claim for an export.

    The source of a volume cannot be changed. Another server or path is another claim and volume, which Pulumi creates
    before the servers roll to them, and deletes the old ones after.
    """
    digest = hashlib.sha256(f"{nfs.server}:{nfs.path}".encode()).hexdigest()[:8]
    return names.join(instance, "models", digest)


def nfs_volume_spec(nfs: NfsVolume, claim: str, namespace: str) -> Manifest:
    """Return the spec of the volume of an export, which only one claim can bind."""
    return {
        "capacity": {"storage": _ENFORCED_NOWHERE},
        "accessModes": ["ReadOnlyMany"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "mountOptions": ["ro"],
        "nfs": {"server": nfs.server, "path": nfs.path, "readOnly": True},
        "claimRef": {"name": claim, "namespace": namespace},
    }
