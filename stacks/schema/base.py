"""The base class of the configuration models, rules over several fields, and named kinds of text."""

import ipaddress
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from stacks.origin import KeyPath
from stacks.releases import INTERLINK_OLDEST, KEDA_OLDEST, KUBERNETES_OLDEST, parts


class BrokenRule(NamedTuple):
    """A rule over several fields that does not hold."""

    message: str
    """One sentence: the value found, the rule and the way out."""
    fields: tuple[str | KeyPath, ...]
    """Paths of the fields that it compares, dotted or in steps, from the model that has the rule. Errors name them in
    this order."""


class BrokenRulesError(ValueError):
    """Every broken rule of one model, so that a person reads all of them at once."""

    def __init__(self, rules: tuple[BrokenRule, ...]) -> None:
        super().__init__("; ".join(rule.message for rule in rules))
        self.rules = rules


class Model(BaseModel):
    """A frozen piece of configuration: unknown keys are refused, types are strict, descriptions are docstrings."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Yield each rule over several fields that does not hold. By default there are none."""
        yield from ()

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        broken = tuple(self.broken_rules())
        broken += tuple(self._repeated_items({_first_step(field) for rule in broken for field in rule.fields}))
        if broken:
            raise BrokenRulesError(broken)
        return self

    def _repeated_items(self, told: set[str]) -> Iterator[BrokenRule]:
        """Yield each item that a list has twice, but for lists of which another rule is broken."""
        for name, field in type(self).model_fields.items():
            items = getattr(self, name)
            if not isinstance(items, tuple) or name in told or WORDS in field.metadata:
                continue
            for index, item in enumerate(items):
                if (first := items.index(item)) < index:
                    thing = f"`{item}`" if isinstance(item, str | int) else f"the same as in {name}[{first}]"
                    yield BrokenRule(
                        f"{name}[{index}] is {thing}, which the list has already: remove one of the two",
                        (f"{name}.{index}", f"{name}.{first}"),
                    )


WORDS = "words of a command line"
"""Metadata of a list whose items are words, and may repeat."""


def _first_step(field: str | KeyPath) -> str:
    return field.partition(".")[0] if isinstance(field, str) else str(field[0])


def twice(names: list[str]) -> list[str]:
    """Return the names that occur more than once, sorted."""
    return sorted({name for name in names if names.count(name) > 1})


def _text(what: str, pattern: str, *, example: str, length_max: int = 253) -> FieldInfo:
    """Describe a named kind of text. Errors say "must be `what`: write one such as `example`"."""
    info: FieldInfo = Field(pattern=pattern, min_length=1, max_length=length_max, title=what, examples=[example])
    return info


def _pinned(image: str) -> str:
    if "//" in image:
        msg = "an image must begin with the name of its registry: take the scheme out"
        raise ValueError(msg)
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if ":" in tag:
        msg = "an image must have one tag: take the other out"
        raise ValueError(msg)
    if not digest and tag in {"", "latest"}:
        msg = "an image must be pinned: add a tag other than `latest`, or a digest"
        raise ValueError(msg)
    return image


def _network(cidr: str) -> str:
    try:
        ipaddress.ip_network(cidr)
    except ValueError as error:
        msg = f"must be a range of IP addresses ({error}): write one such as 10.0.0.0/8"
        raise ValueError(msg) from error
    return cidr


_A_CERTIFICATE = (
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBMDCB46ADAgECAhRy78YKY+FT/qs/4x42sTWe0tYqMjAFBgMrZXAwDTELMAkG\n"
    "A1UEAwwCY2EwIBcNMjYxMTI3MjEyOTExWhgPMjEyNjExMDMyMTI5MTFaMA0xCzAJ\n"
    "BgNVBAMMAmNhMCowBQYDK2VwAyEALXRvaNrJdiISudCFJfcEOiot1DdO9I4PdeQu\n"
    "evfC+4yjUzBRMB0GA1UdDgQWBBQh30noLGUaEgX33NbPjPHasiQJuzAfBgNVHSME\n"
    "GDAWgBQh30noLGUaEgX33NbPjPHasiQJuzAPBgNVHRMBAf8EBTADAQH/MAUGAytl\n"
    "cANBAAfvvK2SgE61/k4fwVP+MAkX2RqucT+HBbHpHJgAmNRpwZSSjTfvCBAUNyE7\n"
    "lTsysVV3cSxQ7VS36vJyjVvpewc=\n"
    "-----END CERTIFICATE-----\n"
)


