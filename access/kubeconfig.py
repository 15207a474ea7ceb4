"""Which file and which context lead to a site's cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from stacks.errors import ConfigurationError, Problem
from stacks.schema.site import Access

CONTEXT_VARIABLE = "SONIC_KUBE_CONTEXT"
"""Environment variable that puts another context in the place of the site's: a cluster of one's own."""


RENDER_VARIABLE = "SONIC_RENDER_DIRECTORY"
"""Environment variable that is refused: who sets it expects that no cluster is changed."""


@dataclass(frozen=True, kw_only=True)
class KubeContext:
    """A context that stands in a kubeconfig."""

    kubeconfig: Path
    """The file."""
    name: str
    """The context in it."""


def find_context(access: Access, environ: Mapping[str, str]) -> KubeContext:
    """Find the first kubeconfig that has the context, among the site's or those of KUBECONFIG or ~/.kube/config.

    Reads these files and asks no cluster.

    Raises:
        ConfigurationError: there is no file, one is not a kubeconfig, none has the context, or the environment asks for
            rendering.
    """
    if environ.get(RENDER_VARIABLE):
        sentence = (
            f"found {environ[RENDER_VARIABLE]}: pulumi deploys to a cluster and never renders: unset it to deploy, "
            "or render with python -m stacks render STACK DIR"
        )
        raise ConfigurationError([Problem(RENDER_VARIABLE, sentence)])
    wanted = environ.get(CONTEXT_VARIABLE) or access.context
    candidates = _candidates(access, environ)
    contexts = {path: _contexts(path) for path in candidates if path.is_file()}
    if not contexts:
        listed = ", ".join(map(str, candidates))
        sentence = (
            f"found no kubeconfig at {listed}: it says how the cluster is reached: set KUBECONFIG to one that exists"
        )
        raise ConfigurationError([Problem("site.access", sentence)])
    for path, names in contexts.items():
        if wanted in names:
            return KubeContext(kubeconfig=path, name=wanted)
    listed = "; ".join(f"{path} has {', '.join(names) or 'none'}" for path, names in contexts.items())
    sentence = (
        f"found no context `{wanted}` ({listed}): the stack is deployed to that context and to no other: "
        f"set KUBECONFIG to a file that has it, or {CONTEXT_VARIABLE} to the context that is meant"
    )
    raise ConfigurationError([Problem("site.access.context", sentence)])


def _candidates(access: Access, environ: Mapping[str, str]) -> list[Path]:
    if access.kubeconfig is not None:
        return [Path(access.kubeconfig)]
    listed = [Path(path) for path in environ.get("KUBECONFIG", "").split(":") if path]
    return listed or [Path(environ.get("HOME", "/")) / ".kube/config"]


def _contexts(path: Path) -> list[str]:
    try:
        content = yaml.safe_load(path.read_text())
        return [context["name"] for context in content.get("contexts") or []]
    except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        sentence = f"{path} is no kubeconfig that can be read ({type(error).__name__}): set KUBECONFIG to one that is"
        raise ConfigurationError([Problem("site.access", sentence)]) from error
