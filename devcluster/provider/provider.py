"""The provider: what each operation means, on plain Python values.

An operation ends in one of three places: the files of render mode, the cluster, or, where a preview can ask neither,
in an echo of its inputs.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devcluster.provider import kubeconfig, render, schema, state, tokens, wire
from devcluster.provider.api import Api, NoMatchError
from devcluster.provider.awaiting import NotReadyError
from devcluster.provider.check import Naming, check, without_read_only_metadata
from devcluster.provider.config import Settings, read_settings
from devcluster.provider.diff import Difference, difference
from devcluster.provider.engine import EngineLog
from devcluster.provider.errors import PartialFailureError, ProviderError
from devcluster.provider.lifecycle import Lifecycle, Target
from devcluster.provider.replacement import replace_triggers

Manifest = dict[str, Any]
Properties = dict[str, Any]

_DELETE_UNREACHABLE = (
    "configured Kubernetes cluster is unreachable. If the cluster was deleted, you can remove this resource from "
    'Pulumi state by rerunning the operation with the PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"'
)


@dataclass(frozen=True)
class Found:
    """What a read found: the resource's id, its state, and the inputs that would declare it."""

    object_id: str
    properties: Properties
    inputs: Properties


class Provider:
    """One configured provider. Threads may share it once `configure` has returned."""

    def __init__(self, log: EngineLog):
        self._log = log
        self._cancelled = threading.Event()
        self._settings = Settings()
        self._default_namespace = "default"
        self._api: Api | None = None
        self._unreachable = "the provider is not configured"

    def configure(self, arguments: Mapping[str, Any]) -> None:
        """Take the settings and look for the cluster. Never fails: whether one is needed shows at each operation."""
        self._settings = settings = read_settings(arguments)
        self._default_namespace = settings.namespace or "default"
        if settings.render_directory:
            self._unreachable = "manifests are rendered to files"
            return
        try:
            access = kubeconfig.access(settings.kubeconfig, settings.context, settings.cluster)
            self._default_namespace = settings.namespace or access.namespace
            api = Api(access, on_deprecation=lambda text: self._log.warning("", text))
            api.request("GET", "/version")
        except ProviderError as error:
            self._unreachable = str(error)
        else:
            self._api = api

    def cancel(self) -> None:
        """End every wait."""
        self._cancelled.set()

    def check(self, urn: str, olds: Properties, news: Properties, naming: Naming) -> Properties:
        """The inputs as they will be kept and sent."""
        manifest = state.to_manifest(news)
        if self._api and not wire.contains(manifest, wire.UNKNOWN):
            manifest = schema.canonical(manifest, self._api.openapi(manifest["apiVersion"]))
        checked = check(
            manifest,
            state.to_manifest(olds),
            is_patch=_is_patch(urn, manifest),
            naming=naming,
            default_namespace=self._default_namespace if self._is_namespaced(manifest) else "",
        )
        properties = wire.mark_secrets(state.to_properties(checked), news)
        if self._settings.render_directory and wire.contains(properties, wire.Secret):
            self._log.warning(urn, "rendered YAML will contain a secret value in plaintext")
        return properties

    def diff(self, urn: str, olds: Properties, news: Properties, ignored: Sequence[str]) -> Difference:
        """How the checked inputs differ from the state."""
        old_inputs, old_live = state.parse_checkpoint(olds)
        manifest = without_read_only_metadata(state.to_manifest(news))
        return difference(
            old_inputs,
            old_live,
            manifest,
            namespaced=self._is_namespaced(manifest),
            replace_on=replace_triggers(
                manifest,
                is_patch=_is_patch(urn, manifest),
                mutable_config_maps=self._settings.mutable_config_maps,
                mutable_secrets=self._settings.mutable_secrets,
            ),
            ignored=ignored,
        )

    def create(self, urn: str, given: Properties, *, preview: bool, timeout_seconds: float) -> tuple[str, Properties]:
        """Id and state of the new object; in a preview the id is empty."""
        inputs = state.to_manifest(given)
        target = _target(urn, {}, inputs, timeout_seconds)
        if preview:
            return "", self._preview_create(target, inputs, given)
        if self._settings.render_directory:
            render.write(self._settings.render_directory, inputs)
            return _id_of(inputs), _checkpoint(target, inputs, inputs, given)
        lifecycle = self._lifecycle()
        try:
            live = lifecycle.create(target, inputs)
        except NotReadyError as error:
            msg = (
                f'resource "{urn}" was successfully created, but the Kubernetes API server reported that it failed '
                f"to fully initialize or become live: {error}"
            )
            properties = _checkpoint(target, inputs, error.live, given)
            raise PartialFailureError(msg, _id_of(error.live), properties, error.problems) from None
        except ProviderError as error:
            msg = f'resource "{urn}" was not successfully created by the Kubernetes API server: {error}'
            raise ProviderError(msg) from None
        return _id_of(live), _checkpoint(target, inputs, live, given)

    def _preview_create(self, target: Target, inputs: Manifest, given: Properties) -> Properties:
        if self._api is None or wire.contains(inputs, wire.UNKNOWN):
            return given
        previewed = self._lifecycle().preview_create(target, inputs)
        if previewed is None:
            return given
        # A program that reads an empty status would take it for the object's.
        live = {key: value for key, value in previewed.items() if key != "status"}
        return _checkpoint(target, inputs, live, given)

    def update(
        self,
        urn: str,
        olds: Properties,
        given: Properties,
        ignored: Sequence[str],
        *,
        preview: bool,
        timeout_seconds: float,
    ) -> Properties:
        """State of the object after the update, or after its dry run."""
        inputs = without_read_only_metadata(state.to_manifest(given))
        target = _target(urn, olds, inputs, timeout_seconds)
        if preview and not self._can_dry_run(inputs):
            return given
        if self._settings.render_directory:
            render.write(self._settings.render_directory, inputs)
            return _checkpoint(target, inputs, inputs, given)
        _old_inputs, old_live = state.parse_checkpoint(olds)
        lifecycle = self._lifecycle()
        try:
            live = lifecycle.update(target, old_live, inputs, ignored, preview=preview)
        except (ProviderError, NotReadyError) as error:
            standing = lifecycle.find(old_live)
            if standing is None:
                msg = f'update of resource "{urn}" failed: {error}'
                raise ProviderError(msg) from None
            # Whatever failed, the object stands: the state keeps what was asked for, and the next update tries again.
            identifier = _id_of(standing)
            msg = (
                f'the Kubernetes API server reported that "{identifier}" failed to fully initialize or become live: '
                f"{error}"
            )
            problems = error.problems if isinstance(error, NotReadyError) else ()
            properties = _checkpoint(target, inputs, standing, given)
            raise PartialFailureError(msg, identifier, properties, problems) from None
        return _checkpoint(target, inputs, live, given)

    def _can_dry_run(self, inputs: Manifest) -> bool:
        if self._api is None or wire.contains(inputs, wire.UNKNOWN):
            return False
        return self._api.serves(inputs["apiVersion"], inputs["kind"])

    def read(self, urn: str, identifier: str, olds: Properties, old_inputs: Properties) -> Found | None:
        """The object as it is now; None when it is gone.

        Inputs are the live values of the fields that the old inputs stated: a change made elsewhere to one of these
        is drift, any other field is not ours. On a first read (`.get`, import) they are all that is no status.
        """
        if self._api is None:
            self._log.warning(urn, f"configured Kubernetes cluster is unreachable: {self._unreachable}")
            if self._settings.delete_unreachable:
                return None
            raise ProviderError(f"failed to read resource state: {_DELETE_UNREACHABLE}")
        inputs = without_read_only_metadata(state.to_manifest(old_inputs))
        known = inputs or state.parse_checkpoint(olds)[1]
        wanted = _wanted(urn, identifier, known)
        lifecycle = self._lifecycle()
        live = lifecycle.find(wanted)
        if live is None:
            return None
        target = _target(urn, olds, wanted, 0)
        shape = inputs or wanted
        live_inputs = state.prune(live, shape) if known else _as_inputs(live)
        properties = _checkpoint(target, live_inputs, live, old_inputs)
        found_inputs = wire.mark_secrets(state.to_properties(live_inputs), old_inputs)
        try:
            if known:
                lifecycle.check_health(target, shape, live)
        except NotReadyError as error:
            raise PartialFailureError(str(error), identifier, properties, error.problems, found_inputs) from None
        return Found(identifier, properties, found_inputs)

    def delete(self, urn: str, olds: Properties, *, timeout_seconds: float) -> None:
        """Delete the object, or its file; what is gone already is fine."""
        inputs, live = state.parse_checkpoint(olds)
        if self._settings.render_directory:
            render.remove(self._settings.render_directory, live)
            return
        if self._api is None:
            self._log.warning(urn, f"configured Kubernetes cluster is unreachable: {self._unreachable}")
            if self._settings.delete_unreachable:
                return
            raise ProviderError(_DELETE_UNREACHABLE)
        try:
            self._lifecycle().delete(_target(urn, olds, live, timeout_seconds), inputs, live)
        except NotReadyError as error:
            raise ProviderError(str(error)) from None

    def _lifecycle(self) -> Lifecycle:
        if self._api is None:
            msg = f"configured Kubernetes cluster is unreachable: {self._unreachable}"
            raise ProviderError(msg)
        return Lifecycle(self._api, self._cancelled, self._log)

    def _is_namespaced(self, manifest: Manifest) -> bool:
        """By the server's word; where it cannot be had, every kind is but the known ones without a namespace."""
        kind = manifest.get("kind", "")
        if self._api:
            try:
                return self._api.served(manifest.get("apiVersion", ""), kind).namespaced
            except NoMatchError:
                pass
        return kind not in tokens.CLUSTER_SCOPED


