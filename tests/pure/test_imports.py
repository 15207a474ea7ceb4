"""Rules for imports: configuration without Pulumi, components without YAML, the program without its dev tools."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def imports(place: str) -> Iterator[tuple[str, str]]:
    """Every module that is imported below a place, with the file that does it."""
    path = ROOT / place
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = file.relative_to(ROOT).as_posix()
            if isinstance(node, ast.Import):
                yield from ((name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                package = file.relative_to(ROOT).with_suffix("").parts[: -node.level] if node.level else ()
                module = ".".join([*package, *([node.module] if node.module else [])])
                yield from ((name, f"{module}.{alias.name}") for alias in node.names)


def of(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize(
    ("place", "forbidden"),
    [
        ("stacks", ("pulumi", "pulumi_kubernetes", "components", "acceptance", "devcluster")),
        ("components", ("yaml", "diagnosis", "devcluster", "acceptance")),
        ("access", ("pulumi", "pulumi_kubernetes", "components", "acceptance", "devcluster")),
        ("edge", ("access", "fit", "diagnosis", "devcluster", "acceptance", "pulumi_kubernetes")),
        ("rendering", ("access", "fit", "diagnosis", "devcluster", "acceptance")),
        ("fit", ("pulumi", "pulumi_kubernetes", "yaml", "diagnosis", "acceptance", "devcluster")),
        ("diagnosis", ("yaml", "devcluster", "acceptance", "pulumi_kubernetes")),
        ("acceptance", ("devcluster",)),
        ("observation", ("yaml", "devcluster", "acceptance", "pulumi_kubernetes")),
        ("__main__.py", ("yaml", "devcluster", "acceptance")),
    ],
)
def test_a_place_does_not_import_what_it_must_not_know(place: str, forbidden: tuple[str, ...]) -> None:
    found = list(imports(place))
    assert found
    assert [(file, module) for file, module in found if of(module, *forbidden)] == []


PROGRAM = (
    "stacks",
    "components",
    "access",
    "rendering",
    "edge",
    "fit",
    "acceptance",
    "diagnosis",
    "observation",
    "__main__.py",
)


@pytest.mark.parametrize(
    ("place", "forbidden"),
    [
        *((place, ("testbed", "benchmarks", "tests")) for place in (*PROGRAM, "devcluster")),
        ("testbed", ("benchmarks", "tests")),
        ("benchmarks", ("tests",)),
    ],
)
def test_only_tests_and_benchmarks_use_the_testbed(place: str, forbidden: tuple[str, ...]) -> None:
    assert [(file, module) for file, module in imports(place) if of(module, *forbidden)] == []


def test_only_the_tests_of_benchmarks_import_them() -> None:
    found = {file for file, module in imports("tests") if of(module, "benchmarks")}
    assert found
    assert [file for file in sorted(found) if not Path(file).name.startswith("test_benchmarks_")] == []


def test_components_know_the_model_and_not_how_it_is_read() -> None:
    known = [(file, module) for file, module in imports("components") if of(module, "stacks")]
    assert known
    assert [(file, module) for file, module in known if not of(module, "stacks.schema")] == []


def test_reading_a_stack_loads_no_pulumi() -> None:
    program = "import sys, stacks.resolve, stacks.__main__; sys.exit('pulumi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_programs_that_run_in_a_pod_as_files_need_nothing_but_python() -> None:
    place = "components/envoy/admission"
    own = f"{place.replace('/', '.')}.controller"
    imported = [*imports(f"{place}/controller"), *imports(f"{place}/supervisor.py")]
    assert [(file, module) for file, module in imported if not of(module, own, *sys.stdlib_module_names)] == []
