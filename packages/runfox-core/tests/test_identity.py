"""Execution ids: never colliding, sortable by time; or chosen by the caller and checked."""

from __future__ import annotations

import threading
import time

import pytest

from runfox import identity
from runfox.errors import InvalidExecutionId
from runfox.identity import ExecutionIds, checked_execution_id


def test_an_id_is_one_that_callers_might_choose() -> None:
    made = ExecutionIds().new()
    assert checked_execution_id(made) == made
    assert len(made) == 32
    assert set(made) <= set("0123456789abcdef")


def test_ids_sort_in_the_order_they_were_made() -> None:
    ids = ExecutionIds()
    made = [ids.new() for _ in range(2_000)]
    assert made == sorted(set(made))


def test_ids_go_on_rising_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = ExecutionIds()
    made = []
    for now in (5_000_000, 5_000_000, 4_000_000, 9_000_000):
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        made.append(ids.new())
    assert made == sorted(set(made))
    assert [int(each[:14], 16) for each in made] == [5_000, 5_001, 5_002, 9_000]


def test_ids_of_two_makers_at_one_moment_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 5_000)
    assert ExecutionIds().new() != ExecutionIds().new()


def test_threads_never_get_the_same_moment() -> None:
    made: list[str] = []

    def make() -> None:
        made.extend(identity.execution_ids.new() for _ in range(500))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each[:14] for each in made}) == 2_000


@pytest.mark.parametrize("execution_id", ["a", "0", "A-Z.a_z:0-9", "x" * 128, "-", "..", ":"])
def test_what_every_store_can_keep_may_be_chosen(execution_id: str) -> None:
    assert checked_execution_id(execution_id) == execution_id


@pytest.mark.parametrize(
    "execution_id",
    ["", "x" * 129, "a#b", "a b", "a/b", "a\n", "\n", "ä", "\u0661", "a\0", None, 7, b"a", ["a"]],
    ids=repr,
)
def test_anything_else_is_refused_by_its_name(execution_id: object) -> None:
    with pytest.raises(InvalidExecutionId) as caught:
        checked_execution_id(execution_id)
    assert caught.value.execution_id == execution_id
    assert isinstance(caught.value, ValueError)
