"""The loop of the controller: `python -m controller POLICY_FILE`."""

import http.client
import json
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from .admin import count, observe, tell_envoy
from .limits import HYSTERESIS, Decision, Load, decide
from .policy import CLUSTER, NEXT_CLUSTER, PERIOD_SECONDS, Policy
from .prometheus import Prometheus
from .shares import Shares, next_shares
from .spill import Spill, next_spill


class Controller:
    """The state of the controller between two rounds."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._prometheus = Prometheus(policy)
        if policy.queue_refuse_new_jobs_ms is not None:
            self._prometheus.start()
        self._decision = Decision({CLUSTER: policy.requests_max}, refuse_new_jobs=False)
        self._shares: Shares | None = None
        self._spill: Spill | None = None

    def round(self) -> tuple[str, Mapping[str, object]]:
        """Observe, decide and set the runtime keys. Return the decision in words, and the facts behind it.

        Raises:
            OSError, http.client.HTTPException, ValueError, KeyError: Envoy does not answer as expected.
        """
        policy, queue_ms = self._policy, self._prometheus.queue_ms()
        loads = observe(policy)
        self._decision = decide(loads, queue_ms, policy, refusing=self._decision.refuse_new_jobs)
        in_flight, limit = sum(load.in_flight for load in loads.values()), sum(self._decision.requests_max.values())
        if policy.weights or policy.spill_ms is not None:
            self._measure(loads, half_empty=in_flight < HYSTERESIS * limit)
        refused = self._shares.refused if self._shares else {}
        spilled = self._spill.fraction if self._spill else 0.0
        tell_envoy(policy, self._decision, refused, spilled)
        jobs = "refused" if self._decision.refuse_new_jobs else "taken"
        news = f"at most {limit} requests in progress, new jobs {jobs}"
        facts: dict[str, object] = {"in_flight": in_flight, "queue_ms": queue_ms}
        facts["servers"] = {cluster: load.servers for cluster, load in loads.items()}
        if policy.weights:
            news += f", over their share: {', '.join(sorted(refused)) or 'nobody'}"
            facts["refused"] = refused
        if policy.spill_ms is not None:
            news += f", first pool {'full' if spilled else 'not full'}"
            facts["to_next_pool"] = round(spilled, 3)
        return news, facts

    def _measure(self, loads: Mapping[str, Load], *, half_empty: bool) -> None:
        policy = self._policy
        flows, counts = count(policy, loads)
        if policy.weights:
            self._shares = next_shares(self._shares or Shares(counts), counts, policy.weights, half_empty=half_empty)
        if policy.spill_ms is not None:
            both = flows[CLUSTER], flows[NEXT_CLUSTER]
            self._spill = next_spill(self._spill or Spill(*both), *both, policy)


def control(policy: Policy) -> None:
    """Run a round each second, for ever.

    The supervisor takes the byte on stdout after each round as a heartbeat. Each round sets all keys, because an Envoy
    that restarted has none.
    """
    controller, told = Controller(policy), ""
    while True:
        try:
            news, facts = controller.round()
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            news, facts = f"Envoy's admin interface: {error!r}", {}
        if news != told:
            say(news, facts)
            told = news
        sys.stdout.write(".")
        sys.stdout.flush()
        time.sleep(PERIOD_SECONDS)


def say(news: str, facts: Mapping[str, object]) -> None:
    """Log one JSON line. A full disk does not stop the controller."""
    line = {"time": time.strftime("%FT%TZ", time.gmtime()), "admission": news, **facts}
    with suppress(OSError):
        sys.stderr.write(json.dumps(line) + "\n")
        sys.stderr.flush()


if __name__ == "__main__":
    control(Policy(**json.loads(Path(sys.argv[1]).read_text())))
