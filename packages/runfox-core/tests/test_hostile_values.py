"""Values that somebody made to do harm: without end, ever the same again, or of classes that lie."""

import itertools
from collections.abc import Mapping

import pytest

from runfox.errors import InvalidJSON
from runfox.jsonvalue import MAX_SIZE, copy_json, copy_object
from runfox.limits import Limits

SMALL = 10_000


def refusal(value: object, max_size: int = SMALL) -> InvalidJSON:
    with pytest.raises(InvalidJSON) as caught:
        copy_json(value, "the output", max_size)
    assert len(str(caught.value)) < 500
    return caught.value


class Endless(Mapping[str, object]):
    """A mapping that never stops to give entries."""

    def __init__(self, keys: Mapping[int, str] | None = None) -> None:
        self.given = 0

    def __getitem__(self, key: str) -> object:
        return None

    def __len__(self) -> int:
        return 1

    def __iter__(self):
        for number in itertools.count():
            self.given = number
            yield str(number)


class SameAgain(Endless):
    def __iter__(self):
        for number in itertools.count():
            self.given = number
            yield "key"


class Text(str):
    __slots__ = ()


def doubled(levels: int) -> object:
    value: object = []
    for _ in range(levels):
        value = [value, value]
    return value


# Size


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("x" * (SMALL + 1), id="a text"),
        pytest.param({"x" * SMALL: 1}, id="a key"),
        pytest.param(["x" * 1_000] * 20, id="a text again and again"),
        pytest.param([Text("x" * 1_000)] * 20, id="a text of a subclass again and again"),
        pytest.param({"a": Text("x" * SMALL)}, id="a text of a subclass in a mapping"),
        pytest.param([0] * 1_000, id="many numbers"),
        pytest.param([None] * 1_000, id="many nulls"),
        pytest.param([[]] * 1_000, id="many lists"),
        pytest.param(dict.fromkeys(map(str, range(1_000))), id="many entries"),
        pytest.param(doubled(18), id="parts that are shared"),
        pytest.param({"a": [{"b": doubled(18)}]}, id="parts that are shared, further down"),
        pytest.param(Endless(), id="entries without end"),
        pytest.param(SameAgain(), id="the same key without end"),
    ],
)
def test_what_is_larger_than_allowed_is_refused(value):
    assert refusal(value).reason == "larger than 10,000 bytes: keep large data elsewhere and pass references"


@pytest.mark.parametrize("endless", [Endless(), SameAgain()])
def test_of_a_mapping_without_end_no_more_is_read_than_could_be_kept(endless):
    refusal(endless)
    assert endless.given < SMALL


@pytest.mark.parametrize("value", ["x" * SMALL, [0] * 300, dict.fromkeys(map(str, range(100))), doubled(5)])
def test_what_is_not_larger_is_copied(value):
    assert copy_json(value, "the output", SMALL) == value


def test_fifty_megabytes_are_no_matter():
    value = {"text": "x" * 50_000_000, "again": ["x"]}
    assert copy_object(value, "the output") == value
    assert refusal(["x" * 50_000_000] * 6, MAX_SIZE)


# Containers in themselves


def test_what_contains_itself_is_refused_where_it_is_too_deep():
    cycle: list[object] = []
    cycle.extend([cycle] * 10)
    assert refusal(cycle, MAX_SIZE).reason == "nested more than 500 deep"
    table: dict[str, object] = {}
    table["again"] = table
    error = refusal(table, MAX_SIZE)
    assert (error.path, error.reason) == ("['again']" * 8 + "…" + "['again']" * 8, "nested more than 500 deep")


def test_a_hundred_thousand_levels_are_refused():
    value: object = 0
    for _ in range(100_000):
        value = [value]
    assert refusal(value, MAX_SIZE).reason == "nested more than 500 deep"


# Classes that lie


class RaisingItems(dict):
    def items(self):
        raise RuntimeError("secret")


class OddItems(dict):
    def items(self):
        return [(1, 2, 3)]


class RaisingClass:
    @property
    def __class__(self):
        raise RuntimeError("secret")


class PretendsToBe:
    def __init__(self, kind: type) -> None:
        self.kind = kind

    @property
    def __class__(self):
        return self.kind


class RaisingRepr:
    def __repr__(self):
        raise RuntimeError("secret")


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (RaisingItems(), "", "reading it raised RuntimeError"),
        ([{"a": RaisingItems()}], "[0]['a']", "reading it raised RuntimeError"),
        (OddItems(), "", "reading it raised ValueError"),
        ([RaisingClass()], "[0]", "RaisingClass is no JSON type"),
        ([PretendsToBe(dict)], "[0]", "PretendsToBe is no JSON type"),
        ([PretendsToBe(int)], "[0]", "PretendsToBe is no JSON type"),
        ([PretendsToBe(str)], "[0]", "PretendsToBe is no JSON type"),
        ([PretendsToBe(bool)], "[0]", "PretendsToBe is no JSON type"),
        ({RaisingRepr(): 1}, "", "a key of type RaisingRepr is no string"),
        ({10**5_000: 1}, "", "a key of type int is no string"),
        ({"x" * 100: {1}}, f"['{'x' * 79}…']", "set is no JSON type"),
        ([type("x" * 100, (), {})()], "[0]", f"{'x' * 79}… is no JSON type"),
        (10**100_000, "", "integers have at most 4000 digits"),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_what_lies_or_raises_is_refused_with_its_place(value, path, reason):
    error = refusal(value, MAX_SIZE)
    assert (error.path, error.reason) == (path, reason)


class Restless(list):
    def __iter__(self):
        return itertools.count()


class Pair(tuple):
    __slots__ = ()

    def __iter__(self):
        return itertools.count()


class Number(int):
    def __lt__(self, other):
        raise RuntimeError

    __gt__ = __lt__

    def __int__(self):
        return 7


def test_of_a_subclass_counts_what_python_s_own_class_says():
    copy = copy_json([Restless([1, 2]), Pair((1, 2)), Number(3)], "the output")
    assert copy == [[1, 2], [1, 2], 3]
    assert type(copy[2]) is int


def test_an_object_that_pretends_to_be_a_mapping_is_none():
    with pytest.raises(InvalidJSON, match="a mapping is wanted, not PretendsToBe"):
        copy_object(PretendsToBe(dict), "the output")


def test_an_interrupt_while_a_value_is_read_passes():
    class Interrupting(dict):
        def items(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_json(Interrupting(), "the output")


# Names that mean something elsewhere


def test_keys_and_texts_are_only_data():
    value = {
        "__class__": {"__proto__": None, "$ref": "#/"},
        "": [""],
        "a.b#c\n": "\x00",
        "\ud800": "\udfff\ud800",
        "{}%s": -0.0,
    }
    assert repr(copy_json(value, "the output")) == repr(value)


# The settings


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "9", None])
@pytest.mark.parametrize("name", ["definition_size", "value_size", "expression_work"])
def test_a_limit_is_an_integer_from_one(name, wrong):
    with pytest.raises(ValueError, match=f"{name}=.*: use an integer that is at least 1"):
        Limits(**{name: wrong})


def test_no_value_may_be_larger_than_every_part_has_to_take():
    assert Limits(value_size=MAX_SIZE).value_size == MAX_SIZE
    with pytest.raises(ValueError, match="use at most 268_435_456"):
        Limits(value_size=MAX_SIZE + 1)
