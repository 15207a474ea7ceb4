"""Web addresses of the configuration."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from stacks.schema.url import Endpoint, Issuer, KeysUrl, PrometheusUrl, S3Url, endpoint


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        (PrometheusUrl, "http://prometheus.monitoring.svc:9090"),
        (PrometheusUrl, "https://monitoring.example.org/prometheus"),
        (PrometheusUrl, "http://[fd00::1]:9090/"),
        (S3Url, "https://s3.example.org"),
        (S3Url, "http://10.0.0.1:9000/"),
        (Issuer, "https://issuer.example/"),
        (Issuer, "https://login.example/realms/cms"),
        (KeysUrl, "https://issuer.example:8443/jwk?version=2"),
    ],
)
def test_an_address_that_its_reader_takes_is_kept_to_the_letter(kind: Any, url: str) -> None:
    assert TypeAdapter(kind).validate_python(url) == url


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://S3.example.org/", Endpoint("https", "s3.example.org", 443)),
        ("http://[fd00::1]:9090", Endpoint("http", "fd00::1", 9090)),
        ("http://10.0.0.1", Endpoint("http", "10.0.0.1", 80)),
    ],
)
def test_the_server_of_a_url_has_a_port(url: str, server: Endpoint) -> None:
    assert endpoint(url) == server
