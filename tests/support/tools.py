"""Programs that tests run by themselves, built when they are not there yet."""

from functools import cache
from pathlib import Path

from devcluster.progress import Progress
from devcluster.toolchain import Toolchain
from devcluster.toolchain.programs import TOOLS, GoBuild, GoProgram, by_name
from stacks.resolve import ROOT

_LINTERS = ROOT / "tests" / "linters"
"""Go module of the linters of manifests. Both build in 35 s on two cores with an empty build cache."""
_COLLECTOR = ROOT / "tests" / "collector"
"""Go module of an OpenTelemetry collector."""
_PACKAGES = {
    "kube-score": "github.com/zegl/kube-score/cmd/kube-score",
    "pod-security": "./pod-security",
    "go-template": "./go-template",
}


@cache
def tool(name: str) -> Path:
    """Path of a program of `tests/linters`, of `otel-collector`, or of a program or folder of the dev cluster."""
    parts = [GoProgram(name=each, module=str(_LINTERS), package=package) for each, package in _PACKAGES.items()]
    parts.append(GoProgram(name="otel-collector", module=str(_COLLECTOR), package="."))
    toolchain = Toolchain(tools={**TOOLS, **by_name(GoBuild(parts=(part,)) for part in parts)})
    toolchain.ensure([name], Progress(total=1))
    return toolchain.path(name)
