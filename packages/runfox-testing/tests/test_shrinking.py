"""Shrinking ends in time, with an example that has failed."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from runfox_testing.shrinking import ShrinkBudget


def smallest_failing(budget: ShrinkBudget) -> tuple[list[int], int]:
    """The example that Hypothesis ends with, and how many were tried."""
    tried: list[list[int]] = []

    def body(example: list[int]) -> None:
        tried.append(example)
        assert sum(example) < 1_000

    @hypothesis.seed(0)
    @hypothesis.settings(database=None, max_examples=200, print_blob=False)
    @hypothesis.given(st.lists(st.integers(0, 10_000)))
    def check(example: list[int]) -> None:
        budget.run(body, example)

    with pytest.raises(AssertionError):
        check()
    return tried[-1], len(tried)


def test_with_time_the_smallest_example_is_found() -> None:
    example, _ = smallest_failing(ShrinkBudget(60))
    assert example == [1_000]


def test_without_time_the_first_failing_example_is_the_last() -> None:
    example, tried = smallest_failing(ShrinkBudget(0))
    assert sum(example) >= 1_000
    assert tried < smallest_failing(ShrinkBudget(60))[1]
