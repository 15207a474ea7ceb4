"""Read YAML as JSON with comments: values of JSON only, no key twice, and the line of every value.

YAML 1.1 would read `no` as false, `012` as ten, `1:30` as ninety and `2026-01-01` as a date. Here a plain scalar is
null, true, false or a number exactly when JSON writes it so; everything else is a string. Anchors, tags and second
documents are refused, since a value that is written elsewhere has no line of its own.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import yaml

from stacks.errors import ConfigurationError, Problem, WriteLine, found
from stacks.origin import Json, KeyPath, Origin, Tree, dotted
from stacks.yaml_repairs import Repair, repairs

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_IN_CURLY_QUOTES = re.compile("[\u201c\u201d\u201e\u2018\u2019\u201a].*[\u201c\u201d\u2018\u2019]")
_SECRET_DEPTH = 2
"""Length of the path of a secret in Pulumi.<stack>.yaml."""
_CONSTANTS: dict[str, Json] = {"": None, "~": None, "null": None, "true": True, "false": False}


def load(path: Path, root: Path) -> Tree:
    """Read a file that holds one mapping. Origins name it relative to `root`.

    Raises:
        ConfigurationError: when it is not YAML, has a key twice, or uses more of YAML than JSON has.
    """
    file = path.relative_to(root).as_posix()
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        wrong = f"found the byte 0x{error.object[error.start]:02x}, which is not UTF-8"
        problem = Problem(f"{file}:{line}", f"{wrong}: a file must be UTF-8: save it as that in your editor")
        raise ConfigurationError([problem]) from error
    return parse(text, file)


def parse(text: str, file: str) -> Tree:
    """Read a text as `load` does; its origins name `file`."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except _MoreThanJsonError as error:
        raise ConfigurationError([Problem(f"{file}:{_line(error, text)}", str(error.problem))]) from error
    except yaml.YAMLError as error:
        raise ConfigurationError([_unreadable(text, file, error)]) from error
    reader = _Reader(file)
    value = {} if node is None else reader.value(node, ())
    if not reader.problems and not isinstance(value, dict):
        reader.refuse(1, f"found {json.dumps(value)}: the file must hold a mapping: write lines such as `key: value`")
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return Tree(value, {(): Origin(file, 1), **reader.origins})


def mapping_in(value: Json) -> dict[str, Json] | None:
    """Return the mapping that a text holds as YAML, of which JSON is a part; None: it holds none, or is no text."""
    if not isinstance(value, str):
        return None
    try:
        read = parse(value, "").value
    except ConfigurationError:
        return None
    return read if isinstance(read, dict) and read else None


class _MoreThanJsonError(yaml.MarkedYAMLError):
    """A part of YAML that JSON does not have."""


def _line(error: yaml.YAMLError, text: str) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # a reader's error has the number of a character
        return text.count("\n", 0, getattr(error, "position", 0)) + 1
    return int(mark.line) + 1


def _unreadable(text: str, file: str, error: yaml.YAMLError) -> Problem:
    """Return the problem of a text that is not YAML, with the repair of one line that makes it so.

    Where no repair does, one after which the next error is further down is as good.
    """
    lines = text.split("\n")
    conflict = next((number for number, line in enumerate(lines, 1) if re.match(r"(<{7}|={7}|>{7})( |$)", line)), None)
    if conflict:
        rule = "keep one side, and remove the lines that begin with <<<<<<<, ======= and >>>>>>>"
        return Problem(f"{file}:{conflict}", f"found `{lines[conflict - 1].strip()}`, a conflict of git: {rule}")
    template = next((number for number, line in enumerate(lines, 1) if re.match(r"\s*\{\{.*\}\}\s*$", line)), None)
    if template:
        rule = "a file must be plain YAML: write what Helm would make of it, and remove the line"
        return Problem(f"{file}:{template}", f"found `{lines[template - 1].strip()}`, a template of Helm: {rule}")
    at, mark = _line(error, text), getattr(error, "context_mark", None)
    further: Repair | None = None
    for repair in repairs(lines, at, int(mark.line) + 1 if mark else at):
        repaired = lines[: repair.line - 1] + ([] if repair.text is None else [repair.text]) + lines[repair.line :]
        next_at = _first_error("\n".join(repaired))
        if next_at is None:
            return _repaired(file, repair, lines[repair.line - 1])
        tabs = next_at > at and "\t" in lines[next_at - 1][:1]  # the next line has the same fault
        if further is None and (tabs or next_at > max(at, repair.line) + 1) and at < len(lines) - 1:
            further = repair
    if further:
        return _repaired(file, further, lines[further.line - 1])
    words = str(getattr(error, "problem", None) or getattr(error, "reason", error))
    line = lines[min(at, len(lines)) - 1].strip()
    return Problem(
        f"{file}:{at}", f"cannot be read as YAML: found `{line}` ({words}): correct it or the line before it"
    )


