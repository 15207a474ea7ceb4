"""The values that may have been meant by one that a key does not take.

Each is a guess, and the caller tries them: the first that the models accept is the advice. So a guess may be bold, and
none needs to know the rule that it must satisfy.
"""

import ipaddress
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from stacks.errors import near
from stacks.json_schema import Node, Schema
from stacks.origin import Json
from stacks.placeholders import PLACEHOLDERS
from stacks.quantities import bare_number, meant_numbers, unit_of
from stacks.schema.url import PATH_OF_PROMETHEUS

_TRUE, _FALSE = ("true", "yes", "y", "on", "1", "enabled"), ("false", "no", "n", "off", "0", "disabled")
NOTHING = (
    None,
    False,
    "",
    "none",
    "null",
    "nil",
    "no",
    "off",
    "false",
    "-",
    "all",
    "any",
    "*",
    "default",
    "auto",
    "inf",
    ".inf",
    "infinity",
    "unlimited",
    "~/.kube/config",
    "$HOME/.kube/config",
)
"""Values that mean: as if the key were not there."""
_PAIR = 2
SCALARS = {"integer", "number", "boolean", "string"}
"""Types of JSON Schema that hold one value."""
_NEAR_BOUND = 3
"""A number that exceeds a bound by no more than this factor is in the key's unit."""
OTHER_WORDS = {
    "k8s": "kubernetes",
    "slurm": "interlink",
    "lb": "load-balancer",
    "clusterip": "cluster-ip",
    "httproute": "gateway",
    "x509": "certificate",
    "mtls": "certificate",
    "jwt": "token",
    "oidc": "token",
    "none": "network",
    "prometheus": "external",
    "hostpath": "cvmfs-hostpath",
    "csi": "cvmfs-pvc",
    "pvc": "volume",
    "nfs": "volume",
    "minio": "s3",
    "websocket": "wstunnel",
    "websockets": "wstunnel",
    "unix": "socket",
    ">": "Gt",
    "<": "Lt",
    "==": "Equal",
    "=": "Equal",
    "!=": "NotIn",
}
"""Words of other programs for a `kind` or an operator, in lower case."""
_SHELL = re.compile(r"[|&;<>$`]")


def suggestions(schema: Schema, node: Node, found: Json, written: Json, key: str) -> Iterator[Json]:
    """Yield values for a node of the schema that may be meant, best first.

    Args:
        schema: the schema of the node.
        node: the node of the value.
        found: the value.
        written: the value, its scalars as they are written: `24.10` is read as 24.1.
        key: the key of the value, whose last word is its unit.
    """
    node = schema.resolved(node)
    if isinstance(found, list) and isinstance(written, list) and len(found) == 1 and node.get("type") != "array":
        yield from _from_pairs(found)
        yield found[0]
        yield from suggestions(schema, node, found[0], written[0], key)
        return
    if found is None and node.get("type") in {"integer", "number", "boolean", "array", "string"}:
        return
    if isinstance(found, dict) and isinstance(written, dict) and len(found) == 1 and node.get("type") in SCALARS:
        ((at, inner),) = found.items()
        if "/" in at and node["type"] == "string":  # as in `{nvidia.com/mig-1g.5gb: 1}`
            yield at
        yield from suggestions(schema, node, inner, written[at], key)
    if "enum" in node or "const" in node:
        yield from _members(node.get("enum") or [node["const"]], written)
        return
    match node.get("type"):
        case "integer" | "number":
            yield from _numbers(node, found, key)
        case "boolean":
            yield from _booleans(written)
        case "array":
            yield from _lists(schema, node, found, written, key)
        case "string":
            yield from _texts(str(node.get("title", "")), written, str(node.get("default") or ""))
        case _:
            yield from _mappings(schema, node, found, written)


