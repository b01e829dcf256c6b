"""What a definition becomes: its defaults, its identity, its graph, and what checking a large one takes."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import pytest

from runfox.definition import (
    DEFAULT_WHEN,
    Branch,
    CompleteStep,
    Definition,
    HaltWorkflow,
    ResetSteps,
    Retry,
    Step,
    graph,
    parse_dict,
)
from runfox.definition.references import MAX_CYCLES
from runfox.errors import DefinitionError, Problem


def only_step(step: dict[str, Any], **rest: Any) -> Step:
    (read,) = parse_dict({"steps": [{"op": "a", **step}], **rest}).steps
    return read


def problems(steps: list[Any]) -> list[Problem]:
    with pytest.raises(DefinitionError) as caught:
        parse_dict({"steps": steps})
    return list(caught.value.problems)


# The model


def test_a_step_has_its_defaults() -> None:
    assert only_step({}) == Step(op="a", call="a")
    assert repr(only_step({}).retry.when) == "DEFAULT_WHEN"


def test_a_definition_has_its_defaults() -> None:
    definition = parse_dict({"steps": [{"op": "a"}]})
    assert (definition.name, definition.outputs) == ("workflow", {})


def test_a_step_has_what_the_author_wrote() -> None:
    branch = [
        {"condition": {"var": "bad"}, "action": "halt"},
        {"condition": 1, "action": "halt", "result": [1]},
        {"condition": 0, "action": "complete"},
        {"condition": None, "action": {"set": ["steps.a.status", "a"]}},
    ]
    step = only_step({"call": "fetch", "input": {"x": 1}, "branch": branch, "timeout": 3, "queue": "q"})
    assert step == Step(
        op="a",
        call="fetch",
        input={"x": 1},
        branches=(
            Branch({"var": "bad"}, HaltWorkflow({})),
            Branch(1, HaltWorkflow([1])),
            Branch(0, CompleteStep()),
            Branch(None, ResetSteps(("a",))),
        ),
        timeout=3.0,
        queue="q",
    )
    assert type(step.timeout) is float


def test_dependencies_keep_their_order_and_come_once() -> None:
    steps = [{"op": "a"}, {"op": "b"}, {"op": "c", "depends_on": ["b", "a", "b"]}]
    assert parse_dict({"steps": steps}).steps[2].depends_on == ("b", "a")


def test_retry_merges_field_by_field() -> None:
    defaults = {"retry": {"delay": 5, "jitter": 0.5, "when": None}, "max_attempts": 4}
    step = only_step({"retry": {"delay": 1}}, defaults=defaults)
    assert step.retry == Retry(max_attempts=4, delay=1.0, jitter=0.5, when=None)


@pytest.mark.parametrize("own", [{"max_attempts": 2}, {"retry": {"max_attempts": 2}}])
@pytest.mark.parametrize("default", [{"max_attempts": 7}, {"retry": {"max_attempts": 7}}])
def test_either_form_of_max_attempts_overrides_either_default(own: dict[str, Any], default: dict[str, Any]) -> None:
    assert only_step(own, defaults=default).retry == Retry(max_attempts=2, when=DEFAULT_WHEN)
    assert only_step({}, defaults=default).retry.max_attempts == 7


def test_defaults_are_for_every_step_that_sets_nothing() -> None:
    defaults = {"timeout": 9, "on_error": "halt", "queue": "slow"}
    step = only_step({}, defaults=defaults)
    assert (step.timeout, step.halt_on_error, step.queue) == (9.0, True, "slow")
    step = only_step({"timeout": 1, "on_error": "continue", "queue": "fast"}, defaults=defaults)
    assert (step.timeout, step.halt_on_error, step.queue) == (1.0, False, "fast")


# Identity


FULL = {
    "name": "n",
    "description": "d",
    "x-a": 1,
    "steps": [{"op": "a", "label": "l", "x-b": 2, "input": {"label": 1, "x-c": 2}}],
    "outputs": {"description": 1},
}


def workflow_id(spec: Any, change: Any = None) -> str:
    spec = copy.deepcopy(spec)
    if change:
        change(spec)
    return parse_dict(spec).workflow_id


def test_the_id_is_the_digest_of_the_canonical_text() -> None:
    text = b'{"steps":[{"op":"a"}]}'
    assert hashlib.sha256(text).hexdigest()[:32] == parse_dict({"steps": [{"op": "a"}]}).workflow_id


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec.pop("description"),
        lambda spec: spec.pop("x-a"),
        lambda spec: spec["steps"][0].pop("label"),
        lambda spec: spec["steps"][0].update({"x-b": 3}),
        lambda spec: spec.update(name=spec.pop("name")),
    ],
)
def test_what_is_never_read_does_not_change_the_id(change: Any) -> None:
    assert workflow_id(FULL, change) == workflow_id(FULL)


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec.update(name="m"),
        lambda spec: spec["steps"][0]["input"].pop("label"),
        lambda spec: spec["steps"][0]["input"].pop("x-c"),
        lambda spec: spec["outputs"].pop("description"),
        lambda spec: spec["steps"].append({"op": "b"}),
    ],
)
def test_what_is_read_changes_the_id(change: Any) -> None:
    assert workflow_id(FULL, change) != workflow_id(FULL)


# Large definitions: nothing recurses, and nothing is quadratic where the definition is not


def test_a_chain_of_ten_thousand_steps_is_read() -> None:
    steps: list[Any] = [{"op": "s0"}]
    steps += [
        {"op": f"s{i}", "depends_on": f"s{i - 1}", "input": {"x": {"var": f"steps.s{i - 1}.output.x"}}}
        for i in range(1, 10_000)
    ]
    assert len(parse_dict({"steps": steps}).steps) == 10_000


def test_a_chain_in_which_all_read_the_first_is_read() -> None:
    steps: list[Any] = [{"op": "s0"}, {"op": "other"}]
    steps += [
        {"op": f"s{i}", "depends_on": f"s{i - 1}", "input": {"x": {"var": "steps.s0.output.x"}}}
        for i in range(1, 5_000)
    ]
    assert len(parse_dict({"steps": steps}).steps) == 5_001
    steps[-1]["input"]["y"] = {"var": "steps.other.output"}
    assert [problem.path for problem in problems(steps)] == ["steps[5000].input.y.var"]


def test_a_fan_of_ten_thousand_steps_is_read() -> None:
    wide = [{"op": f"s{i}", "depends_on": "a", "input": {"x": {"var": "steps.a.output.x"}}} for i in range(10_000)]
    ops = [step["op"] for step in wide]
    last = {"op": "z", "depends_on": ops, "input": {"all": [{"var": f"steps.{op}.output.x"} for op in ops]}}
    assert isinstance(parse_dict({"steps": [{"op": "a"}, *wide, last]}), Definition)


def test_a_long_cycle_is_spelled_out_at_its_ends() -> None:
    steps = [{"op": f"s{i}", "depends_on": f"s{(i + 1) % 10_000}"} for i in range(10_000)]
    (problem,) = problems(steps)
    assert problem.path == "steps[0].depends_on"
    assert "s0 -> s1 -> " in problem.message
    assert "(9951 more)" in problem.message
    assert "s9999 -> s0:" in problem.message


def test_a_reference_behind_a_cycle_is_no_further_problem() -> None:
    steps: list[Any] = [{"op": "a", "depends_on": "b"}, {"op": "b", "depends_on": "a"}]
    steps.append({"op": "c", "depends_on": "b", "input": {"x": {"var": "steps.a.output.x"}}})
    steps.append({"op": "d", "input": {"x": {"var": "steps.a.output.x"}}})
    assert [problem.path for problem in problems(steps)] == ["steps[0].depends_on", "steps[3].input.x.var"]


def test_so_many_cycles_are_reported_and_no_more() -> None:
    ops = [f"s{i}" for i in range(40)]
    steps = [{"op": op, "depends_on": [other for other in ops if other != op]} for op in ops]
    assert len(problems(steps)) == MAX_CYCLES


def test_of_ten_thousand_problems_the_first_hundred_are_told_and_the_others_counted() -> None:
    steps = [{"op": f"step-{i}", "depends_on": f"stop-{i}"} for i in range(10_000)]
    with pytest.raises(DefinitionError, match="has 10000 problems") as caught:
        parse_dict({"steps": steps})
    found = caught.value.problems
    assert (len(found), caught.value.more) == (100, 9_900)
    assert str(caught.value).endswith("and 9900 more")
    assert "did you mean 'step-0'?" in found[0].message
    assert "name one of the steps" in found[-1].message


def test_a_reader_s_problems_and_those_of_the_rules_are_counted_together() -> None:
    steps = [{"op": f"step-{i}", "depends_on": "unknown", "x-own": b""} for i in range(60)]
    with pytest.raises(DefinitionError) as caught:
        parse_dict({"steps": steps})
    assert (len(caught.value.problems), caught.value.more) == (100, 20)
    assert [problem.path for problem in caught.value.problems[:2]] == ["steps[0].depends_on", "steps[0].x-own"]


def test_where_the_reader_found_very_much_the_rules_say_nothing() -> None:
    steps = [{"op": b"", "depends_on": "unknown"} for _ in range(300)]
    with pytest.raises(DefinitionError) as caught:
        parse_dict({"steps": steps})
    assert (len(caught.value.problems), caught.value.more) == (100, 200)


# The graph


def test_what_is_on_a_cycle_or_behind_it_has_no_order() -> None:
    assert graph.ordered([[1], [0], [1], []]) == [3]


def test_a_graph_without_cycles_has_none() -> None:
    assert list(graph.cycles([[1, 2], [2], [], [0, 1]])) == []


def test_strangers_are_those_that_no_path_leads_to() -> None:
    needs = [[], [0], [0], [1, 2], []]
    asked = {0: {3}, 2: {0, 1}, 3: {0, 4}}
    assert graph.strangers(needs, graph.ordered(needs), asked) == {(0, 3), (2, 1), (3, 4)}


def test_every_back_edge_is_a_cycle_once() -> None:
    assert list(graph.cycles([[1], [0, 2], [1, 0]])) == [[0, 1], [1, 2], [0, 1, 2]]
