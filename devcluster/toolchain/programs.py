"""Table of the programs of the development cluster, with their sources.

`devcluster/tools/<module>/go.mod` pins the versions of Go programs, `go.sum` their hashes. Programs that can agree on
the versions of what they import share a module, so that it is compiled once. A Go program on PATH is used only where a
`PathRule` accepts its version: images need our static builds, and Debian's Prometheus lacks Kubernetes service
discovery.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from devcluster.paths import CHECKOUT

TOOLS_DIRECTORY = CHECKOUT / "devcluster" / "tools"


@dataclass(frozen=True, kw_only=True)
class PathRule:
    """Versions that fit of a program on PATH: `at_least` <= (major, minor) < `below`."""

    version_arguments: tuple[str, ...]
    at_least: tuple[int, int]
    below: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class DebianProgram:
    """A program from a Debian package, used as found.

    Args:
        program: a name to be looked up on PATH, or an absolute path where the package puts it.
    """

    name: str
    package: str
    program: str


@dataclass(frozen=True, kw_only=True)
class GoProgram:
    """A static program built from a package of a pinned Go module.

    Args:
        module: the folder with `go.mod` and `go.sum`, under `devcluster/tools/`.
        package: the Go package to build; a path for our own source in that folder.
        tags: build tags.
        stamps: string variables set by the linker, such as the version that the program reports.
        embeds: files that our own source embeds out of a pinned module; the build overlays them on the package.
    """

    name: str
    module: str
    package: str
    tags: tuple[str, ...] = ()
    stamps: Mapping[str, str] = field(default_factory=dict)
    embeds: "ModuleFolder | None" = None

    @property
    def directory(self) -> Path:
        """The folder of the Go module."""
        return TOOLS_DIRECTORY / self.module


@dataclass(frozen=True, kw_only=True)
class ModuleFolder:
    """Files in one folder of a pinned Go module.

    Args:
        source: the Go module that holds the files.
        folder: their folder, relative to that module's root.
        files: their names.
    """

    source: str
    folder: str
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ModuleFiles:
    """A file or folder copied, writable, out of the source of a pinned Go module; a file is a script.

    Args:
        module: the folder with `go.mod` and `go.sum`, under `devcluster/tools/`.
        source: the Go module that holds the files.
        path: the file or folder, relative to that module's root.
    """

    name: str
    module: str
    source: str
    path: str

    @property
    def directory(self) -> Path:
        """The folder of the Go module."""
        return TOOLS_DIRECTORY / self.module


GoPart = GoProgram | ModuleFiles


@dataclass(frozen=True, kw_only=True)
class GoBuild:
    """A program, and the files that it expects in its folder.

    Args:
        parts: the program first.
        path_rule: when the program on PATH is used instead, if the other parts stand beside it; never, if absent.
        command: looked up by name on PATH, by people or by Pulumi.
    """

    parts: tuple[GoPart, ...]
    path_rule: PathRule | None = None
    command: bool = False

    @property
    def name(self) -> str:
        """The name of the program."""
        return self.parts[0].name


Tool = DebianProgram | GoBuild


def _debian(package: str, *programs: str) -> list[DebianProgram]:
    return [DebianProgram(name=Path(p).name, package=package, program=p) for p in programs or (package,)]


def _kubernetes(name: str, path_rule: PathRule, *, command: bool = False) -> GoBuild:
    stamps = {
        "k8s.io/client-go/pkg/version.gitVersion": "v1.36.4",
        "k8s.io/component-base/version.gitVersion": "v1.36.4",
        "k8s.io/component-base/version.gitMajor": "1",
        "k8s.io/component-base/version.gitMinor": "36",
    }
    program = GoProgram(name=name, module="cluster", package=f"k8s.io/kubernetes/cmd/{name}", stamps=stamps)
    return GoBuild(parts=(program,), path_rule=path_rule, command=command)


def _prometheus(name: str, *, command: bool = False) -> GoBuild:
    program = GoProgram(
        name=name,
        module="prometheus",
        package=f"github.com/prometheus/prometheus/cmd/{name}",
        # All service discoveries compiled in take twice as long; we use these two.
        tags=("remove_all_sd", "enable_kubernetes_sd", "enable_dns_sd", "netgo"),
        stamps={"github.com/prometheus/common/version.Version": "3.10.0"},
    )
    return GoBuild(parts=(program,), command=command)


def _keda(name: str, package: str) -> GoBuild:
    program = GoProgram(
        name=name,
        module="cluster",
        package=f"github.com/kedacore/keda/v2/{package}",
        stamps={"github.com/kedacore/keda/v2/version.Version": "2.21.0"},
    )
    return GoBuild(parts=(program,))


PULUMI_VERSION = "v3.246.0"
"""Newest version that `pulumi-kubernetes` 4.25.0 compiles with. The CLI and the plugin share one build of it."""

KUBERNETES_PLUGIN_VERSION = "v4.25.0"
"""Release of the official plugin, as `pulumi plugin ls` tells it; `pulumi-kubernetes` in the lock is the same."""

_PLUGIN_MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"

_SAME_MINOR = PathRule(version_arguments=("--version",), at_least=(1, 36), below=(1, 37))

_ALL: list[Tool] = [
    *_debian("etcd-server", "etcd"),
    *_debian("etcd-client", "etcdctl"),
    *_debian("containerd", "containerd", "ctr"),
    *_debian("runc"),
    DebianProgram(name="cni-plugins", package="containernetworking-plugins", program="/usr/lib/cni/bridge"),
    *_debian("iptables"),
    *_debian("conntrack"),
    *_debian("ethtool"),
    *_debian("socat"),
    *_debian("iproute2", "ip"),
    *_debian("buildah"),
    *_debian("debootstrap"),
    _kubernetes("kube-apiserver", _SAME_MINOR),
    # kubectl is supported within one minor version of the API server.
    _kubernetes(
        "kubectl",
        PathRule(version_arguments=("version", "--client"), at_least=(1, 35), below=(1, 38)),
        command=True,
    ),
    _kubernetes("kube-controller-manager", _SAME_MINOR),
    _kubernetes("kube-scheduler", _SAME_MINOR),
    _kubernetes("kubelet", _SAME_MINOR),
    _kubernetes("kube-proxy", _SAME_MINOR),
    GoBuild(parts=(GoProgram(name="pause", module="pause", package="."),)),
    GoBuild(parts=(GoProgram(name="coredns", module="cluster", package="github.com/coredns/coredns"),)),
    GoBuild(
        parts=(
            GoProgram(
                name="pulumi",
                module="pulumi",
                package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
                # Without it `pulumi version` prints nothing and the Automation API refuses the program.
                stamps={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": PULUMI_VERSION},
            ),
            GoProgram(
                name="pulumi-language-python",
                module="pulumi-language-python",
                package="github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",
            ),
            # The language host starts it from its own folder.
            ModuleFiles(
                name="pulumi-language-python-exec",
                module="pulumi",
                source="github.com/pulumi/pulumi/sdk/v3",
                path="python/cmd/pulumi-language-python-exec",
            ),
        ),
        path_rule=PathRule(version_arguments=("version",), at_least=(3, 200), below=(4, 0)),
        command=True,
    ),
    GoBuild(
        parts=(
            GoProgram(
                name="pulumi-resource-kubernetes",
                module="pulumi",
                package="./pulumi-resource-kubernetes",
                stamps={f"{_PLUGIN_MODULE}/pkg/version.Version": KUBERNETES_PLUGIN_VERSION},
                embeds=ModuleFolder(
                    source=_PLUGIN_MODULE,
                    folder="cmd/pulumi-resource-kubernetes",
                    files=("schema.json", "terraform-mapping.json"),
                ),
            ),
        )
    ),
    _prometheus("prometheus"),
    _prometheus("promtool", command=True),
    GoBuild(
        parts=(
            ModuleFiles(name="keda-manifests", module="cluster", source="github.com/kedacore/keda/v2", path="config"),
        )
    ),
    _keda("keda-operator", "cmd/operator"),
    _keda("keda-metrics-apiserver", "cmd/adapter"),
    *_debian("slurmctld", "/usr/sbin/slurmctld"),
    *_debian("slurmd", "/usr/sbin/slurmd"),
    *_debian("slurm-client", "sbatch", "squeue", "scancel", "scontrol", "sinfo"),
    *_debian("charliecloud-runtime", "ch-run"),
    *_debian("openssh-client", "ssh"),
    *_debian("curl"),
    DebianProgram(name="compute-node-python", package="python3-minimal", program="/usr/bin/python3"),
    GoBuild(parts=(GoProgram(name="virtual-node", module="virtual-node", package="."),)),
]


def by_name(tools: Iterable[Tool]) -> Mapping[str, Tool]:
    """Tools by their names; every part of a build leads to that build."""
    names: dict[str, Tool] = {}
    for tool in tools:
        parts = tool.parts if isinstance(tool, GoBuild) else (tool,)
        names.update((part.name, tool) for part in parts)
    return MappingProxyType(names)


TOOLS = by_name(_ALL)
"""Every tool by its name, in the order in which a cluster that starts from nothing needs them."""