def _certificates(text: str) -> str:
    way_out = "write them in PEM, from BEGIN CERTIFICATE to END CERTIFICATE, below `|`"
    if "PRIVATE KEY" in text:
        msg = "there is a private key in it, which must not be in git: take the key out and make a new one"
        raise ValueError(msg)
    try:
        ssl.create_default_context(cadata=text)
    except ssl.SSLError as error:
        msg = f"must be certificates of authorities: {way_out}"
        raise ValueError(msg) from error
    return text


def _supported(product: str, oldest: str, *, upgraded: str) -> AfterValidator:
    def check(release: str) -> str:
        if parts(release) < parts(oldest):
            msg = f"the oldest supported release of {product} is {oldest}: upgrade {upgraded} first"
            raise ValueError(msg)
        return release

    return AfterValidator(check)


RESERVED_KEYS = frozenset({"site", "experiment", "instance", "override"})
"""Keys of the project in Pulumi.<stack>.yaml that are no secrets."""


class SecretReference(str):
    """The name of a Pulumi secret, told apart from other texts by its type."""


def _secret(name: str) -> SecretReference:
    if name in RESERVED_KEYS:
        msg = "that key of Pulumi.<stack>.yaml means something else: give the secret another name"
        raise ValueError(msg)
    return SecretReference(name)


