"""Forms of keys and tokens, which no sentence shows."""

import re
from collections.abc import Mapping

KEY_FORMS: Mapping[str, str] = {
    "an access key of S3": r"\b(AKIA|ASIA)[A-Z0-9]{16}\b",
    "a JSON Web Token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}",
    "a token of GitHub": r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})",
    "a token of GitLab": r"\bglpat-[\w-]{20,}",
    "a token of Hugging Face": r"\bhf_[A-Za-z]{30,}",
}
"""Kind of key -> regular expression of its texts."""
_ANY = re.compile("|".join(f"({form})" for form in KEY_FORMS.values()))


def without_keys(text: str) -> str:
    """Return a text with `…` in place of each key."""
    return _ANY.sub("…", text)
