"""Expressions made to run for ever or to fill the memory: each ends, in a value or in an error that says why.

The limit is small here, so that what pays too little gives its value after a second instead of an error.
"""

import contextlib
import threading

import pytest

from runfox.errors import ExpressionError
from runfox.expressions import Compiled, DataContext, inspect, metering
from runfox.expressions.inspection import MAX_PATHS
from runfox.limits import Limits

SMALL = Limits(expression_work=10_000)


def resolve(value, data=None, limits=SMALL):
    return Compiled(value, "a", "input.x", limits).isolated(DataContext(data or {}))


def cause(value, data=None, limits=SMALL) -> str:
    with pytest.raises(ExpressionError) as caught:
        resolve(value, data, limits)
    assert len(str(caught.value)) < 1_000
    return caught.value.cause


def var(path):
    return {"var": path}


def repeated(times, body, initial):
    return {"reduce": [{"literal": [0] * times}, body, initial]}


TWICE = [var("accumulator"), var("accumulator")]
SHARED = {"reduce": [{"literal": [0] * 16}, {"x": TWICE, "y": 1}, [1]]}
"""Sixteen levels of pairs of the same: small in memory, and 65,536 places to look into."""

CHAIN = {"a": 1}
for _ in range(60):
    CHAIN = {"a": CHAIN}


@pytest.mark.parametrize(
    ("value", "data"),
    [
        pytest.param({"map": [var("n"), {"map": [var("m"), 1]}]}, {"n": [0] * 2_000, "m": []}, id="a body"),
        pytest.param(
            {"map": [{"literal": [0] * 20}, {"map": [{"literal": [0] * 20}, {"map": [{"literal": [0] * 20}, 1]}]}]},
            None,
            id="map in map in map",
        ),
        pytest.param({"filter": [var("n"), {">": [var(""), 1]}]}, {"n": [0] * 4_000}, id="filter"),
        pytest.param(repeated(4_000, {"+": [var("accumulator"), 1]}, 0), None, id="reduce"),
        pytest.param({"map": [var("n"), var("a" + ".a" * 200)]}, {"n": [0] * 100}, id="a long path in a body"),
        pytest.param(repeated(20, {"merge": TWICE}, [1]), None, id="merge, doubling"),
        pytest.param(repeated(22, {"cat": TWICE}, "x"), None, id="cat, doubling"),
        pytest.param({"cat": [SHARED]}, None, id="shared parts as text"),
        pytest.param({"==": [SHARED, "x"]}, None, id="shared parts against a text"),
        pytest.param({"==": [SHARED, {**SHARED}]}, None, id="shared parts against shared parts"),
        pytest.param({"in": [SHARED, [1]]}, None, id="shared parts in a list"),
        pytest.param({"max": [[SHARED], [1]]}, None, id="shared parts in order"),
        pytest.param({"missing": [SHARED]}, None, id="shared parts as a name"),
        pytest.param({"var": [SHARED]}, None, id="shared parts as a path"),
        pytest.param({"in": ["y", var("t")]}, {"t": "x" * 200_000}, id="a long text"),
        pytest.param({"==": [var("t"), {"x": 1}]}, {"t": {"x" * 200_000: 1}}, id="a long key"),
        pytest.param({"missing_some": [1, ["." * 60_000] * 2]}, None, id="long names"),
        pytest.param({"map": [var("n"), {"missing": ["x"]}]}, {"n": [{"a": {str(i): 1 for i in range(99)}}] * 99},
                     id="all of the data, many times"),
        pytest.param({"map": [var("n"), var("")]}, {"n": [{"a": {str(i): 1 for i in range(99)}}] * 99},
                     id="the data as a whole, many times"),
        pytest.param([var("n") for _ in range(99)], {"n": {str(i): 1 for i in range(999)}}, id="a root, many times"),
        pytest.param({"map": [var("n"), {"vars": {"cat": ["$.", var("")]}}]}, {"n": [0] * 50}, id="paths made up"),
        pytest.param({"vars": "$..*..*"}, CHAIN, id="descents"),
        pytest.param({"vars": "$..*..a"}, {"n": [[0] * 10] * 100}, id="descents in what is wide"),
        pytest.param({"vars": "n[*]"}, {"n": [0] * 10_000}, id="every item"),
        pytest.param({"vars": "n.*"}, {"n": dict.fromkeys(map(str, range(10_000)))}, id="every entry"),
        pytest.param({"vars": "n[0:99999]"}, {"n": [0] * 10_000}, id="a slice"),
        pytest.param({"vars": "n[?(@.a == 1)].b"}, {"n": [{"a": 0}] * 10_000}, id="a filter"),
        pytest.param({"vars": "n[?(@.a == 1)].b"}, {"n": [{"a": [[0] * 9] * 9}] * 99}, id="a filter of large items"),
        pytest.param({"vars": "n[?(@..b == 1)]"}, {"n": [{"c": [0] * 40}] * 40}, id="descents in a filter"),
        pytest.param({"vars": "n[?($.n[?(@.a == 1)])]"}, {"n": [{"a": 0}] * 40}, id="the root in a filter"),
        pytest.param({"vars": "n.`sorted`"}, {"n": list(range(10_000))}, id="sorting"),
        pytest.param({"vars": "n[/a]"}, {"n": [{"a": i % 7} for i in range(200)]}, id="sorting by a field"),
        pytest.param({"vars": "n.`str()`"}, {"n": [[0] * 99] * 99}, id="a path that makes text"),
        pytest.param({"vars": "n.`split(a, *, -1)`"}, {"n": "a" * 200_000}, id="a path that splits text"),
        pytest.param({"vars": "$.t + $.t"}, {"t": "x" * 9_990}, id="a path that joins texts"),
    ],
)  # fmt: skip
def test_what_is_too_much_work_says_so(value, data):
    says = cause(value, data)
    assert says.startswith("TooMuchWork: more than 10,000 steps of work")
    assert "Limits(expression_work=" in says


