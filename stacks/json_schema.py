"""The models as JSON Schema, its rule for one value in words, and an example of a value.

    schema = Schema(Site)
    node = schema.at(("pools", 0, "servers_max"), site)     # {"type": "integer", "minimum": 1, …}
    schema.rule(node)                                       # "an integer >= 1"
    schema.example(node)                                    # 1

`at` follows a path through references, through `or null` and, by the `kind` that the value has, through alternatives.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from stacks.origin import Json, KeyPath

Node = Mapping[str, Any]
"""A node of a JSON Schema."""


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, where a title is always the rule of a string, also in mappings."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        document: JsonSchemaValue = {"type": "object"}
        if "keys_schema" in schema:
            document["propertyNames"] = self.generate_inner(schema["keys_schema"])
        if "values_schema" in schema:
            document["additionalProperties"] = self.generate_inner(schema["values_schema"])
        self.update_with_validations(document, schema, self.ValidationsMapping.object)
        return document


class Property(NamedTuple):
    """One key that a file may have."""

    path: str
    """Path, such as `pools[].servers_max`."""
    kind: str | None
    """The `kind` of its mapping, where that decides which keys exist."""
    rule: str
    """Rule for its value; completes "must be …"."""
    required: bool
    """True for a key without a default."""
    default: Json
    """Default of a key that is not required."""
    description: str
    """Description of the model."""
    is_group: bool
    """True for a mapping, or a list of mappings, with keys of its own."""


class Schema:
    """JSON Schema of one model."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.document: dict[str, Any] = model.model_json_schema(schema_generator=_Generator)

    def at(self, path: KeyPath, value: Any) -> Node:
        """Return the schema of a path; `value` is the whole, whose `kind`s choose among alternatives."""
        node = self._chosen(self.document, value)
        for key in path:
            below = node.get("items") if isinstance(key, int) else node.get("properties", {}).get(key)
            node = below or node.get("additionalProperties") or {}
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                value = None
            node = self._chosen(node if isinstance(node, dict) else {}, value)
        return node

    def properties(self) -> Iterator[Property]:
        """Yield every key, in the order of the models; a key of several kinds once for each."""
        yield from self._properties(self.document, "", None)

    def rule(self, node: Node) -> str:
        """Return the rule for a value; it completes "must be …"."""
        node = self.resolved(node)
        if "const" in node or "enum" in node:
            return one_of([str(value) for value in node.get("enum", [node.get("const")])])
        if "title" in node and node.get("type") == "string":
            return str(node["title"])
        if "oneOf" in node:
            return f"a mapping with kind {one_of(self._kinds(node))}"
        match node.get("type"):
            case "integer" | "number" as kind:
                return f"{'an integer' if kind == 'integer' else 'a number'}{_bounds(node)}"
            case "boolean":
                return "true or false"
            case "array":
                least = f" of at least {node['minItems']}" if "minItems" in node else ""
                return f"a list{least}, each item {self.rule(node['items'])}"
            case "object" if node.get("additionalProperties") not in (None, {}, False, True):
                key = f", each key {self.rule(names)}" if "title" in (names := node.get("propertyNames", {})) else ""
                return f"a mapping{key}, each value {self.rule(node['additionalProperties'])}"
            case "object":
                return "a mapping"
            case _:
                return "text" if node.get("minLength") else "text, or empty"

    def keys(self, node: Node) -> list[str]:
        """Return the keys of a mapping."""
        return list(node.get("properties", {}))

    def kinds(self, node: Node) -> list[str]:
        """Return the values of `kind` that choose among the alternatives of a node; empty without alternatives."""
        return self._kinds(self.resolved(node))

    def example(self, node: Node) -> Json:
        """Return a value that fits: the default, an example, the least number, or a mapping of what it must have."""
        node = self.resolved(node)
        if (default := node.get("default")) not in (None, [], {}):
            return default
        if "oneOf" in node:
            return self.example(node["oneOf"][0])
        fixed = node.get("examples") or node.get("enum") or ([node["const"]] if "const" in node else [])
        if fixed:
            return fixed[0]  # type: ignore[no-any-return]
        match node.get("type"):
            case "integer" | "number":
                return int(node.get("minimum", node.get("exclusiveMinimum", 0) + 1))
            case "boolean":
                return False
            case "array":
                return [self.example(node["items"])]
            case "object":
                properties = node.get("properties", {})
                if names := node.get("propertyNames", {}).get("examples"):
                    return {names[0]: self.example(node["additionalProperties"])}
                return {key: self.example(properties[key]) for key in node.get("required", [])}
            case _:
                return "text" if node.get("minLength") else ""

    def alternative(self, node: Node, kind: str) -> Node:
        """Return the alternative of a node that a `kind` chooses."""
        return self.resolved({"$ref": self.resolved(node)["discriminator"]["mapping"][kind]})

    def key_rule(self, node: Node) -> Node:
        """Return the schema of the keys of a mapping whose keys are data, such as labels."""
        names: Node = {"type": "string", **node.get("propertyNames", {})}
        return names

    def _kinds(self, node: Node) -> list[str]:
        kinds = {reference: kind for kind, reference in node.get("discriminator", {}).get("mapping", {}).items()}
        return [kinds[alternative["$ref"]] for alternative in node.get("oneOf", [])]

    def resolved(self, node: Node) -> Node:
        """Return a node with its references followed, and without `or null`."""
        if "$ref" in node:
            target = self.document["$defs"][node["$ref"].rpartition("/")[2]]
            node = {**self.resolved(target), **{key: value for key, value in node.items() if key != "$ref"}}
        if "anyOf" in node:
            alternatives = [alternative for alternative in node["anyOf"] if alternative != {"type": "null"}]
            rest = {key: value for key, value in node.items() if key != "anyOf"}
            node = {**self.resolved(alternatives[0]), **rest}
        return node

    def _chosen(self, node: Node, value: Any) -> Node:
        node = self.resolved(node)
        kind = value.get("kind") if isinstance(value, dict) else None
        if isinstance(kind, str) and kind in self._kinds(node):
            return self.alternative(node, kind)
        return node

    def _properties(self, node: Node, prefix: str, kind: str | None) -> Iterator[Property]:
        node = self.resolved(node)
        for each in self._kinds(node):
            yield from self._properties(self.alternative(node, each), prefix, each)
        required = node.get("required", [])
        for key, raw in node.get("properties", {}).items():
            below = self.resolved(raw)
            is_list = below.get("type") == "array"
            inner = self.resolved(below["items"]) if is_list else below
            path = f"{prefix}{key}"
            is_group = bool(inner.get("properties") or inner.get("oneOf"))
            description = " ".join(str(below.get("description", "")).split())
            yield Property(path, kind, self.rule(raw), key in required, raw.get("default"), description, is_group)
            yield from self._properties(inner, f"{path}[]." if is_list else f"{path}.", None)


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    """Return the schema of a model, which is made once."""
    return Schema(model)


def one_of(choices: list[str]) -> str:
    """Return the choices as `one of …`."""
    marked = [f"`{each}`" for each in choices]
    return marked[0] if len(marked) == 1 else f"one of {', '.join(marked)}"


def _bounds(node: Node) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    bounds = [f"{sign} {node[key]:.15g}" for key, sign in signs.items() if key in node]
    return f" {' and '.join(bounds)}" if bounds else ""
