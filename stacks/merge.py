"""RFC 7396 JSON Merge Patch: mappings merge, null removes, everything else replaces."""

from dataclasses import replace

from stacks.origin import Json, Tree, nodes


def merge_patch(target: Json, patch: Json) -> Json:
    """Apply a merge patch (RFC 7396, section 2) and give the result; neither argument is changed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def merge_trees(target: Tree, patch: Tree) -> Tree:
    """Apply a merge patch to a tree. A value of the patch has its origin in the patch, and so has one that it removes.

    A mapping that is in both keeps the origin that it has in the target. A list is in one: the patch replaces it.
    """
    merged = merge_patch(target.value, patch.value)
    said = {path: replace(origin, by_override=True) for path, origin in patch.origins.items()}
    origins = {}
    for path, _ in nodes(merged):
        merges = not any(isinstance(step, int) for step in path)
        in_both = merges and isinstance(target.value_at(path), dict) and isinstance(patch.value_at(path), dict)
        origins[path] = target.origins[path] if in_both or path not in said else said[path]
    return Tree(merged, {**said, **origins})
