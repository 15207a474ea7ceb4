"""Remarks of `python -m stacks check` on what is allowed and yet a risk."""

from pathlib import Path

import pytest

from stacks.remarks import remarks
from stacks.resolve import resolve
from tests.support.config_cases import STACK, lay_out_happy

DIGEST = f"@sha256:{'0' * 64}"


def remarks_on(image: str, root: Path) -> list[str]:
    lay_out_happy("minimal", root)
    experiment = root / "stacks/experiments/tiny.yaml"
    experiment.write_text(experiment.read_text().replace("triton:24.10", image))
    return [str(remark) for remark in remarks(resolve(STACK, root))]


@pytest.mark.parametrize("image", [f"nvcr.io/nvidia/tritonserver:24.10{DIGEST}", "localhost/sonic-dev/triton:24.10"])
def test_an_image_that_is_one_thing_everywhere_gets_no_remark(image: str, tmp_path: Path) -> None:
    assert remarks_on(image, tmp_path) == []


def test_a_tag_that_can_be_moved_gets_a_remark(tmp_path: Path) -> None:
    image = "nvcr.io:443/nvidia/tritonserver:24.10"
    (remark,) = remarks_on(image, tmp_path)
    assert remark.startswith(f'stacks/experiments/tiny.yaml:2: experiment.server.image: found "{image}": its owner can')
    assert f"`docker buildx imagetools inspect {image}`" in remark


@pytest.mark.parametrize(
    ("image", "whole"),
    [("fastml/triton:26.04", "docker.io/fastml/triton:26.04"), ("triton:24.10", "docker.io/library/triton:24.10")],
)
def test_an_image_without_registry_gets_a_remark_with_the_whole_name(image: str, whole: str, tmp_path: Path) -> None:
    (remark,) = remarks_on(f"{image}{DIGEST}", tmp_path)
    assert f"write {whole}{DIGEST} if it is there" in remark


@pytest.mark.parametrize("tag", ["23.09-py3", "v1.1", "v1.4_traccc1.0.0", "rhel8.9_v4", "light", f"8{DIGEST}"])
def test_a_tag_that_is_not_of_an_old_triton_is_taken(tag: str, tmp_path: Path) -> None:
    """Only NVIDIA's numbers tell a release of Triton; those before 23.09 are refused (tests/config/error)."""
    remarks_on(f"docker.io/milescb/traccc-aas:{tag}", tmp_path)


@pytest.mark.parametrize(
    ("query", "others"),
    [
        ('avg(rate(nv_inference_queue_duration_us{release=~"sonic-server"}[30s]))', True),  # as Purdue's release has it
        ('sum(nv_inference_pending_request_count{namespace="{namespace}",pod=~"{pods}"})', False),
        ('sum(envoy_cluster_upstream_rq_active{pod=~"{envoys}"})', False),
    ],
)
def test_a_query_that_measures_no_part_of_the_stack_gets_a_remark(query: str, others: bool, tmp_path: Path) -> None:
    lay_out_happy("minimal", tmp_path)
    experiment = tmp_path / "stacks/experiments/tiny.yaml"
    written = experiment.read_text().replace("servers_max: 1", f"servers_max: 1, threshold: 1, query: '{query}'")
    experiment.write_text(written)
    found = [str(remark) for remark in remarks(resolve(STACK, tmp_path)) if "experiment.scaling.query" in str(remark)]
    assert ["has none of {namespace}, {pods}, {envoys}" in remark for remark in found] == [True] * others


def test_the_plugin_of_a_virtual_node_gets_a_remark_too(tmp_path: Path) -> None:
    lay_out_happy("everything", tmp_path)
    found = [str(remark) for remark in remarks(resolve(STACK, tmp_path))]
    assert [remark for remark in found if "site.virtual_nodes[0].api.plugin_image: found" in remark]


def test_a_virtual_node_that_no_agent_looks_after_gets_a_remark(tmp_path: Path) -> None:
    lay_out_happy("everything", tmp_path)
    found = [str(remark) for remark in remarks(resolve(STACK, tmp_path)) if "has no `agent`" in str(remark)]
    assert [remark.partition(": ")[2].partition(":")[0] for remark in found] == [
        "site.virtual_nodes[1] has no `agent`",
        "site.virtual_nodes[2] has no `agent`",
    ]
