"""The features of the proxy, in the order in which a call meets them."""

from collections.abc import Callable, Sequence

from components.envoy import admission, identity, memory, tenants, tls
from components.envoy.args import EnvoyProxyArgs
from components.envoy.feature import Feature

_FEATURES: Sequence[Callable[[EnvoyProxyArgs], Feature]] = (
    memory.feature,
    tls.feature,
    identity.feature,
    tenants.feature,
    admission.feature,
)


def features(args: EnvoyProxyArgs) -> tuple[Feature, ...]:
    """Return one value per feature, those that are switched off included."""
    return tuple(feature(args) for feature in _FEATURES)
