"""renderYamlToDirectory: which files, with what in them."""

from pathlib import Path

import yaml

from devcluster.provider import render

DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.org"},
}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "triton", "namespace": "sonic"}}


def test_definitions_come_before_the_rest(tmp_path: Path) -> None:
    for manifest in (DEFINITION, DEPLOYMENT):
        render.write(tmp_path, manifest)

    assert sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.yaml")) == [
        "0-crd/apiextensions.k8s.io_v1-customresourcedefinition-default-things.example.org.yaml",
        "1-manifest/apps_v1-deployment-sonic-triton.yaml",
    ]


def test_files_are_the_manifests_and_private(tmp_path: Path) -> None:
    path = render.write(tmp_path, DEPLOYMENT)

    assert yaml.safe_load(path.read_text()) == DEPLOYMENT
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_removed_resource_leaves_no_file(tmp_path: Path) -> None:
    path = render.write(tmp_path, DEPLOYMENT)

    render.remove(tmp_path, DEPLOYMENT)
    render.remove(tmp_path, DEPLOYMENT)

    assert not path.exists()
