"""Invariants of every stack of the repository, object by object and between objects."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from components import versions
from components.labels import JOB_COMPONENT, Labels, tunnel_selector
from components.virtual_node.rights import LEASE_NAMESPACE
from stacks.schema.site import OwnPrometheus
from tests.support.configs import stack_config
from tests.support.fields import unknown_fields
from tests.support.pods import admits, labels, selects, template
from tests.support.recorder import AUTO_NAME_SUFFIX, Recorder, Resource
from tests.support.stacks import STACKS, config_of, record, recorded
from tests.support.tunnels import tunnels
from tests.support.virtual_nodes import virtual_node

CLUSTER_SCOPED = {"Namespace", "PersistentVolume", "ClusterRole", "ClusterRoleBinding"}

every_stack = pytest.mark.parametrize("stack", STACKS)


def deployments(stack: str) -> list[dict[str, Any]]:
    return recorded(stack).manifests("Deployment")


def on_nodes(stack: str) -> list[dict[str, Any]]:
    """Deployments whose pods run on nodes of the cluster. tests/graph/test_slurm_pool.py has the others'."""
    return [each for each in deployments(stack) if labels(each)["app.kubernetes.io/component"] != JOB_COMPONENT]


def tunnels_of(stack: str) -> list[dict[str, Any]]:
    """Stand-ins of the Deployments that interLink makes beside the virtual pods."""
    return tunnels(deployments(stack))


def pods_of(stack: str) -> dict[str, Any]:
    """Name of a Deployment -> spec of its pods."""
    return {d["metadata"]["name"]: template(d)["spec"] for d in deployments(stack)}


def node_pods_of(stack: str) -> dict[str, Any]:
    """Name of a Deployment -> spec of its pods, on nodes of the cluster."""
    return {d["metadata"]["name"]: template(d)["spec"] for d in on_nodes(stack)}


def custom(recorder: Recorder) -> list[Resource]:
    return [resource for resource in recorder.resources_by_urn.values() if resource.custom]


@every_stack
def test_every_field_of_every_object_is_known_to_kubernetes(stack: str) -> None:
    found = {resource.name: unknown_fields(resource) for resource in custom(recorded(stack))}
    assert {name: fields for name, fields in found.items() if fields} == {}


@every_stack
def test_the_parent_of_every_resource_is_a_component(stack: str) -> None:
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
def test_only_objects_that_hold_models_are_protected(stack: str) -> None:
    for resource in custom(recorded(stack)):
        claim = resource.inputs["kind"] == "PersistentVolumeClaim"
        holds_models = claim and "ReadOnlyMany" not in resource.inputs["spec"]["accessModes"]
        assert resource.protect == holds_models, resource.name


@every_stack
def test_every_namespaced_object_is_in_the_namespace_of_the_stack_or_of_its_virtual_kubelet(stack: str) -> None:
    for manifest in recorded(stack).manifests():
        metadata = manifest["metadata"]
        if manifest["kind"] in CLUSTER_SCOPED:
            continue
        if metadata["labels"].get("app.kubernetes.io/component") == "virtual-node":
            owned = {node.namespace for node in config_of(stack).owned_virtual_nodes}
            assert metadata["namespace"] in owned | {LEASE_NAMESPACE}, metadata["name"]
        else:
            assert metadata["namespace"] == config_of(stack).namespace, metadata["name"]


@every_stack
def test_no_two_objects_of_a_kind_share_a_name(stack: str) -> None:
    named = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in recorded(stack).manifests()]
    assert len(named) == len(set(named))


@every_stack
def test_every_object_but_nodes_is_created_after_the_namespace(stack: str) -> None:
    namespaces = recorded(stack).of_type("kubernetes:core/v1:Namespace")
    assert bool(namespaces) == config_of(stack).site.access.create_namespace
    for namespace in namespaces:
        for resource in custom(recorded(stack)):
            if resource.inputs["kind"] not in {"Namespace", "Node"}:
                assert namespace.urn in recorded(stack).made_before(resource), resource.name


@every_stack
def test_config_maps_and_secrets_are_immutable_with_generated_names(stack: str) -> None:
    for kind in ("ConfigMap", "Secret"):
        for manifest in recorded(stack).manifests(kind):
            assert manifest["immutable"] is True
            assert manifest["metadata"]["name"].endswith(AUTO_NAME_SUFFIX)


