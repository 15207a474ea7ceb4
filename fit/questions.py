"""All questions, in the order of the table."""

from collections.abc import Iterator

from access.cluster import ClusterError, ClusterView
from fit import entrance, interlink, limits, namespace, nodes, objects, platform, references, storage, virtual_nodes
from fit.concurrency import in_parallel
from fit.demand import Demand
from fit.row import Question, Row, unknown
from stacks.schema import StackConfig

QUESTIONS = (
    Question("cluster", "the uid of namespace kube-system", platform.identity),
    Question("Kubernetes", "its release", platform.kubernetes),
    Question("kinds", "whether it serves each kind of object that the stack makes", platform.kinds),
    Question("API server port", "the endpoints of Service `kubernetes`", platform.api_server_port),
    Question("KEDA", "KEDA's namespace and release", platform.keda),
    Question("namespace", "whether it exists, and who made it", namespace.namespace),
    Question("Pod Security", "the level that the namespace enforces", namespace.pod_security),
    Question("admitted pods", "whether it admits a pod of each Deployment", namespace.admission),
    Question("quota", "what the quotas of the namespace leave", limits.quotas),
    Question("LimitRange", "the limits of the namespace for each container", limits.limit_ranges),
    Question("nodes", "how many pods the nodes hold, by labels, taints and GPUs", nodes.capacity),
    Question("virtual nodes", "whether interLink answers them, and what they offer", virtual_nodes.virtual_nodes),
    Question("interLink", "whether its chart has what the stack's jobs need of it", interlink.virtual_kubelets),
    Question("Services", "whether Services of others select servers in jobs", interlink.other_services),
    Question("labelled nodes", "whether the nodes that the stack labels exist", references.labelled_nodes),
    Question("claim", "whether the claims with models exist, and their access modes", storage.claims),
    Question("StorageClass", "the classes of new claims, and their drivers", storage.storage_classes),
    Question("volume", "who has the names of new PersistentVolumes", storage.volumes),
    Question("node mounts", "whether the nodes mount what the pods need", storage.host_paths),
    Question("secret", "whether the secrets that pods read exist, and their types", references.secrets),
    Question("class of pods", "whether priority and runtime classes exist", references.classes),
    Question("peers", "whether the namespaces that NetworkPolicies admit exist", references.namespaces_of_peers),
    Question("Prometheus", "the Service of the Prometheus that KEDA asks", references.prometheus),
    Question("collector", "the Service of the collector that gets the traces", references.collector),
    Question("ingress class", "whether it exists, or a default one", entrance.ingress_class),
    Question("controller", "whether pods run where the site says that the controller is", entrance.controller),
    Question("Gateway", "its class, its listeners and which routes they take", entrance.gateway),
    Question("host name", "who has it", entrance.hosts),
    Question("node port", "who has it", entrance.node_ports),
    Question("load balancer", "whether addresses are given to such Services", entrance.load_balancer),
    Question("rights", "each right that up, preview and destroy need", objects.rights),
    Question("names", "who has the names of the stack's objects", objects.names),
    Question("dry run", "whether it takes each object, field by field", objects.dry_run),
)


def ask(demand: Demand, cluster: ClusterView) -> list[Row]:
    """Ask all questions at the same time, and return their rows in order."""
    return [
        row for rows in in_parallel(lambda question: list(_rows(question, demand, cluster)), QUESTIONS) for row in rows
    ]


def _rows(question: Question, demand: Demand, cluster: ClusterView) -> Iterator[Row]:
    try:
        for result, detail in question.findings(demand, cluster):
            yield Row(question.subject, result, detail)
    except ClusterError as error:
        yield Row(question.subject, *unknown(f"the cluster does not tell: {error}"))
    except (LookupError, TypeError, ValueError) as error:  # an API server of another kind, such as a virtual cluster's
        text = f"the cluster's answer has another form than that of Kubernetes ({type(error).__name__}: {error})"
        yield Row(question.subject, *unknown(text))


def unasked(config: StackConfig) -> list[Row]:
    """Return the rows of a run without a cluster: what each would compare."""
    access = config.site.access
    recorded = f"with {access.cluster_uid}" if access.cluster_uid else "with none, since no cluster_uid is recorded"
    known = {"cluster": f", {recorded}", "namespace": f" (`{access.namespace}`)"}
    return [
        Row(each.subject, *unknown(f"needs the cluster: {each.asks}{known.get(each.subject, '')}"))
        for each in QUESTIONS
    ]
