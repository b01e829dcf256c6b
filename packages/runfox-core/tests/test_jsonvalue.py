"""copy_json checks and copies at once; same_json and canonical_text compare."""

import enum
import json
import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfox.errors import InvalidJSON
from runfox.jsonvalue import MAX_DEPTH, MAX_INTEGER_DIGITS, canonical_text, copy_json, copy_object, same_json

LARGEST = 10**MAX_INTEGER_DIGITS - 1

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Metres(float):
    __slots__ = ()


class View(Mapping[str, object]):
    """A mapping that is no dict."""

    def __getitem__(self, key: str) -> object:
        return {"a": [1]}[key]

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


def nested(levels: int, innermost: object = 0) -> object:
    value = innermost
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


@pytest.mark.parametrize(
    "value", [None, True, False, 0, -1, LARGEST, -LARGEST, 0.0, -0.0, 5e-324, 1e308, "", "\0", "\ud800", [], {}]
)
def test_json_comes_back_as_it_is(value):
    copy = copy_json(value, "it")
    assert type(copy) is type(value)
    assert repr(copy) == repr(value)


@given(json_values)
def test_a_copy_is_equal_to_the_last_bit_and_keeps_the_order_of_keys(value):
    assert json.dumps(copy_json(value, "it")) == json.dumps(value)


def containers(value: object) -> Iterator[int]:
    if isinstance(value, (dict, list)):
        yield id(value)
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


@given(json_values)
def test_a_copy_shares_no_container(value):
    copy = copy_json(value, "it")
    assert not set(containers(copy)) & set(containers(value))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1, (2,)), [1, [2]]),
        ({"a": (1,)}, {"a": [1]}),
        (Colour.RED, "red"),
        (Loud("quiet"), "quiet"),
        (Level.HIGH, 3),
        (Metres(1.5), 1.5),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (View(), {"a": [1]}),
        ({Colour.RED: 1, Loud("b"): Colour.RED}, {"red": 1, "b": "red"}),
    ],
)
def test_what_stands_for_json_becomes_plain(value, plain):
    copy = copy_json(value, "it")
    assert copy == plain
    assert json.dumps(copy) == json.dumps(plain)
    assert type(copy) is type(plain)


def test_plain_keys_are_plain_strings():
    copy = copy_object({Colour.RED: 1}, "it")
    assert [type(key) for key in copy] == [str]


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (math.nan, "", "nan is no JSON number"),
        (math.inf, "", "inf is no JSON number"),
        ({"a": [0, -math.inf]}, "['a'][1]", "-inf is no JSON number"),
        (Metres(math.nan), "", "nan is no JSON number"),
        (LARGEST + 1, "", "integers have at most 4000 digits"),
        ([-LARGEST - 1], "[0]", "integers have at most 4000 digits"),
        ({1: "x"}, "", "the key 1 is no string"),
        ({"a": {None: "x"}}, "['a']", "the key None is no string"),
        ({"a": b"x"}, "['a']", "bytes is no JSON type"),
        ([{"it's": {1, 2}}], """[0]["it's"]""", "set is no JSON type"),
        ((Decimal(1),), "[0]", "Decimal is no JSON type"),
        (View, "", "ABCMeta is no JSON type"),
        (1j, "", "complex is no JSON type"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(value, path, reason):
    with pytest.raises(InvalidJSON) as caught:
        copy_json(value, "the output of step 'a'")
    assert (caught.value.subject, caught.value.path, caught.value.reason) == ("the output of step 'a'", path, reason)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("innermost", [0, [], {}])
def test_nesting_is_kept_up_to_the_limit(innermost):
    value = nested(MAX_DEPTH - (innermost != 0), innermost)
    assert copy_json(value, "it") == value


@pytest.mark.parametrize("innermost", [[], {}, (), MappingProxyType({})])
def test_nesting_over_the_limit_is_refused(innermost):
    with pytest.raises(InvalidJSON, match="nested more than 500 deep"):
        copy_json(nested(MAX_DEPTH, innermost), "it")


def test_a_value_that_contains_itself_is_nested_too_deep():
    value: list[object] = []
    value.append(value)
    with pytest.raises(InvalidJSON, match="nested more than 500 deep"):
        copy_json(value, "it")


def test_an_object_is_any_mapping():
    assert copy_object(View(), "the inputs") == {"a": [1]}


@pytest.mark.parametrize("value", [None, [], [("a", 1)], "{}", 0])
def test_what_is_no_mapping_is_no_object(value):
    with pytest.raises(InvalidJSON, match=f"^the inputs: a mapping is wanted, not {type(value).__name__}$"):
        copy_object(value, "the inputs")


def test_an_object_with_a_problem_inside_says_where():
    with pytest.raises(InvalidJSON, match=r"^the inputs\['a'\]: set is no JSON type$"):
        copy_object({"a": set()}, "the inputs")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], [2, 1], False),
        (1, 1.0, False),
        (1, True, False),
        (0, False, False),
        (0.0, -0.0, False),
        ("1", 1, False),
        ({"a": None}, {}, False),
        ([1], [1, 1], False),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}]}, True),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, False),
    ],
)
def test_values_are_the_same_when_their_json_text_is(one, other, same):
    assert same_json(one, other) is same


def test_the_canonical_text_is_ascii_sorted_and_tight():
    assert canonical_text({"b": [1, 2.5, None], "a": "é\ud800"}) == '{"a":"\\u00e9\\ud800","b":[1,2.5,null]}'


@given(json_values)
def test_the_canonical_text_reads_back_as_the_value(value):
    assert same_json(json.loads(canonical_text(value)), value)


def test_the_canonical_text_has_no_nan():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_text(math.nan)


def test_the_limit_on_nesting_holds_at_the_bottom_of_a_deep_stack():
    def below(frames: int) -> object:
        return below(frames - 1) if frames else copy_json(value, "it")

    value = nested(MAX_DEPTH)
    assert below(600) is not value
