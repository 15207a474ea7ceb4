"""A `kind` that is missing or unknown, which decides what other keys there are."""

import re
from collections.abc import Iterable, Mapping

from stacks.errors import Problem, Remove, Write, found
from stacks.json_schema import Node, one_of
from stacks.origin import Json, KeyPath, Origin
from stacks.problems.written import Written
from stacks.suggestions import OTHER_WORDS, suggestions

_NOT_CARRIED = {
    ("tunnel", "direct"): (
        "interLink fixes the address of a server before Slurm has placed its job, so that nobody could call it",
        "ssh",
        "without `host`, where the compute nodes reach Services of the cluster",
    ),
    ("tunnel", "mesh"): (
        "interLink's mesh has a privileged pod for each job, and opens the cluster's network to the job",
        "wstunnel",
        "through the ingress controller, or `ssh`",
    ),
}
"""Key and kind that others have and the program does not -> the reason, another kind, and when that one fits.
Record: docs/adr/2026-11-28-jobs-are-reached-by-tunnels-of-their-own.md."""


def wrong_kind(stack: Written, path: KeyPath) -> Problem:
    """Return the problem of a mapping whose `kind` is missing or unknown."""
    node, value = stack.schema.at(path, stack.tree.value), stack.tree.value_at(path)
    kinds = stack.schema.kinds(node)
    at: KeyPath = (*path, "kind")
    origin = stack.tree.nearest_origin(at)
    thing, rule = f"{stack.thing(path)}.kind", f"must be {one_of(kinds)}"
    file, place = stack.location(at, origin)
    if isinstance(value, dict) and (asked := _NOT_CARRIED.get((str(path[-1]), str(value.get("kind"))))):
        reason, other, where = asked
        sentence = f"{thing}: found {found(value['kind'])}: {rule}, for {reason}: write `kind: {other}` {where}"
        return Problem(origin.place, sentence, _first(stack, at, origin, [other]))
    if isinstance(value, dict) and "kind" in value:
        rule = f": found {found(value['kind'])}: {rule}"
        word = stack.raw(at, value["kind"])
        node = {"type": "string", "enum": kinds}
        for meant in suggestions(stack.schema, node, value["kind"], word, "kind"):
            if stack.accepts(at, edit := Write(file, place, meant)):
                return Problem(origin.place, f"{thing}{rule}: did you mean `{meant}`?", (edit,))
        return Problem(origin.place, f"{thing}{rule}: write one of them", _first(stack, at, origin, kinds))
    keys = value if isinstance(value, dict) else {}
    if (problem := _written_otherwise(stack, path, keys, kinds)) is not None:
        return problem
    removed = at in stack.tree.origins
    if removed and stack.accepts(at, edit_out := Remove(file, place)):
        return Problem(origin.place, f"{thing} is removed by the override: {rule}: take it out of it", (edit_out,))
    known = {kind: len(set(keys) & set(stack.schema.keys(stack.schema.alternative(node, kind)))) for kind in kinds}
    of_words = [kind for key in keys for kind in kinds if OTHER_WORDS.get(key.lower()) == kind]
    fitting = of_words or [kind for kind in kinds if known[kind] and known[kind] == max(known.values())]
    edits_in = _first(stack, at, origin, fitting or kinds)
    meant = edits_in[0].value if edits_in and len(fitting) == 1 else None
    return Problem(origin.place, f"{thing} is missing: {rule}: add `kind{f': {meant}' if meant else ''}`", edits_in)


def _written_otherwise(stack: Written, path: KeyPath, keys: Mapping[str, Json], kinds: list[str]) -> Problem | None:
    """Return the problem of a kind that is a key of its own, or the value of a key with another name."""
    node, at = stack.schema.at(path, stack.tree.value), (*path, "kind")
    origin = stack.tree.nearest_origin(at)
    file, place = stack.location(at, origin)
    missing = f"{stack.thing(path)}.kind is missing: must be {one_of(kinds)}"
    for key, inner in keys.items():
        own = key.replace("_", "-").lower()
        kind = own if own in kinds else OTHER_WORDS.get(key.lower(), "")
        whole = Write(
            *stack.location(path, origin), {"kind": kind, **_others(dict(keys), key), **_others(inner, "kind")}
        )
        if kind in kinds and isinstance(inner, dict) and stack.accepts(path, whole, below=False):
            place_of_key = stack.tree.nearest_origin((*path, key)).place
            way_out = f"write `kind: {kind}` instead of `{key}:`, and move the keys below that to its column"
            return Problem(place_of_key, f"{missing}: {way_out}", (whole,))
    for key, word in keys.items():
        if not re.fullmatch(r"[A-Za-z][\w -]*", str(word)):
            continue
        for meant in suggestions(stack.schema, {"type": "string", "enum": kinds}, word, word, "kind"):
            edits = (Remove(*stack.location((*path, key), origin)), Write(file, place, meant))
            if key not in _keys_of_kinds(stack, node, kinds) and stack.accepts(at, *edits):
                place_of_key = stack.tree.nearest_origin((*path, key)).place
                way_out = f"write `kind: {meant}` instead of `{key}`"
                return Problem(place_of_key, f"{missing}: {way_out}", edits)
    return None


def _others(mapping: Json, key: str) -> dict[str, Json]:
    """Return the entries of a mapping but for one."""
    return {each: value for each, value in mapping.items() if each != key} if isinstance(mapping, dict) else {}


def _keys_of_kinds(stack: Written, node: Node, kinds: Iterable[str]) -> set[str]:
    return {key for kind in kinds for key in stack.schema.keys(stack.schema.alternative(node, kind))}


def _first(stack: Written, at: KeyPath, origin: Origin, kinds: Iterable[str]) -> tuple[Write, ...]:
    edits = (Write(*stack.location(at, origin), kind) for kind in kinds)
    return next(((edit,) for edit in edits if stack.accepts(at, edit)), ())
