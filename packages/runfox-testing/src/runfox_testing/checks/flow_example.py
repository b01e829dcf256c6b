"""The workflow that processes, threads and crashes are let loose on, and what has to come of it.

A diamond that is gone through twice, with a step that fails once in each round and another that runs beside. What a
step gives depends on its inputs alone, so it is the same however often a run is executed; what was applied, and how
often, shows in run_ids, attempts and rounds.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from runfox.backend import Backend
from runfox.definition import parse_dict
from runfox.jsonvalue import JSONObject, JSONValue
from runfox.records import WorkflowRecord
from runfox.results import Complete, Dispatch, DispatchJob, Halt, StateChangeEvent
from runfox.workflow import Workflow
from runfox_testing.case import REAL_LEASE, WorkflowCase
from runfox_testing.check import expect
from runfox_testing.clock import ManualClock
from runfox_testing.comparing import difference

ROUNDS = 2
RUNS: dict[str, int] = {"first": 1, "aside": 1, "left": 2 * ROUNDS, "right": 1, "join": ROUNDS, "last": 1}
"""How many runs each step has."""

DEFINITION: JSONObject = {
    "name": "a diamond that is gone through twice",
    "steps": [
        {"op": "first", "input": {"n": {"var": "input.n"}}},
        {"op": "aside"},
        {
            "op": "left",
            "depends_on": "first",
            "max_attempts": 3,
            "input": {"n": {"var": "steps.first.output.n"}, "tries": {"var": ["steps.left.output.tries", 0]}},
        },
        {"op": "right", "call": "double", "depends_on": "first", "input": {"n": {"var": "steps.first.output.n"}}},
        {
            "op": "join",
            "depends_on": ["left", "right"],
            "input": {
                "left": {"var": "steps.left.output.value"},
                "right": {"var": "steps.right.output.value"},
                "rounds": {"var": ["state.rounds", 0]},
            },
            "branch": [
                {"condition": {"<": [{"var": "rounds"}, ROUNDS]}, "action": {"set": "left"}},
                {"condition": True, "action": "complete"},
            ],
        },
        {
            "op": "last",
            "depends_on": ["join", "aside"],
            "input": {"all": {"vars": "steps[*].output.value"}, "aside": {"var": "steps.aside.output.aside"}},
        },
    ],
    "outputs": {"sum": {"var": "steps.last.output.sum"}, "rounds": {"var": "state.rounds"}},
}


def execute(call: str, inputs: dict[str, Any]) -> JSONObject:
    """The executor."""
    match call:
        case "first":
            return {"n": inputs["n"], "value": inputs["n"]}
        case "left":
            tries = inputs["tries"] + 1
            if tries == 1:
                return {"ok": False, "error": "not at the first try", "tries": tries}
            return {"ok": True, "tries": tries, "value": inputs["n"] * 10}
        case "double":
            return {"value": inputs["n"] * 2}
        case "join":
            return {"rounds": inputs["rounds"] + 1, "value": inputs["left"] + inputs["right"]}
        case "last":
            return {"sum": sum(inputs["all"]) + inputs["aside"]}
        case _:
            # A key of its own: it may be merged before or after those of the others.
            return {"aside": 7}


def execution(job: DispatchJob) -> tuple[str, str]:
    """What is executed by a job, as something to count."""
    return job.call, json.dumps(job.inputs, sort_keys=True)


@functools.cache
def undisturbed(n: int) -> WorkflowRecord:
    """The record after a run in memory with this input."""
    backend = Backend(execute)
    workflow = Workflow.from_dict(DEFINITION, backend, {"n": n})
    workflow.run()
    return backend.load(workflow.id)


def executions(n: int) -> Counter[tuple[str, str]]:
    """How often the executor is called with what, in an undisturbed run."""
    counts: Counter[tuple[str, str]] = Counter()

    def counting(call: str, inputs: dict[str, Any]) -> JSONObject:
        counts[call, json.dumps(inputs, sort_keys=True)] += 1
        return execute(call, inputs)

    Workflow.from_dict(DEFINITION, Backend(counting), {"n": n}).run()
    return counts


def create(backend: Backend, execution_id: str, n: int) -> str:
    """A new execution of the workflow, or the one that is there."""
    return backend.create(parse_dict(DEFINITION), {"n": n}, execution_id)


def expect_end(record: WorkflowRecord, n: int, when: str, *, besides: Iterable[str] = ()) -> None:
    """The execution has ended as one that nothing disturbs, and of each run one result was applied.

    `besides` are keys that others have put into the state.
    """
    problem = difference(_end(record, besides), _end(undisturbed(n), ()))
    expect(problem is None, f"{when}: {problem}, as it is in an undisturbed run in memory")


def _end(record: WorkflowRecord, besides: Iterable[str]) -> dict[str, Any]:
    # The order of the state's keys is that in which results came.
    return {
        "status": record.status.value,
        "steps": {
            op: {
                "status": step.status.value,
                "run_id": step.run_id,
                "attempt": step.attempt,
                "output": step.output,
            }
            for op, step in record.steps.items()
        },
        "state": {key: value for key, value in sorted(record.state.items()) if key not in set(besides)},
        "outcome": record.outcome,
    }


class Merges:
    """Counts what was merged into the state, by step. `observe` is a backend's ``on_state_change``."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def observe(self, _id: str, _before: JSONObject, _after: JSONObject, event: StateChangeEvent | None) -> None:
        """A commit has merged an output."""
        if event is not None:
            self.counts[event.op] += 1


def lease_of(case: WorkflowCase) -> float:
    """A length for leases that a check has to outlast."""
    return REAL_LEASE + case.runner_harness.lag_seconds if case.movable is None else 30.0


def backend_clock(case: WorkflowCase) -> ManualClock:
    """The clock of the backends: the runner's, where that can be moved, else one that is moved beside it."""
    return case.movable or ManualClock()


def settle(backend: Backend, workflow_execution_id: str) -> tuple[Complete | Halt | None, list[DispatchJob]]:
    """Gather, settle and dispatch: the end, if it is there, and what was claimed."""
    claimed: list[DispatchJob] = []
    results = backend.gather(workflow_execution_id)
    while True:
        answer = backend.settle(workflow_execution_id, results)
        if isinstance(answer, Complete | Halt):
            return answer, claimed
        if not isinstance(answer, Dispatch):
            return None, claimed
        claimed += answer.jobs
        results = backend.dispatch(workflow_execution_id, answer.jobs)
        if not results:
            return None, claimed


def submit(backend: Backend, job: DispatchJob) -> None:
    """Execute a job and bring its result."""
    output: JSONValue = execute(job.call, job.inputs)
    backend.submit_result(job.workflow_execution_id, job.op, output, job.run_id)