def _numbers(node: Node, found: Json, key: str) -> Iterator[Json]:
    bounds = [node[each] for each in ("minimum", "maximum") if each in node]
    own = bare_number(key, found)
    near_bounds = [each for each in bounds if own and own > 0 and each / _NEAR_BOUND <= own <= each * _NEAR_BOUND]
    for number in [*([own] if own is not None else []), *map(float, near_bounds), *meant_numbers(key, found)]:
        if number.is_integer():
            yield int(number)
        elif node["type"] == "integer":
            yield math.ceil(number)
        else:
            yield float(f"{number:.3g}")


def _booleans(written: Json) -> Iterator[Json]:
    word = str(written).lower()
    if word in _TRUE or word in _FALSE:
        yield word in _TRUE


def _members(members: Iterable[str], written: Json) -> Iterator[Json]:
    words = [str(member) for member in members]
    word = str(written)
    meant = OTHER_WORDS.get(word.lower())
    if meant in words:
        yield meant
    if (match := near(word, words)) is not None:
        yield match
    yield from (each for each in words if word and (word.lower() in each or each in word.lower()))


def _texts(title: str, written: Json, default: str) -> Iterator[Json]:
    """Yield texts for a node whose title says what it holds."""
    if isinstance(written, dict):  # an image as Helm charts write it
        image, tag = written.get("repository", written.get("name")), written.get("tag", written.get("digest"))
        if isinstance(image, str) and isinstance(tag, str):
            registry = written.get("registry")
            image = f"{registry}/{image}" if isinstance(registry, str) and registry else image
            yield f"{image}@{tag}" if tag.startswith("sha256:") else f"{image}:{tag}"
        yield from (written[key] for key in ("secretName", "claimName") if isinstance(written.get(key), str))
        yield from (f"{{{key}}}" for key in written if key in PLACEHOLDERS)  # without quotes a mapping to YAML
    if not isinstance(written, str) or not written:
        return
    bare = written.strip().strip("\"'\u201c\u201d\u2018\u2019`").strip()
    if "sum (" in title and (digest := re.search(r"(?<![0-9A-Fa-f])([0-9A-Fa-f]{64}|[0-9A-Fa-f]{32})\b", bare)):
        yield digest[1].lower()
    if "public key" in title:
        yield " ".join(bare.split()[:2])
        return
    if "absolute path" in title and re.fullmatch(r"[\w.-]+", bare) and default.startswith("/"):
        yield f"{default.rpartition('/')[0]}/{bare}"  # a program without its folder
    if len(bare) >= 16 and re.search(r"[A-Z]", bare) and re.search(r"[0-9]", bare) and bare.isalnum():
        return  # a key or a password: no guess repeats it
    yield from (written, bare, bare.lower())
    without_scheme = re.sub(r"^[A-Za-z0-9+]+:/+", "", bare)
    for words, guesses in _GUESSES.items():
        if any(word in title for word in words):
            yield from guesses(bare if words in (("URL",), ("bucket",)) else without_scheme)
            return


def _urls(text: str) -> Iterator[str]:
    """Yield URLs from a text, with its own scheme where that is one. A name inside a cluster speaks plain text."""
    scheme = re.match(r"(https?):/*", text)
    text = re.sub(r"^[A-Za-z0-9+]+:/+", "", text)
    text = re.sub(r"\s+(?=[:/.])|(?<=[:/.])\s+", "", text.rpartition("@")[2])
    text = PATH_OF_PROMETHEUS.sub("", text)
    server, slash, path = text.partition("/")
    host, _, port = server.rpartition(":") if re.search(r":[0-9]+$", server) else (server, "", "")
    inside = ".svc" in host or "." not in host or bool(re.fullmatch(r"[0-9.]+", host)) or port in {"80", "9090", "9000"}
    usual = ("http", "https") if inside else ("https", "http")
    schemes = (scheme[1], *usual) if scheme else usual
    for rest in (f"{server}{slash}{path}", f"{server}{slash}{re.split('[?#]', path)[0]}", server, host):
        yield from (f"{scheme}://{rest}" for scheme in schemes)


