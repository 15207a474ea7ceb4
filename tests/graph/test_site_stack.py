"""Invariants of every stack of the repository, object by object and between objects."""

import json
import re
from typing import Any

import pytest

from components import versions
from components.labels import Labels
from stacks.schema.site import OwnPrometheus, PodSecurityLevel
from tests.support.configs import stack_config
from tests.support.fields import unknown_fields
from tests.support.pods import admits, labels, selects, template, violations_of_restricted
from tests.support.recorder import AUTO_NAME_SUFFIX, Recorder, Resource
from tests.support.stacks import STACKS, config_of, record, recorded

STATEFUL = {"PersistentVolume", "PersistentVolumeClaim"}
CLUSTER_SCOPED = {"Namespace", "PersistentVolume"}

every_stack = pytest.mark.parametrize("stack", STACKS)


def deployments(stack: str) -> list[dict[str, Any]]:
    return recorded(stack).manifests("Deployment")


def pods_of(stack: str) -> dict[str, Any]:
    """Name of a Deployment -> spec of its pods."""
    return {d["metadata"]["name"]: template(d)["spec"] for d in deployments(stack)}


def custom(recorder: Recorder) -> list[Resource]:
    return [resource for resource in recorder.resources_by_urn.values() if resource.custom]


@every_stack
def test_every_field_of_every_object_is_known_to_kubernetes(stack: str) -> None:
    found = {resource.name: unknown_fields(resource) for resource in custom(recorded(stack))}
    assert {name: fields for name, fields in found.items() if fields} == {}


@every_stack
def test_every_resource_hangs_under_a_component(stack: str) -> None:
    components = {component.urn for component in recorded(stack).components()}
    (root,) = [c for c in recorded(stack).components() if c.type == "sonic:index:SiteStack"]
    orphans = [r.name for r in recorded(stack).resources_by_urn.values() if r.parent not in components and r != root]
    assert orphans == []


@every_stack
def test_every_component_has_the_token_of_its_class_and_registers_its_outputs(stack: str) -> None:
    for component in recorded(stack).components():
        assert re.fullmatch(r"sonic:index:[A-Z][A-Za-z]+", component.type)
        assert component.urn in recorded(stack).outputs


@every_stack
def test_what_holds_models_is_protected_and_nothing_else_is(stack: str) -> None:
    for resource in custom(recorded(stack)):
        assert resource.protect == (resource.inputs["kind"] in STATEFUL), resource.name


@every_stack
def test_everything_stands_in_the_stacks_namespace(stack: str) -> None:
    for manifest in recorded(stack).manifests():
        if manifest["kind"] not in CLUSTER_SCOPED:
            assert manifest["metadata"]["namespace"] == config_of(stack).namespace, manifest["metadata"]["name"]


@every_stack
def test_no_two_objects_of_a_kind_share_a_name(stack: str) -> None:
    named = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in recorded(stack).manifests()]
    assert len(named) == len(set(named))


@every_stack
def test_all_but_nodes_waits_for_a_namespace_that_the_stack_makes(stack: str) -> None:
    namespaces = recorded(stack).of_type("kubernetes:core/v1:Namespace")
    assert bool(namespaces) == config_of(stack).site.access.create_namespace
    for namespace in namespaces:
        for resource in custom(recorded(stack)):
            if resource.inputs["kind"] not in {"Namespace", "Node"}:
                assert namespace.urn in recorded(stack).made_before(resource), resource.name


@every_stack
def test_configuration_is_immutable_and_named_anew_when_it_changes(stack: str) -> None:
    for kind in ("ConfigMap", "Secret"):
        for manifest in recorded(stack).manifests(kind):
            assert manifest["immutable"] is True
            assert manifest["metadata"]["name"].endswith(AUTO_NAME_SUFFIX)


@every_stack
def test_every_pod_is_restricted_but_for_the_exception_that_its_site_names(stack: str) -> None:
    exception = config_of(stack).site.security.pod_security is not PodSecurityLevel.RESTRICTED
    allowed = {"volumes.hostPath"} if exception else set()
    for name, pod in pods_of(stack).items():
        assert set(violations_of_restricted(pod)) <= allowed, name


