"""The error of a check that cannot be made, or that fails."""


class CheckError(Exception):
    """One sentence: the thing, the value found, the rule, the way out."""
