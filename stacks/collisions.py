"""Stacks of the repository that claim one thing of one cluster, such as a name, a host or a port.

A stack yields its claims, and two stacks with an equal claim are refused, both of them. Claims are grouped by key, so
the work grows with the number of stacks and not with that of their pairs.
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from stacks.assemble import Resolved
from stacks.errors import Problem, found
from stacks.origin import KeyPath, dotted
from stacks.schema import StackConfig
from stacks.schema.experiment import CvmfsRepository, VolumeRepository
from stacks.schema.exposure import NodePortExposure
from stacks.schema.storage import ClaimVolume, CvmfsPvc

_NAMED_MAX = 3
"""Other stacks that a sentence names; it counts the rest."""


class Claim(NamedTuple):
    """A thing of a cluster that only one stack may have."""

    path: KeyPath
    """Path of the value in StackConfig that makes the claim."""
    value: str | int | bool
    """That value."""
    place: str
    """Part of the cluster in which it holds, in words. Two claims with equal last key, value and place meet."""
    rule: str
    """Why only one stack may have it, in words."""
    way_out: str
    """Way out, in words."""


class _Holder(NamedTuple):
    resolved: Resolved
    claim: Claim

    @property
    def stack(self) -> str:
        return self.resolved.config.stack

    @property
    def kubeconfig(self) -> str | None:
        path = self.resolved.config.site.access.kubeconfig
        return path and posixpath.normpath(path)


def collisions(stacks: Sequence[Resolved]) -> Mapping[str, Sequence[Problem]]:
    """Return a problem per stack for each claim that another of these stacks makes too."""
    by_key: dict[tuple[str, ...], dict[str, _Holder]] = defaultdict(dict)
    for resolved in stacks:
        for claim in claims(resolved.config):
            key = (resolved.config.site.access.context, str(claim.path[-1]), str(claim.value), claim.place)
            by_key[key][resolved.config.stack] = _Holder(resolved, claim)
    problems: dict[str, list[Problem]] = defaultdict(list)
    for stack, problem in _shared_contexts(stacks):
        problems[stack].append(problem)
    for holders in by_key.values():
        if len(holders) > 1:
            for stack, problem in _met(list(holders.values())):
                problems[stack].append(problem)
    return problems


def claims(config: StackConfig) -> Iterator[Claim]:
    """Yield the claims of a stack."""
    access, in_namespace = config.site.access, f"namespace `{config.namespace}`"
    yield Claim(
        ("instance",),
        config.instance,
        in_namespace,
        "each stack of a namespace must have its own, for it is in every name",
        "give the one that is not deployed yet another, such as ",  # and the example depends on both stacks
    )
    if access.create_namespace:
        yield Claim(
            ("site", "access", "create_namespace"),
            value=True,
            place=in_namespace,
            rule="one stack must own a namespace",
            way_out="set it to false by the override of all but one",
        )
    yield from _addresses(config)
    yield from _pages(config)
    yield from _created_claims(config)
    if config.owns_singletons:
        for labels in config.site.node_labels:
            yield Claim(
                ("site", "node_labels"),
                labels.node,
                "the nodes",
                "one stack must own the labels of a node",
                "name one stack in site.singletons_owner of both",
            )
    for node in config.owned_virtual_nodes:
        yield Claim(
            ("site", "virtual_nodes"),
            node.name,
            "the virtual nodes",
            "one stack must deploy a virtual node",
            "set deployed to true in one site",
        )


def _addresses(config: StackConfig) -> Iterator[Claim]:
    """Yield the claims on the addresses that clients call. A cluster IP has a name of its own by the instance."""
    for way, exposure in config.site.exposures:
        path: KeyPath = ("site", *way)
        if isinstance(exposure, NodePortExposure):
            yield Claim(
                (*path, "port"),
                exposure.port,
                "the nodes",
                "a node port must lead to one stack",
                "give one of them another port by its override",
            )
        if exposure.hostname and exposure.entrance:
            yield Claim(
                (*path, "hostname"),
                exposure.hostname,
                exposure.entrance,
                "a host name must lead to one stack",
                "write `{instance}` in it, or give one of them another by its override",
            )
        if exposure.service_name:
            yield Claim(
                (*path, "service_name"),
                exposure.service_name,
                f"namespace `{config.namespace}`",
                "each stack of a namespace must have Services of its own",
                "write `{instance}` in it, or give one of them another by its override",
            )


def _pages(config: StackConfig) -> Iterator[Claim]:
    """Yield the claims on the hosts of the pages for people."""
    for page in config.site.web_pages:
        yield Claim(
            ("site", *page.path, "hostname"),
            page.ingress.hostname,
            page.ingress.entrance,
            "a host name must lead to one stack",
            "write `{instance}` in it, or give one of them another by its override",
        )


def _created_claims(config: StackConfig) -> Iterator[Claim]:
    """Yield the claim on a PersistentVolumeClaim that the stack makes under a name which the site chose."""
    match config.experiment.models.repository, config.site.storage.cvmfs, config.site.storage.volume:
        case CvmfsRepository(), CvmfsPvc(create=True, claim=name), _:
            key, way_out = "cvmfs", "set site.storage.cvmfs.create to false by the override of all but one"
        case VolumeRepository(), _, ClaimVolume(create=True, claim=name):
            key = "volume"
            way_out = "set site.storage.volume.create to false, and size_gib to null, by the override of all but one"
        case _:
            return
    yield Claim(
        ("site", "storage", key, "claim"),
        name,
        f"namespace `{config.namespace}`",
        "one stack must own a PersistentVolumeClaim",
        f"{way_out}, or write `{{instance}}` in the name",
    )


def _shared_contexts(stacks: Iterable[Resolved]) -> Iterator[tuple[str, Problem]]:
    """Yield a problem for each stack of a site whose context another site has: a copied site with the line left in."""
    by_context: dict[str, list[_Holder]] = defaultdict(list)
    path: KeyPath = ("site", "access", "context")
    for resolved in stacks:
        context = resolved.config.site.access.context
        by_context[context].append(_Holder(resolved, Claim(path, context, "", "", "")))
    for holders in by_context.values():
        for holder in holders:
            site, kubeconfigs = holder.resolved.config.site_name, {holder.kubeconfig, None}
            others = [each for each in holders if each.resolved.config.site_name != site]
            met = [each for each in others if holder.kubeconfig is None or each.kubeconfig in kubeconfigs]
            if met:
                both = [each.resolved.tree.nearest_origin(path).place for each in (holder, met[0])]
                sentence = (
                    f"{dotted(path)}: found {found(holder.claim.value)} in the sites `{site}` and "
                    f"`{met[0].resolved.config.site_name}`: one site file must describe a cluster: write the context "
                    "of the copy's own cluster (`kubectl config get-contexts`), or name one site in both stacks"
                )
                yield holder.stack, Problem(" and ".join(dict.fromkeys(both)), sentence)


def _met(holders: Sequence[_Holder]) -> Iterator[tuple[str, Problem]]:
    """Yield a problem for each holder that another meets: in the kubeconfig of both, or in one that either leaves open.

    Two kubeconfigs may call two clusters by one name, such as `default`; no kubeconfig is whichever the operator has.
    """
    by_kubeconfig: dict[str | None, list[_Holder]] = defaultdict(list)
    for holder in holders:
        by_kubeconfig[holder.kubeconfig].append(holder)
    for kubeconfig, members in by_kubeconfig.items():
        near = holders if kubeconfig is None else [*members, *by_kubeconfig.get(None, [])]
        for holder in members:
            if len(near) > 1:
                first = [other for other in near[: _NAMED_MAX + 1] if other is not holder][:_NAMED_MAX]
                yield holder.stack, _problem(holder, first, len(near) - 1)


def _problem(holder: _Holder, others: Sequence[_Holder], count: int) -> Problem:
    claim, config = holder.claim, holder.resolved.config
    both = [each.resolved.tree.nearest_origin(each.claim.path).place for each in (holder, others[0])]
    names = [f"`{holder.stack}`", *(f"`{other.stack}`" for other in others)]
    if count > len(others):
        names.append(f"{count - len(others)} more")
    thing = "sonic:instance" if claim.path == ("instance",) else dotted(claim.path)
    way_out = claim.way_out
    if claim.path == ("instance",):
        way_out += _other_instance(config, others[0].resolved.config)
    sentence = (
        f"{thing}: found {found(claim.value)} in the stacks {', '.join(names[:-1])} and {names[-1]}, for {claim.place} "
        f"of context `{config.site.access.context}`: {claim.rule}: {way_out}"
    )
    return Problem(" and ".join(dict.fromkeys(both)), sentence)


def _other_instance(*configs: StackConfig) -> str:
    """Return the line that gives one of two stacks another instance: the stack's name without that of its site.

    The longer name is that of the copy: `purdue-cms-dev` is one of `purdue-cms`.
    """
    for config in sorted(configs, key=lambda config: (-len(config.stack), config.stack)):
        name = re.sub(r"[^a-z0-9]+", "-", config.stack.lower().removeprefix(f"{config.site_name}-")).strip("-")
        if name and name != config.instance:
            return f"`sonic:instance: {name}` in Pulumi.{config.stack}.yaml"
    return f"`sonic:instance: {configs[0].instance}-dev`"