def _hosts(text: str) -> Iterator[str]:
    host = re.sub(r":[0-9]+$", "", text.partition("/")[0]).rstrip(".").lower()
    yield from (host, _label(host, "-."))


def _labels(text: str) -> Iterator[str]:
    yield _label(text.removeprefix("sonic:"), "-")


def _buckets(text: str) -> Iterator[str]:
    scheme, _, rest = text.rpartition("://")
    parts = rest.strip("/").split("/")
    yield from (_label(part, "-.") for part in (parts[min(len(parts) - 1, scheme.startswith("http"))], rest))


def _variables(text: str) -> Iterator[str]:
    name = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")
    yield from (name.upper() if "-" in text else name, f"_{name}")


def _flags(text: str) -> Iterator[str]:
    name, _, value = text.strip().lstrip("-").replace("=", " ", 1).partition(" ")
    if len(name) > 1:
        yield f"--{name}={value.strip()}" if value else f"--{name}"


def _models(text: str) -> Iterator[str]:
    yield re.sub(r"[\s/?*]+", "_", text.strip(" /?*"))


def _targets(text: str) -> Iterator[str]:
    kind, slash, rest = text.partition("/")
    yield f"{kind[:1].upper()}{kind[1:]}{slash}{rest.lower()}"


def _keys_and_values(text: str) -> Iterator[str]:
    yield re.sub(r"\s*/\s*", "/", text)
    yield re.sub(r"[^-A-Za-z0-9_.]+", "-", text).strip("-_.")


def _paths(text: str) -> Iterator[str]:
    text = re.sub(r"/{2,}", "/", re.sub(r"\s+", "", text))
    yield text.strip("/")
    yield text
    yield text.rstrip("/")
    if text[:1] not in {"/", "~", "$"}:
        yield from (f"/{text}", f"/cvmfs/{text}")


def _images(text: str) -> Iterator[str]:
    text = re.sub(r"\s+", "", text)
    unpacked = re.sub(r"^(/?cvmfs/unpacked\.cern\.ch/)", "", text)
    if unpacked != text:
        yield unpacked.replace("registry.hub.docker.com/", "docker.io/", 1)
        return
    yield from (text, text.lower(), text.partition("@")[0].replace("distroless-", ""), text.replace("@", ":"))


def _networks(text: str) -> Iterator[str]:
    yield from (f"{text}/32", f"{text}/128")
    with suppress(ValueError):
        yield str(ipaddress.ip_network(text, strict=False))
    first, _, last = (part.strip() for part in text.partition("-"))
    with suppress(ValueError, TypeError):
        yield from map(str, ipaddress.summarize_address_range(*map(ipaddress.ip_address, (first, last))))
    octets = re.sub(r"(\.\*)+$", "", text).split(".")
    if text.endswith("*"):
        yield f"{'.'.join([*octets, *'0' * (4 - len(octets))])}/{8 * len(octets)}"


def _releases(text: str) -> Iterator[str]:
    yield from re.findall(r"[0-9]+\.[0-9]+", text)[:1]
    yield from re.findall(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[a-z]+[0-9]+)?", text)[:1]


def _resources(text: str) -> Iterator[str]:
    """Yield generic resources of Slurm from `gres/gpu:t4` or `gpu:t4:2(S:0)`."""
    text = re.sub(r"^(--)?gres[/:=]|\(.*\)$", "", text.strip())
    yield re.sub(r":[0-9]+$", "", text)


_GUESSES: dict[tuple[str, ...], Callable[[str], Iterator[str]]] = {
    ("URL",): _urls,
    ("DNS label", "secret"): _labels,
    ("bucket",): _buckets,
    ("environment variable",): _variables,
    ("flag of",): _flags,
    ("one model",): _models,
    ("kind and a component",): _targets,
    ("DNS name",): _hosts,
    ("label",): _keys_and_values,
    ("path",): _paths,
    ("image",): _images,
    ("IP addresses",): _networks,
    ("release",): _releases,
    ("generic resource",): _resources,
}
"""Words in the title of a text -> the guesses from a text without a scheme; the first that fits."""


