"""Hypothesis strategies for whole workflows: valid definitions, and what their executors give.

Every generated workflow ends: a loop goes round only while the script of its step says so, the script's last output
says no more, and run_ids never go back.

A step is drawn as numbers that say which of the steps before it are meant, so that any of them can be left out: what
Hypothesis shows of a failure is small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from hypothesis import strategies as st

from runfox.jsonvalue import JSONObject, JSONValue
from runfox_testing.driving import MOVES, NOT_JSON, Script, Story

Plan: TypeAlias = Mapping[str, Any]
"""A step as it is drawn; `_steps` says what it means."""

MOST_STEPS = 7

_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
_SCALARS: st.SearchStrategy[JSONValue] = (
    st.none() | st.booleans() | st.integers(-3, 2**60) | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS
)
VALUES: st.SearchStrategy[JSONValue] = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=5,
)
"""Ordinary JSON: what is odd about stores and runners has checks of its own."""


def _rarely(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """None more often than not."""
    return st.one_of(st.none(), st.none(), strategy)


# What both the steps and the defaults may have. A delay has no jitter: chance would make two executions differ.
_POLICIES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "retry": st.fixed_dictionaries(
            {"max_attempts": st.integers(2, 3)},
            optional={
                "delay": st.sampled_from([0, 0.5, 5, 50]),
                "backoff": st.sampled_from([1, 2, 3.5]),
                "max_delay": st.sampled_from([1, 60]),
                "when": st.sampled_from([True, {"==": [{"var": "ok"}, False]}, {"<": [{"var": "n"}, 2]}]),
            },
        ),
        "timeout": st.sampled_from([0.25, 20, 40]),
        "on_error": st.sampled_from(["continue", "halt"]),
        "queue": st.sampled_from(["fast", "slow"]),
    },
)

_INPUTS = ("literal", "input", "default", "state", "whole state", "all", "some step", "ancestor", "in a list", "text")
_NEAR = st.integers(0, 3)

_OUTPUTS: st.SearchStrategy[JSONValue] = st.fixed_dictionaries(
    {"n": st.integers(0, 3)},
    optional={
        "then": st.sampled_from(["on", "set", "set", "complete", "halt"]),
        "ok": st.booleans(),
        "error": _TEXTS,
        "sum": st.integers(0, 9),
        "value": VALUES,
    },
)
_UNUSUAL_OUTPUTS: st.SearchStrategy[JSONValue] = st.sampled_from([None, {}, [1], "text", {NOT_JSON: True}])

_PLANS: st.SearchStrategy[Plan] = st.fixed_dictionaries(
    {
        "depends_on": st.lists(_NEAR, max_size=3),
        "inputs": st.dictionaries(
            st.sampled_from(["p", "q", "r"]), st.tuples(st.sampled_from(_INPUTS), _NEAR, _SCALARS), max_size=3
        ),
        "branch": st.none() | st.tuples(st.permutations(["set", "halt", "complete"]), _NEAR, _rarely(_NEAR)),
        "policies": st.none() | _POLICIES,
        "call": _rarely(st.sampled_from(["shared", "other"])),
        "outputs": st.lists(st.one_of(_OUTPUTS, _OUTPUTS, _OUTPUTS, _OUTPUTS, _UNUSUAL_OUTPUTS), max_size=3),
    }
)

_RESULTS: Mapping[str, JSONValue] = {
    "one": {"var": "steps.s0.output"},
    "all": {"vars": "steps[*].output.n"},
    "state": {"var": "state"},
    "input": {"var": "input.x"},
    "plain": [1, {"a": None}],
}

_DEFINITIONS: st.SearchStrategy[Plan] = st.fixed_dictionaries(
    {
        "steps": st.lists(_PLANS, min_size=1, max_size=MOST_STEPS),
        "outputs": st.lists(st.sampled_from(sorted(_RESULTS)), unique=True),
        "defaults": _rarely(_POLICIES),
        "name": st.none() | _TEXTS,
    }
)


def definitions() -> st.SearchStrategy[JSONObject]:
    """Graphs of a few steps with branches, loops, retries, timeouts, queues, calls and values of every kind."""
    return _DEFINITIONS.map(_definition)


def stories() -> st.SearchStrategy[Story]:
    """A definition, its inputs, what its executors give, and how the rounds go at first."""
    return st.builds(
        _story,
        _DEFINITIONS,
        st.fixed_dictionaries({}, optional={"x": VALUES}),
        st.lists(st.sampled_from([*MOVES, "late"]), max_size=6),
    )


def _story(plan: Plan, inputs: JSONObject, moves: Sequence[str]) -> Story:
    outputs = {f"s{number}": _script(step["outputs"]) for number, step in enumerate(plan["steps"])}
    return Story(definition=_definition(plan), inputs=inputs, script=Script(outputs), moves=moves)


def _script(outputs: Sequence[JSONValue]) -> list[JSONValue]:
    """The outputs, the last of which stands for all further runs: it sends nobody round."""
    script: list[JSONValue] = list(outputs) or [{"n": 0}]
    last = script[-1]
    if isinstance(last, dict) and last.get("then") == "set":
        script[-1] = {**last, "then": "on"}
    return script


def _definition(plan: Plan) -> JSONObject:
    definition: JSONObject = {"steps": _steps(plan["steps"])}
    if plan["outputs"]:
        definition["outputs"] = {name: _RESULTS[name] for name in plan["outputs"]}
    for key in ("defaults", "name"):
        if plan[key] is not None:
            definition[key] = plan[key]
    return definition


def _steps(plans: Sequence[Plan]) -> list[JSONValue]:
    """The steps ``s0``, ``s1`` … A number n in a plan is the step n + 1 places before; in a branch, n places."""
    steps: list[JSONValue] = []
    ancestors: list[set[int]] = []
    for number, plan in enumerate(plans):
        dependencies = sorted({number - 1 - back for back in plan["depends_on"] if back < number})
        ancestors.append(set(dependencies).union(*(ancestors[other] for other in dependencies)))
        step: JSONObject = {"op": f"s{number}"}
        if dependencies:
            step["depends_on"] = [f"s{other}" for other in dependencies]
        if plan["inputs"]:
            known = sorted(ancestors[number])
            step["input"] = {key: _input(number, known, *given) for key, given in plan["inputs"].items()}
        if plan["branch"] is not None:
            step["branch"] = _branches(number, *plan["branch"])
        if plan["call"] is not None:
            step["call"] = plan["call"]
        steps.append({**step, **(plan["policies"] or {})})
    return steps


def _input(number: int, ancestors: Sequence[int], kind: str, place: int, value: JSONValue) -> JSONValue:
    """An input of the step `number`; what it reads of others is there when it runs, or has a default."""
    if kind in ("ancestor", "in a list") and not ancestors:
        kind = "some step"
    near = f"steps.s{max(0, number - place)}.output.n"
    before = f"steps.s{ancestors[place % len(ancestors)]}.output" if ancestors else ""
    possible: dict[str, JSONValue] = {
        "literal": {"literal": value},
        "input": {"var": "input.x"},
        "default": {"var": ["input.missing", value]},
        "state": {"var": ["state.sum", 0]},
        "whole state": {"var": "state"},
        "all": {"vars": "steps[*].output.n"},
        "some step": {"var": [near, "not yet"]},
        "ancestor": {"var": f"{before}.n"},
        "in a list": [{"deep": {"var": before}}],
        "text": {"cat": ["n is ", {"var": "state.n"}]},
    }
    return possible[kind]


def _branches(number: int, order: Sequence[str], back: int, other: int | None) -> list[JSONValue]:
    """Branches on ``then``, which outputs bring. Beside a `set` there is always a way out."""
    op = f"s{number}"
    targets = [f"s{max(0, number - places)}" for places in (back, other) if places is not None]
    target: JSONValue = targets[0] if len(targets) == 1 else [f"steps.{name}.status" for name in dict.fromkeys(targets)]
    possible: dict[str, JSONObject] = {
        "halt": {"action": "halt", "result": {"by": op, "n": {"var": "n"}, "state": {"var": "state"}}},
        "set": {"action": {"set": target, "value": "ready"}},
        "complete": {"action": "complete"},
    }
    conditions: dict[str, JSONValue] = {name: {"==": [{"var": "then"}, name]} for name in possible}
    return [{"condition": conditions[name], **possible[name]} for name in order]
