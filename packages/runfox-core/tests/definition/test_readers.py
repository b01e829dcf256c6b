"""JSON text and Python data as definitions, and the cache of texts."""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import enum
import json
import types
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runfox.definition import Definition, parse_dict, parse_json, parse_yaml
from runfox.definition.json_text import read_json
from runfox.definition.parse import MAX_CACHED, MAX_CACHED_TEXT, TextCache
from runfox.definition.python_value import read_python
from runfox.definition.source import Document, Found, Problems, format_path
from runfox.errors import DefinitionError, Problem

STEP = {"op": "a"}


def problems(value: Any) -> list[tuple[str, str]]:
    with pytest.raises(DefinitionError) as caught:
        parse_dict(value)
    return [(problem.path, problem.message) for problem in caught.value.problems]


def with_input(value: object) -> dict[str, object]:
    return {"steps": [{"op": "a", "input": {"x": value}}]}


def nested(depth: int) -> object:
    value: object = "core"
    for _ in range(depth):
        value = [value]
    return value


# Python data


def test_the_spec_shares_nothing_with_its_argument() -> None:
    inner = [1]
    definition = parse_dict(with_input(inner))
    inner.append(2)
    assert definition.spec == with_input([1])
    assert definition.steps[0].input == {"x": [1]}


def test_unusual_python_types_become_what_they_stand_for() -> None:
    class Op(enum.StrEnum):
        A = "a"

    class Number(enum.IntEnum):
        TWO = 2

    class Text(str):
        __slots__ = ()

    class Share(float):
        pass

    spec = types.MappingProxyType(
        {
            Text("name"): Op.A,
            "steps": ({"op": Op.A, "max_attempts": Number.TWO, "retry": collections.OrderedDict(jitter=Share(0.5))},),
        }
    )
    definition = parse_dict(spec)
    assert definition.spec == {
        "name": "a",
        "steps": [{"op": "a", "max_attempts": 2, "retry": {"jitter": 0.5}}],
    }
    assert {type(key) for key in definition.spec} == {str}
    assert type(definition.name) is str


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (dt.date(2026, 1, 31), "date is no JSON type"),
        (b"x", "bytes is no JSON type"),
        ({1}, "set is no JSON type"),
        (float("nan"), "nan is no JSON number"),
        (float("-inf"), "-inf is no JSON number"),
        pytest.param(10**4000, "at most 4000 digits", id="4001 digits"),
        pytest.param(-(10**5000), "at most 4000 digits", id="5001 digits"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(value: object, says: str) -> None:
    ((path, message),) = problems(with_input([value]))
    assert path == "steps[0].input.x[0]"
    assert says in message


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (1, "a key is of type int"),
        (None, "a key is None"),
        (True, "a key is True"),
        (1.5, "1.5"),
        ((), "of type tuple"),
    ],
)
def test_keys_that_are_no_strings_are_refused(key: object, says: str) -> None:
    ((path, message),) = problems(with_input({key: 1}))
    assert path == "steps[0].input.x"
    assert says in message


def test_a_cycle_is_refused() -> None:
    cycle: list[object] = []
    cycle += [cycle, {"again": cycle}]
    assert [path for path, _ in problems(with_input(cycle))] == ["steps[0].input.x[0]", "steps[0].input.x[1].again"]


def test_the_nesting_is_limited() -> None:
    parse_dict(with_input(nested(96)))
    ((path, message),) = problems(with_input(nested(97)))
    assert path == "steps[0].input.x" + "[0]" * 96
    assert "nested more than 100 deep" in message
    assert problems(with_input(nested(100_000)))


def test_what_appears_again_counts_for_the_nesting() -> None:
    part = nested(60)
    high: object = part
    for _ in range(35):
        high = [high]
    parse_dict(with_input([part, high]))
    ((_, message),) = problems(with_input([part, [high]]))
    assert "nested more than 100 deep" in message


def test_what_appears_again_makes_what_holds_it_as_high() -> None:
    part = nested(60)
    holder = [part]
    high: object = holder
    for _ in range(40):
        high = [high]
    assert "nested more than 100 deep" in problems(with_input([part, holder, high]))[0][1]


def test_data_that_repeats_itself_without_end_is_refused() -> None:
    value: object = ["lol"]
    for _ in range(90):
        value = [value] * 10
    ((_, message),) = problems(with_input(value))
    assert "the definition has more than 4,194,304 characters" in message


def test_a_retry_that_all_steps_share_is_no_bomb() -> None:
    retry = {"max_attempts": 3}
    definition = parse_dict({"steps": [{"op": f"s{number}", "retry": retry} for number in range(1000)]})
    assert {step.retry.max_attempts for step in definition.steps} == {3}


def test_a_lone_surrogate_and_nul_are_kept() -> None:
    assert parse_dict(with_input("\ud800\x00")).steps[0].input == {"x": "\ud800\x00"}


# JSON


def test_a_text_that_is_no_text_is_refused() -> None:
    for parse in (parse_yaml, parse_json):
        with pytest.raises(DefinitionError, match="a text is wanted, not bytes"):
            parse(b"{}")  # type: ignore[arg-type]
        with pytest.raises(DefinitionError, match="a text is wanted, not dict: use from_dict"):
            parse({"steps": []})  # type: ignore[arg-type]


