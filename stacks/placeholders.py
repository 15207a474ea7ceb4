"""`{experiment}`, `{instance}`, `{namespace}` and `{service}` in the texts of a site, whose file serves every stack."""

import re
from collections.abc import Callable, Mapping

from stacks.origin import Json, KeyPath, Tree, nodes
from stacks.schema.exposure import default_service_name

PLACEHOLDERS = ("experiment", "instance", "namespace", "service")
"""Words that may be written in braces in a text of a site."""
PATTERN = rf"\{{({'|'.join(PLACEHOLDERS)})\}}"
"""Regular expression that matches one of them with its braces."""

_NAMESPACE: KeyPath = ("access", "namespace")


def placeholders_at(path: KeyPath) -> tuple[str, ...]:
    """Return those that are filled in a text of a site, by the text's path in the site."""
    if path == _NAMESPACE:
        return PLACEHOLDERS[:2]
    of_exposure = path[0] in {"exposure", "further_exposures"} and path[-1] != "service_name"
    return PLACEHOLDERS if of_exposure else PLACEHOLDERS[:3]


def fill_site(site: Tree, *, experiment: str, instance: str) -> Tree:
    """Return a site with the placeholders of its texts filled. Keys and origins stay as they are.

    `{namespace}` is that of the stack. `{service}` is the Service of the way in that the text belongs to.
    """
    named = _filled(site, lambda _: {"experiment": experiment, "instance": instance})
    namespace = named.value_at(_NAMESPACE)
    if not isinstance(namespace, str) or not re.fullmatch(r"[a-z0-9-]+", namespace):
        namespace = "namespace"  # its own text is refused, and not again each one that repeats it
    placed = _filled(named, lambda _: _known(namespace=namespace))
    return _filled(placed, lambda path: _known(service=_service(placed, path, instance)))


def templates(tree: Tree) -> Mapping[KeyPath, str]:
    """Return the texts of a tree that hold placeholders, by path."""
    return {path: value for path, value in nodes(tree.value) if isinstance(value, str) and re.search(PATTERN, value)}


def _service(site: Tree, path: KeyPath, instance: str) -> Json:
    """Return the name of the Service of the way in that has the path."""
    first = path[0] == "exposure"
    way = path[:1] if first else path[:2]
    kind = site.value_at((*way, "kind"))
    return site.value_at((*way, "service_name")) or default_service_name(instance, None if first else str(kind))


def _known(**values: Json) -> Mapping[str, str]:
    """Return the values that are texts without placeholders."""
    return {word: value for word, value in values.items() if isinstance(value, str) and not re.search(PATTERN, value)}


def _filled(tree: Tree, values_at: Callable[[KeyPath], Mapping[str, str]]) -> Tree:
    def fill(value: Json, path: KeyPath) -> Json:
        if isinstance(value, dict):
            return {key: fill(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [fill(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or not path:
            return value
        words = {word: text for word, text in values_at(path).items() if word in placeholders_at(path)}
        return re.sub(PATTERN, lambda match: words.get(match[1], match[0]), value)

    return Tree(fill(tree.value, ()), tree.origins)
