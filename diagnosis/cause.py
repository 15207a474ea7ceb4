"""A cause of a failure, as `why` and a failed update tell it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One thing that is wrong, and the way out."""

    subject: str
    """Object that is wrong, such as `pod sonic-cms-triton-af-5d8f-x2x4q`."""
    finding: str
    """Fault as the cluster reports it, in one sentence."""
    way_out: str
    """Step by which the operator mends it."""
    last_words: tuple[str, ...] = ()
    """Last lines of the container's log that matter."""

    def lines(self) -> list[str]:
        """Return the cause as lines of text, the first without indentation."""
        words = [f"  log      {line}" for line in self.last_words]
        return [f"{self.subject}: {self.finding}", *words, f"  way out  {self.way_out}"]


def told(causes: "list[Cause] | tuple[Cause, ...]") -> str:
    """Return causes as a text."""
    return "\n".join(line for cause in causes for line in cause.lines())
