"""Lists of an override, which replace those of the site or experiment whole."""

from collections.abc import Iterable, Iterator

from stacks.errors import Problem, Write, found
from stacks.merge import merge_patch
from stacks.origin import Json, KeyPath, Origin, dotted
from stacks.problems.written import Written
from stacks.source import written


def partial_list(stack: Written, path: KeyPath, told: set[KeyPath]) -> Iterable[Problem] | None:
    """Return the problem of an override's list whose items rely on those of the file; empty: it was told before."""
    depth = next((depth for depth, step in enumerate(path) if isinstance(step, int)), None)
    if depth is None or not stack.tree.nearest_origin(path).by_override:
        return None
    at, origin = path[:depth], stack.tree.nearest_origin(path[: depth + 1])
    if at in told:
        return ()
    given, base = stack.tree.value_at(at), stack.parts.value_at(at)
    if not isinstance(given, list) or not isinstance(base, list) or not all(isinstance(item, dict) for item in given):
        return None
    edit = Write(*stack.location(at, origin), _patched(base, given))
    if not stack.accepts(at, edit):
        return None
    told.add(at)
    item, key = path[: depth + 1], path[-1] if len(path) > depth + 1 else "kind"
    sentence = (
        f"{dotted(item)}: found {found(stack.tree.value_at(item))}: an override replaces a list whole, and "
        f"`{key}` is missing: write {at[-1]}: {written(edit.value)}"
    )
    return (Problem(origin.place, sentence, (edit,)),)


def patched_by_mapping(stack: Written, path: KeyPath, value: Json, origin: Origin) -> Iterator[Json]:
    """Yield the list of the file under a mapping that an override has in its place."""
    base = stack.parts.value_at(path)
    if origin.by_override and isinstance(base, list) and isinstance(value, dict) and value:
        if all(key.isdigit() and int(key) < len(base) for key in value):
            patches = {int(key): patch for key, patch in value.items()}
            yield [merge_patch(item, patches[at]) if at in patches else item for at, item in enumerate(base)]
            return
        yield _patched(base, [value])
        if all(isinstance(each, dict) for each in value.values()):
            yield _patched(base, [{"name": name, **each} for name, each in value.items() if isinstance(each, dict)])


def _patched(base: list[Json], given: list[Json]) -> list[Json]:
    """Return the items of a list, each under the patch that has its name, or its place where names are not given."""
    names = [item.get("name") if isinstance(item, dict) else None for item in base]
    result = list(base)
    for index, patch in enumerate(given):
        name = patch.get("name") if isinstance(patch, dict) else None
        at = names.index(name) if name in names and name is not None else index
        if at < len(result) and (name is None or name == names[at]):
            result[at] = merge_patch(result[at], patch)
        else:
            result.append(patch)
    return result
