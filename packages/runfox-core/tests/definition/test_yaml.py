"""The YAML reader: traps, positions, aliases, bombs, and the agreement of PyYAML's two parsers."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runfox.definition import parse_yaml
from runfox.definition.source import Found, Problems
from runfox.definition.yaml_scalars import Trap, resolve
from runfox.definition.yaml_text import read_yaml
from runfox.errors import DefinitionError, MissingExtra, Problem

PARSERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]
STEP = "steps:\n  - op: a\n"


@pytest.fixture(params=PARSERS, ids=lambda loader: loader.__name__)
def loader(request: pytest.FixtureRequest) -> Any:
    return request.param


def read(text: str, loader: Any) -> object:
    """The value of a text without problems, or its problems as text and place."""
    try:
        document = read_yaml(text, loader)
    except DefinitionError as error:
        return list(error.problems)
    return list(document.error().problems) or document.value


def refusal(text: str, loader: Any = None) -> Problem:
    """The one problem of a text."""
    problems = read(text, loader or PARSERS[-1])
    assert isinstance(problems, list)
    (problem,) = problems
    assert isinstance(problem, Problem)
    return problem


# Scalars


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("", None), ("~", None), ("Null", None), ("TRUE", True), ("False", False), ("0", 0), ("-0", 0), ("+12", 12)],
        *[("1e3", 1000.0), ("1.5e3", 1500.0), ("1E-2", 0.01), (".5", 0.5), ("5.", 5.0), ("-0.0", -0.0), ("00.5", 0.5)],
        *[("tRUE", "tRUE"), ("y", "y"), ("=", "="), (".", "."), ("-", "-"), ("1.2.3", "1.2.3"), ("٣", "٣")],
        *[("12:61", "12:61"), ("2026-1", "2026-1"), (".infinity", ".infinity"), ("0b2", "0b2"), ("1e", "1e")],
    ],
)
def test_a_plain_scalar_that_all_agree_on_is_resolved(text: str, value: object) -> None:
    resolved = resolve(text)
    assert (type(resolved), str(resolved)) == (type(value), str(value))


@pytest.mark.parametrize("word", ["yes", "no", "on", "off"])
@pytest.mark.parametrize("case", [str.lower, str.upper, str.capitalize])
def test_a_switch_is_refused_in_every_case(word: str, case: Any) -> None:
    with pytest.raises(Trap, match=r"quote it, or write (true|false)"):
        resolve(case(word))


@pytest.mark.parametrize(
    "text",
    [
        *["12:30:00", "1:30", "01:30", "190:20:30.15", "010", "0o10", "0O7", "08", "00", "1_000", "1_0.5", "0b1"],
        *["2026-01-31", "2026-1-1 1:00:00", "2026-01-31T12:00:00.5Z", "2026-01-31 12:00:00 +01:00", "0x1F"],
        *[".inf", "+.Inf", "-.INF", ".nan", ".NAN", "1e999", "9" * 4001],
    ],
)
def test_a_trap_is_refused(text: str) -> None:
    with pytest.raises(Trap, match="quote it, or write"):
        resolve(text)


def test_a_number_of_four_thousand_digits_is_read() -> None:
    assert resolve("-" + "9" * 4000) == -(10**4000 - 1)


# Structure


def test_a_second_anchor_of_a_name_takes_over(loader: Any) -> None:
    assert read("a: &x 1\nb: *x\nc: &x [&x 2, *x]\nd: *x\n", loader) == {"a": 1, "b": 1, "c": [2, 2], "d": 2}


def test_an_alias_can_be_a_key(loader: Any) -> None:
    assert read("a: &x b\n*x : 1\n", loader) == {"a": "b", "b": 1}


def test_an_anchored_list_is_shared(loader: Any) -> None:
    assert read("[&x [1], *x]", loader) == [[1], [1]]


def test_an_alias_to_itself_is_refused(loader: Any) -> None:
    assert "inside its own anchor &x" in refusal("&x [1, *x]", loader).message


def test_a_non_specific_tag_makes_a_string(loader: Any) -> None:
    assert read("[! 12, !!str yes, !!seq [], ! {}]", loader) == ["12", "yes", [], {}]


def test_a_tag_of_another_kind_is_refused(loader: Any) -> None:
    problems = read("[!!map [], !!seq {}, !!map x, !mine y]", loader)
    assert isinstance(problems, list)
    assert [problem.path for problem in problems] == ["[0]", "[1]", "[2]", "[3]"]


def test_a_byte_order_mark_is_skipped(loader: Any) -> None:
    assert read("\ufeffa: 1", loader) == {"a": 1}


def test_a_byte_order_mark_in_the_middle_is_refused(loader: Any) -> None:
    assert refusal("a:\n\ufeff", loader).line == 2


MERGES = [
    "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3, z: 4}",
    "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b]}",
    "a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}",
    "a: {<<: {x: 1}, x: 2}",
    "a: {<<: []}",
]


@pytest.mark.parametrize("text", MERGES)
def test_merge_keys_work_as_in_pyyaml(text: str, loader: Any) -> None:
    assert read(text, loader) == yaml.safe_load(text)


def test_what_is_merged_comes_first_and_in_order(loader: Any) -> None:
    value = read("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, w: 3, <<: [*a, *b]}", loader)
    assert list(value["c"].items()) == [("x", 1), ("y", 1), ("z", 3), ("w", 3)]  # type: ignore[call-overload]


def test_a_quoted_merge_key_is_a_key_like_any_other(loader: Any) -> None:
    assert read('{"<<": 1, a: <<}', loader) == {"<<": 1, "a": "<<"}


def test_a_merge_of_a_list_with_something_else_in_it_is_refused(loader: Any) -> None:
    problem = refusal("a:\n  <<: [{b: 1}, c]", loader)
    assert (problem.path, problem.line, problem.column) == ('a["<<"]', 2, 7)


# What may not be taken in


def test_ten_thousand_brackets_are_refused(loader: Any) -> None:
    problem = refusal("[" * 10_000, loader)
    assert "nested more than 100 deep" in problem.message
    assert problem.line == 1  # how far libyaml reads ahead, and stops by itself, is a matter of its version


def test_a_bracket_too_many_is_shown(loader: Any) -> None:
    problem = refusal("[" * 101 + "]" * 101, loader)
    assert "nested more than 100 deep" in problem.message
    assert (problem.line, problem.column) == (1, 101)


@pytest.mark.parametrize("start", ["- ", "{a: ", "? "])
def test_ten_thousand_levels_of_any_kind_are_refused(start: str, loader: Any) -> None:
    assert "nested more than 100 deep" in refusal(start * 10_000, loader).message


def test_a_hundred_levels_are_read(loader: Any) -> None:
    assert isinstance(read("[" * 100 + "]" * 100, loader), list)


def test_aliases_count_for_the_nesting(loader: Any) -> None:
    high = "[" * 60 + "]" * 60
    assert read(f"[&x {high}, {'[' * 39}*x{']' * 39}]", loader)
    assert "nested more than 100 deep" in refusal(f"[&x {high}, {'[' * 40}*x{']' * 40}]", loader).message


def test_a_billion_laughs_are_refused(loader: Any) -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 60)]
    problem = refusal("\n".join(lines), loader)
    assert "aliases expand to more than 1 MiB" in problem.message


def test_one_large_text_without_aliases_is_no_expansion() -> None:
    assert read(f"a: &a {'x' * (1 << 20)}", PARSERS[-1]) == {"a": "x" * (1 << 20)}


@pytest.mark.parametrize(
    "text",
    [
        *['a: "\\UFFFFFFFF"', 'a: "\\U00110000"', 'a: "\\ud800"', '"\\ud800": a', "%YAML 2.0\n--- a", "@", "%", "}"],
        *["%YAML 1.1\n%YAML 1.1\n--- a", f"%YAML {'9' * 5000}.1\n--- a", "a: !<%FF> b", "a: b: c", "a: 'x", "\t- a"],
        *["a: &", "!a!b c"],
    ],
)
def test_what_is_no_yaml_has_a_place(text: str, loader: Any) -> None:
    problem = refusal(text, loader)
    assert problem.line is not None
    assert problem.column is not None


def test_what_was_wrong_before_a_syntax_error_is_said_too(loader: Any) -> None:
    problems = read("a: yes\nb: [", loader)
    assert isinstance(problems, list)
    assert [problem.line for problem in problems][:1] == [1]
    assert len(problems) == 2


def test_a_forbidden_character_is_found_behind_every_kind_of_line_break() -> None:
    problem = refusal("a\r\nb\rc\nd\x85e\u2028f\u2029gh\x00")
    assert (problem.line, problem.column) == (7, 3)


# Places


def test_a_problem_in_what_an_alias_names_is_where_its_anchor_is() -> None:
    text = "x-s: &s\n  timeout: 0\nsteps:\n  - <<: *s\n    op: a\n"
    with pytest.raises(DefinitionError) as caught:
        parse_yaml(text)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line, problem.column) == ("steps[0].timeout", 2, 12)


def test_what_is_missing_is_where_its_parent_is() -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_yaml("\n  name: a\n")
    (problem,) = caught.value.problems
    assert str(problem) == "line 2, column 3: 'steps' is missing: write a list with at least one step"


def test_a_place_that_is_not_there_is_the_nearest_above_it() -> None:
    document = read_yaml("a:\n  b: 1\n")
    found = Problems()
    found.add(Found(("a", "b", "c"), "below a scalar"))
    found.add(Found(("a", "x"), "not in it"))
    found.add(Found(("z",), "at the top"))
    places = {problem.message: (problem.line, problem.column) for problem in document.error(found).problems}
    assert places == {"at the top": (1, 1), "not in it": (2, 3), "below a scalar": (2, 6)}


# Without PyYAML


def test_without_pyyaml_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.delitem(sys.modules, "runfox.definition.yaml_text")
    monkeypatch.delattr("runfox.definition.yaml_text")
    with pytest.raises(MissingExtra, match=r"pip install 'runfox-core\[standard\]'"):
        parse_yaml("name: never read before")


# Whatever comes

PIECES = st.sampled_from(
    [
        *["steps", "op", "a", "b", ": ", ":", "- ", "\n", "\n  ", "\n    ", "[", "]", "{", "}", ",", ", ", "&x ", "*x"],
        *[
            "<<: ",
            '"',
            "'",
            "yes",
            "010",
            "1e3",
            "1:30",
            "~",
            "!!str ",
            "!t ",
            "? ",
            "|",
            ">",
            "%",
            "#",
            "---\n",
            "...",
        ],
        *["input", "var", "depends_on", "branch", "\t", "\x85", "\ufeff", "\ud800", "\x00", "é", "\\u00e9"],
    ]
)
TEXTS = st.text() | st.lists(PIECES, max_size=40).map("".join)


def refusals(text: str) -> tuple[Problem, ...]:
    try:
        parse_yaml(text)
    except DefinitionError as error:
        return error.problems
    return ()


@given(TEXTS)
@example("steps:\n- op: a")
@settings(max_examples=400, deadline=None)
def test_any_text_gives_a_definition_or_a_definition_error(text: str) -> None:
    assert all(problem.line is not None for problem in refusals(text))


@pytest.mark.skipif(len(PARSERS) < 2, reason="PyYAML was built without libyaml")
@given(TEXTS)
@example("[? ]")
@settings(max_examples=400, deadline=None)
def test_both_parsers_give_the_same(text: str) -> None:
    one, other = (read(text, loader) for loader in PARSERS)
    if "?" in text:
        # Where a key is that is not written, one says behind the "?", the other in front of what follows.
        one, other = without_places(one), without_places(other)
    assert one == other or syntax_error(one) or syntax_error(other)


def without_places(value: object) -> object:
    """The problems, if it is such a list, without line and column."""
    if isinstance(value, list) and all(isinstance(item, Problem) for item in value):
        return [replace(problem, line=None, column=None) for problem in value]
    return value


def syntax_error(value: object) -> bool:
    """Whether a parser refused the text; the parsers differ in a few corners, and in what they say."""
    return isinstance(value, list) and any("this is no YAML" in str(problem) for problem in value)