def _label(text: str, kept: str) -> str:
    """Return a text with all that is no letter, digit or kept replaced by dashes, but for its placeholders."""
    parts = re.split(rf"(\{{(?:{'|'.join(PLACEHOLDERS)})\}})", text.lower())
    fit = (part if part.startswith("{") else re.sub(rf"[^a-z0-9{re.escape(kept)}]+", "-", part) for part in parts)
    return "".join(fit).strip("-.")


def _lists(schema: Schema, node: Node, found: Json, written: Json, key: str) -> Iterator[Json]:
    items = schema.resolved(node["items"])

    def item(value: Json, text: Json) -> Json:
        simple = isinstance(value, str) or items.get("type") in {"integer", "number", "string", "boolean"}
        return next(suggestions(schema, items, value, text, key), value) if simple else value

    match found:
        case list():
            yield list(dict.fromkeys(each for each in found if isinstance(each, str | int)))
            yield [each for each in found if each is not None]
        case dict() if found and isinstance(written, dict):
            if "flag" in str(items.get("title", "")):
                yield [f"--{at.lstrip('-')}={written[at]}" for at in found]
                return
            yield from _items(found, items.get("required", []))
            yield from _expressions(found)
            if not any(isinstance(each, str | dict | list) for each in found.values()):  # as in `{Tesla-T4: 2}`
                yield [item(at, at) for at in found]
            yield [item(each, written[at]) for at, each in found.items()]
        case str():
            if key.endswith("command") and _SHELL.search(found):
                yield ["/bin/sh", "-c", found]
            pieces = _pieces(found, key)
            if len(pieces) > 1:
                yield [item(piece, piece) for piece in pieces]
            yield [found]
            yield [item(found, written)]
            yield from ([each] for each in suggestions(schema, items, found, written, key))
        case int() | float():
            yield [found]
            yield [item(found, written)]


def _pieces(text: str, key: str) -> list[str]:
    """Return the items of a list in one text. Names of GPUs may have blanks, and then each has a digit."""
    by_blanks = text.strip("[]() ").split()
    names = key.endswith("products") and not all(re.search("[0-9]", word) for word in by_blanks)
    separators = r"\s*[,;|]\s*" if names else r"[,;|\s]+"
    return [piece for piece in re.split(separators, text.strip("[]() ")) if piece]


def _expressions(found: Mapping[str, Json]) -> Iterator[list[Json]]:
    """Yield the requirements in a `nodeAffinity` of Kubernetes."""
    for at, each in found.items():
        if at == "matchExpressions" and isinstance(each, list):
            yield each
        for inner in each if isinstance(each, list) else [each]:
            if isinstance(inner, dict):
                yield from _expressions(inner)


def _items(found: Mapping[str, Json], needed: Sequence[str]) -> Iterator[list[Json]]:
    """Yield lists of mappings from a mapping: it alone, or an item for each entry, whose key is a value of the item."""
    yield [dict(found)]
    if all(isinstance(each, dict) for each in found.values()):
        for name in ("name", *needed):
            yield [{name: at, **each} for at, each in found.items() if isinstance(each, dict)]
        if len(needed) == _PAIR:
            yield [dict(zip(needed, pair, strict=True)) for pair in found.items()]
    if len(needed) == _PAIR and all(isinstance(each, str) for each in found.values()):
        yield [dict(zip(needed, pair, strict=True)) for pair in found.items()]