@every_stack
def test_every_container_is_limited_probed_and_read_only(stack: str) -> None:
    for name, pod in pods_of(stack).items():
        for container in pod["containers"]:
            requests, limits = container["resources"]["requests"], container["resources"]["limits"]
            assert requests.keys() == limits.keys() >= {"cpu", "memory", "ephemeral-storage"}, name
            assert requests["memory"] == limits["memory"], name
            probes = [container[probe] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
            assert probes[1] != probes[2], name
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert container["imagePullPolicy"] == "IfNotPresent", name


@every_stack
def test_what_a_container_may_write_has_a_size(stack: str) -> None:
    for name, pod in pods_of(stack).items():
        for volume in pod.get("volumes", []):
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": None}), name


@every_stack
def test_every_image_is_pinned_and_those_of_the_program_by_digest(stack: str) -> None:
    for name, pod in pods_of(stack).items():
        for container in pod["containers"]:
            assert re.search(r":[^:/]+(@sha256:[0-9a-f]{64})?$", container["image"]), name
            assert ":latest" not in container["image"], name
    pinned = (versions.ENVOY_IMAGE, versions.PROMETHEUS_IMAGE, versions.ADMISSION_IMAGE)
    assert all("@sha256:" in image for image in pinned)


@every_stack
def test_every_pod_has_an_account_of_its_own_without_a_token(stack: str) -> None:
    accounts = {manifest["metadata"]["name"]: manifest for manifest in recorded(stack).manifests("ServiceAccount")}
    used = [pod["serviceAccountName"] for pod in pods_of(stack).values()]
    assert sorted(used) == sorted(accounts)
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())


@every_stack
def test_only_prometheus_is_given_a_token(stack: str) -> None:
    given = [name for name, pod in pods_of(stack).items() if pod["automountServiceAccountToken"]]
    own = isinstance(config_of(stack).site.monitoring, OwnPrometheus)
    assert given == ([f"{config_of(stack).name}-prometheus"] if own else [])


@every_stack
def test_every_deployment_has_a_policy_of_its_own(stack: str) -> None:
    policies = [policy["spec"]["podSelector"]["matchLabels"] for policy in recorded(stack).manifests("NetworkPolicy")]
    for deployment in deployments(stack):
        assert policies.count(deployment["spec"]["selector"]["matchLabels"]) == 1, deployment["metadata"]["name"]


@every_stack
def test_drained_nodes_take_one_pod_at_a_time_of_what_has_several(stack: str) -> None:
    budgets = [budget["spec"] for budget in recorded(stack).manifests("PodDisruptionBudget")]
    for deployment in deployments(stack):
        if deployment["spec"].get("replicas") != 1:  # a budget of one for a single pod could refuse nothing
            (budget,) = [b for b in budgets if b["selector"] == deployment["spec"]["selector"]]
            assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


@every_stack
def test_selectors_match_pods_of_one_deployment(stack: str) -> None:
    for deployment in deployments(stack):
        selector = deployment["spec"]["selector"]["matchLabels"]
        matched = [other for other in deployments(stack) if selects(selector, labels(other))]
        assert matched == [deployment]


@every_stack
def test_every_service_leads_to_a_port_of_one_deployment(stack: str) -> None:
    for service in recorded(stack).manifests("Service"):
        (target,) = [d for d in deployments(stack) if selects(service["spec"]["selector"], labels(d))]
        ports = [port for c in template(target)["spec"]["containers"] for port in c["ports"]]
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in {key for p in ports for key in (p["name"], p["containerPort"])}


@every_stack
def test_probes_ask_a_port_that_the_container_has(stack: str) -> None:
    for name, pod in pods_of(stack).items():
        for container in pod["containers"]:
            known = {key for port in container["ports"] for key in (port["name"], port["containerPort"])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert container[probe]["httpGet"]["port"] in known, name


@every_stack
def test_every_volume_mount_has_its_volume(stack: str) -> None:
    for name, pod in pods_of(stack).items():
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}, name


