"""The ways in which an operation of the provider fails."""

from typing import Any


class ProviderError(Exception):
    """An operation was refused or failed; nothing is recorded in the state. The text is shown to the person."""


class PartialFailureError(Exception):
    """The object stands in the cluster but is not what was asked for, or does not work yet.

    The engine keeps `properties` in the state together with the reasons, so that the next update tries again; and
    `inputs`, where a read found them.
    """

    def __init__(
        self,
        message: str,
        object_id: str,
        properties: dict[str, Any],
        problems: tuple[str, ...],
        inputs: dict[str, Any] | None = None,
    ):
        super().__init__(message)
        self.object_id = object_id
        self.properties = properties
        self.reasons = (message, *problems)
        self.inputs = inputs
