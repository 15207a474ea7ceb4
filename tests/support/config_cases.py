"""Configuration cases: files below tests/config laid out as a repository of one stack, `case`.

A file is named `<case>.<part>.yaml` (happy) or `<part>.<what is wrong>.yaml` (error), where the part is `stack`, `site`
or `experiment`; the parts that a case does not have are those of `happy/minimal`.
"""

import json
import shutil
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent.parent / "config"
STACK = "case"
_PLACES = {
    "stack": f"Pulumi.{STACK}.yaml",
    "site": "stacks/sites/here.yaml",
    "experiment": "stacks/experiments/tiny.yaml",
}
_EXPECT = "# expect: "


def happy_cases() -> list[str]:
    """Names of the cases that must resolve."""
    return sorted({path.name.partition(".")[0] for path in (CASES / "happy").glob("*.yaml")})


def error_cases() -> list[str]:
    """File names of the cases that must be refused."""
    return sorted(path.name for path in (CASES / "error").glob("*.yaml"))


def lay_out_happy(case: str, root: Path) -> None:
    """Write the files of a happy case below `root`."""
    for part in _PLACES:
        file = CASES / "happy" / f"{case}.{part}.yaml"
        _put(file if file.exists() else CASES / "happy" / f"minimal.{part}.yaml", part, root)
    directory = root / "stacks/experiments/reference"
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("first.json", "first-1.json", "first-3.json"):
        (directory / name).write_text(json.dumps(a_reference("first")))


def a_reference(model: str) -> dict[str, Any]:
    """A right reference of a model, as JSON."""
    tensor = {"datatype": "FP32", "shape": [2], "data": [1.0, 2.0]}
    return {
        "model": model,
        "request": {"inputs": [{"name": "IN", **tensor}]},
        "expected": {"outputs": [{"name": "OUT", **tensor}]},
        "tolerance": {"relative": 0.0, "absolute": 0.0},
    }


def lay_out_error(case: str, root: Path) -> list[str]:
    """Write the files of an error case below `root`; give the sentences that it must be refused with."""
    lay_out_happy("minimal", root)
    file = CASES / "error" / case
    _put(file, case.partition(".")[0], root)
    lines = file.read_text().splitlines()
    return [line.removeprefix(_EXPECT) for line in lines if line.startswith(_EXPECT)]


def _put(file: Path, part: str, root: Path) -> None:
    place = root / _PLACES[part]
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)
