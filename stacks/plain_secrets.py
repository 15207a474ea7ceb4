"""Refuses keys and tokens that are written in the files in plain text, where everybody who reads git has them."""

import re
from collections.abc import Iterator

from stacks.errors import Problem
from stacks.key_forms import KEY_FORMS
from stacks.origin import KeyPath, Tree, dotted, leaves

_KEYS = {**KEY_FORMS, "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----"}
"""Kind of key -> regular expression of its texts."""
_VARIABLES: KeyPath = ("experiment", "server", "environment")
_SECRET_VARIABLE = re.compile(
    r"(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_KEY|SECRET_KEY|PRIVATE_KEY)$", re.IGNORECASE
)
"""Form of the name of a variable that holds a password or a token."""


def of_plain_secrets(tree: Tree) -> Iterator[Problem]:
    """Yield a problem for each text of site, experiment and override that looks like a key. None of them shows it."""
    for path, value in leaves(tree.value):
        kind = _kind(path, value) if isinstance(value, str) else None
        if kind is None:
            continue
        way_out = "name a Pulumi secret by a key that ends in _secret, or leave it out"
        if path[: len(_VARIABLES)] == _VARIABLES:
            secret = str(path[-1]).lower().replace("_", "-")
            way_out = (
                f"write `{path[-1]}: {secret}` below experiment.server.secret_environment instead, and set that secret"
            )
        rule = "which everybody would have who reads git"
        yield Problem(tree.nearest_origin(path).place, f"{dotted(path)}: found {kind} in plain text, {rule}: {way_out}")


def _kind(path: KeyPath, text: str) -> str | None:
    """Return the kind of key that a text looks like. A variable that names a file of one holds none."""
    for kind, form in _KEYS.items():
        if re.search(form, text):
            return kind
    named = path[: len(_VARIABLES)] == _VARIABLES and _SECRET_VARIABLE.search(str(path[-1]))
    return "a password or token" if named and text and not text.startswith("/") else None
