"""The stand-in's reading of apptainer's command line, as the Slurm plugin writes it."""

from pathlib import Path

import pytest

from devcluster.slurm import apptainer
from devcluster.slurm.image_folders import environment_script, run_script

PLUGIN = ["exec", "--nv", "--no-eval", "--containall", "", "--compat"]


def test_options_end_at_the_image() -> None:
    options = apptainer.parse(
        [*PLUGIN, "--bind", "/a:/b:ro", "-B", "/c,/d:/e", "/image", "sh", "-c", "--bind x", "--nv"]
    )
    assert list(apptainer.binds(options.bind)) == [("/a", "/b"), ("/c", "/c"), ("/d", "/e")]
    assert options.image == "/image"
    assert options.command == ["sh", "-c", "--bind x", "--nv"]


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(SystemExit):
        apptainer.parse(["exec", "--fakeroot", "/image"])


@pytest.mark.parametrize("flag", ["--containall", "--compat", "--cleanenv"])
def test_a_clean_environment_has_only_what_is_meant_for_the_container(flag: str, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("A='it'\"'\"'s'\nB=2\n")
    options = apptainer.parse(["exec", flag, "--env-file", str(file), "--env", "C=3", "/image"])
    host = {"FOO": "x", "APPTAINERENV_X": "1", "SINGULARITYENV_Y": "2"}
    found = apptainer.environment(options, host)
    assert {name: found[name] for name in "ABCXY"} == {"A": "it's", "B": "2", "C": "3", "X": "1", "Y": "2"}
    assert "FOO" not in found


def test_without_such_a_flag_the_hosts_variables_are_there() -> None:
    assert apptainer.environment(apptainer.parse(["exec", "/image"]), {"FOO": "x"})["FOO"] == "x"


def test_charliecloud_writes_its_files_to_the_temporary_folder_of_the_job() -> None:
    """Its default, /tmp, may be closed to the job's user."""
    assert apptainer.runtime_environment({"TMPDIR": "/slurm/tmp"})["TMPDIR"] == "/slurm/tmp"


def test_the_images_variables_and_entry_point_come_from_its_containerfile() -> None:
    containerfile = 'FROM scratch\nENV PATH=/opt/bin:/bin\nENV LIB=/lib\nENTRYPOINT ["a", "b"]\n'
    assert environment_script(containerfile) == 'export PATH="/opt/bin:/bin"\nexport LIB="${LIB:-"/lib"}"\n'
    assert run_script(containerfile) == '#!/bin/sh\nexec "a"  "b" "$@"\n'
