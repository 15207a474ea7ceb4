"""The keys that may have been meant by one that is not known, best first.

Each is a guess, and the caller tries them, as it does those of `suggestions`.
"""

import re
from collections.abc import Collection, Iterable, Iterator

from stacks.errors import near
from stacks.json_schema import Node, Schema
from stacks.origin import Json


def sibling_keys(key: str, value: Json, free: Collection[str], mapping: Node, schema: Schema) -> Iterator[str]:
    """Yield keys of the same mapping.

    Args:
        key: the key that is not known.
        value: its value.
        free: keys of the mapping that are not there yet.
        mapping: the schema of the mapping.
        schema: the schema of the whole.
    """
    word = _snake(key)
    if not word:
        return
    single = word.removesuffix("s")
    if single == "host":
        yield from (each for each in free if each == "hostname")
    required = mapping.get("required", [])
    in_order = sorted(free, key=lambda each: each not in required)
    yield from (each for each in in_order if each in (single, f"{single}s"))
    yield from (each for each in in_order if has_words_of(each, key))
    yield from (each for each in in_order if each.startswith(f"{single}_"))
    if (match := near(word, in_order)) is not None:
        yield match
    yield from (each for each in in_order if each.endswith(f"_{word}"))
    yield from (each for each in in_order if word.count("_") == 1 and word.endswith(f"_{each}"))  # as in `mountPath`
    yield from (each for each in in_order if word.startswith(each) or each.startswith(word))
    lacking = [each for each in free if each in required]
    if len(lacking) == 1 and isinstance(value, dict | list | int | float) and not isinstance(value, bool):
        yield lacking[0]  # the only one that must be there
    if isinstance(value, dict) and value:
        properties = mapping.get("properties", {})
        yield from (each for each in free if set(value) <= set(schema.keys(schema.resolved(properties[each]))))


def nested_key(key: str, mapping: Node, schema: Schema) -> tuple[str, ...] | None:
    """Return the path from a mapping that a key such as `scaling.queue_target_ms` spells out; None: there is none."""
    steps = tuple(re.split(r"[./]", key))
    node = schema.resolved(mapping)
    for step in steps:
        if step not in schema.keys(node):
            return None
        node = schema.resolved(node["properties"][step])
    return steps if len(steps) > 1 else None


def near_place(key: str, places: Iterable[str]) -> str | None:
    """Return the place whose last key, or last two keys joined, are nearly the key: `gpu_product` is `gpu.products`."""
    ends: dict[str, str] = {}
    for place in places:
        steps = place.replace("[]", "").split(".")
        ends.setdefault("_".join(steps[-2:]), place)
        ends.setdefault(steps[-1], place)
    word = _snake(key)
    same = [end for end in ends if "_" in word and end in (word, f"{word}s", word.removesuffix("s"))]
    return ends[same[0]] if same else None


def has_words_of(known: str, key: str) -> bool:
    """Tell whether a key has the words of a known one in any order, as `maxServers` has those of `servers_max`."""
    return sorted(known.split("_")) == sorted(_snake(key).split("_"))


def _snake(key: str) -> str:
    """Return a key with the dashes and capitals of other programs replaced: `ingressClass` is `ingress_class`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key).replace("-", "_").strip("_")
