"""The features of the proxy, in the order in which a call meets them."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from components.envoy import admission, identity, memory, model_control, spill, tenants, tls, tracing
from components.envoy.args import EnvoyProxyArgs
from components.envoy.feature import Feature

_FEATURES: Mapping[str, Callable[[EnvoyProxyArgs], Feature]] = {
    "memory": memory.feature,
    "tracing": tracing.feature,
    "tls": tls.feature,
    "identity": identity.feature,
    "model control": model_control.feature,
    "tenants": tenants.feature,
    "spill": spill.feature,  # after the tenants' routes, of which it makes pairs
    "admission": admission.feature,
}


def features(args: EnvoyProxyArgs) -> tuple[Feature, ...]:
    """Return one value per feature, those that are switched off included.

    Raises:
        ValueError: two features collide.
    """
    parts = {name: feature(args) for name, feature in _FEATURES.items()}
    refuse_collisions(parts)
    return tuple(parts.values())


def refuse_collisions(parts: Mapping[str, Feature]) -> None:
    """Check that features do not give the same part, of which Envoy would get one and lose the other.

    Raises:
        ValueError: two features give the same file, log field, field of the connection manager, transport socket or
            overload manager.
    """
    givers = defaultdict[str, list[str]](list)
    for name, part in parts.items():
        given = [*(f"file {file}" for file in part.files), *(f"log field {field}" for field in part.log_fields)]
        given += [f"field {field} of the connection manager" for field in part.connection_manager]
        given += ["transport socket"] if part.transport_socket else []
        given += ["overload manager"] if part.overload_manager else []
        for thing in given:
            givers[thing].append(name)
    for thing, names in givers.items():
        if len(names) > 1:
            msg = f"the Envoy features {' and '.join(names)} both give the {thing}: leave it to one of them"
            raise ValueError(msg)
