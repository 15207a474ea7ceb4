"""Ours under a steady load while Prometheus is away, and while the servers are upgraded: the number must not fall."""

import csv
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.live_scaling.live_lab import RESTING_SERVERS, LiveLab
from benchmarks.live_scaling.observer import Look, Recorder
from benchmarks.live_scaling.surge_load import requests
from benchmarks.loopback.samples import failed
from benchmarks.result_table import Row
from devcluster import deploy, environment
from devcluster.paths import CHECKOUT
from devcluster.wait import wait_until

_LOAD_SERVERS = 3.6
"""It asks for the largest number, by 0.75 of each server's time: a number that falls is wrong."""
_READY_SECONDS = 120.0
_KNOWN_SECONDS = 210.0
"""Until a new Prometheus knows the busy servers, and some decisions after that."""
_NOT_THE_PROGRAM = (".*", "__pycache__", "tests", "testbed", "benchmarks", "docs")


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """A disturbance of a loaded stack."""

    key: str
    """Name of the benchmark."""
    title: str
    """As the table shows it."""
    lead_seconds: float
    """Load before it: longer than the window of the rates, and the start of the servers."""
    seconds_max: float
    """Longest time that it takes."""
    after_seconds: float
    """Load after it."""
    happen: Callable[[LiveLab], None]
    """Makes it happen, and returns when it is over."""
    restore: Callable[[LiveLab], None]
    """Undoes what is left of it, without load."""
    servers_min: int
    servers_max: int

    @property
    def steps(self) -> int:
        """Steps of progress."""
        return 1

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self._load_seconds + 90

    @property
    def _load_seconds(self) -> float:
        return self.lead_seconds + self.seconds_max + self.after_seconds

    def run(self, lab: LiveLab) -> list[Row]:
        """Measure it."""
        scaled = lab.ours
        load = requests(scaled.side.target, lab.seed, servers=_LOAD_SERVERS, seconds=self._load_seconds)
        with lab.progress.step(f"live: {self.title}, under a load of {_LOAD_SERVERS:g} servers"):
            try:
                with (
                    lab.observed(scaled) as observer,
                    lab.autoscaled(scaled, self.servers_min),
                    Recorder(observer) as recorder,
                    lab.client(load, self.key) as client,
                ):
                    client.sleep_until(self.lead_seconds)
                    began = time.monotonic()
                    self.happen(lab)
                    ended = time.monotonic()
                    lab.progress.waiting("the requests to end")
                    samples = client.samples()
            finally:
                self.restore(lab)
        start = client.start_monotonic_seconds
        write_changes(recorder.looks, start, lab.results.file(f"{self.key}.csv"))
        times = {"began_seconds": round(began - start), "ended_seconds": round(ended - start)}
        lab.results.describe({self.key: times})
        before = [look for look in recorder.looks if look.seconds < began][-1]
        during = [look for look in recorder.looks if began <= look.seconds < ended]
        after = [look for look in recorder.looks if look.seconds >= ended]
        return [
            kept_row(self.key, f"{self.title}: servers wanted before, and fewest meanwhile", before, during),
            kept_row(self.key, f"{self.title}: servers wanted before, and fewest until the load ended", before, after),
            Row(
                benchmark=self.key,
                measure=f"{self.title}, {ended - began:.0f} s: requests lost",
                ours=f"{failed(samples)} of {len(samples):,}",
                aim="0",
                reached=failed(samples) == 0,
            ),
        ]


def kept_row(key: str, measure: str, before: Look, looks: Sequence[Look]) -> Row:
    """Return the row of a number of servers that must not fall."""
    fewest = min(look.wanted for look in looks)
    return Row(
        benchmark=key,
        measure=measure,
        ours=f"{before.wanted}, {fewest}",
        aim="none less",
        reached=fewest >= before.wanted,
    )


def write_changes(looks: Sequence[Look], start_seconds: float, file: Path) -> None:
    """Write the numbers of servers whenever one has changed; seconds count from the start of the load."""
    with file.open("w", newline="") as output:
        rows = csv.writer(output)
        rows.writerow(["second", "wanted", "pods", "ready", "serving"])
        before = None
        for look in looks:
            ready = sum(bool(server.ready_since) for server in look.servers)
            numbers = (look.wanted, len(look.servers), ready, look.serving)
            if numbers != before:
                rows.writerow([round(look.seconds - start_seconds), *numbers])
            before = numbers


def prometheus_away(*, seconds: float, servers_min: int, servers_max: int) -> Disturbance:
    """Stop the stack's Prometheus for a while. The one that comes back has no samples."""
    return Disturbance(
        key="outage",
        title=f"Prometheus away for {seconds:.0f} s",
        lead_seconds=150,
        seconds_max=seconds + 60,
        after_seconds=_KNOWN_SECONDS,
        happen=lambda lab: _stop_prometheus(lab, seconds),
        restore=lambda lab: _scale_prometheus(lab, 1),
        servers_min=servers_min,
        servers_max=servers_max,
    )


def server_upgrade(*, servers_min: int, servers_max: int) -> Disturbance:
    """Replace every server, and Prometheus with its samples, by `pulumi up` of a changed fact."""
    return Disturbance(
        key="upgrade",
        title="every server replaced",
        lead_seconds=150,
        seconds_max=300,
        after_seconds=_KNOWN_SECONDS,
        happen=_upgrade,
        restore=_undo_upgrade,
        servers_min=servers_min,
        servers_max=servers_max,
    )


def _stop_prometheus(lab: LiveLab, seconds: float) -> None:
    _scale_prometheus(lab, 0)
    lab.progress.waiting(f"{seconds:.0f} s without Prometheus to pass")
    time.sleep(seconds)
    _scale_prometheus(lab, 1)


def _scale_prometheus(lab: LiveLab, replicas: int) -> None:
    name, place = f"{lab.config.name}-prometheus", f"--namespace={lab.config.namespace}"
    lab.kubectl.run("scale", f"deployment/{name}", f"--replicas={replicas}", place)
    wait_until(
        lambda: lab.kubectl.get("deployment", name, place)["status"].get("readyReplicas", 0) == replicas,
        f"{replicas} ready pods of {name}",
        timeout_seconds=_READY_SECONDS,
        interval_seconds=1,
        waiting=lab.progress.waiting,
    )


def _upgrade(lab: LiveLab) -> None:
    program = lab.scratch / "program"
    shutil.copytree(CHECKOUT, program, ignore=shutil.ignore_patterns(*_NOT_THE_PROGRAM))
    file = program / f"Pulumi.{deploy.STACK}.yaml"
    document = yaml.safe_load(file.read_text())
    shutdown_seconds = lab.config.experiment.traffic.shutdown_seconds + 1
    document["config"]["sonic:override"] = {"experiment": {"traffic": {"shutdown_seconds": shutdown_seconds}}}
    file.write_text(yaml.safe_dump(document))
    _up(lab, program)


def _undo_upgrade(lab: LiveLab) -> None:
    # An update waits until the stack's minimum is ready, and the paused autoscaler starts none.
    lab.ours.release.scale(lab.config.experiment.scaling.servers_min)
    _up(lab, CHECKOUT)
    lab.rest(lab.ours, RESTING_SERVERS)


def _up(lab: LiveLab, program: Path) -> None:
    pulumi = deploy.Pulumi(environment.variables(lab.toolchain), lab.progress.waiting, directory=program)
    pulumi.run("up", "--yes", "--skip-preview", deploy.WITHOUT_DOTS, f"--stack={deploy.STACK}")
