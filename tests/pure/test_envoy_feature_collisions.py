"""Features of the proxy that would overwrite each other's parts."""

import pytest

from components.envoy.feature import Feature
from components.envoy.features import refuse_collisions


@pytest.mark.parametrize(
    ("part", "thing"),
    [
        (Feature(files={"policy.json": ""}), "file policy.json"),
        (Feature(log_fields={"subject": "%DOWNSTREAM_PEER_SUBJECT%"}), "log field subject"),
        (Feature(transport_socket={"name": "tls"}), "transport socket"),
        (Feature(overload_manager={"actions": []}), "overload manager"),
        (Feature(connection_manager={"tracing": {}}), "field tracing of the connection manager"),
    ],
)
def test_two_features_that_give_the_same_part_are_refused_by_name(part: Feature, thing: str) -> None:
    with pytest.raises(ValueError, match=rf"^the Envoy features first and third both give the {thing}: "):
        refuse_collisions({"first": part, "second": Feature(), "third": part})
    refuse_collisions({"first": part, "second": Feature(files={"other.json": ""}, log_fields={"issuer": ""})})