@every_stack
def test_every_container_has_limits_probes_and_a_read_only_root(stack: str) -> None:
    for name, pod in node_pods_of(stack).items():
        for container in pod["containers"]:
            requests, limits = container["resources"]["requests"], container["resources"]["limits"]
            assert requests.keys() >= {"cpu", "memory", "ephemeral-storage"}, name
            assert requests == limits, f"{name} is not of QoS class Guaranteed"
            probes = [container[probe] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
            assert probes[1] != probes[2], name
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert container["imagePullPolicy"] == "IfNotPresent", name


@every_stack
def test_every_pod_is_spread_and_has_no_link_variables(stack: str) -> None:
    for name, pod in node_pods_of(stack).items():
        if name.startswith("virtual-node"):  # the only one of its node
            continue
        keys = [constraint["topologyKey"] for constraint in pod["topologySpreadConstraints"]]
        assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"], name
        assert pod["enableServiceLinks"] is False, name


@every_stack
def test_no_old_revision_stays_that_would_wait_for_a_deleted_config_map(stack: str) -> None:
    for deployment in deployments(stack):
        reads_map = any("configMap" in volume for volume in template(deployment)["spec"].get("volumes", ()))
        kept = 0 if reads_map or deployment not in on_nodes(stack) else 3
        assert deployment["spec"]["revisionHistoryLimit"] == kept, deployment["metadata"]["name"]


@every_stack
def test_every_object_says_which_program_manages_it(stack: str) -> None:
    for manifest in recorded(stack).manifests():
        found = manifest["metadata"]["labels"]
        assert found["app.kubernetes.io/managed-by"] == "pulumi", manifest["metadata"]["name"]
        assert found["app.kubernetes.io/part-of"] == "sonic", manifest["metadata"]["name"]


@every_stack
def test_every_empty_dir_has_a_size_limit(stack: str) -> None:
    for name, pod in pods_of(stack).items():
        for volume in pod.get("volumes", []):
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": None}), name


@every_stack
def test_every_image_has_a_tag_and_those_of_the_program_a_digest(stack: str) -> None:
    for name, pod in pods_of(stack).items():
        for container in pod["containers"]:
            assert re.search(r":[^:/]+(@sha256:[0-9a-f]{64})?$", container["image"]), name
            assert ":latest" not in container["image"], name
    pinned = (versions.ENVOY_IMAGE, versions.PROMETHEUS_IMAGE, versions.ADMISSION_IMAGE)
    assert all("@sha256:" in image for image in pinned)


@every_stack
def test_every_pod_has_its_own_service_account_without_a_token(stack: str) -> None:
    accounts = {manifest["metadata"]["name"]: manifest for manifest in recorded(stack).manifests("ServiceAccount")}
    used = [pod["serviceAccountName"] for pod in pods_of(stack).values()]
    assert sorted(used) == sorted(accounts)
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())


@every_stack
def test_only_prometheus_mounts_a_token(stack: str) -> None:
    given = [name for name, pod in pods_of(stack).items() if pod["automountServiceAccountToken"]]
    own = isinstance(config_of(stack).site.monitoring, OwnPrometheus)
    assert given == ([f"{config_of(stack).name}-prometheus"] if own else [])


@every_stack
def test_every_deployment_has_one_network_policy(stack: str) -> None:
    policies = [policy["spec"]["podSelector"]["matchLabels"] for policy in recorded(stack).manifests("NetworkPolicy")]
    for deployment in on_nodes(stack):
        assert policies.count(deployment["spec"]["selector"]["matchLabels"]) == 1, deployment["metadata"]["name"]
    for tunnel in tunnels_of(stack):
        (_default_deny, _) = [policy for policy in policies if selects(policy, labels(tunnel))]


@every_stack
def test_every_deployment_with_several_pods_has_a_disruption_budget_of_one(stack: str) -> None:
    budgets = [budget["spec"] for budget in recorded(stack).manifests("PodDisruptionBudget")]
    for deployment in on_nodes(stack):
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
def test_every_service_selects_one_deployment_and_a_port_that_it_names(stack: str) -> None:
    """A port is given by its number where no container declares it: Prometheus makes a target of each declared one."""
    for service in recorded(stack).manifests("Service"):
        pods = [*deployments(stack), *tunnels_of(stack)]
        (target,) = [d for d in pods if selects(service["spec"]["selector"], labels(d))]
        names = {
            port["name"] for container in template(target)["spec"]["containers"] for port in named_ports(container)
        }
        targets = {port["targetPort"] for port in service["spec"]["ports"]}
        assert {port for port in targets if isinstance(port, str)} <= names