def _repaired(file: str, repair: Repair, line: str) -> Problem:
    way_out = "remove the line" if repair.text is None else f"write `{repair.text.strip()}`"
    if repair.text is not None and repair.text.strip() == line.strip():
        way_out = f"begin it in column {len(repair.text) - len(repair.text.lstrip(' ')) + 1}"
    edit = WriteLine(file, repair.line, repair.text)
    return Problem(f"{file}:{repair.line}", f"cannot be read as YAML: {repair.rule}: {way_out}", (edit,))


def _first_error(text: str) -> int | None:
    try:
        yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        return _line(error, text)
    return None


class _Loader(yaml.SafeLoader):
    """PyYAML's loader without implicit tags (`_Reader` decides what a plain scalar is), anchors and explicit tags."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  a class variable in PyYAML too

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            anchor = f"{_key(index)}found `{sign}{event.anchor}`"
            said = f"{anchor}: anchors are not read here: write the value out; quotes make it text"
            raise _MoreThanJsonError(problem=said, problem_mark=event.start_mark)
        if getattr(event, "tag", None) is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            said = f"{_key(index)}found `{tag}`: tags are not read here: remove it; quotes make a string"
            raise _MoreThanJsonError(problem=said, problem_mark=event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def _key(index: object) -> str:
    """Return the key of a value that is composed, as the beginning of a sentence."""
    return f"{index.value}: " if isinstance(index, yaml.ScalarNode) else ""


class _Reader:
    """Turns nodes into values, and collects their lines and every problem."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.origins: dict[KeyPath, Origin] = {}
        self.problems: list[Problem] = []

    def refuse(self, line: int, sentence: str) -> None:
        self.problems.append(Problem(f"{self._file}:{line}", sentence))

    def value(self, node: yaml.Node, path: KeyPath) -> Json:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._entry(item, item, (*path, index)) for index, item in enumerate(node.value)]
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        if plain and _IN_CURLY_QUOTES.fullmatch(node.value):
            sentence = (
                f"{dotted(path)}: found {node.value}: must be in straight quotes: write {json.dumps(node.value[1:-1])}"
            )
            self.refuse(node.start_mark.line + 1, sentence)
        return _plain(node.value) if plain else str(node.value)

    def _twice(self, path: KeyPath, first: Json, second: Json) -> str:
        """Say that a key is there twice, with its values if they are short and no secrets."""
        here, there = "", ""
        secret = path[0] == "config" and len(path) == _SECRET_DEPTH
        if not secret and not isinstance(first, dict | list) and not isinstance(second, dict | list):
            here, there = f"found {found(second)}, ", f" as {found(first)}"
        line = self.origins[path].line
        return f"{dotted(path)}: {here}there already in line {line}{there}: must be there once: keep one of the two"

    def _entry(self, key: yaml.Node, value: yaml.Node, path: KeyPath) -> Json:
        text = str(value.value) if isinstance(value, yaml.ScalarNode) else None
        self.origins[path] = Origin(self._file, key.start_mark.line + 1, text=text)
        return self.value(value, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> Json:
        mapping: dict[str, Json] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                thing = f"{dotted(path) or 'the file'} has a key that is not a word"
                rule = "braces and brackets make mappings and lists: write `key: value`, and text with braces in quotes"
                self.refuse(line, f"{thing}: {rule}")
                continue
            if key.style is None and key.value != key.value.strip():
                self.refuse(
                    line, f"found a blank in the key {json.dumps(key.value)}: must be none: write {key.value.strip()}"
                )
                continue
            if not key.value:
                self.refuse(line, f"{dotted(path) or 'the file'} has an empty key: must be a word: write `key: value`")
                continue
            entry = (*path, key.value)
            if key.value in mapping:
                self.refuse(line, self._twice(entry, mapping[key.value], self.value(value, entry)))
                continue
            mapping[key.value] = None
            mapping[key.value] = self._entry(key, value, entry)
        return mapping


def written(value: Json) -> str:
    """Return a value as one line of YAML that is read back as this value. Text has quotes only where it needs them."""
    plain = isinstance(value, str) and value and re.fullmatch(r"[A-Za-z0-9/.][^\s#:,\[\]{}]*(:[^\s#:,\[\]{}]+)*", value)
    if isinstance(value, str) and plain and _plain(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _plain(text: str) -> Json:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text
