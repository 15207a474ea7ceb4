"""Repairs of one line of a text that is not YAML.

Each is a guess, and the caller tries them: the first with which the text can be read is the advice. They go from what
breaks a text most often, a missing quote or bracket, to what is rare.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_ENTRY = re.compile(r"(\s*(?:- +)*)([^\s#\"'{\[&*!|>%@`-][^#]*?):(\s+)(.*?)(\s+#.*)?$")
_ITEM = re.compile(r"(\s*(?:- +)+)()()(.*?)(\s+#.*)?$")
_CLOSERS = {"[": "]", "{": "}"}


class Repair(NamedTuple):
    """Another text for one line."""

    line: int
    """Line, from 1."""
    text: str | None
    """The text; None: the line goes."""
    rule: str
    """What is found there, and the rule, in words."""


def repairs(lines: Sequence[str], at: int, begun: int) -> Iterator[Repair]:
    """Yield repairs of the line of an error, of the line where the thing began that cannot be read, and of one before.

    Args:
        lines: the text.
        at: line of the error, from 1.
        begun: line where the quote, the bracket or the mapping began, from 1.
    """
    before = next((number for number in range(at - 1, 0, -1) if lines[number - 1].strip()), at)
    near = [number for number in dict.fromkeys((at, begun, before)) if number <= len(lines)]
    for number in near:
        yield from _of_blanks(lines, number)
        yield from _of_documents(lines, number)
    for number in dict.fromkeys((begun, at, before, *range(1, min(at, len(lines)) + 1))):
        if number <= len(lines):
            yield from _of_open_quotes(lines[number - 1], number)
    for number in near:
        yield from _of_blocks(lines, number)
    for number in near:
        for repair in (_of_comments, _of_brackets, _of_colons, _of_values):
            yield from repair(lines[number - 1], number)
    for number in near:
        yield from _of_indentation(lines, number)
    for number in near:
        yield from _of_items(lines[number - 1], number)


def _of_blanks(lines: Sequence[str], number: int) -> Iterator[Repair]:
    line = lines[number - 1]
    rest = line.lstrip(" \t\u00a0")
    start = line[: len(line) - len(rest)]
    if start.strip(" "):
        for column in (_column_after(lines[: number - 1]), *_columns(lines, number, len(start.expandtabs(2)))):
            what = "a tab" if "\t" in start else "a no-break space"
            yield Repair(number, f"{' ' * column}{rest}", f"found {what}: lines must be indented with blanks")
    if "\t" in line:
        yield Repair(number, line.replace("\t", " "), "found a tab: must be a blank")
    visible = "".join(letter for letter in line if letter.isprintable() or letter == "\t")
    if visible != line:
        yield Repair(number, visible, "found a character that cannot be seen: must be left out")


def _of_documents(lines: Sequence[str], number: int) -> Iterator[Repair]:
    if re.fullmatch(r"(---|\.\.\.)\s*", lines[number - 1]):
        yield Repair(number, None, f"found `{lines[number - 1].strip()}`: a file must hold one document")
    if re.match(r"(- +|\{ *)\S", lines[number - 1]):
        rule = f"found `{lines[number - 1][0]}` at the beginning: the file must be lines `key: value`"
        yield Repair(number, lines[number - 1][1:].lstrip(), rule)


def _of_open_quotes(line: str, number: int) -> Iterator[Repair]:
    for quote in "\"'":
        body, _, comment = line.partition(" #")
        if 1 in (line.count(quote), body.count(quote)):
            rule = f"found a {quote} that is not closed: a quote must end in its line"
            yield Repair(number, f"{body.rstrip()}{quote}{f' #{comment}' if comment else ''}", rule)
            yield Repair(number, line.replace(quote, "", 1), rule)


def _of_comments(line: str, number: int) -> Iterator[Repair]:
    if match := re.fullmatch(r"(\s*)(//|--|;|/\*)\s*(.*?)\s*(\*/)?", line):
        yield Repair(number, f"{match[1]}# {match[3]}", f"found `{match[2]}`: a comment must begin with `#`")


def _of_blocks(lines: Sequence[str], number: int) -> Iterator[Repair]:
    """Take the word out of `keda: true` above keys of it, and write the key of an item that has further ones."""
    line = lines[number - 1]
    following = next((each for each in lines[number:] if each.strip()), "")
    column = len(line) - len(line.lstrip(" "))
    if len(following) - len(following.lstrip(" ")) <= column:
        return
    if match := re.fullmatch(
        r"(\s*(?:- +)*[\w./-]+:)\s+(true|false|yes|no|on|off|enabled|disabled|null|~|\{\}|\[\])(\s+#.*)?", line
    ):
        rule = f"found `{match[2]}` and further keys below it: a key must have one of the two"
        yield Repair(number, f"{match[1]}{match[3] or ''}", rule)
    if match := re.fullmatch(r"(\s*- +)([\w.-]+)(\s+#.*)?", line):
        rule = "found an item without a key above further ones: must be `key: value` too"
        yield Repair(number, f"{match[1]}name: {match[2]}{match[3] or ''}", rule)


def _of_items(line: str, number: int) -> Iterator[Repair]:
    """Put a dash before the first key of an item."""
    if match := re.fullmatch(r"(\s+)([A-Za-z][\w.]*:( .*)?)", line):
        rule = "found a key without a dash above further ones: an item of a list must begin with `- `"
        yield Repair(number, f"{match[1]}- {match[2]}", rule)


def _of_brackets(line: str, number: int) -> Iterator[Repair]:
    """Close brackets, and put the commas and colons in that a list or mapping in one line needs."""
    body, blank, comment = line.partition(" #")
    entry = _ENTRY.match(body)
    if entry and entry[4] in {"}", "]"}:
        pair = "{}" if entry[4] == "}" else "[]"
        yield Repair(number, body[: entry.start(4)] + pair, f"found `{entry[4]}` alone: a bracket must be opened first")
    balanced = _balanced(body)
    rule = "found a bracket that is not closed: it must end in its line"
    if balanced != body:
        yield Repair(number, f"{balanced}{blank}{comment}", rule)
    if "{" not in body and "[" not in body:
        return
    rule = "found a list or a mapping in one line: must have a comma between entries, and `: ` behind each key"
    for text in dict.fromkeys((body, balanced)):
        yield Repair(number, re.sub(r",(\s*,)+", ",", text), rule)
        yield Repair(number, re.sub(r"([{,]\s*[\w./-]+)(?:\s+|\s*=\s*|:)(?=[\[{\"'\w])", r"\1: ", text), rule)
        yield Repair(number, re.sub(r"([\w\"'\]}])\s+([\w./-]+:\s)", r"\1, \2", text), rule)


def _balanced(body: str) -> str:
    """Return a text with the closing brackets that it lacks."""
    closers: list[str] = []
    result = ""
    for letter in body:
        if letter in _CLOSERS:
            closers.append(_CLOSERS[letter])
        elif letter in "]}" and letter in closers:
            while closers and closers[-1] != letter:
                result += closers.pop()
            closers.pop()
        result += letter
    return result.rstrip() + "".join(reversed(closers)) if closers else result


def _of_colons(line: str, number: int) -> Iterator[Repair]:
    """Put a colon and a blank behind a key, and none into one of the project."""
    if apart := re.fullmatch(r"(\s*sonic:)\s+([a-z-]+:( .*)?)", line.rstrip()):
        yield Repair(number, f"{apart[1]}{apart[2]}", "found a blank in a key: a key must have none")
    match = re.fullmatch(r"(\s*(?:- +)*)(-?)((?:sonic:)?[A-Za-z][\w./-]*)(\s*=\s*|:|\s+|)(.*)", line.rstrip())
    if match is None:
        return
    start, dash, key, _, rest = match.groups()
    if dash:
        text = line.replace("-", "- ", 1)
        yield Repair(number, text, "found no blank behind a dash: an item of a list must begin with `- `")
        return
    rule = "found no `: `: a key must have a colon and a blank behind it"
    yield Repair(number, f"{start}{key}: {rest}".rstrip(), rule)


def _of_values(line: str, number: int) -> Iterator[Repair]:
    """Put the whole of a text in quotes."""
    match = _ENTRY.match(line) or _ITEM.match(line)
    if match is None or not match[4]:
        return
    value = match[4]
    inner = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
    quoted = json.dumps(inner, ensure_ascii=False) if '"' not in inner and "\\" not in inner else _single(inner)
    if ": " in inner:
        what = "holds `: `"
    elif inner != value:
        what = "holds quotes or backslashes"
    else:
        what = f"begins with `{value[0]}`"
    rule = f"found text that {what}: must be in quotes as a whole"
    yield Repair(number, f"{line[: match.start(4)]}{quoted}{match[5] or ''}", rule)


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _of_indentation(lines: Sequence[str], number: int) -> Iterator[Repair]:
    line = lines[number - 1]
    own = len(line) - len(line.lstrip(" "))
    rule = f"found a line that begins in column {own + 1}: keys of one mapping must begin in one column"
    for column in _columns(lines, number, own):
        if column != own:
            yield Repair(number, f"{' ' * column}{line.lstrip(' ')}", rule)


def _column_after(lines: Sequence[str]) -> int:
    """Return the likely column of the next line: that of the last one, or two further below a key without a value."""
    last = next((line for line in reversed(lines) if line.strip()), "")
    column = len(last) - len(last.lstrip(" -"))
    return column + 2 if last.rstrip().endswith(":") else column


def _columns(lines: Sequence[str], number: int, own: int) -> list[int]:
    """Return the columns in which lines around one begin, and those of the first keys of items, the nearest first."""
    around = [line for line in [*lines[: number - 1], *lines[number : number + 1]] if line.strip() and "\t" not in line]
    columns = {len(line) - len(line.lstrip(" ")) for line in around}
    columns |= {len(line) - len(line.lstrip(" -")) for line in around}
    columns |= {column + 2 for column in columns}
    return sorted(columns, key=lambda column: (abs(column - own), -column))
