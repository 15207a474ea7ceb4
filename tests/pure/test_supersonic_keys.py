"""Every key that a real SuperSONIC release sets has a place here, and the page for its operators says which."""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from stacks.foreign_keys import OTHER_NAMES, places
from stacks.json_schema import schema_of
from stacks.origin import Json, leaves
from stacks.resolve import resolve
from stacks.schema import Experiment, Site
from tests.support.pages import ROOT, blocks
from tests.support.supersonic import PLACES, RELEASES, SET, USED_BY, in_words, panels_in_words, start_of

PAGE = ROOT / "docs" / "migrate-from-supersonic.md"
TABLE = re.compile(r"(?<=^## Every key\n\n).*?(?=^## )", re.MULTILINE | re.DOTALL)
PANELS = re.compile(r"^\| panel of the chart .*?(?=^## )", re.MULTILINE | re.DOTALL)
HERE = {
    f"{part}.{each.path}"
    for part, model in (("site", Site), ("experiment", Experiment))
    for each in schema_of(model).properties()
} | {"sonic:instance"}
NOT_YET = {"the metrics collector"}
"""All that this program cannot express."""


def nested(key: str) -> tuple[str, Json]:
    """Return the first word of a key, and the value that it has in a file that sets the key."""
    first, *below = key.split(".")
    value: Json = {}
    for word in reversed(below):
        value = {word: value}
    return first, value


def keys_in(value: Json) -> set[str]:
    """Return the path of each value that is neither a mapping nor a list."""
    steps = (["[]" if isinstance(step, int) else f".{step}" for step in path] for path, _ in leaves(value))
    return {"".join(path).removeprefix(".") for path in steps}


def below(path: str, group: str) -> bool:
    """Tell whether a key is one of a mapping, or of the items of a list."""
    return path.startswith((f"{group}.", f"{group}["))


@cache
def example() -> dict[str, str]:
    """Return the files of the page's example by name, which the first line of each tells."""
    return {text.splitlines()[0].removeprefix("# "): text for text in blocks(PAGE, "yaml")}


def test_the_list_has_the_keys_of_all_real_releases() -> None:
    assert len(SET) == 370
    assert {release for releases in SET.values() for release in releases} == set(RELEASES)
    assert len(RELEASES) == 28


@pytest.mark.parametrize("key", USED_BY)
def test_a_key_of_the_chart_has_a_place(key: str) -> None:
    place = PLACES[start_of(key)]
    assert sum(map(bool, (place.to, place.fixed, place.obsolete, place.later))) == 1
    assert not place.later or place.later in NOT_YET


def test_each_place_is_of_a_key() -> None:
    assert set(PLACES) == {start_of(key) for key in USED_BY}


@pytest.mark.parametrize("start", [start for start, place in PLACES.items() if place.to])
def test_a_place_is_a_key_of_the_schema(start: str) -> None:
    assert set(PLACES[start].to) <= HERE


IN_PLACE = {"keda.enabled"}
"""The block that has the key is `site.keda` already: there it is only to be removed."""


@pytest.mark.parametrize("start", [start for start, place in PLACES.items() if place.to and start not in IN_PLACE])
def test_a_refused_key_is_told_one_of_its_places(start: str) -> None:
    """`stacks check` on a file with keys of the chart says what the page says."""
    told = {each for found in places(*nested(start)).values() for each in found}
    assert any(place == each or below(place, each) for place in PLACES[start].to for each in told)


@pytest.mark.parametrize("key", [key for key in USED_BY if PLACES[start_of(key)].to])
def test_a_key_of_any_chart_is_told_one_of_its_places(key: str) -> None:
    """`stacks check` knows a key by the name that the release's own chart has for it."""
    told = {each for found in places(*nested(key)).values() for each in found}
    to = PLACES[start_of(key)].to
    assert start_of(key) in IN_PLACE or any(each == place or below(place, each) for place in to for each in told)


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_another_name_is_one_that_a_release_uses(name: str) -> None:
    assert any(key == name or below(key, name) for key in USED_BY)


def test_the_page_has_the_places(pytestconfig: pytest.Config) -> None:
    for pattern, words in ((TABLE, in_words()), (PANELS, panels_in_words())):
        if pytestconfig.getoption("--update-golden"):
            PAGE.write_text(pattern.sub(lambda _, words=words: f"{words}\n", PAGE.read_text()))  # type: ignore[misc]
        found = pattern.search(PAGE.read_text())
        assert found is not None
        assert found[0] == f"{words}\n", "pytest tests/pure/test_supersonic_keys.py --update-golden"


def test_the_example_of_the_page_is_a_valid_stack(tmp_path: Path) -> None:
    for name, text in example().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    config = resolve("here-mine", tmp_path).config
    assert config.name == "sonic-mine"


@pytest.mark.parametrize("key", sorted(keys_in(yaml.safe_load(example()["values.yaml"]))))
def test_a_key_of_the_example_is_in_the_files_that_it_became(key: str) -> None:
    files = {"site": "stacks/sites/here.yaml", "experiment": "stacks/experiments/mine.yaml"}
    written = {f"{part}.{path}" for part, name in files.items() for path in keys_in(yaml.safe_load(example()[name]))}
    place = PLACES[start_of(key.partition("[")[0])]
    assert not place.to or any(path == to or below(path, to) for path in written for to in place.to)
