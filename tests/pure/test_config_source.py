"""YAML is read as JSON with comments: none of the surprises of YAML 1.1."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.source import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("True", "True"),
        ("true", True),
        ("null", None),
        ("", None),
        ("010", "010"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        (".5", ".5"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("-0", 0),
        ("12", 12),
        ("1.50", 1.5),
        ("2e3", 2000.0),
        ("1.26", 1.26),
        ("'12'", "12"),
        ('"true"', "true"),
        ("|-\n  12", "12"),
    ],
)
def test_a_scalar_is_read_as_json_reads_it(text: str, value: object) -> None:
    read = parse(f"key: {text}\n", "file.yaml").at("key")
    assert read is not None
    assert (read.value, type(read.value)) == (value, type(value))


def test_the_merge_key_of_yaml_1_1_is_a_key_like_any_other() -> None:
    assert parse("'<<': { a: 1 }\nb: 2\n", "file.yaml").value == {"<<": {"a": 1}, "b": 2}


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert parse("# only a comment\n", "file.yaml").value == {}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab :#-\n1é"),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text("abc:# 1", min_size=1), below, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc", min_size=1), JSON, max_size=4))
def test_json_is_read_as_it_is(value: dict[str, object]) -> None:
    assert parse(json.dumps(value, indent=1), "file.yaml").value == value


def test_every_value_knows_its_line() -> None:
    tree = parse("a:\n  - b: 1\n\n    c:\n      - x\n      - y\n", "file.yaml")
    lines = {path: origin.line for path, origin in tree.origins.items()}
    assert lines == {
        (): 1,
        ("a",): 1,
        ("a", 0): 2,
        ("a", 0, "b"): 2,
        ("a", 0, "c"): 4,
        ("a", 0, "c", 0): 5,
        ("a", 0, "c", 1): 6,
    }
