"""One trace over a real Envoy and the real Triton of our image, at a real collector; on loopback."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton

from components.triton import tracing
from devcluster.paths import MODELS
from stacks.schema.tracing import Tracing
from testbed.child_process import Process
from testbed.proxy_client import ask, channel
from testbed.real_envoy import RealEnvoy, await_healthy
from testbed.real_triton import MODELS_FOLDER, copy_models, start_triton
from testbed.stand_in import HEALTH
from tests.loopback.conftest import Envoys
from tests.support.collector import Collector, collector
from tests.support.configs import stack_config
from tests.support.pool_args import pool_args

pytestmark = pytest.mark.live

MODEL = "sum_and_difference"
SERVER = "127.0.1.1"
ENVOY, TRITON, POD = "sonic-demo-envoy", "sonic-demo-triton-gpu", "sonic-demo-triton-gpu-1"
TRACE, SPAN = "c3" * 16, "d4" * 8
SERVING = b"\x08\x01"  # HealthCheckResponse{status: 1}
SPANS_OF_A_REQUEST = 3
"""Request, model and computation."""
SHUTDOWN_SECONDS = 60


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[tuple[Collector, ExitStack]]:
    """A collector, and the stack that ends it."""
    with ExitStack() as stack:
        yield stack.enter_context(collector(tmp_path)), stack


def serving(url: str, directory: Path, port: int) -> Process:
    """Start a Triton with the flags of a pod."""
    args = replace(pool_args(stack_config()), tracing=Tracing(url=url))
    return start_triton(
        [
            f"--model-repository={MODELS_FOLDER}",
            "--model-control-mode=explicit",
            f"--load-model={MODEL}",
            f"--grpc-address={SERVER}",
            f"--grpc-port={port}",
            "--allow-http=false",
            "--allow-metrics=false",
            "--grpc-http2-max-ping-strikes=0",
            # Kubernetes replaces the variable.
            *(flag.replace("$(SONIC_POD_NAME)", POD) for flag in tracing.flags(args)),
            "--trace-config=opentelemetry,bsp_schedule_delay=200",
        ],
        log=directory / "triton.log",
        models=copy_models(directory / "models", MODELS / MODEL),
    )


def answers(target: str) -> bool:
    try:
        return ask(channel(target), HEALTH) == SERVING
    except grpc.RpcError:
        return False


def infer(proxy: RealEnvoy, **headers: str) -> None:
    inputs = [triton.InferInput(name, [1, 16], "FP32") for name in ("INPUT0", "INPUT1")]
    for each in inputs:
        each.set_data_from_numpy(np.ones((1, 16), np.float32))
    with triton.InferenceServerClient(proxy.target) as client:
        answer = client.infer(MODEL, inputs, headers=headers, client_timeout=60)
    assert (answer.as_numpy("SUM") == 2).all()


def test_a_sampled_request_is_one_trace_over_envoy_and_triton(
    collecting: tuple[Collector, ExitStack], envoy: Envoys, server_port: int, started: ExitStack, tmp_path: Path
) -> None:
    """Triton sends nothing of a request that is not sampled, and neither needs a collector to answer or to end."""
    traces, running = collecting
    server = started.enter_context(serving(traces.url, tmp_path, server_port))
    server.await_that(lambda: answers(f"{SERVER}:{server_port}"), "Triton to be ready")
    policies = {
        "of the client": Tracing(url=traces.url, sampling_percent=0.0, client_sampling_percent=100.0),
        "of nobody": Tracing(url=traces.url, sampling_percent=0.0),
    }
    proxies = {name: envoy((SERVER,), tracing=policy) for name, policy in policies.items()}
    for proxy in proxies.values():
        await_healthy(proxy, SERVER)

    for _ in range(5):
        infer(proxies["of nobody"], traceparent=f"00-{TRACE}-{SPAN}-01")
        infer(proxies["of the client"])
        infer(proxies["of the client"], traceparent=f"00-{'e5' * 16}-{SPAN}-00")
    infer(proxies["of the client"], traceparent=f"00-{TRACE}-{SPAN}-01")

    spans = traces.await_spans(SPANS_OF_A_REQUEST, TRITON)
    (of_envoy,) = traces.await_spans(1, ENVOY)
    assert len(spans) == SPANS_OF_A_REQUEST
    assert {span.trace_id for span in (*spans, of_envoy)} == {TRACE}
    assert of_envoy.parent_id == SPAN
    (first,) = [span for span in spans if span.parent_id == of_envoy.span_id]
    assert first.name == "InferRequest"
    assert {span.attributes["k8s.pod.name"] for span in spans} == {POD}
    assert MODEL in {span.attributes.get("triton.model_name") for span in spans}

    running.close()
    for _ in range(5):
        infer(proxies["of the client"], traceparent=f"00-{TRACE}-{SPAN}-01")
    server.terminate()
    server.await_success("Triton", SHUTDOWN_SECONDS)
