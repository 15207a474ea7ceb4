"""RFC 7396 JSON Merge Patch: mappings merge, null removes, everything else replaces."""

from dataclasses import replace

from stacks.origin import Json, KeyPath, Origin, Tree


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
    """Apply a merge patch to a tree. What the patch says, or removes, has its origin in the patch."""
    origins: dict[KeyPath, Origin] = {
        path: origin for path, origin in target.origins.items() if not _replaced(path, patch.value)
    }
    for path, origin in patch.origins.items():
        if path and (path not in origins or not _is_mapping(patch, path)):
            origins[path] = replace(origin, by_override=True)
    return Tree(merge_patch(target.value, patch.value), origins)


def _is_mapping(tree: Tree, path: KeyPath) -> bool:
    part = tree.at(*path)
    return part is not None and isinstance(part.value, dict)


def _replaced(path: KeyPath, patch: Json) -> bool:
    """Whether the patch puts something else in the place of what is at the path, or of what it is in."""
    for key in path:
        if not isinstance(patch, dict):
            return True
        if key not in patch:
            return False
        patch = patch[str(key)]
    return not isinstance(patch, dict)