def test_the_name_of_a_file_is_no_definition() -> None:
    for parse, name in ((parse_yaml, "flow.yaml"), (parse_json, '"flow.json"')):
        with pytest.raises(DefinitionError, match="pass the definition itself, not the name of a file"):
            parse(name)


def test_ten_thousand_brackets_are_refused() -> None:
    with pytest.raises(DefinitionError) as caught:
        read_json("[" * 10_000)
    assert caught.value.problems == (Problem("", "nested more than 100 deep: make it flatter", 1, 101),)


def test_brackets_in_strings_are_no_nesting() -> None:
    text = json.dumps(with_input('\\"' + "[{" * 200))
    assert parse_json(text).steps[0].input == {"x": '\\"' + "[{" * 200}


def test_a_string_without_an_end_is_refused_at_once() -> None:
    with pytest.raises(DefinitionError, match="this is no JSON"):
        read_json('"' + '\\"' * 200_000)


# The cache


def test_a_text_is_read_once() -> None:
    text = json.dumps({"name": "once", "steps": [STEP]})
    assert parse_json(text) is parse_json(str(text))
    assert parse_yaml(text) is parse_yaml(text)
    assert parse_yaml(text) is not parse_json(text)


def test_the_cache_is_bounded_by_count_and_keeps_what_is_used() -> None:
    cache = TextCache(read_json)
    texts = [json.dumps({"name": str(number), "steps": [STEP]}) for number in range(MAX_CACHED + 1)]
    first, second = cache.get(texts[0]), cache.get(texts[1])
    for text in texts[2:]:
        assert cache.get(texts[0]) is first
        cache.get(text)
    assert cache.get(texts[0]) is first
    assert cache.get(texts[1]) is not second


def test_the_cache_is_bounded_by_size() -> None:
    cache = TextCache(read_json)
    small = json.dumps({"steps": [STEP]})
    kept = cache.get(small)
    huge = small + " " * MAX_CACHED_TEXT
    assert cache.get(huge) is not cache.get(huge)
    assert cache.get(small) is kept
    large = small + " " * (MAX_CACHED_TEXT - len(small))
    assert cache.get(large) is cache.get(large)
    assert cache.get(small) is not kept


def test_a_text_that_another_thread_read_meanwhile_is_counted_once() -> None:
    small = json.dumps({"steps": [STEP]})
    inner: list[Definition] = []

    def read(text: str) -> Any:
        if not inner:
            inner.append(parse_dict({"steps": [STEP]}))
            cache.get(text)
        return read_json(text)

    cache = TextCache(read)
    cache.get(small)
    assert cache.get(small) is cache.get(small)
    assert cache._size == len(small)


# Whatever comes

ODD = st.just(dt.date(2026, 1, 31)) | st.binary(max_size=2) | st.sets(st.integers(), max_size=2)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | ODD
WORDS = st.sampled_from(
    [
        *[
            "name",
            "steps",
            "op",
            "a",
            "b",
            "input",
            "depends_on",
            "branch",
            "condition",
            "action",
            "set",
            "value",
            "halt",
        ],
        *["complete", "result", "retry", "when", "max_attempts", "timeout", "outputs", "defaults", "var", "vars", "if"],
        *["steps.a.output", "steps[*", "steps.a.status", "ready", "x-a", "map", "literal", "label", "on_error"],
    ]
)
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=5)
        | st.dictionaries(st.integers() | st.none(), inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
    ),
    max_leaves=25,
)
NEARLY = st.fixed_dictionaries(
    {
        "steps": st.lists(
            st.fixed_dictionaries(
                {"op": WORDS},
                optional={
                    "depends_on": WORDS | st.lists(WORDS),
                    "input": VALUES,
                    "branch": st.lists(VALUES),
                    "retry": VALUES,
                },
            ),
            max_size=4,
        )
    },
    optional={"outputs": VALUES, "defaults": VALUES},
)


@given(VALUES | NEARLY)
@settings(max_examples=500, deadline=None)
def test_any_data_gives_a_definition_or_a_definition_error(value: Any) -> None:
    try:
        definition = parse_dict(value)
    except DefinitionError:
        return
    assert parse_dict(definition.spec) == definition


@given(st.text() | st.text('{}[]",:\\ntrue0123.eE- \n'))
@settings(max_examples=400, deadline=None)
def test_any_text_gives_a_definition_or_a_definition_error(text: str) -> None:
    with contextlib.suppress(DefinitionError):
        parse_json(text)


def test_paths_are_as_people_write_them() -> None:
    assert format_path(()) == ""
    assert format_path(("steps", 2, "branch", 0, "action")) == "steps[2].branch[0].action"
    assert format_path(("outputs", "a b", "x-y")) == 'outputs["a b"].x-y'


def test_a_problem_at_what_a_copy_lost_is_refused_once() -> None:
    assert [path for path, _ in problems({"steps": [{"op": b"a"}]})] == ["steps[0].op"]
    assert read_python(b"", max_size=None).value is None


def test_a_problem_at_what_is_not_there_comes_where_its_parent_stands() -> None:
    found = Problems()
    for path in (("b", "x"), ("a", "x", "y"), ("a",), ("b",)):
        found.add(Found(path, "wrong"))
    error = Document({"a": 1, "b": [2]}).error(found)
    assert [problem.path for problem in error.problems] == ["a.x.y", "a", "b.x", "b"]
