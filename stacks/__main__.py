"""`python -m stacks`: read and check the stacks. Only `fit`, `why`, `watch` and `report` ask a cluster."""

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from stacks.assemble import Resolved
from stacks.errors import ConfigurationError
from stacks.remarks import remarks
from stacks.resolve import ROOT, resolve, resolve_all
from stacks.schema import StackConfig
from stacks.schema.exposure import WayIn
from stacks.schema_docs import generated_files, schema_json
from stacks.show import render
from stacks.stack_file import known_stacks, load_stack_file


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m stacks",
        description="Read and check the stacks; only `fit`, `why`, `watch` and `report` ask a cluster.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="every stack: its site, experiment, pools, servers and address")
    check = commands.add_parser("check", help="report everything that is wrong with stacks, each and together")
    check.add_argument("stacks", nargs="*", metavar="STACK", help="by default all")
    show = commands.add_parser("show", help="the configuration of a stack, resolved")
    show.add_argument("stack", metavar="STACK")
    show.add_argument("--origin", action="store_true", help="show beside each value its file and line")
    rendering = commands.add_parser("render", help="write a stack's manifests to a folder; secrets are placeholders")
    rendering.add_argument("stack", metavar="STACK")
    rendering.add_argument(
        "directory", metavar="DIR", type=Path, help="empty, or what this stack was rendered to before"
    )
    edge = commands.add_parser("edge", help="write the files of a virtual node's other side: the HPC site's")
    edge.add_argument("stack", metavar="STACK")
    edge.add_argument("node", metavar="NODE", nargs="?", default="", help="by default the only one of the site")
    edge.add_argument("directory", metavar="DIR", type=Path, help="files of the same names are replaced")
    fit = commands.add_parser("fit", help="prove that a stack fits its cluster, before anything is changed")
    fit.add_argument("stack", metavar="STACK")
    fit.add_argument("--offline", action="store_true", help="ask no cluster; say what is not looked at")
    why = commands.add_parser("why", help="tell what is wrong with a deployed stack, and the way out; asks its cluster")
    why.add_argument("stack", metavar="STACK")
    watch = commands.add_parser("watch", help="show a deployed stack: servers, load, refusals, autoscaler, events")
    watch.add_argument("stack", metavar="STACK")
    watch.add_argument("--once", action="store_true", help="print one frame and end, as without a terminal")
    watch.add_argument("--prometheus", metavar="URL", help="Prometheus to ask instead, such as a forwarded port's")
    report = commands.add_parser("report", help="write the last hours of a deployed stack to an HTML file, with plots")
    report.add_argument("stack", metavar="STACK")
    report.add_argument("--last", metavar="TIME", default="24h", help="such as 30m, 24h or 7d; by default 24h")
    report.add_argument("-o", "--output", metavar="FILE", type=Path, required=True, help="it is replaced")
    report.add_argument("--prometheus", metavar="URL", help="as for watch")
    schema = commands.add_parser("schema", help="the JSON Schema of the configuration")
    schema.add_argument("--write", action="store_true", help="write the generated files instead: schemas, reference")
    chosen = parser.parse_args(arguments)
    match chosen.command:
        case "list":
            return _list(root)
        case "check":
            return _check(chosen.stacks, root)
        case "show":
            return _show(chosen.stack, root, with_origins=chosen.origin)
        case "render":
            return _render(chosen.stack, chosen.directory, root)
        case "edge":
            return _edge(chosen.stack, chosen.node, chosen.directory, root)
        case "fit":
            return _fit(chosen.stack, root, offline=chosen.offline)
        case "why":
            return subprocess.run([sys.executable, "-m", "diagnosis", chosen.stack], cwd=root, check=False).returncode
        case "watch" | "report":
            return _observe(chosen, root)
        case _:
            return _schema(root, write=chosen.write)