@pytest.mark.parametrize("value", [SHARED, {"x": SHARED}])
def test_a_value_that_grows_without_work_is_stopped_where_it_is_copied(value):
    assert "larger than 100,000 bytes" in cause(value, limits=Limits(value_size=100_000))


@pytest.mark.parametrize(
    "value",
    [
        {"map": [var("n"), {"*": [var(""), 2]}]},
        {"vars": "n[?(@ == 1)]"},
        {"cat": [var("t"), var("t")]},
        {"literal": [0] * 20_000},
        [var("n"), {"literal": 1}],
    ],
)
def test_more_is_a_setting(value):
    data = {"n": [0] * 3_000, "t": "x" * 60_000}
    resolve(value, data, Limits())


def test_every_evaluation_has_the_whole_limit():
    compiled = Compiled({"map": [var("n"), 1]}, "a", "input.x", SMALL)
    data = DataContext({"n": [0] * 4_000})
    assert [len(compiled.resolve(data)) for _ in range(5)] == [4_000] * 5


def test_evaluations_in_several_threads_pay_for_themselves():
    compiled = Compiled({"vars": "n[*]"}, "a", "input.x", SMALL)
    data, lengths = DataContext({"n": [0] * 400}), []
    threads = [threading.Thread(target=lambda: lengths.append(len(compiled.resolve(data)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lengths == [400] * 8


def test_an_evaluation_leaves_no_meter_behind():
    resolve({"vars": "n"}, {"n": 1})
    assert metering.METER.get(None) is None


# Numbers


@pytest.mark.parametrize(
    "value",
    [
        repeated(20_000, {"+": TWICE}, 1),
        {"+": ["9" * 4_000, 1]},
        {"-": [{"-": ["9" * 4_000]}, 1]},
        {"vars": "$.n + $.n"},
        {"vars": "$.n * $.n"},
    ],
)
def test_an_integer_does_not_grow_past_what_json_values_have(value):
    assert "an integer of more than 4,000 digits" in cause(value, {"n": 10**4_000 - 1}, Limits())


@pytest.mark.parametrize(
    "value",
    [repeated(40, {"*": TWICE}, 3), {"/": [10**999, 3]}, {"*": [1e308, 10]}, {"%": [1, 0]}, {"%": [1.5, 0.0]}],
)
def test_arithmetic_that_has_no_result_fails(value):
    cause(value)


# Depth


def test_values_as_deep_as_they_may_be_can_be_compared():
    one, other = 0, 0
    for _ in range(498):
        one, other = [one], [other]
    data = {"one": one, "other": other}
    assert resolve({"==": [var("one"), var("other")]}, data) is True
    assert resolve({"<": [var("one"), var("other")]}, data) is False
    assert resolve({"in": [var("one"), [var("other")]]}, data) is True
    assert len(resolve({"cat": [var("one")]}, data)) == 997


def test_a_value_made_deeper_than_that_fails_and_takes_nothing_with_it():
    deep = repeated(3_000, [var("accumulator")], 0)
    assert "nested more than 500 deep" in cause(deep, limits=Limits())
    # How deep an operator gets differs between Pythons; either way it ends.
    for within in ({"==": [deep, {"if": [True, deep]}]}, {"cat": [deep]}):
        with contextlib.suppress(ExpressionError):
            resolve(within, limits=Limits())


def test_a_path_of_a_million_dots_leads_nowhere():
    assert resolve(var("input" + "." * 1_000_000), {"input": {"": {}}}) is None


# JSONPath


@pytest.mark.parametrize("path", ["n[?(@.a =~ '(a+)+$')]", "n.`sub(/(a+)+$/, x)`", "$.n[?(@.b[?(@.a =~ 'x')])]"])
def test_regular_expressions_are_refused_when_a_definition_is_read_and_when_a_path_is_made_up(path):
    (fault,) = inspect({"vars": path}).faults
    assert "regular expressions ('=~', 'sub') can take for ever" in fault.message
    assert "regular expressions" in cause({"vars": {"cat": [path, ""]}}, {"n": [{"a": "a" * 40 + "b"}]})


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("$" + ".a" * 250, "it has more than 500 characters"),
        ("(" * 1_000_000, "it has more than 500 characters"),
        ("$" + ".a" * 110, "it is nested more than 100 deep"),
        ("(" * 120 + "a" + ".b)" * 120, "it is nested more than 100 deep"),
        ("$." + "?" * 400, "Parse error"),
    ],
)
def test_a_path_that_is_too_long_or_too_deep_is_a_fault(path, says):
    (fault,) = inspect({"vars": path}).faults
    assert says in fault.message
    assert len(fault.message) < 600


def test_ninety_segments_are_no_matter():
    data = 1
    for _ in range(90):
        data = {"a": data}
    assert resolve({"vars": "$" + ".a" * 90}, data) == [1]


@pytest.mark.parametrize("path", ["$.t * 1000000000", "$.n * 100000000", "1000000000 * $.t"])
def test_texts_and_lists_are_not_repeated(path):
    assert resolve({"vars": path}, {"t": "xxxx", "n": [1, 2]}) == []


def test_arithmetic_in_paths_is_otherwise_what_it_was():
    data = {"t": "x", "u": "y", "n": 3}
    assert resolve({"vars": "$.t + $.u"}, data) == ["xy"]
    assert resolve({"vars": "$.n * 2"}, data) == [6]
    assert resolve({"vars": "$.n - 1"}, data) == [2]


def test_a_path_with_a_filter_of_every_kind_finds_what_it_found():
    data = {"n": [{"a": 1, "b": {"c": "x"}}, {"a": 2, "b": {"c": "y"}}, {"a": "2"}]}
    assert resolve({"vars": "n[?(@.a > 1)].b.c"}, data) == ["y"]
    assert resolve({"vars": "n[?(@.b.c)].a"}, data) == [1, 2]
    assert resolve({"vars": "$..c"}, data) == ["x", "y"]
    assert resolve({"vars": "n[0:2].a"}, data) == [1, 2]
    assert resolve({"vars": "$.n.`len`"}, data) == [3]


def test_a_definition_has_no_end_of_different_paths():
    findings = inspect(
        [{"vars": f"$.a{number}"} for number in range(30)], {f"b{i}": None for i in range(MAX_PATHS - 20)}
    )
    assert [fault.path for fault in findings.faults] == [(number, "vars") for number in range(20, 30)]
    assert "more than 5,000 different ones" in findings.faults[0].message


def test_a_wrong_path_is_parsed_once_and_told_wherever_it_stands(monkeypatch):
    parsed = []
    monkeypatch.setattr("runfox.expressions.inspection.json_path", parsed.append)
    inspect([{"vars": "$.a["}] * 10)
    assert parsed == ["$.a["]
    monkeypatch.undo()
    assert len(inspect([{"vars": "$.a["}] * 10).faults) == 10
