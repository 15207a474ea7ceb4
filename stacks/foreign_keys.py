"""Keys of SuperSONIC's chart and of Kubernetes, and the places here of what they say.

The keys are those of helm/supersonic/values.yaml in github.com/fastmachinelearning/SuperSONIC, chart 0.3.1; OTHER_NAMES
has what other charts call them. A test looks each place up in the schema.
"""

import re
from collections.abc import Mapping

from stacks.origin import Json

_SIZES = ("experiment.server.cpu_cores", "experiment.server.memory_gib", "experiment.server.gpus")
_REQUESTS = ("experiment.server.cpu_request_cores", "experiment.server.memory_request_gib")
_PROXY_SIZES = ("site.proxy.cpu_cores", "site.proxy.memory_mib")

FOREIGN_KEYS: Mapping[str, tuple[str, ...]] = {
    "nameOverride": ("sonic:instance",),
    "serverLoadThreshold": ("experiment.scaling.queue_target_ms", "experiment.scaling.threshold"),
    "serverAdmissionThreshold": ("experiment.admission.queue_refuse_new_jobs_ms",),
    "serverLoadMetric": ("experiment.scaling.query",),
    "serverLoadRateInterval": (),
    "scaleFromZero.enabled": ("experiment.scaling.servers_min", "site.keda.scale_to_zero"),
    "scaleFromZero.admissionImage": (),
    "scaleFromZero.readyTimeoutSeconds": (),
    "scaleFromZero.holdMinReplicasSeconds": ("experiment.scaling.scale_down_wait_seconds",),
    "scaleFromZero": ("experiment.scaling.servers_min", "site.keda.scale_to_zero"),
    "triton.type": (),
    "triton.nereid": (),
    "triton.cpuServer": (),
    "triton.name": (),
    "triton.replicas": ("experiment.scaling.servers_min",),
    "triton.image": ("experiment.server.image",),
    "triton.command": ("experiment.server.flags",),
    "triton.args": ("experiment.server.flags",),
    "triton.annotations": ("site.pools[].pod_annotations", "site.pools[].slurm", "site.pools[].cvmfs"),
    "triton.resources.limits": _SIZES,
    "triton.resources.requests": (*_REQUESTS, "experiment.server.gpus"),
    "triton.nodeSelector": ("site.pools[].node_selector", "site.pools[].virtual_node"),
    "triton.affinity": ("site.pools[].node_affinity", "experiment.server.gpu_products"),
    "triton.tolerations": ("site.pools[].tolerations",),
    "triton.modelRepository.nfs": ("site.storage.volume.server", "site.storage.volume.path"),
    "triton.modelRepository.pvc": ("site.storage.volume.claim",),
    "triton.modelRepository.configMap": (),
    "triton.modelRepository.cvmfsPvc": ("site.storage.cvmfs.create",),
    "triton.modelRepository.subPath": ("experiment.models.repository.paths",),
    "triton.modelRepository.mountPath": ("experiment.models.repository.paths",),
    "triton.modelRepository.enabled": ("experiment.models.repository",),
    "triton.modelRepository.storageType": (
        "experiment.models.repository.kind",
        "site.storage.cvmfs.kind",
        "site.storage.volume.kind",
    ),
    "triton.modelRepository": ("experiment.models.repository", "site.storage"),
    "triton.service.labels": ("site.monitoring.service_labels",),
    "triton.service.annotations": ("site.monitoring.service_annotations", "site.exposure.annotations"),
    "triton.service.ports": (),
    "triton.readinessProbe": ("experiment.server.probes.readiness", "experiment.models.expected"),
    "triton.livenessProbe": ("experiment.server.probes.liveness",),
    "triton.startupProbe": ("experiment.server.start_timeout_seconds", "experiment.server.probes.startup"),
    "envoy.enabled": (),
    "envoy.replicas": ("site.proxy.replicas",),
    "envoy.image": ("site.images.envoy",),
    "envoy.args": (),
    "envoy.annotations": ("site.proxy.pod_annotations",),
    "envoy.external_config": (),
    "envoy.resources": _PROXY_SIZES,
    "envoy.nodeSelector": ("site.proxy.node_selector",),
    "envoy.tolerations": ("site.proxy.tolerations",),
    "envoy.service": ("site.exposure",),
    "envoy.ingress": ("site.exposure",),
    "envoy.grpc_route_timeout": ("experiment.traffic.longest_request_seconds",),
    "envoy.rate_limiter": ("experiment.admission",),
    "envoy.loadBalancerPolicy": (),
    "envoy.auth": ("experiment.clients",),
    "envoy.tracing_sampling_rate": ("site.tracing.sampling_percent",),
    "keda.enabled": (),
    "keda.minReplicaCount": ("experiment.scaling.servers_min",),
    "keda.maxReplicaCount": ("experiment.scaling.servers_max",),
    "keda.zeroIdleReplicas": ("experiment.scaling.servers_min", "site.keda.scale_to_zero"),
    "keda.cooldownPeriod": ("experiment.scaling.scale_down_wait_seconds",),
    "keda.scaleDown.stabilizationWindowSeconds": ("experiment.scaling.scale_down_wait_seconds",),
    "keda.scaleDown.periodSeconds": ("experiment.scaling.scale_down_period_seconds",),
    "keda.scaleDown.stepsize": ("experiment.scaling.scale_down_servers",),
    "keda.scaleUp.stabilizationWindowSeconds": ("experiment.scaling.scale_up_wait_seconds",),
    "keda.scaleUp.periodSeconds": ("experiment.scaling.scale_up_period_seconds",),
    "keda.scaleUp.stepsize": ("experiment.scaling.scale_up_servers",),
    "keda.pollingInterval": (),
    "keda.metricType": (),
    "keda.activationThreshold": (),
    "prometheus.enabled": ("site.monitoring.kind",),
    "prometheus.external": ("site.monitoring.kind", "site.monitoring.url"),
    "prometheus.server.service": ("site.monitoring.ingress",),
    "prometheus.server.ingress": ("site.monitoring.ingress",),
    "prometheus.server": ("site.monitoring",),
    "grafana.enabled": ("site.monitoring.dashboards.kind",),
    "grafana.adminPassword": ("site.monitoring.dashboards.password_secret",),
    "grafana.grafana.ini.server.root_url": ("site.monitoring.dashboards.ingress.hostname",),
    "grafana.resources": ("site.monitoring.dashboards.cpu_cores", "site.monitoring.dashboards.memory_mib"),
    "grafana.ingress": ("site.monitoring.dashboards.ingress",),
    "grafana": ("site.monitoring.dashboards",),
    "tempo": ("site.tracing",),
    "opentelemetry-collector": ("site.tracing",),
    "metricsCollector": (),
    "modelLoader": ("site.model_control",),
    "proxy.resources": _PROXY_SIZES,
    "proxy.affinity": ("site.proxy.node_affinity",),
    "monitoring.resources": ("site.monitoring.cpu_cores", "site.monitoring.memory_mib"),
    "monitoring.affinity": ("site.monitoring.node_affinity",),
    "triton": ("experiment.server",),
    "envoy": ("site.proxy", "site.exposure"),
    "prometheus": ("site.monitoring",),
    "ingress": ("site.exposure",),
    "service": ("site.exposure",),
    "tls": ("site.exposure.tls_secret",),
    "nodeSelector": ("site.pools[].node_selector", "site.proxy.node_selector"),
    "tolerations": ("site.pools[].tolerations", "site.proxy.tolerations"),
    "affinity": ("site.pools[].node_affinity",),
    "resources": _SIZES,
    "requests": _REQUESTS,
    "limits": _SIZES,
    "replicas": ("experiment.scaling.servers_min", "site.proxy.replicas"),
    "replicaCount": ("experiment.scaling.servers_min", "site.proxy.replicas"),
    "minReplicas": ("experiment.scaling.servers_min",),
    "maxReplicas": ("experiment.scaling.servers_max",),
    "minReplicaCount": ("experiment.scaling.servers_min",),
    "maxReplicaCount": ("experiment.scaling.servers_max",),
    "autoscaling": ("experiment.scaling", "site.keda"),
    "autoscaler": ("experiment.scaling", "site.keda"),
    "cpu": ("experiment.server.cpu_cores",),
    "memory": ("experiment.server.memory_gib",),
    "shm_size": ("experiment.server.shared_memory_mib",),
    "host": ("site.exposure.hostname",),
    "failureThreshold": ("experiment.server.probes.readiness.failures", "experiment.server.probes.liveness.failures"),
    "initialDelaySeconds": ("experiment.server.start_timeout_seconds",),
    "loadBalancerSourceRanges": ("site.exposure.client_cidrs",),
    "loadBalancerIP": ("site.exposure.annotations",),
    "loadBalancerClass": ("site.patches",),
    "nodePort": ("site.exposure.port",),
    "imagePullSecrets": ("site.images.pull_secret",),
    "imagePullPolicy": ("site.patches",),
    "pullPolicy": ("site.patches",),
    "securityContext": ("site.patches",),
    "serviceAccountName": ("site.patches",),
    "volumes": ("site.storage.data", "experiment.server.data"),
    "volumeMounts": ("experiment.server.data",),
    "timeout": ("experiment.traffic.longest_request_seconds",),
    "retries": ("experiment.traffic.attempts_max",),
    "drain_seconds": ("experiment.traffic.shutdown_seconds",),
    "images.triton": ("experiment.server.image",),
    "namespace": ("site.access.namespace",),
    "walltime": ("site.pools[].slurm.time_limit_minutes",),
    "queue": ("site.pools[].slurm.partition",),
    "uid": ("site.pools[].slurm.user_id",),
    "runAsUser": ("site.pools[].slurm.user_id", "site.virtual_nodes[].api.user_id"),
    "maxSurge": ("site.pools[].spare_servers",),
    "hostPath": ("site.storage.cvmfs.path", "site.pools[].binds[].source"),
    "mountPath": ("site.pools[].binds[].target", "experiment.server.data[].path"),
    "persistentVolumeClaim": ("site.storage.data", "site.storage.volume.claim"),
    "pvc": ("site.storage.volume.claim",),
    "existingClaim": ("site.storage.volume.claim",),
    "ram": ("experiment.server.memory_gib",),
    "mem": ("experiment.server.memory_gib",),
    "container": ("experiment.server.image",),
    "max_message_size": ("experiment.traffic.largest_message_mib",),
    "max_receive_message_length": ("experiment.traffic.largest_message_mib",),
    "request_timeout": ("experiment.traffic.longest_request_seconds",),
    "prometheus.storage": ("site.monitoring.claim.size_gib",),
    "hosts": ("site.exposure.hostname",),
    "endpoint": ("site.storage.s3.endpoint_url", "site.tracing.url"),
    "access_key_id": ("site.storage.s3.access_key_secret",),
    "aws_access_key_id": ("site.storage.s3.access_key_secret",),
    "secret_access_key": ("site.storage.s3.secret_key_secret",),
    "aws_secret_access_key": ("site.storage.s3.secret_key_secret",),
    "serverAddress": ("site.monitoring.url",),
    "nvidia.com/gpu": ("experiment.server.gpus",),
    "shm": ("experiment.server.shared_memory_mib",),
    "terminationGracePeriodSeconds": ("experiment.traffic.shutdown_seconds",),
    "models.repository.path": ("experiment.models.repository.paths", "experiment.models.repository.prefix"),
}
"""Key, with those above it -> places here; none: nothing here says it."""

