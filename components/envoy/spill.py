"""Requests for the next pool while the first one is full: a fraction set by a runtime key.

`admission.controller.spill` sets the fraction.
"""

from collections.abc import Iterator, Sequence

from components.envoy.admission.controller.policy import spill_key
from components.envoy.args import EnvoyProxyArgs
from components.envoy.cluster import NEXT_CLUSTER
from components.envoy.feature import Feature
from components.envoy.routes import INFER_PATH, STREAM_PATH
from components.envoy.typed import Config


def feature(args: EnvoyProxyArgs) -> Feature:
    """Return a second route for each route of inference, which leads to the next pool; off with one pool."""
    if args.admission is None or args.admission.spill_ms is None:
        return Feature()
    return Feature(patch_routes=_routes)


def _routes(routes: Sequence[Config]) -> list[Config]:
    return [each for route in routes for each in _with_next_pool(route)]


def _with_next_pool(route: Config) -> Iterator[Config]:
    if "route" in route and route["match"].get("path") in {INFER_PATH, STREAM_PATH}:
        fraction = {
            "runtime_key": spill_key(route.get("name", "")),
            "default_value": {"numerator": 0, "denominator": "MILLION"},
        }
        yield {
            **route,
            "match": {**route["match"], "runtime_fraction": fraction},
            "route": {**route["route"], "cluster": NEXT_CLUSTER},
        }
    yield route
