"""Settings of pods that a site chooses: the nodes that carry them, their classes, labels and annotations."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator

from stacks.schema.base import BrokenRule, LabelKey, LabelValue, Model, ObjectName

PRODUCT_LABEL = "nvidia.com/gpu.product"
"""Node label with the product of its GPUs, from NVIDIA's feature discovery."""

_OWN_LABELS = ("app.kubernetes.io/", "sonic.fastmachinelearning.org/", "pod-template-hash")
"""Starts of the labels by which the program and Kubernetes find pods."""
_OWN_ANNOTATIONS = ("prometheus.io/",)
"""Starts of the annotations by which Prometheus finds metrics."""


def _label_for_others(key: str) -> str:
    if key.startswith(_OWN_LABELS):
        msg = "selectors of the program match on labels such as this: use a label of your own"
        raise ValueError(msg)
    return key


def _annotation_for_others(key: str) -> str:
    if key.startswith(_OWN_ANNOTATIONS):
        msg = "the program sets it for site.monitoring: use an annotation of your own"
        raise ValueError(msg)
    return key


PodLabel = Annotated[LabelKey, AfterValidator(_label_for_others)]
"""A label key that no selector of the program uses."""

PodAnnotation = Annotated[LabelKey, AfterValidator(_annotation_for_others)]
"""An annotation key that the program does not set."""


class Toleration(Model):
    """A taint that pods tolerate (Kubernetes names)."""

    key: LabelKey
    """Key of the taint."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """`Equal` compares the value too."""
    value: str | None = None
    """Value of the taint; only with `Equal`."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; by default every effect."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """`Equal` needs a value, and `Exists` has none."""
        if self.operator == "Equal" and self.value is None:
            yield BrokenRule("operator is `Equal` but there is no value: add value, or use `Exists`", ("operator",))
        if self.operator == "Exists" and self.value is not None:
            yield BrokenRule(
                f'operator is `Exists` but value is "{self.value}": remove value, or set operator to `Equal`',
                ("value", "operator"),
            )


class NodeRequirement(Model):
    """A requirement on a label of a node (Kubernetes names)."""

    key: LabelKey
    """Key of the label, such as `nvidia.com/gpu.memory`."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """Comparison of the label with `values`; `Gt` and `Lt` compare integers."""
    values: tuple[LabelValue, ...] = ()
    """Values in quotes: at least one for `In` and `NotIn`, one integer for `Gt` and `Lt`, none for the others."""

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Each operator has as many values as Kubernetes asks for."""
        found = f"{len(self.values)} value(s)"
        match self.operator:
            case "In" | "NotIn" if not self.values:
                yield BrokenRule(
                    f"operator is `{self.operator}` but values is empty: name the values, or use `Exists`",
                    ("values", "operator"),
                )
            case "Exists" | "DoesNotExist" if self.values:
                yield BrokenRule(
                    f"operator is `{self.operator}` but there are {found}, which it does not compare: remove values, "
                    "or use `In` or `NotIn`",
                    ("values", "operator"),
                )
            case "Gt" | "Lt" if len(self.values) != 1 or not self.values[0].isdecimal():
                yield BrokenRule(
                    f"operator is `{self.operator}` but values is {list(self.values)}, and it compares with one "
                    'integer: write one, such as ["24000"]',
                    ("values", "operator"),
                )


class PodSettings(Model):
    """Settings of the pods of one part of a stack."""

    node_selector: dict[LabelKey, LabelValue] = {}
    """Labels that a node must have."""
    node_affinity: tuple[NodeRequirement, ...] = ()
    """Further requirements on a node's labels. A node must meet all of them."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints that the pods tolerate."""
    runtime_class: ObjectName | None = None
    """RuntimeClass of the pods, such as `nvidia`; by default the runtime of the node."""
    priority_class: ObjectName | None = None
    """PriorityClass of the pods; by default that of the cluster."""
    pod_labels: dict[PodLabel, LabelValue] = {}
    """Labels of the pods besides the program's own, such as a queue's."""
    pod_annotations: dict[PodAnnotation, str] = {}
    """Annotations of the pods besides the program's own."""
