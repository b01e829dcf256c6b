"""FLOW-STEP, as users have it: `Workflow.run()` with an executor, and another process that goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runfox.backend import Backend
from runfox.definition import parse_dict
from runfox.errors import ExecutionExists
from runfox.jsonvalue import JSONObject
from runfox.results import Complete, DispatchJob, Halt
from runfox.workflow import Workflow
from runfox_testing.case import WorkflowCase
from runfox_testing.check import check, expect, expect_raises
from runfox_testing.checks.flow_example import (
    DEFINITION,
    backend_clock,
    create,
    execute,
    expect_end,
    settle,
    submit,
    undisturbed,
)
from runfox_testing.comparing import difference
from runfox_testing.echoing import echo

_N = 4

_LOCAL: JSONObject = {
    "steps": [
        {"op": "first", "input": {"n": {"var": "input.n"}, "text": "ä"}},
        {"op": "left", "depends_on": "first", "input": {"seen": {"var": "steps.first.output.inputs.n"}}},
        {"op": "right", "call": "called", "depends_on": "first", "input": {"state": {"var": "state.op"}}},
        {
            "op": "again",
            "depends_on": ["left", "right"],
            "input": {"n": {"+": [{"var": ["steps.again.output.inputs.n", 0]}, 1]}},
            "retry": {"max_attempts": 3, "when": True},
        },
        {"op": "last", "depends_on": "again", "branch": [{"condition": True, "action": "halt", "result": "end"}]},
    ]
}


@check(
    "FLOW-STEP-09",
    needs=("queue",),
    causes=["wait does not return when a result can be gathered", "a client serves only the thread that made it"],
)
def run_brings_an_execution_to_its_end(case: WorkflowCase) -> None:
    """`run()` with an executor gives the outcome that it gives in memory, once more when the execution has ended, and
    also to `run()` and `result()` of another backend.
    """
    backend, other = _backend(case), _backend(case)
    workflow = Workflow.from_dict(DEFINITION, backend, {"n": _N}, "run")
    wanted = undisturbed(_N).outcome
    patience = case.profile.patience
    calls: dict[str, Callable[[], Complete | Halt]] = {
        "run() gave": lambda: workflow.run(timeout=patience),
        "run() of what has ended gave": lambda: workflow.run(timeout=patience),
        "run() of another backend gave": lambda: Workflow.resume(workflow.id, other).run(timeout=patience),
        "result() of another backend gave": lambda: Workflow.resume(workflow.id, other).result(timeout=patience),
    }
    for how, call in calls.items():
        outcome = call()
        expect(isinstance(outcome, Complete), f"{how} {outcome!r}")
        assert isinstance(outcome, Complete)
        problem = difference(outcome.outcome, wanted, "the outcome")
        expect(problem is None, f"{how} another outcome than in memory: {problem}")
    expect_end(other.load(workflow.id), _N, "driven by run()")


@check(
    "FLOW-STEP-10",
    needs=("queue",),
    causes=[
        "a first write replaces what is stored",
        "inputs are compared or kept in another form than they were given",
        "a client sees its own writes only",
    ],
)
def another_backend_goes_on(case: WorkflowCase) -> None:
    """An execution that one backend has begun is found by another, by its id and by creating it again with the same
    inputs; that one goes on from where it stands.
    """
    backend = _backend(case)
    key = create(backend, "begun", _N)
    backend.attend(key)
    taken: list[DispatchJob] = []

    def take() -> int:
        taken.extend(backend.take_tasks())
        return len(taken)

    count = case.awaited(take, lambda held: held == 2)
    expect(count == 2, f"of the first two steps {count} could be taken")
    for job in taken:
        submit(backend, job)
    settle(backend, key)
    begun = backend.load(key)
    expect(begun.steps["aside"].output is not None, "the first two steps were executed, and one of them has no output")
    other = _backend(case)
    found = create(other, "begun", _N)
    expect(found == key, f"created again with the same inputs, {key!r} is {found!r}")
    problem = difference(other.load(key).steps["aside"], begun.steps["aside"], "the step that was executed before")
    expect(problem is None, f"after it was created again: {problem}")
    expect_raises(
        ExecutionExists,
        "creating an execution that is there with other inputs",
        lambda: other.create(parse_dict(DEFINITION), {"n": float(_N)}, "begun"),
    )
    Workflow.resume(key, other).run(timeout=case.profile.patience)
    for which in (backend, other):
        record = which.load(key)
        expect_end(record, _N, "begun by one backend and ended by another")
        problem = difference(record.steps["aside"], begun.steps["aside"], "the step that was executed before")
        expect(problem is None, f"after another backend had gone on: {problem}")


@check(
    "FLOW-STEP-11",
    needs=("local",),
    causes=["a dispatch leaves out results of some jobs", "results lack the run_id", "another run's result is given"],
)
def a_local_runner_brings_an_execution_to_its_end(case: WorkflowCase) -> None:
    """On a runner that executes jobs inside `dispatch` an execution goes on to the end that it has in memory, by
    `start()` alone.
    """
    backend = _backend(case, executor=None)
    workflow = Workflow.from_dict(_LOCAL, backend, {"n": _N}, "local")
    workflow.start()
    found = backend.load(workflow.id)
    memory = Backend(echo)
    reference = Workflow.from_dict(_LOCAL, memory, {"n": _N}, "local")
    reference.run()
    wanted = memory.load(reference.id)
    for name in ("status", "outcome", "state"):
        problem = difference(getattr(found, name), getattr(wanted, name), name)
        expect(problem is None, f"after start() {problem}")
    for op, step in wanted.steps.items():
        for name in ("status", "run_id", "attempt", "output"):
            problem = difference(getattr(found.steps[op], name), getattr(step, name), f"steps[{op!r}].{name}")
            expect(problem is None, f"after start() {problem}")


def _backend(case: WorkflowCase, **options: Any) -> Backend:
    settings: dict[str, Any] = {"executor": execute, "clock": backend_clock(case), **options}
    return Backend(store=case.store(), runner=case.runner(), **settings)
