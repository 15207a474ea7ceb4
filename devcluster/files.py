"""Writes files so that a killed run leaves either the old content or the new, never a part."""

from pathlib import Path

CONFIGURATION_MODE = 0o644
SECRET_MODE = 0o600


def write(path: Path, content: str | bytes, mode: int = CONFIGURATION_MODE) -> None:
    """Write `content` to `path` in one move; a file that already holds it keeps its times.

    Args:
        path: the file; missing parents are made.
        content: text (UTF-8) or bytes.
        mode: permission bits, set before the content is there.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=mode)
    unfinished.write_bytes(data)
    unfinished.rename(path)
