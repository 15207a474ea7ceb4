"""Pure functions of the model repositories."""

import re

import pytest

from components.model_repository import mounted_cvmfs, mounted_volume, s3_url
from stacks.schema.experiment import CvmfsRepository, VolumeRepository

TRITON_S3 = re.compile(r"s3://(http://|https://|)([0-9a-zA-Z\-.]+):([0-9]+)/([0-9a-z.\-]+)(((/[0-9a-zA-Z.\-_]+)*)?)")
"""Triton's own pattern for a bucket at an endpoint: `s3_regex_` in its filesystem/s3.h."""


@pytest.mark.parametrize(
    ("endpoint", "bucket", "prefix", "url"),
    [
        ("http://10.123.0.1:19000", "models", "demo", "s3://http://10.123.0.1:19000/models/demo"),
        ("https://s3.example.org", "models", "cms/v1", "s3://https://s3.example.org:443/models/cms/v1"),
        ("http://s3.example.org", "models", "", "s3://http://s3.example.org:80/models"),
    ],
)
def test_triton_reads_the_endpoint_from_the_url(endpoint: str, bucket: str, prefix: str, url: str) -> None:
    assert s3_url(endpoint, bucket, prefix) == url
    assert TRITON_S3.fullmatch(url)


def test_cvmfs_has_its_own_path_whatever_mounts_it() -> None:
    paths = ("/cvmfs/cms.cern.ch/a", "/cvmfs/cms.cern.ch/b")
    mounted = mounted_cvmfs(CvmfsRepository(kind="cvmfs", paths=paths), {"hostPath": {"path": "/mnt/cvmfs"}})
    (mount,) = mounted.volume_mounts
    assert mounted.repository_urls == paths
    assert (mount["mountPath"], mount["readOnly"], mount["mountPropagation"]) == ("/cvmfs", True, "HostToContainer")


@pytest.mark.parametrize(("path", "url"), [("/", "/models"), ("/atlas/v2", "/models/atlas/v2")])
def test_paths_of_a_volume_begin_at_its_root(path: str, url: str) -> None:
    mounted = mounted_volume(VolumeRepository(kind="volume", paths=(path,)), "claim")
    assert mounted.repository_urls == (url,)
    assert mounted.volume_mounts[0]["readOnly"] is True
