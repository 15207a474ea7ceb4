"""Servers that are Slurm jobs: their virtual pods, and the tunnel pods through which they are reached.

The state of a virtual pod is late, and it stays ready when its server is not. A tunnel pod is as ready as the server.
"""

from access.cluster import Object
from components.labels import JOB_COMPONENT, TUNNEL_LABEL
from diagnosis.cause import Cause
from diagnosis.snapshot import name_of

_COMPONENT = "app.kubernetes.io/component"
_REFUSED = "ProviderFailed"
"""Reason of a pod whose job was not submitted."""


def is_job(pod: Object) -> bool:
    """Return True for a virtual pod."""
    return bool(pod["metadata"].get("labels", {}).get(_COMPONENT) == JOB_COMPONENT)


def is_server(pod: Object) -> bool:
    """Return True for a pod that Envoy calls: a Triton server, or the tunnel pod of one."""
    labels = pod["metadata"].get("labels", {})
    return bool(labels.get(_COMPONENT) == "triton" or labels.items() >= TUNNEL_LABEL.items())


def failed_job(pod: Object) -> Cause:
    """Return the cause of a virtual pod that has failed. interLink puts Slurm's reason into the message alone."""
    status = pod["status"]
    message = status.get("message") or " ".join(_messages(pod)) or "no message"
    if status.get("reason") == _REFUSED:
        finding = f"its job was not submitted: {message}"
        way_out = (
            "compare site.pools[].slurm with the partition and the account: sinfo, sacctmgr show associations; "
            "squeue --name with the pod's uid shows a job that was submitted in spite of it"
        )
    elif "time limit" in message:
        finding = f"its job has ended at its time limit: {message}"
        way_out = "nothing, if another server has replaced it; raise site.pools[].slurm.time_limit_minutes"
    else:
        finding = f"its job has failed: {message}"
        way_out = "read its log, which begins with that of the job: kubectl logs"
    return Cause(subject=f"pod {name_of(pod)}", finding=finding, way_out=way_out)


def _messages(pod: Object) -> list[str]:
    states = [each.get("state", {}).get("terminated") or {} for each in pod["status"].get("containerStatuses") or ()]
    return [state["message"] for state in states if state.get("message")]
