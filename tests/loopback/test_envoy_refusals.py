"""A real Envoy counts each refusal where `watch` and `report` look for its cause."""

from collections.abc import Mapping
from typing import Any

from components.envoy.admission.controller.policy import CLUSTER, limit_key
from components.envoy.refusals import REFUSALS
from components.envoy.stats import METRICS_PATH
from stacks.schema.clients import TokenClients
from testbed.authority import Authority
from testbed.issuer import Issuer, files_for_tokens
from testbed.proxy_client import channel, outcomes
from testbed.real_envoy import RealEnvoy, await_healthy
from tests.loopback.conftest import Envoys, Servers
from tests.support.admission import admission

A = "127.0.1.1"
UNLOAD = "/inference.GRPCInferenceService/RepositoryModelUnload"
OF_CLIENTS = ('envoy_http_conn_manager_prefix="clients"', 'envoy_cluster_name="servers"')


def counted(proxy: RealEnvoy) -> Mapping[str, int]:
    """Return cause -> refusals, from Envoy's metrics; a cause without a counter is missing."""
    found: dict[str, int] = {}
    for line in proxy.stats(METRICS_PATH)[1].splitlines():
        for each in REFUSALS:
            if line.startswith(f"{each.counter}{{") and any(label in line for label in OF_CLIENTS):
                found[each.cause] = int(line.split()[-1])
    return found


def test_each_refusal_is_counted_under_its_cause(servers: Servers, envoy: Envoys) -> None:
    authority, membership = Authority("public"), dict[str, Any]({"wlcg.groups": ["/cms"]})
    with Issuer("https://issuer.example/realm", authority.sign_host("localhost")) as issuer:
        proxy = envoy(
            (A,),
            clients=TokenClients(kind="token", issuers=(issuer.fact(groups=("/cms",)),)),
            files=files_for_tokens(authority),
            admission=admission(requests_in_flight_per_server_max=50),
        )
        member = issuer.token(**membership)
        assert counted(proxy) == dict.fromkeys([each.cause for each in REFUSALS], 0)
        with channel(proxy.target) as client:
            assert outcomes(client, 1, token=member) == {"UNAVAILABLE": 1}
            assert outcomes(client, 2) == {"UNAUTHENTICATED": 2}
            assert outcomes(client, 3, token=issuer.token()) == {"PERMISSION_DENIED": 3}
            assert outcomes(client, 4, method=UNLOAD, token=member) == {"PERMISSION_DENIED": 4}
            servers(1)
            await_healthy(proxy, A)
            proxy.admin(f"/runtime_modify?{limit_key(CLUSTER)}=0", "POST")
            assert outcomes(client, 5, token=member) == {"UNAVAILABLE": 5}
    assert counted(proxy) == {
        "no healthy server": 1,
        "no valid token": 2,
        "client not allowed": 3,
        "new job, tenant over its share, or closed method": 4,
        "limit on requests in progress": 5,
        "Envoy's memory full": 0,
    }
