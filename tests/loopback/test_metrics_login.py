"""Real Envoy before a stand-in for Prometheus: nothing of it is answered without a password."""

import base64
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.envoy.feature import CONFIG_FOLDER
from components.envoy.ports import ADMIN_PORT, STATS_PORT
from components.metrics_login.bootstrap import PORT, USERS_FILE, bootstrap
from testbed.loopback import LOOPBACK
from testbed.prometheus_stub import PrometheusStub
from testbed.real_envoy import RealEnvoy

QUERY = "/api/v1/query?query=up"
USERS = """\
alice:{SHA}NstYn3QVe0WBGmkMWLQ0CV9I6fo=
bob:{SHA}WBDS8Qr1dtWNToPicKXDbo9zDvE=
"""
"""As `htpasswd -nbs` prints alice with `correct-horse`, and bob with `battery-staple`."""


@pytest.fixture(scope="module")
def prometheus() -> Iterator[PrometheusStub]:
    with PrometheusStub() as stub:
        yield stub


@pytest.fixture(scope="module")
def login(prometheus: PrometheusStub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEnvoy]:
    config = bootstrap(host=LOOPBACK, port=prometheus.port, ipv6=False)
    folder: Path = tmp_path_factory.mktemp("login")
    files = {f"{CONFIG_FOLDER}/{USERS_FILE}": USERS}
    with RealEnvoy(config, folder, ports=(PORT, ADMIN_PORT, STATS_PORT), files=files) as envoy:
        yield envoy


def asked(login: RealEnvoy, path: str, user: str | None = None, method: str = "GET") -> int:
    """Return the status of a request, by `user:password` if one is given."""
    request = urllib.request.Request(f"http://{login.target}{path}", method=method)
    if user is not None:
        request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("path", ["/", QUERY, "/metrics", "/-/healthy", "/ready", "//api/v1/query", "/%2e%2e/metrics"])
def test_nothing_is_answered_without_a_password(login: RealEnvoy, prometheus: PrometheusStub, path: str) -> None:
    before = prometheus.asked
    assert [asked(login, path, method=method) for method in ("GET", "POST", "OPTIONS")] == [401] * 3
    assert prometheus.asked == before


@pytest.mark.parametrize("user", ["alice:battery-staple", "carol:correct-horse", "alice:", "alice"])
def test_a_wrong_password_is_refused(login: RealEnvoy, prometheus: PrometheusStub, user: str) -> None:
    before = prometheus.asked
    assert asked(login, QUERY, user) == 401
    assert prometheus.asked == before


@pytest.mark.parametrize("user", ["alice:correct-horse", "bob:battery-staple"])
def test_each_user_is_let_in_and_prometheus_sees_no_password(
    login: RealEnvoy, prometheus: PrometheusStub, user: str
) -> None:
    assert asked(login, QUERY, user) == 200
    assert "authorization" not in prometheus.headers
