"""The models as JSON Schema, and its rule for one value in words that a person can act on.

    schema = Schema(Site)
    node = schema.at(("pools", 0, "servers_max"), site)     # {"type": "integer", "minimum": 1, …}
    schema.rule(node)                                       # "an integer >= 1"
    schema.way_out(node, "4", "servers_max")                # "write 4, without quotes or unit"

`at` follows a path through references, through `or null` and, by the `kind` that the value has, through alternatives.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from stacks.errors import choice
from stacks.origin import Json, KeyPath
from stacks.quantities import bare_number

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
        node = self._resolved(node)
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
            case "object" if isinstance(node.get("additionalProperties"), dict):
                key = f", each key {self.rule(names)}" if "title" in (names := node.get("propertyNames", {})) else ""
                return f"a mapping{key}, each value {self.rule(node['additionalProperties'])}"
            case "object":
                return "a mapping"
            case _:
                return "text" if node.get("minLength") else "text, or empty"

    def way_out(self, node: Node, found: Json, key: str) -> str:
        """Return what to write instead of a wrong value of a key."""
        node = self._resolved(node)
        if "enum" in node:
            return choice(str(found), map(str, node["enum"]), otherwise="write one of them")
        match node.get("type"):
            case "integer" | "number":
                if meant := _meant_number(node, found, key):
                    return f"write {meant}, without quotes or unit" if isinstance(found, str) else f"write {meant}"
                return f"write a number such as {_number_example(node)}"
            case "boolean":
                meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(str(found).lower())
                return f"write {meant or 'one of the two'}"
            case "array":
                return (
                    f"write [{json.dumps(found)}]"
                    if isinstance(found, str)
                    else "write one item a line, each after `- `"
                )
            case "string" if isinstance(found, float):
                return "put it in quotes as it is written, since a number loses zeros at its end"
            case "string" if isinstance(found, bool | int):
                return f'put it in quotes: "{json.dumps(found)}"'
            case "string":
                return f"write one such as {node['examples'][0]}" if "examples" in node else "write it as text"
            case _:
                return "write its keys below it, or `{}` for none"

    def keys(self, node: Node) -> list[str]:
        """Return the keys of a mapping."""
        return list(node.get("properties", {}))

    def kinds(self, node: Node) -> list[str]:
        """Return the values of `kind` that choose among the alternatives of a node; empty without alternatives."""
        return self._kinds(self._resolved(node))

    def key_rule(self, node: Node) -> Node:
        """Return the schema of the keys of a mapping whose keys are data, such as labels."""
        names: Node = {"type": "string", **node.get("propertyNames", {})}
        return names

    def _kinds(self, node: Node) -> list[str]:
        kinds = {reference: kind for kind, reference in node.get("discriminator", {}).get("mapping", {}).items()}
        return [kinds[alternative["$ref"]] for alternative in node.get("oneOf", [])]

    def _resolved(self, node: Node) -> Node:
        """Follow a reference, and see through `or null`."""
        if "$ref" in node:
            target = self.document["$defs"][node["$ref"].rpartition("/")[2]]
            node = {**self._resolved(target), **{key: value for key, value in node.items() if key != "$ref"}}
        if "anyOf" in node:
            alternatives = [alternative for alternative in node["anyOf"] if alternative != {"type": "null"}]
            rest = {key: value for key, value in node.items() if key != "anyOf"}
            node = {**self._resolved(alternatives[0]), **rest}
        return node

    def _chosen(self, node: Node, value: Any) -> Node:
        node = self._resolved(node)
        kind = value.get("kind") if isinstance(value, dict) else None
        if isinstance(kind, str) and kind in self._kinds(node):
            return self._resolved({"$ref": node["discriminator"]["mapping"][kind]})
        return node

    def _properties(self, node: Node, prefix: str, kind: str | None) -> Iterator[Property]:
        node = self._resolved(node)
        for each in self._kinds(node):
            yield from self._properties({"$ref": node["discriminator"]["mapping"][each]}, prefix, each)
        required = node.get("required", [])
        for key, raw in node.get("properties", {}).items():
            below = self._resolved(raw)
            is_list = below.get("type") == "array"
            inner = self._resolved(below["items"]) if is_list else below
            path = f"{prefix}{key}"
            is_group = bool(inner.get("properties") or inner.get("oneOf"))
            description = " ".join(str(below.get("description", "")).split())
            yield Property(path, kind, self.rule(raw), key in required, raw.get("default"), description, is_group)
            yield from self._properties(inner, f"{path}[]." if is_list else f"{path}.", None)


def one_of(choices: list[str]) -> str:
    """Return the choices as `one of …`."""
    marked = [f"`{each}`" for each in choices]
    return marked[0] if len(marked) == 1 else f"one of {', '.join(marked)}"


def _bounds(node: Node) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    bounds = [f"{sign} {node[key]:g}" for key, sign in signs.items() if key in node]
    return f" {' and '.join(bounds)}" if bounds else ""


def _meant_number(node: Node, found: Json, key: str) -> str | None:
    """Return the number that was meant, if the node allows it."""
    number = bare_number(key, found)
    if number is None or (node["type"] == "integer" and not number.is_integer()):
        return None
    fits = (
        number >= node.get("minimum", number)
        and number <= node.get("maximum", number)
        and number > node.get("exclusiveMinimum", number - 1)
        and number < node.get("exclusiveMaximum", number + 1)
    )
    return f"{number:.15g}" if fits else None


def _number_example(node: Node) -> str:
    if isinstance(node.get("default"), int | float):
        return f"{node['default']:g}"
    return f"{node.get('minimum', 1):g}"
