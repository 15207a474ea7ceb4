"""A preview with another file's values is refused: the program reads the stack's own file."""

import json
from pathlib import Path

import pytest

from stacks.errors import ConfigurationError
from stacks.resolve import refuse_other_values, resolve
from tests.support.config_cases import STACK, lay_out_happy

OWN = {"site": {"exposure": {"tls_secret": None, "client_cidrs": ["10.0.0.0/8"]}}, "experiment": {"traffic": {}}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_out_happy("minimal", tmp_path)
    text = f'config: {{"sonic:site": here, "sonic:experiment": tiny, "sonic:override": {json.dumps(OWN)}}}'
    (tmp_path / f"Pulumi.{STACK}.yaml").write_text(text)
    return tmp_path


def test_the_values_of_the_file_are_taken(root: Path) -> None:
    given = {"site": "here", "experiment": "tiny", "instance": None, "override": json.dumps(OWN)}
    refuse_other_values(resolve(STACK, root), given)


@pytest.mark.parametrize(
    ("override", "path"),
    [
        (
            {**OWN, "site": {"exposure": {"tls_secret": "a", "client_cidrs": ["10.0.0.0/8"]}}},
            "site.exposure.tls_secret",
        ),
        ({**OWN, "experiment": {"traffic": {"attempts_max": 1}}}, "experiment.traffic"),
        ({}, "experiment.traffic"),
    ],
)
def test_another_override_is_refused_with_its_key(root: Path, override: object, path: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"sonic:override: found another `{path}.*` from Pulumi.*--config-file"
    ):
        refuse_other_values(resolve(STACK, root), {"site": "here", "override": json.dumps(override)})


def test_another_site_is_refused(root: Path) -> None:
    with pytest.raises(ConfigurationError, match="sonic:site: found `there` from Pulumi: must be `here`"):
        refuse_other_values(resolve(STACK, root), {"site": "there", "override": json.dumps(OWN)})
