"""A definition made ready to run: its graph with both directions, its expressions compiled.

A plan is compiled when a process first needs it, kept with those that it used last, and never changes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from runfox.definition import Branch, BranchAction, DefaultWhen, Definition, HaltWorkflow, Retry, Step, parse_dict
from runfox.expressions import Compiled, Context, inspect
from runfox.jsonvalue import JSONObject, shown
from runfox.limits import DEFAULT_LIMITS, Limits


class Values:
    """A mapping of values (a step's ``input``, the ``outputs``), compiled key by key."""

    __slots__ = ("_parts",)

    def __init__(self, values: JSONObject, op: str | None, place: str, limits: Limits) -> None:
        self._parts = [(key, Compiled(value, op, f"{place}.{shown(key)}", limits)) for key, value in values.items()]

    def resolve(self, context: Context) -> JSONObject:
        """The values in `context`, sharing nothing with it. Raises `ExpressionError`."""
        return {key: part.isolated(context) for key, part in self._parts}


@dataclass(frozen=True, slots=True)
class BranchPlan:
    """A branch: its condition, and what follows; `result` for a halt."""

    condition: Compiled
    action: BranchAction
    result: Compiled | None


@dataclass(frozen=True, slots=True)
class StepPlan:
    """A step: `index` is its place in the definition, `dependents` are the steps that wait for it.

    `keeps_inputs` says that a claim's inputs must be stored with it: they read what may have changed by the time the
    job is handed out again. `is_error` is the step's own test for an error result, None for the default one.
    """

    index: int
    op: str
    call: str
    queue: str | None
    dependencies: tuple[str, ...]
    dependents: tuple[str, ...]
    inputs: Values
    keeps_inputs: bool
    branches: tuple[BranchPlan, ...]
    retry: Retry
    is_error: Compiled | None
    timeout: float | None
    halt_on_error: bool


class Plan:
    """A compiled definition. `steps` is in the definition's order; `limits` are what evaluating it may cost."""

    __slots__ = ("definition", "limits", "outputs", "steps")

    def __init__(self, definition: Definition, limits: Limits = DEFAULT_LIMITS) -> None:
        self.definition = definition
        self.limits = limits
        dependents: dict[str, list[str]] = {step.op: [] for step in definition.steps}
        for step in definition.steps:
            for dependency in step.depends_on:
                dependents[dependency].append(step.op)
        self.steps: Mapping[str, StepPlan] = {
            step.op: _compile_step(index, step, tuple(dependents[step.op]), limits)
            for index, step in enumerate(definition.steps)
        }
        self.outputs = Values(definition.outputs, None, "outputs", limits)


def _compile_step(index: int, step: Step, dependents: tuple[str, ...], limits: Limits) -> StepPlan:
    when = step.retry.when
    return StepPlan(
        index=index,
        op=step.op,
        call=step.call,
        queue=step.queue,
        dependencies=step.depends_on,
        dependents=dependents,
        inputs=Values(step.input, step.op, "input", limits),
        keeps_inputs=_keeps_inputs(step),
        branches=tuple(_compile_branch(step.op, number, branch, limits) for number, branch in enumerate(step.branches)),
        retry=step.retry,
        is_error=None if isinstance(when, DefaultWhen) else Compiled(when, step.op, "retry.when", limits),
        timeout=step.timeout,
        halt_on_error=step.halt_on_error,
    )


def _compile_branch(op: str, number: int, branch: Branch, limits: Limits) -> BranchPlan:
    place, action = f"branch[{number}]", branch.action
    result = Compiled(action.result, op, f"{place}.result", limits) if isinstance(action, HaltWorkflow) else None
    return BranchPlan(Compiled(branch.condition, op, f"{place}.condition", limits), action, result)


def _keeps_inputs(step: Step) -> bool:
    """A reference without a default names an ancestor: the definition was checked for that. One with a default
    counts as an ancestor only where it is a direct dependency; keeping inputs too often costs space, nothing else.
    """
    for value in step.input.values():
        findings = inspect(value)
        if not findings.derivable:
            return True
        if any(found.has_default and found.op not in step.depends_on for found in findings.references):
            return True
    return False


class Plans:
    """The plans of a process by `workflow_id` and limits, the most recent `limit` of them. Safe between threads."""

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._plans: OrderedDict[tuple[str, Limits], Plan] = OrderedDict()

    def of(self, definition: Definition, limits: Limits = DEFAULT_LIMITS) -> Plan:
        """The plan of a definition."""
        key = definition.workflow_id, limits
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
                return plan
        plan = Plan(definition, limits)
        with self._lock:
            self._plans[key] = plan
            while len(self._plans) > self._limit:
                self._plans.popitem(last=False)
        return plan

    def of_spec(self, workflow_id: str, spec: JSONObject, limits: Limits = DEFAULT_LIMITS) -> Plan:
        """The plan of a stored definition, whatever its size. Raises `DefinitionError` where this release can't run it.

        A record that was written by hand may carry any `workflow_id`: the plan is only taken for the same text.
        """
        with self._lock:
            plan = self._plans.get((workflow_id, limits))
        if plan is not None and plan.definition.spec == spec:
            return plan
        return self.of(parse_dict(spec, max_size=None), limits)


plans = Plans()
"""The plans of this process."""
