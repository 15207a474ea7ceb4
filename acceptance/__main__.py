"""`python -m acceptance STACK`: make the calls of a CMS job to the servers of a stack. See docs/acceptance.md."""

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from acceptance import record
from acceptance.answering_stack import refuse_another
from acceptance.arguments import add_address, address, credentials
from acceptance.client import TritonClient
from acceptance.errors import CheckError
from acceptance.handshake import METRICS_CHECK, Expectation, Result, Row, handshake
from acceptance.metrics import metric_rows
from acceptance.outputs import Endpoint
from acceptance.reference import read_reference
from acceptance.report import Table, first_cause
from acceptance.servers import ask_each
from acceptance.waking import wake
from access.kubeconfig import CONTEXT_VARIABLE
from stacks.errors import ConfigurationError
from stacks.resolve import REFERENCE_DIRECTORY, ROOT, resolve
from stacks.schema import StackConfig
from stacks.schema.experiment import Models


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Check one stack, or record a reference, and return the exit status: 0 only if nothing failed."""
    if arguments[:1] == ["record"]:
        return record.main(arguments[1:], root)
    parser = argparse.ArgumentParser(
        prog="python -m acceptance",
        description="Make the calls of a CMS job to the servers of a stack, and check the answers.",
        epilog="`python -m acceptance record --help` tells how to record a reference.",
    )
    parser.add_argument("stack", metavar="STACK")
    add_address(parser)
    parser.add_argument("--server", action="store_true", help="--endpoint is that of a server, without its Envoy")
    parser.add_argument(
        "--prometheus", metavar="URL", help="Prometheus to ask instead, such as that of a forwarded port"
    )
    chosen = parser.parse_args(arguments)
    if chosen.server and chosen.endpoint is None:
        parser.error("--server goes with --endpoint: the stack's output is the address of its Envoys")
    try:
        config = resolve(chosen.stack, root).config
        expectations = expected(config.experiment.models, root)
        endpoint = address(parser, chosen, root)
        shown = credentials(config.experiment.clients, endpoint, chosen)
    except (ConfigurationError, CheckError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"stack {chosen.stack} at {endpoint.address} ({'TLS' if endpoint.tls else 'plain text'})\n")
    each = ask_each(config, expectations) if chosen.endpoint is None else ()
    metrics = metric_rows(config, chosen.stack, chosen.prometheus, root) if chosen.endpoint is None else ()
    with TritonClient(endpoint.address, tls=endpoint.tls, credentials=shown) as client:
        try:
            if not chosen.server:
                if config.experiment.scaling.servers_min == 0:
                    wake(client, patience_seconds=config.experiment.server.start_timeout_seconds, tell=print)
                refuse_another(client, chosen.stack, endpoint.address)
        except CheckError as error:
            print(error, file=sys.stderr)
            return 1
        rows = Table(expectations, sys.stdout).show(chain(handshake(client, expectations), each, metrics))
    return conclude(config, endpoint, rows)


def expected(models: Models, root: Path = ROOT) -> list[Expectation]:
    """Read the references, and return the expectation of each model.

    Raises:
        CheckError: a reference cannot be read.
    """
    return [
        Expectation(
            model=model.name,
            versions=model.versions or (),
            checksums_md5=model.checksums_md5,
            stateful=model.stateful,
            references={
                version: read_reference(root / REFERENCE_DIRECTORY / file, model.name)
                for version, file in model.reference_files.items()
            },
            probe=model.probe,
            called_by=model.called_by,
        )
        for model in models.expected
    ]


def conclude(config: StackConfig, endpoint: Endpoint, rows: Sequence[Row]) -> int:
    """Print the verdict and the next command, and return the exit status."""
    cause = first_cause(rows)
    if cause is None:
        untried = [row for row in rows if row.check == METRICS_CHECK and row.result is Result.NOT_TRIED]
        if untried:
            print(f"\n{len(rows) - len(untried)} right, and {len(untried)} not tried: {untried[0].detail}")
            return 1
        print(f"\nall {len(rows)} right: clients of `{config.experiment_name}` use {endpoint.address}")
        not_sent = [row.model for row in rows if row.result is Result.NOT_SENT]
        if not_sent:
            print(
                f"no inference was made with {', '.join(not_sent)}: docs/acceptance.md says how to record a reference"
            )
        return 0
    kubectl = (
        f"kubectl --context {os.environ.get(CONTEXT_VARIABLE) or config.site.access.context} -n {config.namespace}"
    )
    selector = f"app.kubernetes.io/instance={config.name},app.kubernetes.io/component=triton"
    next_command = (
        f"{kubectl} get pods" if cause.check == "live" else f"{kubectl} logs -l {selector} --prefix --tail 50"
    )
    print(f"\nfirst cause: {' '.join(filter(None, (cause.check, cause.model)))}: {cause.detail}")
    print(f"next: {next_command}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