OTHER_NAMES: Mapping[str, str] = {
    "inferenceServer": "triton",
    "keda.scaleFromZero": "scaleFromZero",
    "fullnameOverride": "nameOverride",
    "tracing_sampling_rate": "envoy.tracing_sampling_rate",
    "triton.resetReadinessProbe": "triton.readinessProbe.reset",
    "envoy.load_external_config": "envoy.external_config.load_from_configmap",
    "envoy.external_config_path": "envoy.external_config.configmap_name",
    "autoscaler": "keda",
    "envoy.rate_limiter.enabled": "envoy.rate_limiter.listener_level.enabled",
    "envoy.rate_limiter.max_tokens": "envoy.rate_limiter.listener_level.max_tokens",
    "envoy.rate_limiter.tokens_per_fill": "envoy.rate_limiter.listener_level.tokens_per_fill",
    "envoy.rate_limiter.fill_interval": "envoy.rate_limiter.listener_level.fill_interval",
    "autoscaler.idleReplicaCount": "keda.zeroIdleReplicas",
    "autoscaler.minReplicas": "keda.minReplicaCount",
    "autoscaler.maxReplicas": "keda.maxReplicaCount",
    "autoscaler.scaleUp.window": "keda.scaleUp.stabilizationWindowSeconds",
    "autoscaler.scaleUp.period": "keda.scaleUp.periodSeconds",
    "autoscaler.scaleDown.window": "keda.scaleDown.stabilizationWindowSeconds",
    "autoscaler.scaleDown.period": "keda.scaleDown.periodSeconds",
    "prometheus.url": "prometheus.external.url",
    "prometheus.port": "prometheus.external.port",
    "prometheus.scheme": "prometheus.external.scheme",
    "prometheus.ingress": "prometheus.server.ingress",
    "prometheus.service": "prometheus.server.service",
    "prometheus.serverLoadMetric": "serverLoadMetric",
    "prometheus.serverLoadThreshold": "serverLoadThreshold",
    "prometheus.serverLoadMetricThreshold": "serverLoadThreshold",
    "prometheus.serverAvailabilityMetric": "serverLoadMetric",
    "prometheus.serverAvailabilityThreshold": "serverLoadThreshold",
    "prometheus.host": "prometheus.server.ingress.hostName",
    "grafana-legacy": "grafana",
    "grafana.host": "grafana.grafana.ini.server.root_url",
    "grafana.serviceAccounts": "grafana.serviceAccount",
    "open-telemetry": "opentelemetry-collector",
    "servers[]": "",
    "servers[].ingress": "envoy.ingress",
    "servers[].envoy.jwt.issuer": "envoy.auth.jwt_issuer",
    "servers[].envoy.jwt.remoteJwksUri": "envoy.auth.jwt_remote_jwks_uri",
    "ingress.hostName": "envoy.ingress.hostName",
    "ingress.ingressClassName": "envoy.ingress.ingressClassName",
    "ingress.annotations": "envoy.ingress.annotations",
    "common": "",
    "common.cvmfsPvc": "triton.modelRepository.cvmfsPvc",
    "common.tritonService": "triton.service",
    "common.envoyService": "envoy.service",
    "common.service": "triton.service",
    "common.service.type": "envoy.service.type",
}
"""Key of a chart before or after 0.3.1, or start of several -> its name in chart 0.3.1. The longest start counts."""


