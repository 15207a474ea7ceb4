"""The one exception whose text is meant for the person at the terminal."""


class DevClusterError(Exception):
    """A failure that a person can act on.

    The text is one sentence: the thing, the value found, the rule, the way out. `python -m devcluster`
    prints it without a stack trace and exits with 1.
    """
