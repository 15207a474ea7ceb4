"""Pulumi's property encoding: protobuf structs <-> Python values, with secrets and unknowns kept apart.

Values are `None`, `bool`, `int`, `float`, `str`, lists, dicts, `Secret` around any of them, and `UNKNOWN` for what a
preview cannot know yet. Source: sdk/go/common/resource/sig and sdk/python/lib/pulumi/runtime/rpc.py of Pulumi 3.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from google.protobuf import struct_pb2

_SIGNATURE_KEY: Final = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 -- marks secrets, is none
_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class _Unknown(Enum):
    UNKNOWN = "unknown"


UNKNOWN: Final = _Unknown.UNKNOWN


@dataclass(frozen=True)
class Secret:
    """A value that the engine must encrypt in its state and hide in its output."""

    value: Any


def decode(struct: struct_pb2.Struct) -> dict[str, Any]:
    """The properties in a struct. Whole numbers become `int`, as Kubernetes wants them."""
    return {key: _decode(value) for key, value in struct.fields.items()}


def _decode(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            fields = decode(value.struct_value)
            if fields.get(_SIGNATURE_KEY) == _SECRET_SIGNATURE:
                return Secret(fields.get("value"))
            return fields
        case "list_value":
            return [_decode(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return UNKNOWN if value.string_value == _UNKNOWN_STRING else value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def encode(properties: dict[str, Any]) -> struct_pb2.Struct:
    """The struct that holds the properties; inverse of `decode`."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        _encode(value, struct.fields[key])
    return struct


def _encode(value: Any, into: struct_pb2.Value) -> None:
    match value:
        case Secret():
            _encode({_SIGNATURE_KEY: _SECRET_SIGNATURE, "value": value.value}, into)
        case dict():
            into.struct_value.SetInParent()
            for key, item in value.items():
                _encode(item, into.struct_value.fields[key])
        case list() | tuple():
            into.list_value.SetInParent()
            for item in value:
                _encode(item, into.list_value.values.add())
        case _:
            _encode_scalar(value, into)


def _encode_scalar(value: Any, into: struct_pb2.Value) -> None:
    match value:
        case None:
            into.null_value = struct_pb2.NULL_VALUE
        case bool():
            into.bool_value = value
        case int() | float():
            into.number_value = value
        case str():
            into.string_value = value
        case _Unknown():
            into.string_value = _UNKNOWN_STRING
        case _:
            msg = f"a property of type {type(value).__name__} has no encoding"
            raise TypeError(msg)


def reveal(value: Any) -> Any:
    """A copy of the value without its secret marks."""
    match value:
        case Secret():
            return reveal(value.value)
        case dict():
            return {key: reveal(item) for key, item in value.items()}
        case list():
            return [reveal(item) for item in value]
        case _:
            return value


def contains(value: Any, what: type[Secret] | _Unknown) -> bool:
    """Whether a `Secret` (the class) or `UNKNOWN` (the value) stands anywhere inside."""
    if value is what or (isinstance(what, type) and isinstance(value, what)):
        return True
    match value:
        case Secret():
            return contains(value.value, what)
        case dict():
            return any(contains(item, what) for item in value.values())
        case list():
            return any(contains(item, what) for item in value)
        case _:
            return False


def mark_secrets(outputs: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """A copy of `outputs` in which what was secret in `inputs` is secret again.

    A list with a secret inside becomes secret as a whole (its order may have changed). The `data` and `stringData` of
    a Kubernetes Secret are always secret.
    """
    if outputs.get("kind") == "Secret":
        return {key: Secret(value) if key in ("data", "stringData") else value for key, value in outputs.items()}
    marked = dict(outputs)
    for key, given in inputs.items():
        if key not in outputs:
            continue
        if isinstance(outputs[key], dict) and isinstance(given, dict):
            marked[key] = mark_secrets(outputs[key], given)
        elif contains(given, Secret):
            marked[key] = Secret(outputs[key])
    return marked
