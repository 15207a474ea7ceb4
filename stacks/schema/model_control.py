"""Pods of the cluster that load and unload models, and the rules for servers whose models change while they run."""

from collections.abc import Iterator

from stacks.schema.base import BrokenRule, DnsLabel, LabelKey, LabelValue, Model
from stacks.schema.server import TritonFlags


class ModelManager(Model):
    """Pods that call each server by its own address. Nothing restricts what they ask of it."""

    namespace: DnsLabel
    """Namespace of the pods."""
    pod_labels: dict[LabelKey, LabelValue]
    """Labels of the pods. Whoever may create pods in the namespace can take them."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """No labels would be every pod."""
        if not self.pod_labels:
            yield BrokenRule(
                f"pod_labels is empty, so every pod of `{self.namespace}` could load models: write the labels of the "
                "manager's pods",
                ("pod_labels",),
            )


def broken_flags(flags: TritonFlags, *, key: str, flags_key: str) -> Iterator[BrokenRule]:
    """Yield each flag with which models cannot be loaded while a server runs.

    Args:
        flags: of the servers.
        key: path of the key that lets somebody load models, from the model that has the rule.
        flags_key: path of the flags, from there.
    """
    mode = flags.model_control_mode
    if mode != "explicit":
        yield BrokenRule(
            f"{key} is set but {flags_key}.model_control_mode is `{mode}`, in which Triton loads and unloads nothing "
            f"on request: set it to `explicit`, or remove {key}",
            (key, f"{flags_key}.model_control_mode"),
        )
    if flags.strict_readiness:
        yield BrokenRule(
            f"{key} is set but {flags_key}.strict_readiness is true, so that a server would not be ready while it "
            "loads or unloads a model, nor after a load that failed: set it to false",
            (key, f"{flags_key}.strict_readiness"),
        )
