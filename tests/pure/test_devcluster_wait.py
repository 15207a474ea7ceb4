"""Polls with a time limit."""

import pytest

from devcluster.errors import DevClusterError
from devcluster.wait import wait_until, wait_while


def test_a_wait_ends_with_the_first_true_answer_and_says_what_it_waited_for() -> None:
    answers = iter([False, False, True, False])
    shown: list[str] = []
    wait_until(lambda: next(answers), "etcd to answer", timeout_seconds=5, interval_seconds=0, waiting=shown.append)
    assert shown == ["etcd to answer"] * 2
    assert next(answers) is False


def test_a_wait_shows_what_is_still_missing() -> None:
    answers = iter(["2 of 2 servers", "1 of 2 servers", ""])
    shown: list[str] = []
    wait_while(lambda: next(answers), timeout_seconds=5, interval_seconds=0, waiting=shown.append)
    assert shown == ["2 of 2 servers", "1 of 2 servers"]


def test_a_wait_that_runs_out_names_what_is_missing_and_where_to_look() -> None:
    with pytest.raises(DevClusterError, match=r"^waited 0 s for etcd to answer; see etcd\.log$"):
        wait_until(lambda: False, "etcd to answer", timeout_seconds=0, interval_seconds=0, hint="see etcd.log")
