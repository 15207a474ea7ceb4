"""Check: names, namespaces, and the canonical form of inputs."""

from typing import Any

import pytest

from devcluster.provider.check import Naming, check
from devcluster.provider.errors import ProviderError
from devcluster.provider.schema import canonical
from devcluster.provider.wire import UNKNOWN

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap"}
NAMING = Naming(urn_name="settings", seed=b"seed")
AUTONAMED = {"annotations": {"pulumi.com/autonamed": "true"}}


def checked(
    manifest: dict[str, Any],
    old_inputs: dict[str, Any] | None = None,
    *,
    naming: Naming = NAMING,
    is_patch: bool = False,
    default_namespace: str = "",
) -> dict[str, Any]:
    return check(manifest, old_inputs or {}, is_patch=is_patch, naming=naming, default_namespace=default_namespace)


def test_an_unnamed_new_object_gets_a_name_from_the_seed() -> None:
    first, again = checked(CONFIG_MAP), checked(CONFIG_MAP)
    other = checked(CONFIG_MAP, naming=Naming(urn_name="settings", seed=b"another"))

    assert first["metadata"]["name"].startswith("settings-")
    assert len(first["metadata"]["name"]) == len("settings-") + 8
    assert first == again
    assert first["metadata"]["name"] != other["metadata"]["name"]
    assert first["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}


def test_the_engines_proposal_is_taken() -> None:
    metadata = checked(CONFIG_MAP, naming=Naming(urn_name="settings", proposed="settings-of-mine"))["metadata"]

    assert metadata == {"name": "settings-of-mine", **AUTONAMED}


def test_without_autonaming_a_name_is_demanded() -> None:
    with pytest.raises(ProviderError, match=r"autonaming is disabled, so the resource must set \.metadata\.name"):
        checked(CONFIG_MAP, naming=Naming(urn_name="settings", disabled=True))


def test_an_autoname_is_kept_as_long_as_the_program_names_nothing() -> None:
    old = checked(CONFIG_MAP)

    assert checked({**CONFIG_MAP, "data": {"a": "1"}}, old)["metadata"] == old["metadata"]
    assert checked({**CONFIG_MAP, "metadata": {"name": "mine"}}, old)["metadata"] == {"name": "mine"}


def test_a_name_that_is_not_known_yet_is_a_name() -> None:
    assert checked({**CONFIG_MAP, "metadata": {"name": UNKNOWN}})["metadata"] == {"name": UNKNOWN}


def test_the_default_namespace_goes_where_none_is_stated() -> None:
    assert checked(CONFIG_MAP, default_namespace="home")["metadata"]["namespace"] == "home"
    stated = {**CONFIG_MAP, "metadata": {"name": "x", "namespace": "there"}}
    assert checked(stated, default_namespace="home")["metadata"]["namespace"] == "there"


def test_a_secrets_string_data_is_encoded() -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"old": "eA=="},
        "stringData": {"token": "swordfish"},
    }

    result = checked(secret)

    assert result["data"] == {"old": "eA==", "token": "c3dvcmRmaXNo"}
    assert "stringData" not in result


def test_string_data_that_is_not_known_yet_waits() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"token": UNKNOWN}}

    assert checked(secret)["stringData"] == {"token": UNKNOWN}


def test_metadata_that_only_the_server_writes_is_dropped() -> None:
    metadata = {"name": "x", "uid": "1", "resourceVersion": "2", "managedFields": [], "creationTimestamp": "now"}

    assert checked({**CONFIG_MAP, "metadata": metadata})["metadata"] == {"name": "x"}


@pytest.mark.parametrize(
    ("manifest", "is_patch", "sentence"),
    [
        ({"kind": "PodList", "items": []}, False, "PodList is a list, which cannot be created"),
        ({"kind": "Node"}, True, "a patch of a Node must set .metadata.name"),
        ({"kind": "Pod", "metadata": {"generateName": "x-"}}, False, "generateName field is not supported"),
    ],
)
def test_what_cannot_be_managed_is_refused(manifest: dict[str, Any], is_patch: bool, sentence: str) -> None:
    with pytest.raises(ProviderError, match=sentence):
        checked({"apiVersion": "v1", **manifest}, is_patch=is_patch)


DOCUMENT: dict[str, Any] = {
    "components": {
        "schemas": {
            "io.k8s.api.core.v1.Thing": {
                "type": "object",
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "replicas": {"type": "integer"},
                    "limits": {
                        "type": "object",
                        "additionalProperties": {
                            "allOf": [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"}]
                        },
                    },
                    "items": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"port": {"oneOf": [{}, {}]}}},
                    },
                },
                "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Thing"}],
            },
            "org.example.v1.Custom": {
                "type": "object",
                "properties": {"kind": {"type": "string"}},
                "x-kubernetes-group-version-kind": [{"group": "example.org", "version": "v1", "kind": "Custom"}],
            },
        }
    }
}
THING = {"apiVersion": "v1", "kind": "Thing"}


def test_unknown_fields_of_built_in_kinds_are_dropped_at_any_depth() -> None:
    manifest = {**THING, "bogus": 1, "items": [{"port": "http", "bogus": 2}]}

    assert canonical(manifest, DOCUMENT) == {**THING, "items": [{"port": "http"}]}


def test_quantities_take_their_canonical_form() -> None:
    assert canonical({**THING, "limits": {"cpu": "1000m"}}, DOCUMENT)["limits"] == {"cpu": "1"}


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ({"replicas": "two"}, "replicas: 'two' is of the wrong type, the Kubernetes API wants integer"),
        ({"replicas": True}, "replicas: True is of the wrong type, the Kubernetes API wants integer"),
        ({"limits": {"cpu": "banana"}}, "limits.cpu: 'banana' is not a quantity"),
    ],
)
def test_values_of_the_wrong_form_are_refused_by_path(field: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ProviderError) as refusal:
        canonical({**THING, **field}, DOCUMENT)
    assert sentence in str(refusal.value)


def test_custom_resources_are_left_as_they_are() -> None:
    manifest = {"apiVersion": "example.org/v1", "kind": "Custom", "spec": {"any": "thing"}}

    assert canonical(manifest, DOCUMENT) == manifest
