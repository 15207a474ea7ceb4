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
    """Apply a merge patch to a tree. What the patch says has its origin in the patch, and so has what it removes.

    A mapping that both say keeps the origin that it has in the target.
    """
    merged = merge_patch(target.value, patch.value)
    said = {path: replace(origin, by_override=True) for path, origin in patch.origins.items()}
    origins = {}
    for path, _ in nodes(merged):
        in_both = isinstance(target.value_at(path), dict) and isinstance(patch.value_at(path), dict)
        origins[path] = target.origins[path] if in_both or path not in said else said[path]
    return Tree(merged, {**said, **origins})