def _list(root: Path) -> int:
    outcomes = resolve_all(root)
    valid = [outcome.config for outcome in outcomes.values() if isinstance(outcome, Resolved)]
    invalid = [stack for stack, outcome in outcomes.items() if isinstance(outcome, ConfigurationError)]
    rows = [("STACK", "SITE", "EXPERIMENT", "POOLS", "SERVERS", "ADDRESS"), *map(_row, valid)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    if invalid:
        print(f"\nnot valid: {', '.join(invalid)}; why: python -m stacks check {' '.join(invalid)}")
        return 1
    print("\nall of one: python -m stacks show STACK --origin")
    return 0


def _row(config: StackConfig) -> tuple[str, ...]:
    shares = config.pool_shares
    fewest, most = sum(share.servers_min for share in shares), sum(share.servers_max for share in shares)
    servers = f"{fewest}..{most}" if most > fewest else str(fewest)
    pools = ", ".join(share.pool.name for share in shares)
    return config.stack, config.site_name, config.experiment_name, pools, servers, _address(config)


def _address(config: StackConfig) -> str:
    return ", ".join(map(_way_in, config.ways_in))


def _way_in(way: WayIn) -> str:
    exposure = way.exposure
    if exposure.hostname is None:
        return exposure.kind
    port = f":{exposure.port}" if exposure.kind == "node-port" else ""
    return f"{exposure.kind} {exposure.hostname}{port}"


def _check(stacks: Sequence[str], root: Path) -> int:
    outcomes = resolve_all(root)
    chosen = {stack: outcomes.get(stack) or _unknown(stack, root) for stack in stacks or outcomes}
    invalid = 0
    for stack, outcome in chosen.items():
        if isinstance(outcome, ConfigurationError):
            invalid += 1
            print(f"wrong  {stack}")
            for problem in outcome.problems:
                print(f"  {problem}")
        else:
            print(f"ok     {stack}")
            for remark in remarks(outcome):
                print(f"  remark: {remark}")
    if invalid:
        print(f"\n{invalid} of {len(chosen)} not valid: every line above names the file, the line and the way out")
        return 1
    return 0


def _unknown(stack: str, root: Path) -> ConfigurationError:
    try:
        load_stack_file(stack, root, known_stacks(root))
    except ConfigurationError as error:
        return error
    msg = f"the stack {stack} is known and has no outcome"
    raise AssertionError(msg)


def _show(stack: str, root: Path, *, with_origins: bool) -> int:
    try:
        print(render(resolve(stack, root), with_origins=with_origins))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _render(stack: str, directory: Path, root: Path) -> int:
    """Run the components in a process of their own: they need Pulumi, and nothing else of this program does."""
    command = [sys.executable, "-m", "rendering", stack, str(directory.absolute())]
    return subprocess.run(command, cwd=root, check=False).returncode


def _edge(stack: str, node: str, directory: Path, root: Path) -> int:
    command = [sys.executable, "-m", "edge", stack, node, str(directory.absolute())]
    return subprocess.run(command, cwd=root, check=False).returncode


def _fit(stack: str, root: Path, *, offline: bool) -> int:
    """Ask the cluster. It is imported here: no other command needs a cluster."""
    from fit.command import fit

    return fit(stack, root, offline=offline)


def _observe(chosen: argparse.Namespace, root: Path) -> int:
    """Ask the cluster and its Prometheus. It is imported here: no other command needs them, nor its packages."""
    from observation import command

    if chosen.command == "watch":
        return command.watch(chosen.stack, root, url=chosen.prometheus, once=chosen.once)
    return command.report(chosen.stack, root, last=chosen.last, file=chosen.output, url=chosen.prometheus)


def _schema(root: Path, *, write: bool) -> int:
    if not write:
        print(schema_json(), end="")
        return 0
    for path, content in generated_files().items():
        file = root / path
        file.parent.mkdir(exist_ok=True)
        stale = not file.exists() or file.read_text(encoding="utf-8") != content
        if stale:
            file.write_text(content, encoding="utf-8")
        print(f"{'written' if stale else 'fresh':<7}  {path}")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader such as `head` may stop early
    sys.exit(main(sys.argv[1:]))
