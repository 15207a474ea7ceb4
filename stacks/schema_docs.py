"""Files generated from the models: the JSON Schemas for editors, and the reference page."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from stacks.json_schema import Property, Schema
from stacks.placeholders import PATTERN
from stacks.schema import Experiment, Site, StackConfig

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def generated_files() -> Mapping[Path, str]:
    """Return the content of every generated file, by its path from the root."""
    return {
        Path("stacks/schema.json"): schema_json(),
        Path("stacks/sites/schema.json"): _part("Site"),
        Path("stacks/experiments/schema.json"): _part("Experiment"),
        Path("docs/configuration.md"): _page(),
    }


def schema_json() -> str:
    """Return the JSON Schema of a resolved stack; a site and an experiment are `$defs/Site` and `$defs/Experiment`.

    Texts of a site may hold placeholders, which are filled before the models see them but not before an editor does.
    """
    document = {"$schema": _DIALECT, **Schema(StackConfig).document}
    for name in ("Site", *Schema(Site).document["$defs"]):
        _allow_placeholders(document["$defs"][name])
    return _json(document)


def _allow_placeholders(node: Any) -> None:
    """Let every pattern of a text match a text with a placeholder too. Keys of mappings are not filled."""
    if isinstance(node, list):
        for item in node:
            _allow_placeholders(item)
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "pattern" and isinstance(value, str):
                node[key] = f"{value}|{PATTERN}"
            elif key != "propertyNames":
                _allow_placeholders(value)


def _part(model: str) -> str:
    """Return a reference to one model. Editors follow it, but take no fragment of another file as a schema."""
    return _json({"$schema": _DIALECT, "$ref": f"../schema.json#/$defs/{model}"})


def _json(document: Mapping[str, object]) -> str:
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n"


def _page() -> str:
    head = """\
        # Configuration

        Every key of a stack, a site and an experiment. Generated from the models in `stacks/schema/` by
        `python -m stacks schema --write`; do not edit. How to add a site, an experiment or a stack, and how overrides
        work: [stacks/README.md](../stacks/README.md).

        ## A stack: `Pulumi.<stack>.yaml`

        | key below `config:` | value | default | meaning |
        |---|---|---|---|
        """
    site = """\
        ## A site: `stacks/sites/<site>.yaml`

        `{experiment}` and `{instance}` in any text of a site are replaced by the names of the stack's experiment and
        instance, before the text is checked. So one file serves every stack of the place:
        `namespace: sonic-{experiment}`, `tls_secret: "{instance}-tls"`. `{namespace}` is the namespace of the stack,
        and `{service}` in an exposure is the name of its Service: `hostname: "{service}.{namespace}.example.org"`.
        """
    parts = [
        dedent(head) + "\n".join(_stack_rows()) + "\n",
        dedent(site),
        *_sections(Schema(Site)),
        "## An experiment: `stacks/experiments/<experiment>.yaml`\n",
        *_sections(Schema(Experiment)),
    ]
    return "\n".join(parts)


def _stack_rows() -> Iterator[str]:
    schema = Schema(StackConfig)
    meanings = {property_.path: property_ for property_ in schema.properties()}
    fields = {"site": "site_name", "experiment": "experiment_name", "instance": "instance"}
    for key, field in fields.items():
        default = "the experiment's name" if key == "instance" else "required"
        yield f"| `sonic:{key}` | {meanings[field].rule} | {default} | {meanings[field].description} |"
    yield "| `sonic:override` | a mapping with `site`, `experiment` or both | `{}` | Merge patch over the two files. |"
    yield "| `sonic:<secret>` | `secure: …` | required where a site names one | Set by `pulumi config set --secret`. |"


def _sections(schema: Schema) -> Iterator[str]:
    """Yield a table of the keys at the top, then one for each group of keys below them."""
    groups: dict[str, list[Property]] = {"": []}
    for property_ in schema.properties():
        top, _, below = property_.path.partition(".")
        groups.setdefault(top.removesuffix("[]") if below else "", []).append(property_)
    described: dict[str, str] = {}
    for top, properties in groups.items():
        if top:
            yield f"### `{top}`\n"
        table = _table(properties)
        same = described.setdefault(table.replace(f"`{top}[].", "`").replace(f"`{top}.", "`"), top)
        yield table if same == top else f"Each item has the keys of [`{same}`](#{same}).\n"


def _table(properties: list[Property]) -> str:
    """Return a table with a row for each key; a key that several kinds share has one row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for property_ in properties:
        row = (property_.path, property_.rule, _default(property_), property_.description)
        rows.setdefault(row, []).append(property_.kind or "")
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for (path, *cells), kinds in rows.items():
        only = f" ({', '.join(kinds)})" if any(kinds) and not path.endswith(".kind") else ""
        lines.append(f"| `{path}`{only} | {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join([*lines, ""])


def _default(property_: Property) -> str:
    if property_.required:
        return "required"
    if property_.default is None:
        return "none"
    return "as below" if property_.is_group and property_.default else f"`{json.dumps(property_.default)}`"