def _mappings(schema: Schema, node: Node, found: Json, written: Json) -> Iterator[Json]:
    yield from _from_pairs(found)
    if isinstance(found, str):
        yield from _from_text(found, node.get("required", []))
    if isinstance(found, bool | int | float | str) and found not in NOTHING:
        for kind in _members(schema.kinds(node), written):
            yield {"kind": kind}
        properties = node.get("properties", {})
        needed = node.get("required") or (properties if len(properties) == 1 else [])
        for key, each in properties.items():
            members = schema.resolved(each).get("enum", [])
            yield from ({key: member} for member in members if member == found)
        if not isinstance(found, bool) and str(written).lower() not in _TRUE and near(str(found), properties) is None:
            for key in needed if "\n" not in str(written) and "description" not in needed else ():
                numeric = schema.resolved(properties[key]).get("type") in {"integer", "number"}
                if numeric and bare_number(key, found) is None:
                    continue
                yield {key: found}
                yield from ({key: each} for each in suggestions(schema, properties[key], found, written, key))
            if isinstance(found, str) and not needed:
                yield from _optional(schema, properties, found)
    if found in (None, True, [], "") or str(written).lower() in _TRUE:
        yield {}


def _from_text(found: str, needed: Sequence[str]) -> Iterator[Json]:
    """Yield a mapping from the short forms of a taint, of a mount and of a model repository."""
    if taint := re.fullmatch(r"([^=:\s]+)(?:=([^:\s]*))?:([A-Za-z]+)", found):
        said = {"operator": "Equal", "value": taint[2]} if taint[2] else {"operator": "Exists"}
        yield {"key": taint[1], **said, "effect": taint[3]}
    mount = re.fullmatch(r"(/[^:\s]*):(/[^:\s]*)(:r[ow])?", found)
    if mount and len(needed) == _PAIR:
        yield dict(zip(needed, (mount[1], mount[2]), strict=True))
    if bucket := re.fullmatch(r"s3://([^/]+)/*(.*?)/*", found):
        yield {"kind": "s3", "bucket": bucket[1], **({"prefix": bucket[2]} if bucket[2] else {})}
    if found.startswith("/"):
        for kind in ("cvmfs", "image"):
            yield {"kind": kind, "paths": [found]}


def _optional(schema: Schema, properties: Mapping[str, Node], found: str) -> Iterator[Json]:
    """Yield a mapping with the one optional key that a word fits: a resource has a slash, and a product has none."""
    for key, each in properties.items():
        node = schema.resolved(each)
        if "/" in found and "/" in str(node.get("default", "")):
            yield {key: found}
        if "/" not in found and "label value" in str(schema.resolved(node.get("items", {})).get("title", "")):
            yield {key: [found]}


def _from_pairs(found: Json) -> Iterator[Json]:
    """Yield a mapping from `a=b,c=d`, or from a list of such pairs or of mappings with one key."""
    pieces = found if isinstance(found, list) else re.split(r"[,;]\s*", found) if isinstance(found, str) else []
    pairs: dict[str, Json] = {}
    for piece in pieces:
        if isinstance(piece, dict):
            name = next((piece[key] for key in ("key", "name") if set(piece) == {key, "value"}), None)
            if name is None and len(piece) != 1:
                return
            pairs |= piece if name is None else {str(name): piece["value"]}
        elif isinstance(piece, str) and (match := re.fullmatch(r"([^=\s]+?)\s*[=:](?!//)\s*(.*)", piece)):
            pairs[match[1]] = match[2]
        else:
            return
    if pairs:
        yield pairs


def another_unit(key: str, value: Json, siblings: Iterable[str]) -> tuple[str, Json] | None:
    """Return the sibling of a key that measures the same in another unit, with the value in that unit.

    Example: `shared_memory_gib: 1` is `shared_memory_mib: 1024`.
    """
    stem, _, unit = key.lower().rpartition("_")
    if unit in {"rate", "ratio", "fraction"} and f"{stem}_percent" in siblings and isinstance(value, int | float):
        return f"{stem}_percent", float(f"{value * 100:.3g}")
    unit = {"gb": "gib", "mb": "mib"}.get(unit, unit)
    for sibling in siblings:
        other = unit_of(sibling)
        if other and sibling == f"{stem}_{other}" and isinstance(value, int | float | str):
            number = bare_number(sibling, f"{value}{unit}")
            if number is not None:
                return sibling, int(number) if number.is_integer() else float(f"{number:.3g}")
    return None
