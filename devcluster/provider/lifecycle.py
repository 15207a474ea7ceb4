"""Objects on the cluster: create, update, read, delete, each with its wait."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from devcluster.provider import ownership
from devcluster.provider.api import APPLY, JSON_PATCH, Api, ApiError, NoMatchError
from devcluster.provider.awaiting import Waiter
from devcluster.provider.engine import EngineLog
from devcluster.provider.errors import ProviderError

Manifest = dict[str, Any]

_RETRY_DELAYS_SECONDS = (1, 2, 4, 8, 16, 32)
"""Before a create gives up on a kind or a namespace that is not there yet."""
_DRY_RUN = {"dryRun": "All"}
_PROPAGATION_ANNOTATION = "pulumi.com/deletionPropagationPolicy"
_PROPAGATION = {"orphan": "Orphan", "background": "Background"}


@dataclass(frozen=True, kw_only=True)
class Target:
    """The resource that an operation is for; `manager` owns its fields, `api_version` is that of its creation."""

    urn: str
    is_patch: bool
    manager: str
    api_version: str
    timeout_seconds: float = 0.0


class Lifecycle:
    """Operations on one cluster. `cancelled` ends waits and retries."""

    def __init__(self, api: Api, cancelled: threading.Event, log: EngineLog):
        self._api = api
        self._cancelled = cancelled
        self._log = log

    def preview_create(self, target: Target, inputs: Manifest) -> Manifest | None:
        """What the server would make of the object; None where a dry run cannot tell.

        It cannot for a Patch, while the kind or the namespace is missing, when the object exists already, and
        without permission: the official plugin then shows the inputs, and so a preview of a new stack is blind.
        """
        if target.is_patch or not self._api.serves(inputs["apiVersion"], inputs["kind"]):
            return None
        try:
            return self._post(inputs, _DRY_RUN)
        except ApiError as error:
            if error.reason in ("AlreadyExists", "Forbidden"):
                self._log.status(target.urn, f"Retry #0; creation failed: {error}")
                return None
            if error.code == 404 and error.details.get("kind") == "namespaces":
                return None
            raise

    def create(self, target: Target, inputs: Manifest) -> Manifest:
        """Create the object, or apply a Patch; the live object once it works. Raises `NotReadyError`."""
        if target.is_patch:
            live = self._retrying(target, lambda: self._apply(inputs, target, force=False, query={}))
        else:
            live = self._retrying(target, lambda: self._post(inputs, {}))
        return self._waiter(target).until_ready(inputs, live, target.timeout_seconds)

    def update(
        self, target: Target, old_live: Manifest, inputs: Manifest, ignored: Sequence[str], *, preview: bool
    ) -> Manifest:
        """Bring the object to the inputs; the live object once it works. Raises `NotReadyError`."""
        before = self.live(old_live)
        query = _DRY_RUN if preview else {}
        if inputs["kind"] == "CustomResourceDefinition":
            versioned = {**inputs["metadata"], "resourceVersion": before["metadata"]["resourceVersion"]}
            body = {**inputs, "metadata": versioned}
            after = self._api.request(
                "PUT", self._api.path_of(inputs), body, query={**query, "fieldManager": target.manager}
            )
        else:
            if not preview and not target.is_patch:
                before = self._take_ownership(before, target.manager)
            applied = ownership.without_ignored(inputs, before, target.manager, ignored)
            force = ownership.must_force(inputs, before, preview=preview)
            after = self._apply(applied, target, force=force, query=query)
        return after if preview else self._waiter(target).until_ready(inputs, after, target.timeout_seconds)

    def live(self, manifest: Manifest) -> Manifest:
        """The object as the server has it now."""
        return self._api.get(manifest)

    def find(self, manifest: Manifest) -> Manifest | None:
        """The object as the server has it now, or None when neither it nor its kind is there."""
        try:
            return self._api.get(manifest)
        except NoMatchError:
            return None
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def check_health(self, target: Target, inputs: Manifest, live: Manifest) -> None:
        """Raise `NotReadyError` if the object does not work now."""
        self._waiter(target).check_health(inputs, live)

    def delete(self, target: Target, inputs: Manifest, live: Manifest) -> None:
        """Delete the object and wait until it is gone; a Patch only gives its own fields up."""
        identity = {key: live["metadata"][key] for key in ("name", "namespace") if live["metadata"].get(key)}
        manifest = {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": identity}
        annotations = (inputs.get("metadata") or {}).get("annotations") or {}
        policy = _PROPAGATION.get(annotations.get(_PROPAGATION_ANNOTATION, "").lower(), "Foreground")
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
        try:
            if target.is_patch:
                self._apply(manifest, target, force=False, query={})
                return
            self._api.request("DELETE", self._api.path_of(manifest), options)
        except NoMatchError:
            return
        except ApiError as error:
            if error.code == 404:
                return
            raise
        self._waiter(target).until_deleted(inputs, manifest, target.timeout_seconds)

    def _post(self, inputs: Manifest, query: dict[str, str]) -> Manifest:
        served = self._api.served(inputs["apiVersion"], inputs["kind"])
        path = served.path(inputs["metadata"].get("namespace", ""))
        return self._api.request("POST", path, inputs, query={**query, "fieldManager": ownership.CREATE_MANAGER})

    def _apply(self, manifest: Manifest, target: Target, *, force: bool, query: dict[str, str]) -> Manifest:
        parameters = {**query, "fieldManager": target.manager, "force": str(force).lower()}
        try:
            return self._api.request(
                "PATCH", self._api.path_of(manifest), manifest, query=parameters, content_type=APPLY
            )
        except ApiError as error:
            if error.reason != "Conflict":
                raise
            msg = f'The resource managed by field manager "{target.manager}" had an apply conflict: {error}'
            raise ProviderError(msg) from None

    def _take_ownership(self, live: Manifest, manager: str) -> Manifest:
        patch = ownership.transfer_patch(live, manager)
        if not patch:
            return live
        return self._api.request("PATCH", self._api.path_of(live), patch, content_type=JSON_PATCH)

    def _retrying(self, target: Target, send: Callable[[], Manifest]) -> Manifest:
        for number, delay_seconds in enumerate(_RETRY_DELAYS_SECONDS):
            try:
                return send()
            except (ApiError, NoMatchError) as error:
                if isinstance(error, ApiError) and error.code != 404:
                    raise
                self._log.status(target.urn, f"Retry #{number}; creation failed: {error}")
                if self._cancelled.wait(delay_seconds):
                    raise
        return send()

    def _waiter(self, target: Target) -> Waiter:
        return Waiter(
            self._api,
            self._cancelled,
            status=lambda text: self._log.status(target.urn, text),
            warning=lambda text: self._log.warning(target.urn, text),
        )
