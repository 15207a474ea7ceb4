"""Images by the mirrors of a site."""

import pytest

from components.images import in_a_job, mirrored
from tests.support.configs import stack_config
from tests.support.pods import template
from tests.support.stacks import record

MIRRORS = {
    "docker.io": "mirror.example.org/docker-hub-cache",
    "docker.io/library": "mirror.example.org/official",
    "nvcr.io/nvidia": "mirror.example.org/nvidia",
}
DIGEST = f"@sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("docker.io/envoyproxy/envoy:v1", "mirror.example.org/docker-hub-cache/envoyproxy/envoy:v1"),
        ("fastml/triton:24.10", "mirror.example.org/docker-hub-cache/fastml/triton:24.10"),
        ("python:3.13", "mirror.example.org/official/python:3.13"),
        (f"docker.io/prom/prometheus:v3{DIGEST}", f"mirror.example.org/docker-hub-cache/prom/prometheus:v3{DIGEST}"),
        ("nvcr.io/nvidia/tritonserver:26.04-py3", "mirror.example.org/nvidia/tritonserver:26.04-py3"),
        ("nvcr.io/nvidia-labs/other:1", "nvcr.io/nvidia-labs/other:1"),
        ("registry.example.org:5000/docker.io/x:1", "registry.example.org:5000/docker.io/x:1"),
        ("localhost/sonic/triton:1", "localhost/sonic/triton:1"),
    ],
)
def test_the_longest_start_is_replaced(image: str, expected: str) -> None:
    assert mirrored(image, MIRRORS) == expected


DIGEST = "sha256:" + 64 * "a"
FOLDERS = {"docker.io": "/cvmfs/hub", "docker.io/fastml": "/cvmfs/fastml"}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("fastml/triton:1", "/cvmfs/fastml/triton:1"),
        ("docker.io/other/triton:1", "/cvmfs/hub/other/triton:1"),
        (f"fastml/triton:1@{DIGEST}", "/cvmfs/fastml/triton:1"),
        (f"fastml/triton@{DIGEST}", f"/cvmfs/fastml/triton@{DIGEST}"),
        ("nvcr.io/nvidia/tritonserver:26.04-py3", "nvcr.io/nvidia/tritonserver:26.04-py3"),
        (f"nvcr.io/nvidia/tritonserver:26.04-py3@{DIGEST}", f"nvcr.io/nvidia/tritonserver@{DIGEST}"),
        ("quay.io/a/b:1", "mirror.example.org/a/b:1"),
    ],
)
def test_an_image_of_a_job_is_a_folder_or_a_name_with_one_of_tag_and_digest(image: str, expected: str) -> None:
    assert in_a_job(image, folders=FOLDERS, mirrors={"quay.io": "mirror.example.org"}) == expected


def test_every_image_of_a_stack_is_of_the_mirror() -> None:
    mirrors = {"docker.io": "mirror.example.org/hub", "example.org": "mirror.example.org/other"}
    admission = {"requests_in_flight_per_server_max": 10}
    recorder = record(stack_config(site={"images": {"mirrors": mirrors}}, experiment={"admission": admission}))
    images = [c["image"] for d in recorder.manifests("Deployment") for c in template(d)["spec"]["containers"]]
    assert len(images) == 4
    assert all(image.startswith("mirror.example.org/") for image in images)
