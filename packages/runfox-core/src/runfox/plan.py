"""A definition made ready to run: its graph with both directions, its expressions compiled.

A plan is compiled once for a definition and process, and never changes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from runfox.definition import Branch, BranchAction, DefaultWhen, Definition, HaltWorkflow, Retry, Step, parse_dict
from runfox.expressions import Compiled, Context, inspect
from runfox.jsonvalue import JSONObject


class Values:
    """A mapping of values (a step's ``input``, the ``outputs``), compiled key by key."""

    __slots__ = ("_parts",)

    def __init__(self, values: JSONObject, op: str | None, place: str) -> None:
        self._parts = [(key, Compiled(value, op, f"{place}.{key}")) for key, value in values.items()]

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
    """A compiled definition. `steps` is in the definition's order."""

    __slots__ = ("definition", "outputs", "steps")

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        dependents: dict[str, list[str]] = {step.op: [] for step in definition.steps}
        for step in definition.steps:
            for dependency in step.depends_on:
                dependents[dependency].append(step.op)
        self.steps: Mapping[str, StepPlan] = {
            step.op: _compile_step(index, step, tuple(dependents[step.op]))
            for index, step in enumerate(definition.steps)
        }
        self.outputs = Values(definition.outputs, None, "outputs")


def _compile_step(index: int, step: Step, dependents: tuple[str, ...]) -> StepPlan:
    when = step.retry.when
    return StepPlan(
        index=index,
        op=step.op,
        call=step.call,
        queue=step.queue,
        dependencies=step.depends_on,
        dependents=dependents,
        inputs=Values(step.input, step.op, "input"),
        keeps_inputs=_keeps_inputs(step),
        branches=tuple(_compile_branch(step.op, number, branch) for number, branch in enumerate(step.branches)),
        retry=step.retry,
        is_error=None if isinstance(when, DefaultWhen) else Compiled(when, step.op, "retry.when"),
        timeout=step.timeout,
        halt_on_error=step.halt_on_error,
    )


def _compile_branch(op: str, number: int, branch: Branch) -> BranchPlan:
    place, action = f"branch[{number}]", branch.action
    result = Compiled(action.result, op, f"{place}.result") if isinstance(action, HaltWorkflow) else None
    return BranchPlan(Compiled(branch.condition, op, f"{place}.condition"), action, result)


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
    """The plans of a process by `workflow_id`, the most recent `limit` of them. Safe between threads."""

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._plans: OrderedDict[str, Plan] = OrderedDict()

    def of(self, definition: Definition) -> Plan:
        """The plan of a definition."""
        with self._lock:
            plan = self._plans.get(definition.workflow_id)
            if plan is not None:
                self._plans.move_to_end(definition.workflow_id)
                return plan
        plan = Plan(definition)
        with self._lock:
            self._plans[definition.workflow_id] = plan
            while len(self._plans) > self._limit:
                self._plans.popitem(last=False)
        return plan

    def of_spec(self, workflow_id: str, spec: JSONObject) -> Plan:
        """The plan of a stored definition. Raises `DefinitionError` where this release can't run it.

        A record that was written by hand may carry any `workflow_id`: the plan is only taken for the same text.
        """
        with self._lock:
            plan = self._plans.get(workflow_id)
        if plan is not None and plan.definition.spec == spec:
            return plan
        return self.of(parse_dict(spec))


plans = Plans()
"""The plans of this process."""