@every_stack
def test_every_probe_calls_a_port_that_its_container_names(stack: str) -> None:
    for name, pod in node_pods_of(stack).items():
        for container in pod["containers"]:
            probes = [container[probe] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
            called = {probe["httpGet"]["port"] for probe in probes if "httpGet" in probe}
            names = {port["name"] for port in named_ports(container)}
            assert {port for port in called if isinstance(port, str)} <= names, name


def named_ports(container: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(container.get("ports", ()))


@every_stack
def test_every_volume_mount_has_its_volume(stack: str) -> None:
    for name, pod in node_pods_of(stack).items():
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}, name


@every_stack
def test_replicas_are_set_only_where_keda_does_not_scale(stack: str) -> None:
    scaled = {m["spec"]["scaleTargetRef"]["name"] for m in recorded(stack).manifests("ScaledObject")}
    for deployment in recorded(stack).of_type("kubernetes:apps/v1:Deployment"):
        autoscaled = deployment.manifest["metadata"]["name"] in scaled
        assert ("replicas" in deployment.inputs["spec"]) != autoscaled
        assert ("spec.replicas" in deployment.ignore_changes) == autoscaled
    assert scaled <= {deployment["metadata"]["name"] for deployment in deployments(stack)}


@every_stack
def test_one_policy_denies_all_traffic_of_the_stack_by_default(stack: str) -> None:
    denials = [m for m in recorded(stack).manifests("NetworkPolicy") if not m["spec"]["ingress"] + m["spec"]["egress"]]
    (denial,) = denials
    assert denial["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert all(selects(denial["spec"]["podSelector"]["matchLabels"], labels(d)) for d in deployments(stack))
    assert not selects(denial["spec"]["podSelector"]["matchLabels"], {"app": "of-somebody-else"})


@every_stack
def test_network_policies_allow_both_ends_of_every_connection(stack: str) -> None:
    config, policies = config_of(stack), recorded(stack).manifests("NetworkPolicy")
    parts = {d["metadata"]["labels"]["app.kubernetes.io/component"]: labels(d) for d in on_nodes(stack)}
    edges = [("envoy", "triton", 8001)]
    if isinstance(config.site.monitoring, OwnPrometheus):
        edges += [("prometheus", "triton", 8002), ("prometheus", "envoy", 9902)]
        if config.experiment.admission.queue_refuse_new_jobs_ms is not None:
            edges.append(("envoy", "prometheus", 9090))
    edges = [edge for edge in edges if edge[1] in parts]  # test_slurm_pool.py has the edges of tunnel pods
    for client, server, port in edges:
        assert admits(policies, "egress", parts[client], {"labels": parts[server]}, port), (client, server)
        assert admits(policies, "ingress", parts[server], {"labels": parts[client]}, port), (client, server)
    servers = parts.get("triton", tunnel_selector(config.name))
    assert not admits(policies, "ingress", servers, {"labels": {"app": "of-somebody-else"}}, 8001)


@every_stack
def test_only_the_namespace_of_keda_may_query_an_own_prometheus(stack: str) -> None:
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
def test_the_outputs_of_a_stack_are_namespace_models_metrics_and_siteconf(stack: str) -> None:
    recorder, config = recorded(stack), config_of(stack)
    (root,) = [component for component in recorder.components() if component.type == "sonic:index:SiteStack"]
    outputs = recorder.outputs[root.urn]
    assert outputs["namespace"] == config.namespace
    assert [model["name"] for model in outputs["models"]] == [m.name for m in config.experiment.models.expected]
    assert outputs["metrics_url"].startswith("http")
    assert ("siteconf" in outputs) != outputs["grpc_tls"]


def test_siteconf_has_host_and_port_of_the_endpoint() -> None:
    exposure = {"kind": "node-port", "hostname": "127.0.0.1", "port": 30801, "client_cidrs": ["127.0.0.0/8"]}
    recorder = record(stack_config(site={"exposure": exposure}))
    (root,) = [component for component in recorder.components() if component.type == "sonic:index:SiteStack"]
    assert recorder.outputs[root.urn]["siteconf"] == {
        "SONIC_LOCAL_BALANCER_HOST": "127.0.0.1",
        "SONIC_LOCAL_BALANCER_PORT": "30801",
    }


def test_siteconf_is_that_of_a_way_without_tls() -> None:
    ingress = {"kind": "ingress", "hostname": "a.example.org", "controller": "nginx", "controller_namespace": "ingress"}
    inside = {"kind": "cluster-ip", "client_cidrs": ["10.0.0.0/8"]}
    recorder = record(stack_config(site={"exposure": ingress, "further_exposures": [inside]}))
    (root,) = [component for component in recorder.components() if component.type == "sonic:index:SiteStack"]
    outputs = recorder.outputs[root.urn]
    assert (outputs["grpc_endpoint"], outputs["grpc_tls"]) == ("a.example.org:443", True)
    host = "sonic-demo-envoy-cluster-ip.sonic-demo.svc.cluster.local"
    assert outputs["further_endpoints"] == [{"grpc_endpoint": f"{host}:8001", "grpc_tls": False}]
    assert outputs["siteconf"]["SONIC_LOCAL_BALANCER_HOST"] == host


NODE_LABELS = [{"node": "gpu-1", "labels": {"nvidia.com/gpu.product": "NVIDIA-A10"}}]


@pytest.mark.parametrize(("owner", "patches"), [("test-demo", 1), ("another-stack", 0)])
def test_only_the_owner_of_the_singletons_labels_nodes(owner: str, patches: int) -> None:
    recorder = record(stack_config(site={"singletons_owner": owner, "node_labels": NODE_LABELS}))
    assert len(recorder.of_type("kubernetes:core/v1:NodePatch")) == len(recorder.reads) == patches


@pytest.mark.parametrize(("owner", "deployed"), [("test-demo", ["virtual-node-hammer"]), ("another-stack", [])])
def test_only_the_owner_of_the_singletons_deploys_virtual_nodes(owner: str, deployed: list[str]) -> None:
    nodes = [virtual_node().model_dump(mode="json"), virtual_node(name="other", deployed=False).model_dump(mode="json")]
    recorder = record(stack_config(site={"singletons_owner": owner, "virtual_nodes": nodes}))
    names = [each["metadata"]["name"] for each in recorder.manifests("Deployment")]
    assert [name for name in names if "virtual-node" in name] == deployed


def test_servers_are_created_after_the_node_labels() -> None:
    recorder = record(stack_config(site={"singletons_owner": "test-demo", "node_labels": NODE_LABELS}))
    patch = recorder.one("kubernetes:core/v1:NodePatch")
    triton = next(d for d in recorder.of_type("kubernetes:apps/v1:Deployment") if "triton" in d.name)
    assert patch.urn in triton.depends_on


def test_the_admission_controller_runs_only_where_a_limit_is_declared() -> None:
    def containers(**experiment: object) -> list[str]:
        envoy = record(stack_config(experiment=experiment)).manifests("Deployment")
        return [c["name"] for d in envoy if "envoy" in d["metadata"]["name"] for c in template(d)["spec"]["containers"]]

    assert containers() == ["envoy"]
    assert containers(admission={"requests_in_flight_per_server_max": 10}) == ["envoy", "admission"]
    assert containers(admission={"queue_refuse_new_jobs_ms": 1000}) == ["envoy", "admission"]


def test_tenants_are_configured_in_envoy_and_in_the_admission_controller() -> None:
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


def test_the_namespace_has_the_pod_security_labels_of_its_site() -> None:
    security = {"pod_security": "baseline", "exception_reason": "A test."}
    namespace = record(stack_config(site={"security": security})).manifest("Namespace")
    modes = {key.rpartition("/")[2]: v for key, v in namespace["metadata"]["labels"].items() if "pod-security" in key}
    assert modes == {"enforce": "baseline", "warn": "baseline", "audit": "baseline"}


def test_two_pools_share_one_envoy_in_the_order_of_the_site() -> None:
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


def test_envoy_does_not_retry_inference_when_one_model_is_stateful() -> None:
    def envoy(second: dict[str, object]) -> str:
        image = {"kind": "image", "paths": ["/models"]}
        models = {"repository": image, "expected": [{"name": "first"}, {"name": "second", **second}]}
        recorder = record(stack_config(experiment={"models": models}))
        (config,) = [m for m in recorder.manifests("ConfigMap") if "envoy.json" in m["data"]]
        return str(config["data"]["envoy.json"])

    conditions = "connect-failure,refused-stream,"
    assert envoy({}).count(conditions) == envoy({"stateful": True}).count(conditions) + 1
