"""The recording monitor: a Pulumi engine for tests that keeps every request instead of forgetting most of it.

Pulumi's own mocks hide parents, `protect`, `ignore_changes` and dependencies, and accept two resources of one URN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks

from rendering.event_loops import event_loops

AUTO_NAME_SUFFIX = "-xxxxxxxx"
"""Placeholder for the eight random hex digits that the provider appends to a Pulumi name."""
SECRET = "[secret]"  # noqa: S105
"""Placeholder for every secret value in recorded inputs."""

_SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One registered resource, as in the request to the engine."""

    urn: str
    type: str
    """Pulumi type token, such as `kubernetes:apps/v1:Deployment`."""
    name: str
    """Pulumi name."""
    parent: str
    """URN of the parent."""
    custom: bool
    """True: a provider manages it. False: it is a component."""
    inputs: dict[str, Any]
    """Inputs in the wire's camelCase, secrets replaced by `SECRET`."""
    provider: str
    protect: bool
    ignore_changes: tuple[str, ...]
    depends_on: frozenset[str]
    """URNs that it is made after."""
    create_timeout: str
    """`custom_timeouts.create`, such as `420s`; empty: Pulumi's own."""

    @property
    def manifest(self) -> dict[str, Any]:
        """The Kubernetes object, with the name that it would get."""
        metadata = dict(self.inputs.get("metadata", {}))
        metadata.setdefault("name", self.name + AUTO_NAME_SUFFIX)
        return {**self.inputs, "metadata": metadata}


class Recorder(MockMonitor):
    """Runs a program and keeps the resources that it registers and reads, and its outputs."""

    resources_by_urn: dict[str, Resource]
    reads: dict[str, str]
    """URN -> id of what the program read from the cluster."""
    outputs: dict[str, dict[str, Any]]
    """URN of a component -> the outputs that it registered, secrets replaced by `SECRET`."""

    def __init__(self, cluster_state: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """`cluster_state`: type token -> what the cluster adds to the state of such resources, such as a status."""
        super().__init__(_Echo(cluster_state or {}))
        self.resources_by_urn, self.reads, self.outputs = {}, {}, {}
        self._duplicates: list[str] = []

    def run(self, program: Callable[[], object], *, stack: str = "test", preview: bool = False) -> None:
        """Run a program to its end, as `pulumi up` would. Two resources of one URN are an AssertionError.

        The program makes its Outputs itself: they belong to the event loop that ends with it.
        """

        def run_for_its_resources() -> None:  # Pulumi would search a returned object for Outputs
            program()

        with event_loops():
            set_mocks(self.mocks, project="sonic", stack=stack, preview=preview, monitor=self)
            pulumi.runtime.test(run_for_its_resources)()
        if self._duplicates:
            msg = f"duplicate URN {self._duplicates[0]}"
            raise AssertionError(msg)

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        """Keep the request, and note a URN that is taken already."""
        urn = self.make_urn(request.parent, request.type, request.name)
        if urn in self.resources_by_urn:
            self._duplicates.append(urn)
        if request.type != "pulumi:pulumi:Stack":
            self.resources_by_urn[urn] = Resource(
                urn=urn,
                type=request.type,
                name=request.name,
                parent=request.parent,
                custom=request.custom,
                inputs=_plain(request.object),
                provider=request.provider,
                protect=request.protect,
                ignore_changes=tuple(request.ignoreChanges),
                depends_on=frozenset(request.dependencies),
                create_timeout=request.customTimeouts.create,
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]

    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        """Keep the id of the resource."""
        self.reads[self.make_urn(request.parent, request.type, request.name)] = request.id
        return super().ReadResource(request)  # type: ignore[no-untyped-call]

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        """Keep the outputs of a component."""
        self.outputs[request.urn] = _plain(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]

    def components(self) -> list[Resource]:
        """Every component, without the stack itself."""
        return [resource for resource in self.resources_by_urn.values() if not resource.custom]

    def of_type(self, token: str) -> list[Resource]:
        """Resources of one type token, by name."""
        found = [resource for resource in self.resources_by_urn.values() if resource.type == token]
        return sorted(found, key=lambda resource: resource.name)

    def one(self, token: str) -> Resource:
        """The only resource of a type token."""
        found = self.of_type(token)
        if len(found) != 1:
            msg = f"one {token} expected, found {[resource.name for resource in found]}"
            raise AssertionError(msg)
        return found[0]

    def made_before(self, resource: Resource) -> set[str]:
        """URNs of all that a resource is made after, directly or through others."""
        before: set[str] = set()
        pending = set(resource.depends_on)
        while pending:
            urn = pending.pop()
            before.add(urn)
            if urn in self.resources_by_urn:
                pending |= self.resources_by_urn[urn].depends_on - before
        return before

    def manifests(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The Kubernetes objects that the program makes, by kind, name and namespace; of one `kind` where it is given.

        Patches of objects that others own are not among them.
        """
        objects = [
            resource.manifest
            for resource in self.resources_by_urn.values()
            if resource.type.startswith("kubernetes:") and not resource.type.endswith("Patch")
        ]
        objects.sort(key=lambda each: (each["kind"], each["metadata"]["name"], each["metadata"].get("namespace", "")))
        return [manifest for manifest in objects if kind in (None, manifest["kind"])]

    def manifest(self, kind: str, name: str | None = None) -> dict[str, Any]:
        """The only object of a kind, or the one with that name."""
        found = [m for m in self.manifests(kind) if name in (None, m["metadata"]["name"])]
        if len(found) != 1:
            names = [manifest["metadata"]["name"] for manifest in self.manifests(kind)]
            msg = f"one {kind} {name or ''} expected, found {names}"
            raise AssertionError(msg)
        return found[0]


@dataclass(frozen=True)
class _Echo(Mocks):
    """A cluster that accepts every object and names those without a name."""

    cluster_state: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        state = {**args.inputs, **self.cluster_state.get(args.typ, {})}
        if not args.typ.startswith("kubernetes:"):
            return f"{args.name}-id", state
        if args.resource_id:  # read, not made
            return args.resource_id, {**state, "metadata": {"name": args.resource_id}}
        metadata = {"name": args.name + AUTO_NAME_SUFFIX, **state.get("metadata", {})}
        return "/".join(filter(None, (metadata.get("namespace"), metadata["name"]))), {**state, "metadata": metadata}

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        msg = f"unexpected provider call {args.token}"
        raise AssertionError(msg)


def _plain(struct: Any) -> dict[str, Any]:
    plain = _without_signatures(MessageToDict(struct))
    assert isinstance(plain, dict)
    return plain


def _without_signatures(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_without_signatures(item) for item in value]
    if isinstance(value, dict):
        if value.get(_SIGNATURE_KEY) == _SECRET_SIGNATURE:
            return SECRET
        return {key: _without_signatures(item) for key, item in value.items()}
    return value