def secrets_in(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield each name of a secret in a configuration, with the path of its field."""
    items: Iterable[tuple[str | int, object]] = ()
    match value:
        case SecretReference():
            yield path, str(value)
        case BaseModel():
            items = iter(value)
        case Mapping():
            items = value.items()
        case tuple():
            items = enumerate(value)
    for key, item in items:
        yield from secrets_in(item, (*path, key))


_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"

DnsLabel = Annotated[
    str,
    _text(
        "a DNS label (lower-case letters, digits and dashes, at most 63)",
        rf"^{_DNS_LABEL}$",
        example="sonic-cms",
        length_max=63,
    ),
]
"""A name that Kubernetes takes for a namespace, a Service or a pool: RFC 1123 label."""


def _not_of_kubernetes(namespace: str) -> str:
    if namespace.startswith("kube-"):
        msg = "namespaces whose names begin with kube- belong to Kubernetes itself: write one of your own"
        raise ValueError(msg)
    return namespace


OwnNamespace = Annotated[DnsLabel, AfterValidator(_not_of_kubernetes)]
"""A namespace in which the program makes objects."""

ObjectName = Annotated[
    str,
    _text(
        "a name of a Kubernetes object (lower-case letters, digits, dashes and dots)",
        rf"^({_DNS_LABEL}\.)*{_DNS_LABEL}$",
        example="high-priority",
    ),
]
"""A name that Kubernetes takes for an object of the cluster: RFC 1123 subdomain."""

Hostname = Annotated[
    str,
    _text("a DNS name or an IPv4 address", rf"^({_DNS_LABEL}\.)*{_DNS_LABEL}$", example="node1.example.org"),
]
"""A DNS name."""

ImageReference = Annotated[
    str,
    _text(
        "a container image with its tag or digest",
        r"^[a-z0-9][a-z0-9._:/-]*?(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@sha256:[a-f0-9]{64})?$",
        example="nvcr.io/nvidia/tritonserver:24.10-py3",
        length_max=512,
    ),
    AfterValidator(_pinned),
]
"""A container image by tag or digest; never `latest`, never without either."""

ImagePrefix = Annotated[
    str,
    _text(
        "a registry with or without a path",
        r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9._-]+)*$",
        example="docker.io",
    ),
]
"""The start of image names up to a slash: a registry, and folders in it."""

AbsolutePath = Annotated[str, _text("an absolute path", r"^/[^\s]*$", example="/models", length_max=4096)]
"""A path from the root of a file system."""

PlainPath = Annotated[
    str,
    _text(
        "an absolute path of letters, digits and . _ + @ - signs",
        r"^(/[A-Za-z0-9._+@-]+)+$",
        example="/cvmfs/unpacked.cern.ch",
        length_max=4096,
    ),
]
"""A path that a shell and a container runtime read as it is written."""

SlurmName = Annotated[
    str,
    _text(
        "a name of Slurm (letters, digits and . _ + - signs)", r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$", example="hammer-nodes"
    ),
]
"""A partition, account, feature, reservation or quality of service: interLink loses quotes and blanks of a flag."""

CvmfsPath = Annotated[
    str, _text("a path below /cvmfs", r"^/cvmfs/[^\s]+$", example="/cvmfs/cms.cern.ch/models", length_max=4096)
]
"""A path on CVMFS."""

LabelKey = Annotated[
    str,
    _text(
        "a label key of Kubernetes",
        r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        example="nvidia.com/gpu.product",
        length_max=317,
    ),
]
"""A Kubernetes label key, with or without a prefix."""

LabelValue = Annotated[
    str,
    Field(
        pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        max_length=63,
        title="a label value of Kubernetes",
        examples=["NVIDIA-A10"],
    ),
]
"""A Kubernetes label value."""

HeaderName = Annotated[
    str,
    _text(
        "the name of an HTTP header (letters, digits and dashes)",
        r"^[A-Za-z0-9-]+$",
        example="X-Scope-OrgID",
        length_max=64,
    ),
]
"""The name of an HTTP header."""

SecretName = Annotated[
    str,
    _text(
        "the name of a secret (lower-case letters, digits and dashes)",
        r"^[a-z][a-z0-9-]*$",
        example="s3-access-key",
        length_max=63,
    ),
    AfterValidator(_secret),
]
"""The name of a Pulumi secret: `pulumi config set --secret NAME`."""

Cidr = Annotated[
    str,
    _text("a range of IP addresses", r"^[0-9a-fA-F.:]+/[0-9]{1,3}$", example="10.0.0.0/8", length_max=49),
    AfterValidator(_network),
]
"""A range of IP addresses."""

KubernetesRelease = Annotated[
    str,
    _text("a release of Kubernetes, in quotes", r"^1\.[0-9]+$", example="1.29", length_max=6),
    _supported("Kubernetes", KUBERNETES_OLDEST, upgraded="the cluster"),
]
"""A minor release of Kubernetes that is not older than the oldest supported one."""

Uid = Annotated[
    str,
    _text(
        "the uid of an object of Kubernetes",
        r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        example="5f0c1d2e-6a7b-4c8d-9e0f-1a2b3c4d5e6f",
    ),
]
"""The identity of an object, which no other object of any cluster has."""

KedaRelease = Annotated[
    str,
    _text("a release of KEDA, in quotes", r"^2\.[0-9]+$", example="2.17", length_max=6),
    _supported("KEDA", KEDA_OLDEST, upgraded="the cluster's KEDA"),
]
"""A minor release of KEDA that is not older than the oldest supported one."""

InterLinkRelease = Annotated[
    str,
    _text(
        "a release of interLink 0.6 or 0.7, in quotes",
        r"^0\.[67]\.[0-9]+(-(pre|patch)[0-9]+)?$",
        example="0.6.1",
        length_max=12,
    ),
    _supported("interLink", INTERLINK_OLDEST, upgraded="both sides"),
]
"""A release of interLink that is not older than the oldest supported one."""

Md5 = Annotated[
    str,
    _text(
        "an MD5 sum (32 hexadecimal digits)",
        r"^[0-9a-f]{32}$",
        example="d41d8cd98f00b204e9800998ecf8427e",
        length_max=32,
    ),
]
"""An MD5 sum in lower case."""

Sha256 = Annotated[
    str,
    _text(
        "a SHA-256 sum (64 hexadecimal digits)",
        r"^[0-9a-f]{64}$",
        example="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        length_max=64,
    ),
]
"""A SHA-256 sum in lower case."""

SshPublicKey = Annotated[
    str,
    _text(
        "an ed25519 public key of OpenSSH without its comment",
        r"^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}$",
        example="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVyc2F0eiBrZXkgZm9yIHRoZSBleGFtcGxlIG9ubHkh",
        length_max=80,
    ),
]
"""The first two words of an ed25519 key's `.pub` file."""

UserName = Annotated[
    str,
    _text("a user name (lower-case letters, digits, dashes)", r"^[a-z_][a-z0-9_-]*$", example="sonic", length_max=32),
]
"""The name of a user of Linux."""

Certificates = Annotated[
    str,
    Field(title="certificates in PEM", min_length=1, examples=[_A_CERTIFICATE]),
    AfterValidator(_certificates),
]
"""Certificates of authorities, which are no secrets."""

Port = Annotated[int, Field(ge=1, le=65535)]
"""A TCP port."""

Count = Annotated[int, Field(ge=1)]
"""A number of things, at least one."""

Text = Annotated[str, Field(min_length=1)]
"""Text that is not empty."""

Words = Annotated[tuple[Text, ...], Field(min_length=1), WORDS]
"""Words of a command line, of which one may occur twice."""
