"""The folder that manifests are rendered to: nobody's file is lost."""

from pathlib import Path

import pytest
import yaml

from rendering.folder import ForeignFolderError, replace

NAMESPACE = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "sonic"}}
SERVICE = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "envoy", "labels": {"commit": "1e3"}}}


def names(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir())


def test_a_folder_is_made_and_its_namespace_comes_first(tmp_path: Path) -> None:
    replace(tmp_path / "a/b", "dev", [SERVICE, NAMESPACE])
    assert names(tmp_path / "a/b") == ["0-namespace-sonic.yaml", "1-service-envoy.yaml"]


def test_one_name_in_two_namespaces_is_two_files(tmp_path: Path) -> None:
    roles = [{"kind": "Role", "metadata": {"name": "prometheus", "namespace": each}} for each in ("cms", "tunnels")]
    replace(tmp_path, "dev", roles)
    assert names(tmp_path) == ["1-role-prometheus.cms.yaml", "1-role-prometheus.tunnels.yaml"]


def test_files_of_the_last_rendering_are_replaced(tmp_path: Path) -> None:
    replace(tmp_path, "dev", [SERVICE, NAMESPACE])
    replace(tmp_path, "dev", [NAMESPACE])
    assert names(tmp_path) == ["0-namespace-sonic.yaml"]


@pytest.mark.parametrize("foreign", ["notes.txt", "1-service-other.yaml", "folder"])
def test_a_folder_with_anything_else_is_refused_and_kept(tmp_path: Path, foreign: str) -> None:
    replace(tmp_path, "dev", [SERVICE])
    if foreign == "folder":
        (tmp_path / foreign).mkdir()
    else:
        (tmp_path / foreign).write_text("kind: Service\n")
    before = names(tmp_path)
    with pytest.raises(ForeignFolderError, match=f"{foreign}, which was not rendered from this stack"):
        replace(tmp_path, "dev", [NAMESPACE])
    assert names(tmp_path) == before


def test_the_folder_of_another_stack_is_refused(tmp_path: Path) -> None:
    replace(tmp_path, "dev", [SERVICE])
    with pytest.raises(ForeignFolderError, match="not rendered from this stack"):
        replace(tmp_path, "purdue-cms", [NAMESPACE])


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ForeignFolderError, match="is a file"):
        replace(tmp_path / "file", "dev", [NAMESPACE])


def test_a_text_that_reads_like_a_number_stays_a_text(tmp_path: Path) -> None:
    (file,) = replace(tmp_path, "dev", [SERVICE])
    assert 'commit: "1e3"' in file.read_text()
    assert yaml.safe_load(file.read_text()) == SERVICE
