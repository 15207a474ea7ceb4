"""Storage of a site that model repositories are read from."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from stacks.schema.base import AbsolutePath, BrokenRule, Count, DnsLabel, Hostname, Model, SecretName, Text
from stacks.schema.url import S3Url


class CvmfsPvc(Model):
    """CVMFS by the CSI driver, as a read-only claim."""

    kind: Literal["cvmfs-pvc"]
    """The claim is mounted at /cvmfs."""
    claim: DnsLabel = "cvmfs"
    """Name of the PersistentVolumeClaim."""
    create: bool = False
    """true: the stack creates the claim. false: it must exist in the namespace."""
    storage_class: Text = "cvmfs"
    """StorageClass of the claim, if the stack creates it."""


class CvmfsHostPath(Model):
    """CVMFS mounted on the nodes. Pod Security forbids hostPath below `privileged`."""

    kind: Literal["cvmfs-hostpath"]
    """The node's mount is bound into the pod, read-only, with new mounts of the node passed on."""
    path: AbsolutePath = "/cvmfs"
    """Mount point of CVMFS on the nodes."""


class ClaimVolume(Model):
    """A PersistentVolumeClaim that holds models."""

    kind: Literal["pvc"]
    """The claim is mounted at /models, read-only."""
    claim: DnsLabel
    """Name of the PersistentVolumeClaim."""
    create: bool = False
    """true: the stack creates the claim and protects it from deletion. false: it must exist in the namespace."""
    storage_class: Text | None = None
    """StorageClass of the claim, if the stack creates it; by default the cluster's default class."""
    size_gib: Count | None = None
    """Size in GiB; required if the stack creates the claim."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """A claim that the stack creates needs a size; one that exists has its own."""
        if self.create and self.size_gib is None:
            yield BrokenRule("create is true but size_gib is not set: add size_gib, the size of the claim", ("create",))
        if not self.create and self.size_gib is not None:
            yield BrokenRule(
                f"size_gib is {self.size_gib} but create is false, and a claim that exists has its own size: "
                "remove size_gib, or set create to true",
                ("size_gib", "create"),
            )


class NfsVolume(Model):
    """An NFS export that holds models. The stack creates a PersistentVolume and a claim for it, since Pod Security
    `restricted` forbids NFS volumes inside a pod. Both only point to the export: removing them deletes no model."""

    kind: Literal["nfs"]
    """The export is mounted at /models, read-only."""
    server: Hostname
    """NFS server."""
    path: AbsolutePath
    """Exported path."""


class S3Endpoint(Model):
    """An S3 service of the site."""

    endpoint_url: S3Url
    """URL without a path."""
    region: Text = "us-east-1"
    """Region that requests are signed for."""
    access_key_secret: SecretName | None = None
    """Name of the Pulumi secret with the access key id. Without keys, the servers take the role of their ServiceAccount
    (role_arn), or read a public bucket."""
    secret_key_secret: SecretName | None = None
    """Name of the Pulumi secret with the secret access key."""
    role_arn: (
        Annotated[
            str,
            Field(
                pattern=r"^arn:[a-z-]+:iam::\d{12}:role/\S+$",
                title="the ARN of an IAM role",
                examples=["arn:aws:iam::123456789012:role/sonic-models"],
            ),
        ]
        | None
    ) = None
    """IAM role that the servers take by their ServiceAccount, where the cluster has Amazon's webhook for it."""
    authorities_secret: DnsLabel | None = None
    """Secret of the namespace whose `ca.crt` holds the certificates of the authorities, in PEM, that the endpoint's
    certificate is checked with; by default those of the server's image."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Keys come in pairs, and instead of a role."""
        if (self.access_key_secret is None) != (self.secret_key_secret is None):
            given, missing = "access_key_secret", "secret_key_secret"
            if self.access_key_secret is None:
                given, missing = missing, given
            yield BrokenRule(f"{given} is set but {missing} is not: add it, or remove the first", (given,))
        if self.access_key_secret is not None and self.role_arn is not None:
            yield BrokenRule(
                "role_arn is set but so are the keys, which Triton would take instead: remove either",
                ("role_arn", "access_key_secret"),
            )
        if self.access_key_secret is not None and self.access_key_secret == self.secret_key_secret:
            yield BrokenRule(
                f"access_key_secret and secret_key_secret are both `{self.access_key_secret}`: "
                "they are two secrets, give each its name",
                ("secret_key_secret", "access_key_secret"),
            )


class DataClaim(Model):
    """A PersistentVolumeClaim that holds data other than models."""

    kind: Literal["pvc"]
    """Mounted read-only. It must exist in the namespace."""
    claim: DnsLabel
    """Name of the PersistentVolumeClaim."""


class DataHostPath(Model):
    """A folder of the nodes. Pod Security forbids hostPath below `privileged`."""

    kind: Literal["hostpath"]
    """Bound into the server, read-only, with new mounts of the node passed on."""
    path: AbsolutePath
    """Path on the nodes."""


class Storage(Model):
    """Storage that model repositories are read from. A kind that is left out is not available."""

    cvmfs: Annotated[CvmfsPvc | CvmfsHostPath, Field(discriminator="kind")] | None = None
    """CVMFS, as a claim or from the nodes."""
    volume: Annotated[ClaimVolume | NfsVolume, Field(discriminator="kind")] | None = None
    """A volume with models."""
    s3: S3Endpoint | None = None
    """An S3 service."""
    data: dict[DnsLabel, Annotated[DataClaim | DataHostPath, Field(discriminator="kind")]] = {}
    """Volumes with other data by name, which servers mount by experiment.server.data. CVMFS is a claim, or a folder of
    the nodes."""
