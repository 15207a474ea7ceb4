"""The real Envoy loads the program's configuration, and its errors are one sentence."""

import json
import subprocess
from pathlib import Path

import pytest

from components.envoy.bootstrap import bootstrap
from components.envoy.deployment import arguments
from components.envoy.validate import InvalidBootstrapError, find_envoy, validate_bootstrap
from components.server_pool import ServerPool
from components.timing import Timing
from stacks.schema.experiment import Traffic
from stacks.schema.site import Proxy
from tests.support.chaos import Fault
from tests.support.configs import stack_config
from tests.support.proxy_args import proxy_args
from tests.support.server_pools import a_pool

ONE_POOL = (a_pool(host="sonic-demo-triton-gpu.sonic-demo.svc.cluster.local"),)
TWO_POOLS = (*ONE_POOL, a_pool(name="cpu", host="10.0.0.7", priority=1))


@pytest.mark.parametrize("pools", [ONE_POOL, TWO_POOLS])
@pytest.mark.parametrize(
    ("memory_mib", "traffic"),
    [
        (256, Traffic(largest_message_mib=1, longest_request_seconds=1, attempts_max=1, shutdown_seconds=1)),
        (384, Traffic()),
        (1024, Traffic()),
        (65536, Traffic()),
        (4224, Traffic(largest_message_mib=1024, longest_request_seconds=86_400, attempts_max=10)),
    ],
)
def test_envoy_accepts_the_configuration_without_a_warning(
    pools: tuple[ServerPool, ...], memory_mib: int, traffic: Traffic, tmp_path: Path
) -> None:
    """Envoy warns of deprecated fields and unlimited connections. 256, 384 and 4224 MiB are the schema's minima."""
    proxy = Proxy(memory_mib=memory_mib)
    config = bootstrap(proxy_args(stack_config(), pools=pools, proxy=proxy, traffic=traffic, timing=Timing.of(traffic)))
    validate_bootstrap(config, envoy=find_envoy(), files={})

    path = tmp_path / "envoy.json"
    path.write_text(json.dumps(config))
    command = [find_envoy(), "--mode", "validate", "-c", str(path), "--log-level", "warning"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""


def test_envoy_accepts_the_command_line_of_its_pod(tmp_path: Path) -> None:
    args = proxy_args(stack_config())
    path = tmp_path / "envoy.json"
    path.write_text(json.dumps(bootstrap(args)))
    words = [str(path) if word.endswith("/envoy.json") else word for word in arguments(args)]
    run = subprocess.run([find_envoy(), "--mode", "validate", *words], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.chaos(Fault.ENVOY)
@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"nonsense": 1}, r"no such field: 'nonsense'"),
        (
            {"static_resources": {"listeners": [{"name": "x"}]}},
            r"error adding listener named 'x': address is necessary",
        ),
    ],
)
def test_an_invalid_configuration_is_refused_in_one_sentence_with_envoys_reason(
    config: dict[str, object], reason: str
) -> None:
    with pytest.raises(InvalidBootstrapError, match=reason) as raised:
        validate_bootstrap(config, envoy=find_envoy(), files={})
    sentence = str(raised.value)
    assert sentence.startswith("Envoy refuses the configuration that was made for it: ")
    assert "\n" not in sentence
    assert "envoy.json" not in sentence
    assert "[critical]" not in sentence


def test_the_error_names_an_envoy_that_cannot_be_run() -> None:
    with pytest.raises(InvalidBootstrapError, match=r"by /no/envoy: .*; name another in SONIC_ENVOY$"):
        validate_bootstrap({}, envoy="/no/envoy", files={})
