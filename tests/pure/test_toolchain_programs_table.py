"""The table of tools agrees with the pinned Go modules beside it."""

import re
from pathlib import Path

import pytest

from devcluster.toolchain.programs import PULUMI_VERSION, TOOLS, TOOLS_DIRECTORY, GoBuild, GoProgram, ModuleFiles

PARTS = {part.name: part for tool in TOOLS.values() if isinstance(tool, GoBuild) for part in tool.parts}.values()
FOREIGN_PROGRAMS = [part for part in PARTS if isinstance(part, GoProgram) and not part.package.startswith(".")]


def _go_mod(directory: Path) -> str:
    return (directory / "go.mod").read_text()


def _pinned(go_mod: str, package: str) -> str:
    """The version required of the module that holds this package."""
    required: dict[str, str] = dict(re.findall(r"^\s*(?:require )?(\S+) (v\S+)", go_mod, re.MULTILINE))
    holders = [module for module in required if package == module or package.startswith(f"{module}/")]
    return required[max(holders, key=len)]


@pytest.mark.parametrize("tool", FOREIGN_PROGRAMS, ids=lambda tool: tool.name)
def test_every_go_program_is_a_tool_of_its_module_with_hashes(tool: GoProgram) -> None:
    assert re.search(rf"^(tool )?\s*{re.escape(tool.package)}$", _go_mod(tool.directory), re.MULTILINE)
    version = _pinned(_go_mod(tool.directory), tool.package)
    assert f" {version} h1:" in (tool.directory / "go.sum").read_text()


@pytest.mark.parametrize("tool", [part for part in PARTS if isinstance(part, ModuleFiles)], ids=lambda tool: tool.name)
def test_every_copied_module_is_pinned(tool: ModuleFiles) -> None:
    version = _pinned(_go_mod(tool.directory), tool.source)
    assert f"{tool.source} {version} h1:" in (tool.directory / "go.sum").read_text()


@pytest.mark.parametrize("tool", [t for t in FOREIGN_PROGRAMS if t.stamps], ids=lambda tool: tool.name)
def test_the_version_a_program_reports_is_the_one_pinned(tool: GoProgram) -> None:
    pinned = _pinned(_go_mod(tool.directory), tool.package)
    if tool.module == "prometheus":  # module v0.310.0 is release 3.10.0
        pinned = "v3.{}.{}".format(*re.findall(r"^v0\.3(\d\d)\.(\d+)$", pinned)[0])
    full = {value for variable, value in tool.stamps.items() if variable.endswith(("gitVersion", "Version"))}
    assert {value.removeprefix("v") for value in full} == {pinned.removeprefix("v")}


def test_the_kubernetes_plugin_is_the_one_that_its_module_pins_and_its_files_are_there_to_embed() -> None:
    plugin = next(part for part in PARTS if isinstance(part, GoProgram) and part.embeds)
    assert plugin.embeds is not None
    version = _pinned(_go_mod(plugin.directory), plugin.embeds.source)
    assert f"{plugin.embeds.source} {version} h1:" in (plugin.directory / "go.sum").read_text()
    source = (plugin.directory / plugin.package / "main.go").read_text()
    assert re.findall(r"^//go:embed (\S+)$", source, re.MULTILINE) == list(plugin.embeds.files)


def test_programs_of_pulumi_share_one_version_of_what_they_import() -> None:
    go_mod = _go_mod(TOOLS_DIRECTORY / "pulumi")
    pinned = {_pinned(go_mod, f"github.com/pulumi/pulumi/{part}/v3") for part in ("pkg", "sdk")}
    assert pinned == {PULUMI_VERSION}


def test_every_staging_module_of_kubernetes_is_replaced_by_its_release() -> None:
    go_mod = _go_mod(TOOLS_DIRECTORY / "cluster")
    staging = set(re.findall(r"^\s+(k8s\.io/\S+) v0\.0\.0 ", go_mod, re.MULTILINE))
    replaced = dict(re.findall(r"^\s+(k8s\.io/\S+) => \S+ (\S+)$", go_mod, re.MULTILINE))
    assert staging
    assert staging <= replaced.keys()
    assert {replaced[module] for module in staging} == {_pinned(go_mod, "k8s.io/kubernetes").replace("v1.", "v0.")}


def test_every_module_folder_serves_a_tool() -> None:
    assert {path.name for path in TOOLS_DIRECTORY.iterdir()} == {part.module for part in PARTS}
