"""What every configuration model shares: the base class and the named kinds of string and number."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


class Model(BaseModel):
    """A frozen piece of configuration: unknown keys are refused, types are strict, descriptions are docstrings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


def _matching(pattern: str, max_length: int = 253) -> StringConstraints:
    return StringConstraints(pattern=pattern, min_length=1, max_length=max_length)


def _pinned(image: str) -> str:
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not digest and tag in {"", "latest"}:
        msg = "an image must be pinned by a tag other than `latest`, or by digest"
        raise ValueError(msg)
    return image


DnsLabel = Annotated[str, _matching(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", 63)]
"""A name that Kubernetes takes for a namespace, a Service or a pool: RFC 1123 label."""

Hostname = Annotated[str, _matching(r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""A DNS name."""

ExperimentTemplate = Annotated[str, _matching(r"^[-a-z0-9.]*(\{experiment\})?[-a-z0-9.]*$")]
"""A DNS name in which `{experiment}` stands for the name of the stack's experiment."""

ImageReference = Annotated[
    str,
    _matching(r"^[a-z0-9][a-z0-9._:/-]*?(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@sha256:[a-f0-9]{64})?$", 512),
    AfterValidator(_pinned),
]
"""A container image by tag or digest; never `latest`, never without either."""

AbsolutePath = Annotated[str, _matching(r"^/[^\s]*$", 4096)]
"""A path from the root of a file system."""

LabelKey = Annotated[
    str, _matching(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", 317)
]
"""A Kubernetes label key, with or without a prefix."""

LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
"""A Kubernetes label value."""

SecretName = Annotated[str, _matching(r"^[a-z][a-z0-9-]*$", 63)]
"""The name of a Pulumi secret: `pulumi config set --secret NAME`."""

Cidr = Annotated[str, _matching(r"^[0-9a-fA-F.:]+/[0-9]{1,3}$", 49)]
"""A range of IP addresses."""

Port = Annotated[int, Field(ge=1, le=65535)]
"""A TCP port."""

Count = Annotated[int, Field(ge=1)]
"""How many of something, at least one."""
