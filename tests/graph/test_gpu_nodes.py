"""Resources of GpuNodes."""

from components.gpu_nodes import GpuNodes, GpuNodesArgs
from stacks.schema.site import NodeLabels
from tests.support.recorder import Recorder

PRODUCT = {"nvidia.com/gpu.product": "NVIDIA-A10"}


def test_a_node_is_read_before_it_is_patched(recorder: Recorder) -> None:
    args = GpuNodesArgs(node_labels=(NodeLabels(node="gpu-1", labels=PRODUCT),))
    recorder.run(lambda: GpuNodes("gpu-nodes", args))
    patch = recorder.one("kubernetes:core/v1:NodePatch")
    assert list(recorder.reads.values()) == ["gpu-1"]
    assert patch.depends_on == set(recorder.reads)


def test_a_patch_states_its_labels_and_nothing_else(recorder: Recorder) -> None:
    args = GpuNodesArgs(node_labels=(NodeLabels(node="gpu-1", labels=PRODUCT),))
    recorder.run(lambda: GpuNodes("gpu-nodes", args))
    patch = recorder.one("kubernetes:core/v1:NodePatch")
    assert patch.inputs == {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-1", "labels": PRODUCT}}
