"""Causes for which a pod has not its volumes: a claim without a volume, a mount that fails."""

import re
from collections.abc import Iterator

from access.cluster import Object
from diagnosis.cause import Cause
from diagnosis.snapshot import Snapshot, name_of

_MOUNT_REASONS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
_MISSING = re.compile(r'(?P<kind>secret|configmap) "(?P<name>[^"]+)" not found|non-existent (secret|config) key')


def claim_causes(snapshot: Snapshot, pod: Object) -> Iterator[Cause]:
    """Yield each claim of a pod that is there and has no volume."""
    mounted = {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod.get("spec", {}).get("volumes") or ()
        if "persistentVolumeClaim" in volume
    }
    for claim in snapshot.claims:
        phase = claim.get("status", {}).get("phase", "Pending")
        if name_of(claim) in mounted and phase != "Bound":
            events = snapshot.events_about(claim)
            told = events[0]["message"] if events else "the cluster tells no reason"
            yield Cause(
                subject=f"PersistentVolumeClaim {name_of(claim)}",
                finding=f"it is {phase}, without a volume, so no pod that mounts it starts: {told}",
                way_out="name a StorageClass that the cluster has and that makes such volumes in site.storage "
                "(kubectl get storageclass), or ask those who run the storage",
            )


def mount_causes(snapshot: Snapshot, pod: Object) -> Iterator[Cause]:
    """Yield the volume that the node could not mount."""
    for event in snapshot.warnings(pod):
        if event["reason"] in _MOUNT_REASONS:
            message = event["message"]
            yield Cause(
                subject=f"pod {name_of(pod)}",
                finding=f"a volume is not mounted: {message}",
                way_out=_way_out_of_mount(message),
            )
            return


def _way_out_of_mount(message: str) -> str:
    if _MISSING.search(message):
        return "make in the namespace what the message names, or correct its name in the site's file"
    return "check the claim or the export that the message names, and the storage behind it"
