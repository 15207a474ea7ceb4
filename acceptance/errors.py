"""What is told to a person when a check cannot be made, or finds something wrong."""


class CheckError(Exception):
    """One sentence: the thing, the value found, the rule, the way out."""
