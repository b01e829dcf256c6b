"""Times are UTC text, and the order of the text is the order of time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfox.times import LATEST, add_seconds, format_time, seconds_between, to_seconds

moments = st.integers(0, 253_402_300_799_000_000).map(lambda microseconds: microseconds / 1_000_000)
NOON = "2026-01-31T12:00:00.000000Z"


def test_a_time_is_text_with_six_digits_of_a_second():
    assert format_time(0) == "1970-01-01T00:00:00.000000Z"
    assert format_time(1769860800.25) == "2026-01-31T12:00:00.250000Z"


@given(moments, moments)
def test_the_order_of_the_text_is_the_order_of_time(one, other):
    if one < other:
        assert format_time(one) <= format_time(other)
    assert len(format_time(one)) == len(NOON)


@given(st.integers(0, 4_000_000_000_000_000))
def test_seconds_come_back_from_the_text(microseconds):
    assert to_seconds(format_time(microseconds / 1_000_000)) == pytest.approx(microseconds / 1_000_000, abs=1e-6)


@pytest.mark.parametrize(
    ("seconds", "sum_"),
    [
        (0, NOON),
        (60, "2026-01-31T12:01:00.000000Z"),
        (-0.5, "2026-01-31T11:59:59.500000Z"),
        (86_400, "2026-02-01T12:00:00.000000Z"),
    ],
)
def test_seconds_can_be_added(seconds, sum_):
    assert add_seconds(NOON, seconds) == sum_
    assert seconds_between(NOON, sum_) == seconds


@pytest.mark.parametrize("seconds", [1e12, 1e300])
def test_a_sum_past_the_last_time_is_the_last_time(seconds):
    assert add_seconds(NOON, seconds) == LATEST


def test_the_last_time_is_later_than_any():
    assert add_seconds(LATEST, -0.000001) < LATEST
    assert seconds_between(LATEST, NOON) < 0
