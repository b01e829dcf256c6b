"""Hypothesis strategies for the JSON that a store and a runner have to keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from runfox.jsonvalue import MAX_INTEGER_DIGITS, JSONObject, JSONValue
from runfox_testing.json_samples import FLOATS, INTEGERS, TEXTS, nested

Sample = TypeVar("Sample")


def texts(max_size: int = 20) -> SearchStrategy[str]:
    """Any text: NUL and lone surrogates are characters like others."""
    anything = st.characters(exclude_categories=())
    odd = st.sampled_from("\0\ud83d\ude00\U0001f600\u0301\ufeff\u2028\"'\\%_ ")
    return _one_of(tuple(TEXTS.values())) | st.text(anything | odd, max_size=max_size)


def integers() -> SearchStrategy[int]:
    """Integers up to 4,000 digits, with those at which machines' integers end."""
    small = st.integers(-(2**70), 2**70)
    huge = st.builds(_huge, st.integers(20, MAX_INTEGER_DIGITS), st.integers(-(2**60), 2**60), st.booleans())
    return _one_of(INTEGERS) | st.integers(-3, 3) | small | huge


def floats() -> SearchStrategy[float]:
    """Finite floats to the last bit."""
    return _one_of(FLOATS) | st.floats(allow_nan=False, allow_infinity=False)


def scalars() -> SearchStrategy[JSONValue]:
    """What is no container."""
    return st.none() | st.booleans() | integers() | floats() | texts()


def values(max_leaves: int = 12) -> SearchStrategy[JSONValue]:
    """Any JSON value, flat ones and, now and then, deep ones."""
    branching: SearchStrategy[JSONValue] = st.recursive(
        scalars(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts(), inner, max_size=4),
        max_leaves=max_leaves,
    )
    deep = st.builds(nested, st.integers(10, 490), scalars())
    return branching | branching | branching | deep


def objects(max_size: int = 4, max_leaves: int = 8) -> SearchStrategy[JSONObject]:
    """Objects, as a state, the inputs and a step's output are."""
    return cast("SearchStrategy[JSONObject]", st.dictionaries(texts(), values(max_leaves), max_size=max_size))


def _one_of(samples: Sequence[Sample]) -> SearchStrategy[Sample]:
    """As `sampled_from`, whose text would hold all samples, and be too long for Hypothesis."""
    return st.integers(0, len(samples) - 1).map(lambda number: samples[number])


def _huge(digits: int, last: int, negative: bool) -> int:
    value: int = 10**digits - 1 - abs(last)
    return -value if negative else value
