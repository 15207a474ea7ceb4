"""Work in the cluster between two steps of `pulumi up`: wait for pods, and stop an autoscaler."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pulumi

from access.cluster import AUTOSCALERS, DEPLOYMENTS, SCALED_OBJECTS, ClusterError
from access.kubeconfig import KubeContext
from access.kubectl_proxy import ApiServer, kubectl_proxy
from components.rollout import ClusterHooks, Promise
from diagnosis.cause import told
from diagnosis.rollout import State, progress
from diagnosis.snapshot import Snapshot, take

_POLL_SECONDS = 2
_OUTAGE_SECONDS = 60
"""Time that the API server may be away while the pods are waited for."""
_PAUSE_SECONDS = 60
"""Time that KEDA may take to remove the autoscaler of a paused ScaledObject."""
_PAUSED = "autoscaling.keda.sh/paused"
_BY_UPDATE = "sonic.fastmachinelearning.org/paused-by-update"
"""Annotation beside KEDA's: a pause of an operator has none, and no update ends it."""

Tell = Callable[[str], None]


def cluster_hooks(context: KubeContext, *, stack: str, namespace: str, instance: str) -> ClusterHooks:
    """Return the hooks of a stack in its cluster."""

    async def await_pods(promises: Sequence[Promise], tell: Tell) -> None:
        with _sentences(), kubectl_proxy(context) as api:
            for each in promises:
                if each.autoscaled:
                    await asyncio.to_thread(_resume_autoscaler, api, context, namespace, each.deployment)
                    await asyncio.to_thread(_start_first_servers, api, context, namespace, each)
            await wait(
                lambda: asyncio.to_thread(lambda: take(api.fresh(), namespace=namespace, instance=instance)),
                promises,
                tell,
                stack=stack,
            )

    async def stop_autoscaler(deployment: str) -> None:
        with _sentences():
            await asyncio.to_thread(_stop_autoscaler, context, namespace, deployment)

    return ClusterHooks(await_pods=await_pods, stop_autoscaler=stop_autoscaler)


async def wait(look: Callable[[], Awaitable[Snapshot]], promises: Sequence[Promise], tell: Tell, *, stack: str) -> None:
    """Return when all promises are kept.

    Args:
        look: read the cluster.
        promises: pods that must be ready.
        tell: gets a line when what is missing changes.
        stack: name of the stack, for the next command.

    Raises:
        pulumi.RunError: a promise cannot be kept, or nothing has moved for as long as an image and a start may take.
        ClusterError: the cluster has not answered for a minute.
    """
    patience_seconds = max(promise.pull_seconds + promise.start_seconds for promise in promises)
    missing, moved, answered = "", time.monotonic(), time.monotonic()
    while True:
        try:
            snapshot = await look()
        except ClusterError:
            if time.monotonic() - answered > _OUTAGE_SECONDS:
                raise
            await asyncio.sleep(_POLL_SECONDS)
            continue
        answered = time.monotonic()
        states = [progress(snapshot, promise) for promise in promises]
        failed = [each for each in states if each.state is State.FAILED]
        if failed:
            raise _failure([each.text for each in failed], told([c for each in failed for c in each.causes]), stack)
        waiting = [each.text for each in states if each.state is State.UNDER_WAY]
        if not waiting:
            for each in states:
                if each.warning:
                    pulumi.warn(each.text)
            return
        if "; ".join(waiting) != missing:
            missing, moved = "; ".join(waiting), time.monotonic()
            tell(missing)
        if time.monotonic() - moved > patience_seconds:
            raise _failure(waiting, f"nothing has changed for {patience_seconds} s", stack)
        await asyncio.sleep(_POLL_SECONDS)


def _failure(states: Sequence[str], causes: str, stack: str) -> pulumi.RunError:
    return pulumi.RunError(
        f"{'; '.join(states)}\n{causes}\n"
        "The pods of the revision before go on serving. Correct the cause and run pulumi up again; "
        f"more: python -m stacks why {stack}"
    )


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Turn the cluster's errors into an error of the program, without a trace."""
    try:
        yield
    except ClusterError as error:
        msg = f"the rollout could not be watched: {error}"
        raise pulumi.RunError(msg) from None


def _stop_autoscaler(context: KubeContext, namespace: str, name: str) -> None:
    """Pause a ScaledObject, and wait until its HorizontalPodAutoscaler is gone; nothing without one."""
    with kubectl_proxy(context) as api:
        if api.get(SCALED_OBJECTS, name, namespace) is None:
            return
        _annotate(context, namespace, name, f"{_PAUSED}=true", f"{_BY_UPDATE}=true")
        deadline = time.monotonic() + _PAUSE_SECONDS
        while any(_target(each) == name for each in api.fresh().list(AUTOSCALERS, namespace)):
            if time.monotonic() > deadline:
                _annotate(context, namespace, name, f"{_PAUSED}-", f"{_BY_UPDATE}-")
                msg = (
                    f"KEDA has not removed the HorizontalPodAutoscaler of ScaledObject {name} in {_PAUSE_SECONDS} s, "
                    f"and it would undo the fixed number of servers: see whether KEDA runs, or delete it: "
                    f"kubectl --context {context.name} -n {namespace} delete scaledobject {name}"
                )
                raise pulumi.RunError(msg)
            time.sleep(_POLL_SECONDS)


def _resume_autoscaler(api: ApiServer, context: KubeContext, namespace: str, name: str) -> None:
    """End the pause that an update towards a fixed number has left when it failed."""
    scaled = api.get(SCALED_OBJECTS, name, namespace)
    if scaled is not None and _BY_UPDATE in scaled["metadata"].get("annotations", {}):
        _annotate(context, namespace, name, f"{_PAUSED}-", f"{_BY_UPDATE}-")


def _start_first_servers(api: ApiServer, context: KubeContext, namespace: str, promise: Promise) -> None:
    """Raise a Deployment from no server to its minimum. KEDA does not: without a server its loads are errors."""
    deployment = api.get(DEPLOYMENTS, promise.deployment, namespace)
    if deployment is not None and deployment["spec"].get("replicas") == 0 and promise.pods_min > 0:
        patch = json.dumps({"spec": {"replicas": promise.pods_min}})
        _kubectl(context, namespace, "patch", "deployment", promise.deployment, f"--patch={patch}")


def _annotate(context: KubeContext, namespace: str, name: str, *annotations: str) -> None:
    _kubectl(context, namespace, "annotate", "scaledobject", name, *annotations, "--overwrite")


def _kubectl(context: KubeContext, namespace: str, verb: str, kind: str, name: str, *arguments: str) -> None:
    program = shutil.which("kubectl") or "kubectl"
    command = [program, *context.kubectl_flags, f"--namespace={namespace}", verb, kind, name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"kubectl {verb} {kind} {name} failed: {done.stderr.strip()}"
        raise pulumi.RunError(msg)


def _target(autoscaler: object) -> str:
    return str(autoscaler["spec"]["scaleTargetRef"]["name"])  # type: ignore[index]
