"""Flags of a job, as the real plugin wrote them into job.slurm."""

import pytest

from devcluster.slurm import flags


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "--uid=616617 -A cms --gres=gpu:1 --time=0-04:00:00",
            ["--uid=616617", "-A cms", "--gres=gpu:1", "--time=0-04:00:00"],
        ),
        ("--comment='a b'  --mem 4", ["--comment=a b", "--mem 4"]),
        ("stray -N 2", ["stray", "-N 2"]),
        (r"--x=a\ b", ["--x=a b"]),
        ("", []),
    ],
)
def test_a_flag_is_a_word_with_a_dash_and_the_words_after_it(text: str, expected: list[str]) -> None:
    assert flags.split(text) == expected


def test_a_later_flag_wins_in_the_place_of_the_first() -> None:
    assert flags.deduplicated(["--time=1", "--gres=gpu:1", "-t 5", "-p x", "--partition=y"]) == [
        "-t 5",
        "--gres=gpu:1",
        "-p x",
        "--partition=y",
    ]


def test_limits_override_the_annotation_and_follow_it() -> None:
    found = flags.job_flags("--mem=9 --cpus-per-task=9 --gres=gpu:1", uid=None, cpus=2, memory_mib=2048)
    assert found == ["--gres=gpu:1", "--cpus-per-task=2", "--mem=2048"]


def test_without_limits_the_annotation_counts_and_else_a_job_gets_one_cpu_and_one_megabyte() -> None:
    assert flags.job_flags("--mem=9", uid=None, cpus=None, memory_mib=None) == ["--mem=9", "--cpus-per-task=1"]
    assert flags.job_flags("", uid=7, cpus=None, memory_mib=None) == ["--uid=7", "--cpus-per-task=1", "--mem=1"]


def test_the_plugins_own_user_replaces_the_annotations() -> None:
    assert flags.job_flags("--uid=1 --gres=gpu:1", uid=7, cpus=1, memory_mib=1)[0] == "--uid=7"
