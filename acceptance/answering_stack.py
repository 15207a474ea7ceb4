"""The stack that answers at an address, so that nobody else's answers are taken for its own."""

from acceptance.client import TritonClient
from acceptance.errors import CheckError
from acceptance.kserve import CallError


def refuse_another(client: TritonClient, stack: str, address: str) -> None:
    """Ask who answers. An address at which nobody answers is left to the checks that follow.

    Raises:
        CheckError: another stack answers, or another release.
    """
    try:
        answering = client.answering_stack()
    except CallError:
        return
    way_out = (
        "compare what its name resolves to with the stack's own Service, and correct the DNS entry or "
        "site.exposure.hostname"
    )
    if answering is None:
        msg = (
            f"{address} is answered by another release: its answers name no stack, as those of the Envoys of "
            f"`{stack}` do: {way_out}; to ask a server without its Envoy, add --server"
        )
        raise CheckError(msg)
    if answering != stack:
        msg = f"{address} is answered by the stack `{answering}`, not by `{stack}`: {way_out}"
        raise CheckError(msg)
