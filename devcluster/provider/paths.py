"""Property paths, e.g. `spec.template.spec.containers[0].image` or `metadata.labels["a.b"]`."""

import re

Path = tuple[str | int, ...]
"""Keys and list indices from the root; the key `*` stands for any one step."""

_STEP = re.compile(r'\.?([^.\["\]]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]')


def parse_path(text: str) -> Path:
    """The steps of a path; `ValueError` for what is not one."""
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            msg = f"{text!r} is not a property path: write it like spec.containers[0].image"
            raise ValueError(msg)
        bare, quoted, index = match.groups()
        if bare is not None:
            steps.append(bare)
        elif quoted is not None:
            steps.append(quoted.replace('\\"', '"'))
        else:
            steps.append(index if index == "*" else int(index))
        position = match.end()
    return tuple(steps)


def format_path(path: Path) -> str:
    """A path as the engine reads it; only keys that hold a dot, a quote or a bracket are quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.search(r'[."\[\]]', step):
            escaped = step.replace('"', '\\"')
            text += f'["{escaped}"]'
        else:
            text += f".{step}" if text else step
    return text


def covers(outer: Path, inner: Path) -> bool:
    """Whether `inner` is `outer` or lies below it."""
    return len(outer) <= len(inner) and all(mine in ("*", yours) for mine, yours in zip(outer, inner, strict=False))
