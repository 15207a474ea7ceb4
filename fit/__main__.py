"""`python -m fit STACK`, which a preview starts: print each misfit in a line, and nothing where there is none."""

import sys
from collections.abc import Sequence

from access.cluster import UnreachableError
from fit.command import MISFIT, UNREACHED, reach_and_judge, unreached
from fit.row import Result
from stacks.errors import ConfigurationError
from stacks.resolve import resolve

INTERRUPTED = 130
"""Status of a shell's command that Ctrl-C ended."""


def main(arguments: Sequence[str]) -> int:
    """Ask the cluster of one stack, and return the exit status."""
    (stack,) = arguments
    try:
        rows = reach_and_judge(resolve(stack))
    except ConfigurationError as error:
        print(error)
        return MISFIT
    except UnreachableError as error:
        print(unreached(stack, error))
        return UNREACHED
    misfits = [f"{row.subject}: {row.detail}" for row in rows if row.result is Result.MISFIT]
    print("\n".join(misfits), end="")
    return MISFIT if misfits else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # Pulumi ends the preview, and says itself why
        sys.exit(INTERRUPTED)