@every_stack
def test_the_number_of_replicas_is_kedas_or_stated_and_never_both(stack: str) -> None:
    scaled = {m["spec"]["scaleTargetRef"]["name"] for m in recorded(stack).manifests("ScaledObject")}
    for deployment in recorded(stack).of_type("kubernetes:apps/v1:Deployment"):
        autoscaled = deployment.manifest["metadata"]["name"] in scaled
        assert ("replicas" in deployment.inputs["spec"]) != autoscaled
        assert ("spec.replicas" in deployment.ignore_changes) == autoscaled
    assert scaled <= {deployment["metadata"]["name"] for deployment in deployments(stack)}


@every_stack
def test_all_traffic_is_denied_but_what_is_declared(stack: str) -> None:
    denials = [m for m in recorded(stack).manifests("NetworkPolicy") if not m["spec"]["ingress"] + m["spec"]["egress"]]
    (denial,) = denials
    assert denial["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert all(selects(denial["spec"]["podSelector"]["matchLabels"], labels(d)) for d in deployments(stack))
    assert not selects(denial["spec"]["podSelector"]["matchLabels"], {"app": "of-somebody-else"})


@every_stack
def test_both_ends_of_every_edge_agree(stack: str) -> None:
    config, policies = config_of(stack), recorded(stack).manifests("NetworkPolicy")
    parts = {d["metadata"]["labels"]["app.kubernetes.io/component"]: labels(d) for d in deployments(stack)}
    edges = [("envoy", "triton", 8001)]
    if isinstance(config.site.monitoring, OwnPrometheus):
        edges += [("prometheus", "triton", 8002), ("prometheus", "envoy", 9902)]
        if config.experiment.admission.queue_refuse_new_jobs_ms is not None:
            edges.append(("envoy", "prometheus", 9090))
    for client, server, port in edges:
        assert admits(policies, "egress", parts[client], {"labels": parts[server]}, port), (client, server)
        assert admits(policies, "ingress", parts[server], {"labels": parts[client]}, port), (client, server)
    assert not admits(policies, "ingress", parts["triton"], {"labels": {"app": "of-somebody-else"}}, 8001)


@every_stack
def test_keda_and_no_other_namespace_may_query_an_own_prometheus(stack: str) -> None:
    config, policies = config_of(stack), recorded(stack).manifests("NetworkPolicy")
    if not isinstance(config.site.monitoring, OwnPrometheus):
        assert not any("prometheus" in policy["metadata"]["name"] for policy in policies)
        return
    prometheus = Labels(instance=config.name, component="prometheus").selector
    keda = config.site.keda.namespace if config.site.keda else "keda"
    assert admits(policies, "ingress", prometheus, {"labels": {}, "namespace": keda}, 9090) == (
        config.site.keda is not None
    )
    assert not admits(policies, "ingress", prometheus, {"labels": {}, "namespace": "elsewhere"}, 9090)


@every_stack
def test_a_stack_tells_where_it_is_what_it_serves_and_what_to_give_cmssw(stack: str) -> None:
    recorder, config = recorded(stack), config_of(stack)
    (root,) = [component for component in recorder.components() if component.type == "sonic:index:SiteStack"]
    outputs = recorder.outputs[root.urn]
    assert outputs["namespace"] == config.namespace
    assert [model["name"] for model in outputs["models"]] == [m.name for m in config.experiment.models.expected]
    assert outputs["metrics_url"].startswith("http")
    assert ("siteconf" in outputs) != outputs["grpc_tls"]


def test_siteconf_is_the_endpoint_in_two_variables() -> None:
    exposure = {"kind": "node-port", "hostname": "127.0.0.1", "port": 30801, "client_cidrs": ["127.0.0.0/8"]}
    recorder = record(stack_config(site={"exposure": exposure}))
    (root,) = [component for component in recorder.components() if component.type == "sonic:index:SiteStack"]
    assert recorder.outputs[root.urn]["siteconf"] == {
        "SONIC_LOCAL_BALANCER_HOST": "127.0.0.1",
        "SONIC_LOCAL_BALANCER_PORT": "30801",
    }


NODE_LABELS = [{"node": "gpu-1", "labels": {"nvidia.com/gpu.product": "NVIDIA-A10"}}]


@pytest.mark.parametrize(("owner", "patches"), [("test-demo", 1), ("another-stack", 0)])
def test_only_the_owner_of_the_singletons_labels_nodes(owner: str, patches: int) -> None:
    recorder = record(stack_config(site={"singletons_owner": owner, "node_labels": NODE_LABELS}))
    assert len(recorder.of_type("kubernetes:core/v1:NodePatch")) == len(recorder.reads) == patches


def test_servers_wait_for_the_labels_that_they_ask_for() -> None:
    recorder = record(stack_config(site={"singletons_owner": "test-demo", "node_labels": NODE_LABELS}))
    patch = recorder.one("kubernetes:core/v1:NodePatch")
    triton = next(d for d in recorder.of_type("kubernetes:apps/v1:Deployment") if "triton" in d.name)
    assert patch.urn in triton.depends_on


def test_a_controller_stands_beside_envoy_where_something_is_declared_and_only_there() -> None:
    def containers(**experiment: object) -> list[str]:
        envoy = record(stack_config(experiment=experiment)).manifests("Deployment")
        return [c["name"] for d in envoy if "envoy" in d["metadata"]["name"] for c in template(d)["spec"]["containers"]]

    assert containers() == ["envoy"]
    assert containers(admission={"requests_in_flight_per_server_max": 10}) == ["envoy", "admission"]
    assert containers(admission={"queue_refuse_new_jobs_ms": 1000}) == ["envoy", "admission"]


def test_tenants_are_told_to_envoy_and_to_its_controller() -> None:
    issuer = {"issuer": "https://issuer.example", "audiences": ["a"], "jwks_url": "https://issuer.example/jwk"}
    tenants = [{"name": "heavy", "weight": 3, "groups": ["/heavy"]}, {"name": "light", "groups": ["/light"]}]
    clients = {"kind": "token", "issuers": [issuer], "tenants": tenants}
    site = {"exposure": {"kind": "cluster-ip", "client_cidrs": ["10.0.0.0/8"], "tls_secret": "sonic-tls"}}
    recorder = record(
        stack_config(site=site, experiment={"clients": clients, "admission": {"requests_in_flight_per_server_max": 10}})
    )
    (config,) = [m for m in recorder.manifests("ConfigMap") if "envoy.json" in m["data"]]
    assert json.loads(config["data"]["admission.json"])["weights"] == {"heavy": 3, "light": 1, "others": 1}
    assert "admission.refuse.heavy" in config["data"]["envoy.json"]


def test_a_namespace_says_what_it_enforces() -> None:
    security = {"pod_security": "baseline", "exception_reason": "A test."}
    namespace = record(stack_config(site={"security": security})).manifest("Namespace")
    modes = {key.rpartition("/")[2]: v for key, v in namespace["metadata"]["labels"].items() if "pod-security" in key}
    assert modes == {"enforce": "baseline", "warn": "baseline", "audit": "baseline"}


def test_two_pools_stand_behind_one_address_in_the_order_of_the_site() -> None:
    pools = [
        {"kind": "kubernetes", "name": "new", "servers_max": 2, "gpu": {}},
        {"kind": "kubernetes", "name": "old", "servers_max": 2, "gpu": {}},
    ]
    recorder = record(stack_config(site={"pools": pools}))
    names = [d["metadata"]["name"] for d in recorder.manifests("Deployment") if "triton" in d["metadata"]["name"]]
    assert names == ["sonic-demo-triton-new", "sonic-demo-triton-old"]
    (config,) = [m for m in recorder.manifests("ConfigMap") if "envoy.json" in m["data"]]
    bootstrap = config["data"]["envoy.json"]
    assert bootstrap.index("sonic-demo-triton-new") < bootstrap.index("sonic-demo-triton-old")


def test_one_stateful_model_and_envoy_sends_no_inference_twice() -> None:
    def envoy(second: dict[str, object]) -> str:
        image = {"kind": "image", "paths": ["/models"]}
        models = {"repository": image, "expected": [{"name": "first"}, {"name": "second", **second}]}
        recorder = record(stack_config(experiment={"models": models}))
        (config,) = [m for m in recorder.manifests("ConfigMap") if "envoy.json" in m["data"]]
        return str(config["data"]["envoy.json"])

    conditions = "connect-failure,refused-stream,"
    assert envoy({}).count(conditions) == envoy({"stateful": True}).count(conditions) + 1
