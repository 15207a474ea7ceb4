"""Writing files so that a killed run leaves either the old content or the new, never a part."""

import shutil
from pathlib import Path

from devcluster.errors import DevClusterError

CONFIGURATION_MODE = 0o644
SECRET_MODE = 0o600


def write(path: Path, content: str | bytes, mode: int = CONFIGURATION_MODE) -> None:
    """Write `content` to `path` in one move; a file that already holds it is left alone, with its times.

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


def remove_tree(path: Path) -> None:
    """Remove a folder with all it holds; does nothing if it is not there.

    Raises:
        DevClusterError: something is mounted below it, which removal would empty.
    """
    if not path.exists():
        return
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    inside = [point for point in mounted if Path(point).is_relative_to(path)]
    if inside:
        msg = f"{path} cannot be removed while {inside[0]} is mounted; unmount it and run again"
        raise DevClusterError(msg)
    shutil.rmtree(path)
