"""The dashboards of a stack: in a Grafana of its own, or as ConfigMaps for the sidecar of a site's.

The sidecar (kiwigrid/k8s-sidecar, in the charts of Grafana and of kube-prometheus-stack) copies the files of all
ConfigMaps with a label into one folder, from which Grafana reads them. So the name of a file tells its stack.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components import names
from components.base import Manifest, SonicComponent
from components.dashboards import fleet_board, stack_board
from components.dashboards.facts import StackFacts
from components.dashboards.grafana import DATASOURCE, Grafana, GrafanaArgs
from components.naming import Naming
from stacks.schema.dashboards import SidecarDashboards

__all__ = ["DATASOURCE", "Grafana", "GrafanaArgs", "SidecarMaps", "SidecarMapsArgs", "StackFacts", "dashboards"]


def dashboards(facts: StackFacts, *, fleet: bool, datasource: str | None) -> Mapping[str, str]:
    """Return role -> Grafana's JSON of a dashboard: `stack`, and `fleet` if it is asked for.

    Args:
        facts: the stack.
        fleet: Prometheus has the series of other stacks, too, and no other stack makes their dashboard.
        datasource: uid of Prometheus in Grafana; None: the reader chooses it.
    """
    from components.dashboards.grafana_json import dashboard_json  # the library takes long to load

    boards = {"stack": stack_board.board(facts), **({"fleet": fleet_board.board()} if fleet else {})}
    return {role: dashboard_json(board, datasource=datasource) for role, board in boards.items()}


@dataclass(frozen=True, kw_only=True)
class SidecarMapsArgs:
    """The dashboards of one stack, and the sidecar that looks for them."""

    naming: Naming
    """Instance and namespace of the stack."""
    site: SidecarDashboards
    """The site's Grafana."""
    dashboards: Mapping[str, str]
    """Role -> Grafana's JSON of a dashboard."""


class SidecarMaps(SonicComponent):
    """A ConfigMap for each dashboard."""

    def __init__(self, name: str, args: SidecarMapsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, opts)
        for role, text in args.dashboards.items():
            # A name of its own instead of Pulumi's: the old map goes before the new one comes. In the other order the
            # sidecar would delete the file that it has just copied.
            k8s.core.v1.ConfigMap(
                self.child(role),
                metadata=_metadata(args, role),
                data={f"{args.naming.namespace}-{args.naming.instance}-{role}.json": text},
                opts=self.options(),
            )
        self.register_outputs({})


def _metadata(args: SidecarMapsArgs, role: str) -> Manifest:
    """Return the metadata. In a namespace of several stacks, a name begins with the stack's."""
    looked_in = args.site.namespace or args.naming.namespace
    owner = (args.naming.namespace,) if looked_in != args.naming.namespace else ()
    return {
        "name": names.join(*owner, args.naming.instance, "dashboard", role, length_max=names.SUBDOMAIN_LENGTH_MAX),
        "namespace": looked_in,
        "labels": {**args.site.map_labels, **args.naming.labels("dashboards").all},
        **({"annotations": dict(args.site.map_annotations)} if args.site.map_annotations else {}),
    }
