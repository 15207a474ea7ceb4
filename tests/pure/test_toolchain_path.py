"""Which program on PATH is used, and which is passed over."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from devcluster.errors import DevClusterError
from devcluster.toolchain import Toolchain
from devcluster.toolchain.found import objection, parse_version
from devcluster.toolchain.programs import TOOLS, GoBuild, PathRule


def _program(path: Path, prints: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)
    return path


def _rule(name: str) -> PathRule:
    tool = TOOLS[name]
    assert isinstance(tool, GoBuild)
    assert tool.path_rule
    return tool.path_rule


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("v3.250.0", (3, 250)),
        ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", (1, 32)),
        ("Kubernetes v1.36.3", (1, 36)),
        ("", None),
        ("unknown", None),
    ],
)
def test_version_as_programs_print_it(printed: str, version: tuple[int, int] | None) -> None:
    assert parse_version(printed) == version


@pytest.mark.parametrize(
    ("name", "version", "accepted"),
    [
        ("pulumi", (3, 199), False),
        ("pulumi", (3, 200), True),
        ("pulumi", (3, 1000), True),
        ("pulumi", (4, 0), False),
        ("kubectl", (1, 34), False),
        ("kubectl", (1, 35), True),
        ("kubectl", (1, 37), True),
        ("kubectl", (1, 38), False),
        ("kubelet", (1, 35), False),
        ("kubelet", (1, 36), True),
        ("kubelet", (1, 37), False),
    ],
)
def test_accepted_versions(name: str, version: tuple[int, int], accepted: bool) -> None:
    assert (objection(version, _rule(name)) is None) is accepted


PULUMI_PARTS = ("pulumi-language-python", "pulumi-language-python-exec")


def test_a_new_enough_pulumi_on_path_is_used_with_its_own_language_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi = _program(tmp_path / "opt/pulumi", "v3.260.1")
    parts = [_program(tmp_path / "opt" / name, "") for name in PULUMI_PARTS]
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin/pulumi"
    link.symlink_to(pulumi)
    monkeypatch.setenv("PATH", str(link.parent))
    toolchain = Toolchain(cache=tmp_path / "cache")
    assert toolchain.path("pulumi") == link
    assert [toolchain.path(name) for name in PULUMI_PARTS] == parts
    assert toolchain.bin_directories() == []


def test_an_old_pulumi_on_path_is_passed_over_with_its_language_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi = _program(tmp_path / "own/pulumi", "v3.138.0")
    _program(tmp_path / "own/pulumi-language-python", "")
    monkeypatch.setenv("PATH", str(tmp_path / "own"))
    toolchain = Toolchain(cache=tmp_path / "cache")
    origin = toolchain.origin("pulumi")
    assert (origin.source, origin.remark) == (
        "to build",
        f"{pulumi} is 3.138, wanted is 3.200 or later, before 4.0",
    )
    assert toolchain.origin("pulumi-language-python").source == "to build"


def test_a_pulumi_without_its_language_host_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = _program(tmp_path / "own/pulumi", "v3.260.1")
    monkeypatch.setenv("PATH", str(tmp_path / "own"))
    assert Toolchain(cache=tmp_path / "cache").origin("pulumi").remark == (
        f"{pulumi} has no pulumi-language-python, pulumi-language-python-exec beside it"
    )


def test_a_program_that_prints_no_version_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "own/kubectl"
    _program(broken, "").write_text("#!/bin/sh\nexit 3\n")
    monkeypatch.setenv("PATH", str(tmp_path / "own"))
    assert Toolchain(cache=tmp_path / "cache").origin("kubectl").remark == f"{broken} prints no version"


def test_what_goes_into_images_is_never_taken_from_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "own/prometheus", "prometheus, version 3.10.0")
    monkeypatch.setenv("PATH", str(tmp_path / "own"))
    assert Toolchain(cache=tmp_path / "cache").origin("prometheus").source == "to build"


def test_our_own_builds_on_path_are_not_taken_for_the_persons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In `make shell` our builds stand on PATH; a stale one must not be found there as if installed."""
    stale = _program(tmp_path / "cache/bin/pulumi-0123/pulumi", "v3.250.0")
    monkeypatch.setenv("PATH", str(stale.parent))
    assert Toolchain(cache=tmp_path / "cache").origin("pulumi").source == "to build"


def test_a_tool_that_is_not_there_yet_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DevClusterError) as raised:
        Toolchain(cache=tmp_path / "cache").path("coredns")
    assert str(raised.value) == (
        "coredns is not there yet: it is to build; run `python -m devcluster.toolchain coredns`"
    )


def test_an_unknown_tool_is_named_with_those_known(tmp_path: Path) -> None:
    with pytest.raises(DevClusterError, match=r"^no tool 'kubeclt'; the tools are etcd, "):
        Toolchain(cache=tmp_path).path("kubeclt")


def test_packages_are_named_for_programs_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_programs: Mapping[str, str] = {"PATH": str(tmp_path)}
    monkeypatch.setattr("os.environ", dict(no_programs))
    monkeypatch.setattr("devcluster.toolchain.found._MORE_DIRECTORIES", ())
    toolchain = Toolchain(cache=tmp_path / "cache")
    assert toolchain.missing(["etcd", "ip"]) == ["etcd", "ip"]
    assert toolchain.origin("ip").remark == "Debian iproute2"
