"""Options of the container runtime of Slurm jobs."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from stacks.schema.base import WORDS

_OPTIONS_OF_NETWORKS = re.compile(r"-n|--net(work(-args)?)?(=.*)?")


def _host_network(option: str) -> str:
    if _OPTIONS_OF_NETWORKS.fullmatch(option):
        msg = "a server in a network of its own is reached by no probe and no tunnel: leave it out"
        raise ValueError(msg)
    return option


RuntimeOption = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_./:=,@%+-]+$",
        title="an option of the container runtime, or its value, without blanks or signs of a shell",
        examples=["--containall"],
        max_length=4096,
    ),
    AfterValidator(_host_network),
]
"""A word of the container runtime's command line. The Slurm plugin writes it into a job's script without quotes."""

RuntimeOptions = Annotated[tuple[RuntimeOption, ...], Field(min_length=1), WORDS]
"""Words of the container runtime's command line, of which one may occur twice."""
