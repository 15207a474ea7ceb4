"""Rules over several fields that do not hold."""

from collections.abc import Iterator

from stacks.errors import Problem
from stacks.origin import KeyPath, Origin, dotted
from stacks.problems.written import Written, steps
from stacks.schema.base import BrokenRule, BrokenRulesError


def broken_rules(stack: Written, cause: BrokenRulesError, path: KeyPath) -> Iterator[Problem]:
    """Yield a problem for each broken rule of the model at a path."""
    for rule in cause.rules:
        thing = f"{dotted(path)}: " if path else ""
        yield Problem(" and ".join(_places(stack, rule, path)), f"{thing}{rule.message}", compares=True)


def _places(stack: Written, rule: BrokenRule, path: KeyPath) -> list[str]:
    """Return file and line of each field of a rule. One that is not written adds a line only of another file."""
    origins: list[Origin] = []
    for field in rule.fields:
        at = path + steps(field)
        origin = stack.tree.nearest_origin(at)
        if at in stack.tree.origins or origin.file not in {other.file for other in origins}:
            origins.append(origin)
    return list(dict.fromkeys(origin.place for origin in origins))
