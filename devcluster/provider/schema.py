"""Canonical form of built-in kinds: what the API server's Go types would make of a manifest.

Unknown fields go without a word, quantities take their stored form, and a value of the wrong type is refused. The
server's OpenAPI v3 document of a group says what the types are. Custom resources are left as they are, as the
official plugin leaves them.
"""

from collections.abc import Mapping
from typing import Any

from devcluster.provider.errors import ProviderError
from devcluster.provider.paths import Path, format_path
from devcluster.provider.quantity import canonical_quantity
from devcluster.provider.wire import UNKNOWN

_BUILT_IN = (
    "io.k8s.api.",
    "io.k8s.apiextensions-apiserver.",
    "io.k8s.kube-aggregator.",
)
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def canonical(manifest: dict[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest as its Go type would write it, or as it is when `document` has no built-in type for it."""
    schemas: Mapping[str, Any] = document.get("components", {}).get("schemas", {})
    name = _built_in_schema(manifest, schemas)
    if name is None:
        return manifest
    result: dict[str, Any] = _Canonical(schemas).value(manifest, {"$ref": f"#/{name}"}, ())
    return result


def _built_in_schema(manifest: dict[str, Any], schemas: Mapping[str, Any]) -> str | None:
    group, _slash, version = manifest.get("apiVersion", "").rpartition("/")
    wanted = {"group": group, "version": version, "kind": manifest.get("kind")}
    for name, schema in schemas.items():
        if name.startswith(_BUILT_IN) and wanted in schema.get("x-kubernetes-group-version-kind", ()):
            return name
    return None


class _Canonical:
    def __init__(self, schemas: Mapping[str, Any]):
        self._schemas = schemas

    def value(self, value: Any, schema: Mapping[str, Any], path: Path) -> Any:
        if value is None or value is UNKNOWN:
            return value
        name, schema = self._resolve(schema)
        if name == _QUANTITY:
            return self._quantity(value, path)
        _check_type(value, schema, path)
        if isinstance(value, dict):
            return self._object(value, schema, path)
        if isinstance(value, list) and "items" in schema:
            return [self.value(item, schema["items"], (*path, i)) for i, item in enumerate(value)]
        return value

    def _object(self, value: dict[str, Any], schema: Mapping[str, Any], path: Path) -> dict[str, Any]:
        properties = schema.get("properties")
        if properties is not None:
            return {
                key: self.value(item, properties[key], (*path, key)) for key, item in value.items() if key in properties
            }
        entries = schema.get("additionalProperties")
        if isinstance(entries, dict):
            return {key: self.value(item, entries, (*path, key)) for key, item in value.items()}
        return value

    def _resolve(self, schema: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Name and body of the schema behind a `$ref`, alone or as the only member of `allOf`."""
        reference = schema.get("$ref") or next(
            (part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), None
        )
        if reference is None:
            return "", schema
        name = reference.rpartition("/")[2]
        return name, self._schemas.get(name, {})

    def _quantity(self, value: Any, path: Path) -> str:
        try:
            return canonical_quantity(value)
        except ValueError as error:
            msg = f"{format_path(path)}: {error}"
            raise ProviderError(msg) from None


def _check_type(value: Any, schema: Mapping[str, Any], path: Path) -> None:
    expected = schema.get("type")
    if expected is None:
        return
    if not isinstance(value, _PYTHON_TYPES[expected]) or (isinstance(value, bool) and expected != "boolean"):
        msg = f"{format_path(path)}: {value!r} is of the wrong type, the Kubernetes API wants {expected}"
        raise ProviderError(msg)
