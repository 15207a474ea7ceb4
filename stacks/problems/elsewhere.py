"""Places in which a key is known that is not known where it was written: in this file, in the other, in other words."""

from collections.abc import Iterator

from pydantic import BaseModel

from stacks.errors import Advice, Edit, Remove, Write, near
from stacks.foreign_keys import places as foreign_places
from stacks.json_schema import Property, schema_of
from stacks.key_guesses import near_place
from stacks.origin import KeyPath, Origin
from stacks.problems.written import Written
from stacks.schema import Experiment, Site
from stacks.suggestions import suggestions

AT_TOP = 2
"""Length of the path of a key at the top of a part."""
_FILES: dict[str, type[BaseModel]] = {"site": Site, "experiment": Experiment}
_COMMON = {"name", "names", "kind", "path", "port", "url", "key", "value", "user", "source", "target"}
"""Keys that many mappings have, each for another thing."""
_MEANINGS_MAX = 3
"""Places of which a sentence says the meaning."""


def is_of_the_other_part(stack: Written, path: KeyPath) -> bool:
    """Tell whether a key at the top of one part is one of the other, with such a value."""
    value, other = stack.tree.value_at(path), "experiment" if path[0] == "site" else "site"
    known = next((place for place in _properties(other) if place.path == path[-1]), None)
    if len(path) != AT_TOP or known is None:
        return False
    keys = {place.path.partition(".")[2] for place in _properties(other) if place.path.startswith(f"{known.path}.")}
    return not isinstance(value, dict) or not keys or set(value) <= keys


def elsewhere(stack: Written, path: KeyPath, origin: Origin) -> Advice:
    """Return the place of a key that is known elsewhere, else its removal."""
    key, owner = str(path[-1]), str(path[0])
    removal = (Remove(*stack.location(path, origin)),)
    here = "".join("[]" if isinstance(step, int) else f".{step}" for step in path[1:]).removeprefix(".")
    other = "experiment" if owner == "site" else "site"
    places = {file: [place for place in _properties(file) if _name(place) == key] for file in (owner, other)}
    if len(path) == AT_TOP and any(place.path == key for place in places[other]):
        places = {owner: [], other: [place for place in places[other] if place.path == key]}
    kinds = [f"`{place.kind}`" for place in places[owner] if place.path == here and place.kind]
    if kinds:
        return Advice(f"it goes with kind {' or '.join(kinds)} only; remove it", removal)
    if not is_of_the_other_part(stack, path) and (foreign := _foreign(stack, path, origin)) is not None:
        return foreign
    above = here.rpartition(".")[0]
    of_kinds = [parent.kind for parent in _properties(owner) if parent.path == above.removesuffix("[]") and parent.kind]
    others = [kind for kind in dict.fromkeys(of_kinds) if kind != stack.tree.value_at((*path[:-2], "kind"))]
    if others and any(place.path == here for place in places[owner]):  # of this mapping in another kind of that above
        return Advice(f"it goes with kind {' or '.join(f'`{kind}`' for kind in others)} only; remove it", removal)
    if key in _COMMON:
        return _near(stack, path, origin, removal)
    if places[owner]:
        edits = (*removal, *_moved(stack, path, _dotted(owner, places[owner])))
        return Advice(f"write it as {_paths(places[owner])} if that is meant, else remove it", edits)
    if places[other]:
        file = stack.part_files.get(other, f"stacks/{other}s")
        in_override = origin.by_override and not any("[]" in place.path for place in places[other])
        where = f"below `{other}` of the override" if in_override else f"in the {other} ({file})"
        return Advice(
            f"write it {where} as {_paths(places[other])} if that is meant, else remove it",
            (*removal, *_moved(stack, path, _dotted(other, places[other]))),
        )
    return _near(stack, path, origin, removal)


def _near(stack: Written, path: KeyPath, origin: Origin, removal: tuple[Edit, ...]) -> Advice:
    """Return the key that is nearly this one, here or elsewhere, else the keys that are known here."""
    key, owner = str(path[-1]), str(path[0])
    mapping = stack.schema.at(path[:-1], stack.tree.value)
    siblings = stack.schema.keys(mapping)
    if (meant := near(key, siblings)) is not None:
        there = stack.tree.origins.get((*path[:-1], meant))
        if there is not None and there.by_override == origin.by_override:
            return Advice(f"did you mean `{meant}`? It is there already: remove this one", removal)
        rule = stack.schema.rule(mapping["properties"][meant])
        return Advice(f"did you mean `{meant}`, which must be {rule}? Else remove it", removal)
    for part in (owner, *(each for each in _FILES if each != owner)):
        place = near_place(key, (each.path for each in _properties(part)))
        if place is not None:
            edits = (*removal, *_moved(stack, path, (f"{part}.{place}",)))
            return Advice(f"write it as `{part}.{place}` if that is meant, else remove it", edits)
    return Advice(f"the keys are {', '.join(siblings)}: remove it", removal)


def _foreign(stack: Written, path: KeyPath, origin: Origin) -> Advice | None:
    """Return the places of a key of SuperSONIC or of Kubernetes, or of the keys of such a block."""
    value = stack.tree.value_at(path)
    key = ".".join(str(step) for step in path[1:] if isinstance(step, str))
    known = foreign_places(key, value)
    if not known:
        return None
    said = [
        f"`{each}` is {', '.join(f'`{place}`' for place in here)}" if here else f"`{each}` is nothing"
        for each, here in known.items()
    ]
    removal = Remove(*stack.location(path, origin))
    if not any(known.values()):
        return Advice("nothing here says the same: remove it", (removal,))
    moved = _moved(stack, path, next(iter(known.values()))) if len(known) == 1 else ()
    return Advice(f"in this program's words {'; '.join(said)}: write it there, and remove it here", (removal, *moved))


def _moved(stack: Written, path: KeyPath, here: tuple[str, ...]) -> Iterator[Edit]:
    """Yield the edit that writes a value in its one place, if the value fits there and none is there."""
    target: KeyPath = tuple(here[0].split(".")) if len(here) == 1 and "[]" not in here[0] else ()
    there, moves = stack.tree.origins.get(target), stack.tree.nearest_origin(path).by_override
    if not target or str(target[0]) not in stack.part_files or (there and (there.by_override or not moves)):
        return
    value = stack.tree.value_at(path)
    node = stack.schema.at(target, stack.tree.value)
    file, at = stack.location(target, stack.tree.nearest_origin(path))
    for meant in (value, *suggestions(stack.schema, node, value, stack.raw(path, value), str(target[-1]))):
        if stack.accepts(target, edit := Write(file, at, meant)):
            yield edit
            return


def _properties(file: str) -> list[Property]:
    return list(schema_of(_FILES[file]).properties())


def _dotted(part: str, places: list[Property]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{part}.{place.path}" for place in places))


def _name(place: Property) -> str:
    return place.path.rpartition(".")[2]


def _paths(places: list[Property]) -> str:
    """Return the places with what they mean, which may be something else than the key did elsewhere."""
    words = {f"`{place.path}`": place.description.partition(". ")[0].removesuffix(".") for place in places}
    few = len(words) <= _MEANINGS_MAX
    return " or ".join(f"{path} ({meaning})" if few and meaning else path for path, meaning in words.items())
