"""Resources of the Autoscaling component."""

import pulumi

from components.autoscaling import Autoscaling, AutoscalingArgs
from components.triton import server_pool
from tests.support.configs import stack_config
from tests.support.pool_args import pool_args
from tests.support.recorder import Recorder


def test_one_scaled_object_for_the_deployment_under_its_name(recorder: Recorder) -> None:
    config = stack_config()
    pool = server_pool(pool_args(config))
    assert pool.scale_target
    args = AutoscalingArgs(
        pool=pool,
        target=pool.scale_target,
        scaling=config.experiment.scaling,
        prometheus_url="http://prometheus:9090",
    )
    recorder.run(lambda: Autoscaling("autoscaling-gpu", args, pulumi.ResourceOptions()))
    (scaled_object,) = recorder.manifests()
    assert (scaled_object["apiVersion"], scaled_object["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    assert scaled_object["metadata"]["name"] == "sonic-demo-triton-gpu"
    assert scaled_object["metadata"]["namespace"] == "sonic-demo"
    assert scaled_object["spec"]["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "sonic-demo-triton-gpu",
    }
