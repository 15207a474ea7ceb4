"""`python -m rendering STACK DIR`, which `python -m stacks render` starts: write a stack's manifests to a folder."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pulumi

from rendering.folder import ForeignFolderError, replace
from rendering.manifests import manifests
from stacks.errors import ConfigurationError
from stacks.resolve import ROOT, resolve
from stacks.self_test import self_test_files


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Render one stack; return the exit status."""
    stack, directory = arguments[0], Path(arguments[1])
    try:
        config = resolve(stack, root).config
        files = replace(directory, stack, manifests(config, self_test_files(config.experiment.models, root)))
    except (ConfigurationError, ForeignFolderError, pulumi.RunError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{directory}: cannot be written ({error.strerror}): name another folder", file=sys.stderr)
        return 1
    print(f"{len(files)} manifests of stack `{stack}` are in {directory}; no cluster was asked or changed")
    if config.secret_names:
        print(f"placeholders instead of {', '.join(config.secret_names)}: put the values in before you apply them")
    if config.owns_singletons and config.site.node_labels:
        print("the labels of nodes (site.node_labels) are not among them: kubectl label node sets these")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
