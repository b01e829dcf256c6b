"""Shrinking ends in time, with the smallest example that has failed."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from runfox_testing.check import Violation
from runfox_testing.observing import History
from runfox_testing.shrinking import ShrinkBudget


def smallest_failing(seconds: float, *, flaky: bool = False) -> tuple[list[int], int, list[str]]:
    """The example that the search ends with, how many were tried, and the history."""
    history = History()
    budget = ShrinkBudget(history, seconds)
    tried: list[list[int]] = []
    failures = 0

    def body(example: list[int]) -> None:
        nonlocal failures
        tried.append(example)
        history.clear()
        history.add(str(example))
        if sum(example) >= 1_000 and not (flaky and failures):
            failures += 1
            raise Violation(str(example))

    @hypothesis.seed(0)
    @hypothesis.settings(database=None, max_examples=200, print_blob=False)
    @hypothesis.given(st.lists(st.integers(0, 10_000)))
    def check(example: list[int]) -> None:
        budget.run(body, example)

    with pytest.raises(Violation) as raised:
        budget.search(check)
    assert any(f"with ({raised.value}" in note for note in raised.value.__notes__)
    example = [int(part) for part in str(raised.value).strip("[]").split(",")]
    return example, len(tried), history.latest(1)


def test_with_time_the_smallest_example_is_found() -> None:
    example, _, history = smallest_failing(60)
    assert example == [1_000]
    assert history == ["[1000]"]


def test_without_time_the_first_failing_example_is_the_last() -> None:
    example, tried, history = smallest_failing(0)
    assert sum(example) >= 1_000
    assert history == [str(example)]
    assert tried < smallest_failing(60)[1]


def test_what_fails_only_once_is_told_with_its_own_error() -> None:
    example, _, history = smallest_failing(60, flaky=True)
    assert sum(example) >= 1_000
    assert history == [str(example)]


def test_what_holds_raises_nothing() -> None:
    budget = ShrinkBudget(History())

    @hypothesis.settings(database=None, max_examples=10)
    @hypothesis.given(st.integers())
    def check(example: int) -> None:
        budget.run(lambda value: None, example)

    budget.search(check)
