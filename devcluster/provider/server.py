"""The plugin's gRPC face: decode, call the `Provider`, encode."""

import functools
import importlib.metadata
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from devcluster.provider.check import Naming
from devcluster.provider.config import config_difference, config_failures
from devcluster.provider.diff import Difference
from devcluster.provider.engine import EngineLog
from devcluster.provider.errors import PartialFailureError, ProviderError
from devcluster.provider.provider import Provider
from devcluster.provider.tokens import name_of_urn
from devcluster.provider.wire import decode, encode

_CONFIG_VARIABLE = "kubernetes:config:"
Answer = TypeVar("Answer")
Method = Callable[["PluginServer", Any, grpc.ServicerContext], Answer]


def _reporting(method: Method[Answer]) -> Method[Answer]:
    """Failures of the provider as the gRPC errors that the engine understands."""

    @functools.wraps(method)
    def answer(self: "PluginServer", request: Any, context: grpc.ServicerContext) -> Answer:
        try:
            return method(self, request, context)
        except PartialFailureError as failure:
            details = any_pb2.Any()
            details.Pack(
                provider_pb2.ErrorResourceInitFailed(
                    id=failure.object_id,
                    properties=encode(failure.properties),
                    reasons=failure.reasons,
                    inputs=None if failure.inputs is None else encode(failure.inputs),
                )
            )
            status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(failure), details=[details])
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(grpc.StatusCode.UNKNOWN, str(failure))
        except (ProviderError, ValueError) as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return answer


# ruff: noqa: N802 -- the methods carry the names of the gRPC service.
class PluginServer(provider_pb2_grpc.ResourceProviderServicer):
    """The methods of Pulumi's ResourceProvider service that stacks of Kubernetes resources use."""

    def __init__(self, log: EngineLog):
        self._provider = Provider(log)

    def GetPluginInfo(self, _request: Any, _context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """The version of the SDK whose plugin this stands in for."""
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi-kubernetes"))

    @_reporting
    def CheckConfig(self, request: Any, _context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        """Refuse settings that the stand-in lacks or that contradict each other."""
        failures = [
            provider_pb2.CheckFailure(property=key, reason=reason)
            for key, reason in config_failures(decode(request.news))
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @_reporting
    def DiffConfig(self, request: Any, _context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Whether the provider now means another cluster."""
        found = config_difference(decode(request.olds), decode(request.news))
        changes = provider_pb2.DiffResponse.DIFF_SOME if found.diffs else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, diffs=found.diffs, replaces=found.replaces)

    @_reporting
    def Configure(self, request: Any, _context: grpc.ServicerContext) -> provider_pb2.ConfigureResponse:
        """Take the settings; from `args`, else from the older `variables`."""
        variables = {key.removeprefix(_CONFIG_VARIABLE): value for key, value in request.variables.items()}
        self._provider.configure(variables | decode(request.args))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    @_reporting
    def Check(self, request: Any, _context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        """The inputs in their canonical form, named."""
        options = provider_pb2.CheckRequest.AutonamingOptions
        naming = Naming(
            urn_name=name_of_urn(request.urn),
            seed=request.randomSeed,
            proposed=request.autonaming.proposed_name,
            disabled=request.HasField("autonaming") and request.autonaming.mode == options.DISABLE,
        )
        inputs = self._provider.check(request.urn, decode(request.olds), decode(request.news), naming)
        return provider_pb2.CheckResponse(inputs=encode(inputs))

    @_reporting
    def Diff(self, request: Any, _context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """What changes, and what that replaces."""
        return _diff_response(
            self._provider.diff(request.urn, decode(request.olds), decode(request.news), tuple(request.ignoreChanges))
        )

    @_reporting
    def Create(self, request: Any, _context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        """Create the object, or preview it."""
        identifier, properties = self._provider.create(
            request.urn, decode(request.properties), preview=request.preview, timeout_seconds=request.timeout
        )
        return provider_pb2.CreateResponse(id=identifier, properties=encode(properties))

    @_reporting
    def Update(self, request: Any, _context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        """Update the object, or preview that."""
        properties = self._provider.update(
            request.urn,
            decode(request.olds),
            decode(request.news),
            tuple(request.ignoreChanges),
            preview=request.preview,
            timeout_seconds=request.timeout,
        )
        return provider_pb2.UpdateResponse(properties=encode(properties))

    @_reporting
    def Read(self, request: Any, _context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        """The object as it is; an empty answer when it is gone."""
        found = self._provider.read(request.urn, request.id, decode(request.properties), decode(request.inputs))
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=found.object_id, properties=encode(found.properties), inputs=encode(found.inputs)
        )

    @_reporting
    def Delete(self, request: Any, _context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Delete the object and wait until it is gone."""
        self._provider.delete(request.urn, decode(request.properties), timeout_seconds=request.timeout)
        return empty_pb2.Empty()

    def Cancel(self, _request: Any, _context: grpc.ServicerContext) -> empty_pb2.Empty:
        """End all waits."""
        self._provider.cancel()
        return empty_pb2.Empty()

    def Attach(self, _request: Any, _context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Nothing to do: the engine's address came on the command line."""
        return empty_pb2.Empty()

    def Handshake(self, _request: Any, context: grpc.ServicerContext) -> NoReturn:
        """Unimplemented, as in the official plugin; the engine then goes on without."""
        _refuse(context, "handshake")

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        """Unimplemented: YAML, Helm and Kustomize functions."""
        _refuse(context, f"function {request.tok}")

    def Construct(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        """Unimplemented: YAML, Helm and Kustomize components."""
        _refuse(context, f"component {request.type}")


def _refuse(context: grpc.ServicerContext, what: str) -> NoReturn:
    context.abort(
        grpc.StatusCode.UNIMPLEMENTED,
        f"the Kubernetes provider stand-in has no {what}: install the official plugin for it",
    )


def _diff_response(found: Difference) -> provider_pb2.DiffResponse:
    detailed = {}
    for path, change in found.by_path().items():
        kind = provider_pb2.PropertyDiff.Kind.Value(f"{change.kind}_REPLACE" if change.replaces else change.kind)
        detailed[path] = provider_pb2.PropertyDiff(kind=kind, inputDiff=change.kind == "DELETE")
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if detailed else provider_pb2.DiffResponse.DIFF_NONE,
        replaces=found.replaces,
        deleteBeforeReplace=found.delete_before_replace,
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )
