"""`python -m edge STACK NODE DIR`, which `python -m stacks edge` starts: write the files of the HPC side of a node.

NODE is empty where the site has one virtual node.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from edge.files import edge_files
from stacks.assemble import Resolved
from stacks.errors import ConfigurationError
from stacks.resolve import ROOT, resolve, resolve_all
from stacks.schema import StackConfig
from stacks.schema.virtual_nodes import VirtualNode


class _NoNodeError(Exception):
    """The site has no such virtual node."""


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Write the files; return the exit status."""
    stack, name, directory = arguments[0], arguments[1], Path(arguments[2])
    try:
        config = resolve(stack, root).config
        node = _node(config, name)
        files = edge_files(config, node, _stacks_of(config.site_name, root))
        for file, text in files.items():
            path = directory / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755 if file.endswith(".sh") else 0o644)
    except (ConfigurationError, _NoNodeError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{directory}: cannot be written ({error.strerror}): name another folder", file=sys.stderr)
        return 1
    print(f"{len(files)} files of virtual node `{node.name}` are in {directory}; docs/install-edge.md says what next")
    return 0


def _stacks_of(site: str, root: Path) -> list[StackConfig]:
    """Return the stacks of a site; one with a problem has no jobs yet."""
    found = [outcome.config for outcome in resolve_all(root).values() if isinstance(outcome, Resolved)]
    return [config for config in found if config.site_name == site]


def _node(config: StackConfig, name: str) -> VirtualNode:
    nodes = {node.name: node for node in config.site.virtual_nodes}
    found = list(nodes.values()) if not name else [nodes[name]] if name in nodes else []
    if len(found) == 1:
        return found[0]
    known = ", ".join(nodes) or "none"
    file = f"stacks/sites/{config.site_name}.yaml"
    if name:
        msg = f"{file}: there is no virtual node `{name}` in site.virtual_nodes: name one of: {known}"
    elif nodes:
        msg = f"{file} has several virtual nodes: name one after the stack: {known}"
    else:
        msg = f"{file} has no site.virtual_nodes: describe the virtual node there first"
    raise _NoNodeError(msg)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
