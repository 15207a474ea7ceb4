"""Pods as the API server tells of them."""

from collections.abc import Mapping
from typing import Any


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Return True if the condition Ready is true. A pod without conditions is not ready, nor is an empty one."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