def _target(urn: str, olds: Properties, manifest: Manifest, timeout_seconds: float) -> Target:
    return Target(
        urn=urn,
        is_patch=_is_patch(urn, manifest),
        manager=state.field_manager(olds, manifest),
        api_version=state.initial_api_version(olds, manifest),
        timeout_seconds=timeout_seconds,
    )


def _is_patch(urn: str, manifest: Manifest) -> bool:
    return tokens.is_patch(tokens.type_of_urn(urn), manifest.get("kind", ""))


def _id_of(manifest: Manifest) -> str:
    return tokens.object_id(manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"])


def _checkpoint(target: Target, inputs: Manifest, live: Manifest, given: Properties) -> Properties:
    return state.checkpoint(inputs, live, given, target.api_version, target.manager)


def _wanted(urn: str, identifier: str, known: Manifest) -> Manifest:
    """What to ask the server for: kind from what is known, else from the URN; name from the id."""
    resource = tokens.parse_type_token(tokens.type_of_urn(urn))
    namespace, name = tokens.parse_object_id(identifier)
    return {
        "apiVersion": known.get("apiVersion") or resource.api_version,
        "kind": known.get("kind") or resource.kind.removesuffix("Patch"),
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
    }


def _as_inputs(live: Manifest) -> Manifest:
    return without_read_only_metadata({key: value for key, value in live.items() if key != "status"})
