"""What is allowed and yet a risk at a site, in one sentence each; `python -m stacks check` prints them."""

from collections.abc import Iterator

from stacks.assemble import Resolved
from stacks.errors import Problem, found
from stacks.origin import KeyPath, dotted
from stacks.schema.experiment import PLACES_IN_QUERY
from stacks.schema.virtual_nodes import SocketApi

_BUILT_HERE = "localhost/"
"""Registry of images that are built on the machine that runs them."""


def remarks(resolved: Resolved) -> Iterator[Problem]:
    """Yield a remark for each image that is named without registry or digest, each virtual node without an agent, and a
    query that measures something else than the stack."""
    yield from _nodes_without_agent(resolved)
    yield from _query_of_others(resolved)
    images = resolved.config.site.images
    named: dict[KeyPath, str | None] = {
        ("experiment", "server", "image"): resolved.config.experiment.server.image,
        ("site", "images", "envoy"): images.envoy,
        ("site", "images", "prometheus"): images.prometheus,
        ("site", "images", "admission"): images.admission,
        **{
            ("site", "virtual_nodes", index, "api", "plugin_image"): node.api.plugin_image
            for index, node in enumerate(resolved.config.site.virtual_nodes)
            if isinstance(node.api, SocketApi)
        },
        ("site", "images", "grafana"): images.grafana,
        ("site", "images", "sshd"): images.sshd,
        ("site", "images", "wstunnel"): images.wstunnel,
    }
    for path, image in named.items():
        if image is None or image.startswith(_BUILT_HERE):
            continue
        place, thing = resolved.tree.nearest_origin(path).place, f"{dotted(path)}: found {found(image)}"
        whole = _with_registry(image)
        if whole != image:
            yield Problem(place, f"{thing}: each node chooses a registry by itself: write {whole} if it is there")
        if "@" not in image:
            yield Problem(
                place,
                f"{thing}: its owner can move a tag, and two nodes then run two images under one name: write the "
                f"digest behind it, which `docker buildx imagetools inspect {whole}` prints",
            )


def _nodes_without_agent(resolved: Resolved) -> Iterator[Problem]:
    """interLink leaves jobs without pods, pods without jobs, and tunnels without either (traps 7, 8, 13 and 21, N3, N8,
    N13): a job that failed at its creation was found in the queue by its name alone."""
    for index, node in enumerate(resolved.config.site.virtual_nodes):
        path: KeyPath = ("site", "virtual_nodes", index)
        if node.agent is None:
            yield Problem(
                resolved.tree.nearest_origin(path).place,
                f"{dotted(path)} has no `agent`: nobody is told of jobs without pods, or of a queue that refuses jobs: "
                "install the agent (docs/install-edge.md, steps 8 and 9) and write its address",
            )


def _query_of_others(resolved: Resolved) -> Iterator[Problem]:
    """A query of SuperSONIC's selects by its label `release`: here it finds nothing, or the load of that release."""
    path: KeyPath = ("experiment", "scaling", "query")
    query = resolved.config.experiment.scaling.query
    if query is not None and not any(place in query for place in PLACES_IN_QUERY):
        yield Problem(
            resolved.tree.nearest_origin(path).place,
            f"{dotted(path)} has none of {', '.join(PLACES_IN_QUERY)}, so it measures something else than this "
            'stack, such as another release: restrict its series by namespace="{namespace}",pod=~"{pods}" unless that '
            "is meant",
        )


def _with_registry(image: str) -> str:
    """Return an image as container runtimes complete it: at Docker Hub, unless its first part is a host."""
    registry, slash, _ = image.partition("@")[0].partition("/")
    if slash and (registry == "localhost" or set(".:") & set(registry)):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"
