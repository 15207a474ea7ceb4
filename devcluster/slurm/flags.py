"""Flags of `sbatch` from the annotation `slurm-job.vk.io/flags`, by the rules of interLink's Slurm plugin."""

from collections.abc import Iterable, Sequence

_ALIASES = {"-A": "--account", "-t": "--time", "-w": "--nodelist"}
"""The only short options that the plugin knows as the long one; all others count as different flags."""


def words(text: str) -> list[str]:
    """Split as the plugin does: quotes and backslashes group, and are lost."""
    found: list[str] = []
    word: list[str] | None = None
    quote = ""
    escaped = False
    for character in text:
        if escaped:
            word, escaped = [*(word or []), character], False
        elif character == "\\" and quote != "'":
            word, escaped = word or [], True
        elif character in "'\"" and quote in {"", character}:
            word, quote = word or [], "" if quote else character
        elif character.isspace() and not quote:
            if word is not None:
                found.append("".join(word))
            word = None
        else:
            word = [*(word or []), character]
    if word is not None:
        found.append("".join(word) + ("\\" if escaped else ""))
    return found


def split(text: str) -> list[str]:
    """Return the flags in a text. Words that do not begin with a dash belong to the flag before them."""
    flags: list[str] = []
    for word in filter(None, (word.strip() for word in words(text))):
        if word.startswith("-") or not flags or not flags[-1].startswith("-"):
            flags.append(word)
        else:
            flags[-1] += f" {word}"
    return flags


def key(flag: str) -> str:
    """Return the option of a flag, in its long form if the plugin knows that."""
    option = words(flag)[0].partition("=")[0]
    return _ALIASES.get(option, option)


def deduplicated(flags: Iterable[str]) -> list[str]:
    """Return one flag for each option: the last one's value, in the first one's place."""
    return list({key(flag): flag for flag in flags}.values())


def job_flags(annotation: str, *, uid: int | None, cpus: int | None, memory_mib: int | None) -> Sequence[str]:
    """Return the flags of a job; limits of the pod override the annotation.

    Args:
        annotation: value of `slurm-job.vk.io/flags`.
        uid: owner of the job, from `DefaultUID` or the pod's `runAsUser`.
        cpus: limit of the pod; None for one that has none.
        memory_mib: limit of the pod; None for one that has none, which gets 1 MB.
    """
    asked = split(annotation)
    flags = [
        flag
        for flag in asked
        if not (key(flag) == "--cpus-per-task" and cpus is not None)
        and not (key(flag) == "--mem" and memory_mib is not None)
    ]
    if uid is not None:
        flags.append(f"--uid={uid}")
    options = {key(flag) for flag in flags}
    if cpus is not None or "--cpus-per-task" not in options:
        flags.append(f"--cpus-per-task={1 if cpus is None else cpus}")
    if memory_mib is not None or "--mem" not in options:
        flags.append(f"--mem={1 if memory_mib is None else memory_mib}")
    return deduplicated(flags)