def name_in_chart(key: str) -> str:
    """Return the name that a key has in chart 0.3.1."""
    words = key.split(".")
    for length in range(len(words), 0, -1):
        if (start := ".".join(words[:length])) in OTHER_NAMES:
            return name_in_chart(".".join(filter(None, (OTHER_NAMES[start], *words[length:]))))
    return key


_OF_GROUPS = {"scaling": "keda", "server": "triton", "proxy": "envoy", "monitoring": "prometheus"}
"""Group of keys here -> SuperSONIC's of the same things."""
_TOO_GENERAL = {"server", "path"}
"""Last words that say nothing without those above them."""


def places(key: str, value: Json) -> Mapping[str, tuple[str, ...]]:
    """Return the places of a key, or of the keys that its value has. A key may be known by its last word alone.

    Capitals, dashes and underscores do not count: `cooldown_period` is `cooldownPeriod`.
    """
    group, _, rest = key.partition(".")
    for path in (key, f"{_OF_GROUPS[group]}.{rest}" if rest and group in _OF_GROUPS else key):
        if known := _by_path(path, value):
            return {f"{key}{each.removeprefix(path)}": here for each, here in known.items()}
    last = key.rpartition(".")[2]
    alone = [known for known in FOREIGN_KEYS if _letters(known) == _letters(last)]
    ends = alone or [known for known in FOREIGN_KEYS if _letters(known.rpartition(".")[2]) == _letters(last)]
    if last in _TOO_GENERAL or (len(ends) > 1 and not all(known.startswith("keda.") for known in ends)):
        return {}  # several say different things
    return {last: tuple(dict.fromkeys(place for known in ends for place in FOREIGN_KEYS[known]))} if ends else {}


def _letters(key: str) -> str:
    return re.sub("[-_]", "", key.lower())


def _by_path(key: str, value: Json) -> Mapping[str, tuple[str, ...]]:
    below: dict[str, tuple[str, ...]] = {}
    if isinstance(value, list) and f"{key}[]" in OTHER_NAMES:
        return {known: here for each in value for known, here in _by_path(f"{key}[]", each).items()}
    name = name_in_chart(key)
    inside = any(not name or known.startswith(f"{name}.") for known in FOREIGN_KEYS)
    if isinstance(value, dict) and (inside or any(other.startswith(f"{key}.") for other in OTHER_NAMES)):
        for inner, each in value.items():
            below |= _by_path(f"{key}.{inner}", each)
    if not below and key in OTHER_NAMES:  # the block that has it in chart 0.3.1 is not the one around it here
        starts = [known for known in FOREIGN_KEYS if f"{name}.".startswith(f"{known}.")]
        return {key: FOREIGN_KEYS[max(starts, key=len)]} if starts else {}
    return below or ({key: FOREIGN_KEYS[name]} if name in FOREIGN_KEYS else {})
