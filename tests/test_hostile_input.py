"""Hostile input against the whole system, in memory and on SQLite: a clear error or correct work, and never the end of
the process or of the backend.

Every case runs in a process of its own, with a deadline and with a bound to its memory, so that one which hangs or
swells is a failure of this test and of nothing else. Started as a script, this file is that process.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import runfox as rfx

DEADLINE = 120.0
"""Seconds that no case comes near."""

MEMORY = 3 << 30
"""Bytes of address space."""

Case = Callable[[str], None]
CASES: dict[str, Case] = {}
ONE_STEP = {"steps": [{"op": "a"}], "outputs": {"output": {"var": "steps.a.output"}}}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("name", CASES_NAMES := [])
def test_hostile_input_ends_in_an_error_or_in_correct_work(name: str, store: str, tmp_path: Path) -> None:
    url = "memory:" if store == "memory" else f"sqlite:///{tmp_path / 'workflows.db'}"
    done = subprocess.run(
        [sys.executable, __file__, name, url], capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 0, done.stderr[-4_000:]


# What a case works with


def backend(url: str, output: Any = None, **options: Any) -> rfx.Backend:
    """A backend whose executor gives `output`, and its inputs where that is None."""
    return rfx.open_backend(url, lambda op, inputs: inputs if output is None else output, **options)


def still_works(opened: rfx.Backend) -> None:
    """The backend that met something hostile runs an ordinary workflow."""
    steps = [{"op": "b", "input": {"n": {"+": [{"var": "input.n"}, 1]}}}]
    definition = {"steps": steps, "outputs": {"n": {"var": "input.n"}}}
    assert rfx.Workflow.from_dict(definition, opened, {"n": 1}).run() == rfx.Complete({"n": 1})


def refused(opened: rfx.Backend, definition: Any, inputs: Any = None, **options: Any) -> str:
    """What is said of a definition or of inputs that are not taken."""
    create = rfx.Workflow.from_dict if isinstance(definition, dict) else rfx.Workflow.from_yaml
    try:
        create(definition, opened, inputs, **options)
    except (rfx.DefinitionError, rfx.InvalidJSON, rfx.InvalidExecutionId) as error:
        message = str(error)
    else:
        raise AssertionError("it was taken")
    assert len(message) < 100_000
    return message


def error_result(opened: rfx.Backend) -> str:
    """What the record says of a run whose output was not taken."""
    workflow = rfx.Workflow.from_dict(ONE_STEP, opened)
    answer = workflow.run()
    output = opened.load(workflow.id).steps["a"].output
    assert isinstance(answer, rfx.Complete)
    assert output is not None
    assert output["ok"] is False
    return str(output["error"])


def halted(opened: rfx.Backend, definition: dict[str, Any], inputs: Any = None) -> str:
    """The error that a workflow ended with."""
    answer = rfx.Workflow.from_dict(definition, opened, inputs).run()
    assert isinstance(answer, rfx.Halt)
    assert isinstance(answer.result, dict)
    assert answer.result["status"] == "error"
    return str(answer.result["error"])


class Endless(dict[str, Any]):
    def items(self) -> Any:
        return ((str(number), number) for number in itertools.count())


class Raising(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("secret")


class Pretending:
    __class__ = dict  # type: ignore[assignment]  # that is the lie


def nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def cycle() -> Any:
    value: list[Any] = []
    value.extend([value] * 10)
    return value


def shared() -> Any:
    value: Any = []
    for _ in range(50):
        value = [value, value]
    return value


NO_JSON: list[tuple[Any, str]] = [
    (float("nan"), "nan is no JSON number"),
    (float("inf"), "inf is no JSON number"),
    (b"x", "bytes is no JSON type"),
    ({1}, "set is no JSON type"),
    (dt.date(2026, 1, 31), "date is no JSON type"),
    ({1: 2}, "the key 1 is no string"),
    (10**100_000, "at most 4000 digits"),
    (nested(100_000), "nested more than 500 deep"),
    (cycle(), "nested more than 500 deep"),
    (Raising(), "RuntimeError"),
    (Pretending(), "Pretending is no JSON type"),
]
BOMBS: list[Any] = [shared(), Endless(), ["x" * 1_000_000] * 100_000]
ODD = {
    "__class__": {"__proto__": [], "$ref": "#/", "__dict__": 1},
    "": [""],
    "a.b#c\n": "\0",
    "\ud800": "\udfff\ud800",
    "numbers": [-0.0, 10**3_999, 1e308, 5e-324],
    "deep": nested(400),
}


# Outputs and inputs


@case
def outputs_that_are_no_json(url: str) -> None:
    for value, says in NO_JSON:
        with backend(url, {"x": value}) as opened:
            assert says in error_result(opened), says
    for output in ([1], "text", 5, True):
        with backend(url, output) as opened:
            assert "a mapping is wanted" in error_result(opened)
    with backend(url) as opened:
        still_works(opened)


@case
def outputs_without_end(url: str) -> None:
    with backend(url, {"x": shared()}) as opened:
        assert "larger than 268,435,456 bytes" in error_result(opened)
    with backend(url) as opened:
        still_works(opened)


@case
def inputs_that_are_no_json(url: str) -> None:
    with backend(url) as opened:
        for value, says in NO_JSON:
            assert says in refused(opened, ONE_STEP, {"x": value})
        still_works(opened)


@case
def inputs_without_end(url: str) -> None:
    with backend(url, limits=rfx.Limits(value_size=10_000_000)) as opened:
        for value in BOMBS:
            assert "larger than 10,000,000 bytes" in refused(opened, ONE_STEP, {"x": value})
        still_works(opened)


@case
def names_and_texts_of_all_kinds(url: str) -> None:
    literal = {key: value for key, value in ODD.items() if key != "deep"}  # a definition nests 100 deep
    steps = [{"op": "__class__", "input": {"": {"var": "input"}, "literal": {"literal": literal}}}]
    definition = {"steps": steps, "outputs": {"\ud800": {"var": "steps.__class__.output"}, "state": {"var": "state"}}}
    with backend(url) as opened:
        outcome = rfx.Workflow.from_dict(definition, opened, ODD).run().outcome  # type: ignore[union-attr]
        given = {"": ODD, "literal": literal}
        assert repr(outcome) == repr({"\ud800": given, "state": given})
        still_works(opened)


@case
def fifty_megabytes(url: str) -> None:
    large = {"text": "x" * 48_000_000, "numbers": list(range(300_000))}
    with backend(url, large) as opened:
        workflow = rfx.Workflow.from_dict({"steps": [{"op": "a"}]}, opened)
        assert workflow.run() == rfx.Complete({})
        record = opened.load(workflow.id)
        assert record.steps["a"].output == large
        assert record.state == large


@case
def outputs_over_a_limit_that_was_set(url: str) -> None:
    with backend(url, {"x": "x" * 2_000}, limits=rfx.Limits(value_size=1_000)) as opened:
        assert "larger than 1,000 bytes" in error_result(opened)
        assert "larger than 1,000 bytes" in refused(opened, ONE_STEP, {"x": "x" * 2_000})
    with backend(url, limits=rfx.Limits(value_size=1_000)) as opened:
        many = {"x": {"map": [{"literal": [0] * 100}, 1]}}
        assert "larger than 1,000 bytes" in halted(opened, {"steps": [{"op": "a", "input": many}]})
        still_works(opened)


# Definitions


@case
def definitions_that_swell(url: str) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with backend(url) as opened:
        assert "aliases expand to more than 1 MiB" in refused(opened, "\n".join(lines))
        for value in BOMBS:
            definition = {"steps": [{"op": "a", "input": {"x": value}}]}
            assert "more than 4,194,304 characters" in refused(opened, definition) or value is BOMBS[0]
        assert "more than 4,194,304 characters" in refused(opened, "steps:\n" + "- op: a\n" * 1_000_000)
        still_works(opened)


@case
def definitions_ten_thousand_levels_deep(url: str) -> None:
    with backend(url) as opened:
        for text in ("[" * 10_000, "- " * 10_000, "? " * 10_000, "x: " + "{a: " * 10_000):
            assert "nested more than 100 deep" in refused(opened, text), text[:10]
        assert "nested more than 100 deep" in refused(opened, {"steps": nested(10_000)})
        still_works(opened)


@case
def ops_that_are_none(url: str) -> None:
    with backend(url) as opened:
        for op in ("x" * 1_000_000, "a#b", "a.b", "a\n", "\ud800", "a\0", ""):
            assert "can't be an op" in refused(opened, {"steps": [{"op": op}]})
        for execution_id in ("a#b", "a\n", "\ud800", "", "x" * 129):
            assert "can't be an execution id" in refused(opened, ONE_STEP, execution_id=execution_id)
        still_works(opened)


@case
def definitions_with_more_wrong_than_anybody_reads(url: str) -> None:
    steps = [{"op": f"a{n}", "depends_on": f"b{n}", "wrong": 1} for n in range(20_000)]
    with backend(url) as opened:
        assert "has 40000 problems" in refused(opened, {"steps": steps})
        still_works(opened)


# Expressions


TWICE = [{"var": "accumulator"}, {"var": "accumulator"}]
ZEROS = {"literal": [0] * 1_000}
BLOW_UPS: list[tuple[Any, str]] = [
    ({"%": ["%999999999d", 1]}, "'%' takes two numbers"),
    ({"reduce": [ZEROS, {"cat": TWICE}, "x"]}, "steps of work"),
    ({"reduce": [ZEROS, {"merge": TWICE}, [1]]}, "steps of work"),
    ({"reduce": [ZEROS, {"+": TWICE}, 10**3_900]}, "more than 4,000 digits"),
    ({"==": [{"reduce": [ZEROS, {"x": TWICE, "y": 1}, 1]}, "x"]}, "steps of work"),
    ({"map": [ZEROS, {"map": [ZEROS, {"map": [ZEROS, 1]}]}]}, "steps of work"),
    ({"vars": "$..*..*..*..*"}, "steps of work"),
    ({"vars": "input.list[?(@..b == 1)]"}, "steps of work"),
    ({"vars": {"cat": ["input.list[?(@.a =~ '(a+)+$", "')]"]}}, "regular expressions"),
]


LITTLE_WORK = rfx.Limits(expression_work=20_000)
"""What takes seconds with the usual limit takes none with this one."""


def data() -> dict[str, Any]:
    deep: Any = 1
    for _ in range(100):
        deep = {"a": deep}
    return {"deep": deep, "list": [{"a": "a" * 40 + "b", "c": [0] * 100}] * 100}


@case
def expressions_that_blow_up_in_an_input(url: str) -> None:
    with backend(url, limits=LITTLE_WORK) as opened:
        for value, says in BLOW_UPS:
            assert says in halted(opened, {"steps": [{"op": "a", "input": {"x": value}}]}, data()), value
        still_works(opened)


@case
def expressions_that_blow_up_in_a_condition(url: str) -> None:
    with backend(url, limits=LITTLE_WORK) as opened:
        for value, says in BLOW_UPS:
            branch = [{"condition": value, "action": "complete"}]
            assert says in halted(opened, {"steps": [{"op": "a", "branch": branch}]}, data()), value
        still_works(opened)


@case
def expressions_that_blow_up_elsewhere(url: str) -> None:
    value, says = BLOW_UPS[1]
    with backend(url) as opened:
        assert says in halted(opened, {"steps": [{"op": "a"}], "outputs": {"x": value}})
        assert says in halted(opened, {"steps": [{"op": "a", "retry": {"when": value}}]})
        branch = [{"condition": True, "action": "halt", "result": value}]
        assert says in halted(opened, {"steps": [{"op": "a", "branch": branch}]})
        still_works(opened)


@case
def expressions_that_may_do_more(url: str) -> None:
    steps = [{"op": "a", "input": {"x": {"map": [{"map": [ZEROS, ZEROS]}, 1]}}}]
    with backend(url, limits=rfx.Limits(expression_work=1_000)) as opened:
        assert "more than 1,000 steps of work" in halted(opened, {"steps": steps})
    with backend(url) as opened:
        assert rfx.Workflow.from_dict({"steps": steps}, opened).run() == rfx.Complete({})


@case
def regular_expressions(url: str) -> None:
    with backend(url) as opened:
        for path in ("input.list[?(@.a =~ '(a+)+$')]", "input.text.`sub(/(a+)+$/, x)`", "$." + "a." * 300 + "a"):
            definition = {"steps": [{"op": "a", "input": {"x": {"vars": path}}}]}
            assert "is no JSONPath" in refused(opened, definition)
        still_works(opened)


CASES_NAMES.extend(CASES)

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    CASES[sys.argv[1]](sys.argv[2])
    json.dump("done", sys.stdout)
