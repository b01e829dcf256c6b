"""FLOW-CLEAN: what a runner holds of an execution that has ended and was attended to: nothing."""

from __future__ import annotations

from collections.abc import Callable

from runfox.backend import Backend
from runfox.definition import parse_dict
from runfox.jsonvalue import JSONObject
from runfox.results import DispatchJob
from runfox.times import LATEST
from runfox.workflow import Workflow
from runfox_testing.case import WorkflowCase
from runfox_testing.check import check, expect
from runfox_testing.checks.flow_example import backend_clock, create, execute, expect_end, settle, submit
from runfox_testing.comparing import record_difference

_N = 5
_WIDE: JSONObject = {
    "steps": [
        {"op": "halts", "branch": [{"condition": True, "action": "halt", "result": {"by": "halts"}}]},
        {"op": "taken"},
        {"op": "pending"},
        {"op": "submitted"},
    ]
}


@check(
    "FLOW-CLEAN-01",
    needs=("queue",),
    causes=[
        "forget keeps results, or what is taken, or what is pending",
        "forget without runs forgets nothing",
        "a table beside the entries (results, leases, messages) is not cleared",
    ],
)
def nothing_is_held_of_what_has_ended(case: WorkflowCase) -> None:
    """When an execution has completed, or was halted with jobs pending, taken and submitted, and was attended to, the
    runner holds nothing of it and has none of its jobs pending.
    """
    backend = _backend(case)
    completed = create(backend, "completed", _N)
    _run(case, backend, completed)
    expect_end(backend.load(completed), _N, "driven by one")
    _expect_clean(case, backend, completed, "after an execution had completed")
    for how, end in _ENDS.items():
        key, _ = _ended(case, backend, how, end)
        _expect_clean(case, backend, key, f"after an execution was ended {how} with jobs pending, taken and submitted")


@check(
    "FLOW-CLEAN-02",
    needs=("queue",),
    causes=[
        "a result of an unknown run is kept",
        "a result of a forgotten run makes an entry",
        "a write that changes nothing counts the version up",
    ],
)
def late_results_change_nothing(case: WorkflowCase) -> None:
    """Results that come late or a second time, when an execution has ended, change nothing in its record, and leave
    nothing in the runner.
    """
    for how, end in _ENDS.items():
        backend, other = _backend(case), _backend(case)
        key, taken = _ended(case, backend, how, end)
        ended = backend.load(key)
        expect(len(taken) > 1, f"only {len(taken)} jobs were under way")
        for job in (*taken, *taken):
            other.submit_result(key, job.op, {"late": True}, job.run_id)
            other.submit_result(key, job.op, {"late": True})
        _expect_clean(case, other, key, f"after late results for an execution ended {how}")
        for attending in (backend, other):
            attending.settle(key, attending.gather(key))
            attending.on_step_result(key, taken[0].op, {"late": True}, taken[0].run_id)
            attending.attend(key)
            problem = record_difference(attending.load(key), ended)
            expect(problem is None, f"late results changed the record of an execution ended {how}: {problem}")
        _expect_clean(case, backend, key, f"when somebody had looked after an execution ended {how} once more")
        case.close_clients()


@check(
    "FLOW-CLEAN-03",
    needs=("queue",),
    causes=["forget removes what belongs to other executions", "executions are told apart by their definition only"],
)
def an_end_leaves_other_executions_alone(case: WorkflowCase) -> None:
    """The end of one execution takes nothing from another one of the same definition, whatever its jobs stand at."""
    backend = _backend(case)
    lives = backend.create(parse_dict(_WIDE), {}, "lives")
    in_hand = _under_way(case, backend, lives)
    for how, end in _ENDS.items():
        _ended(case, backend, how, end)
    pending = case.awaited(lambda: [job for job in backend.pending_tasks() if _of(job, lives)], bool)
    expect(
        [job.op for job in pending] == ["pending"],
        f"of an execution that lives, {sorted(job.op for job in pending)} are pending and not 'pending' alone, "
        "after others had ended",
    )
    for job in in_hand:
        if job.op == "taken":
            backend.submit_result(lives, "taken", {"n": 1}, job.run_id)
    found = [(result.op, result.output) for result in backend.gather(lives)]
    wanted = [("submitted", {"n": 1}), ("taken", {"n": 1})]
    expect(
        found == wanted, f"of an execution that lives, {found} could be gathered after others had ended, not {wanted}"
    )


@check(
    "FLOW-CLEAN-04",
    needs=("local",),
    causes=["runs that were executed are kept to know them again, and never forgotten"],
)
def a_local_runner_holds_nothing_of_what_has_ended(case: WorkflowCase) -> None:
    """A runner that executes jobs inside `dispatch` holds nothing of an execution that has ended."""
    backend = _backend(case)
    workflow = Workflow.from_dict({"steps": [{"op": "a"}, {"op": "b", "depends_on": "a"}]}, backend)
    workflow.start()
    expect(workflow.status.ended, f"after start() the execution is {workflow.status.value}")
    backend.attend(workflow.id)
    _expect_clean(case, backend, workflow.id, "after an execution had completed")


def _backend(case: WorkflowCase) -> Backend:
    return Backend(store=case.store(), runner=case.runner(), clock=backend_clock(case))


def _run(case: WorkflowCase, backend: Backend, key: str) -> None:
    backend.attend(key)
    end = None
    while end is None:
        jobs = case.awaited(backend.take_tasks, bool)
        for job in jobs:
            submit(backend, job)
        end, claimed = settle(backend, key)
        expect(jobs or claimed or end is not None, f"the execution hangs: {backend.load(key).status.value}")


def _under_way(case: WorkflowCase, backend: Backend, key: str) -> list[DispatchJob]:
    """Start an execution of the wide definition, and bring its jobs into all stages: the jobs that were taken."""
    backend.attend(key)
    in_hand: list[DispatchJob] = []

    def take() -> int:
        for job in backend.take_tasks():
            if job.op == "pending":
                backend.runner.extend_lease(job, 0)
            elif _of(job, key):
                in_hand.append(job)
        return len(in_hand)

    case.awaited(take, lambda count: count == 3)
    expect(len(in_hand) == 3, f"only {sorted(job.op for job in in_hand)} could be taken of four jobs")
    for job in in_hand:
        if job.op == "submitted":
            backend.submit_result(key, job.op, {"n": 1}, job.run_id)
    return in_hand


def _ended(
    case: WorkflowCase, backend: Backend, how: str, end: Callable[[Backend, str, list[DispatchJob]], None]
) -> tuple[str, list[DispatchJob]]:
    """An execution with jobs in all stages that has ended and was attended to, and the jobs that were taken."""
    key = backend.create(parse_dict(_WIDE), {}, f"ended-{how.replace(' ', '-')}")
    in_hand = _under_way(case, backend, key)
    end(backend, key, in_hand)
    backend.attend(key)
    expect(backend.load(key).status.ended, f"the execution had not ended {how}")
    return key, in_hand


def _end_by_branch(backend: Backend, key: str, in_hand: list[DispatchJob]) -> None:
    job = next(job for job in in_hand if job.op == "halts")
    backend.on_step_result(key, job.op, execute(job.call, job.inputs), job.run_id)


def _end_from_outside(backend: Backend, key: str, _in_hand: list[DispatchJob]) -> None:
    backend.halt(key, {"by": "operator"})


_ENDS: dict[str, Callable[[Backend, str, list[DispatchJob]], None]] = {
    "by a branch": _end_by_branch,
    "from outside": _end_from_outside,
}


def _of(job: DispatchJob, key: str) -> bool:
    return job.workflow_execution_id == key


def _expect_clean(case: WorkflowCase, backend: Backend, key: str, when: str) -> None:
    pending = case.awaited(lambda: [job for job in backend.pending_tasks() if _of(job, key)], lambda jobs: not jobs)
    expect(not pending, f"{when} {sorted(job.op for job in pending)} are pending")
    held = case.awaited(lambda: backend.runner.held(LATEST), lambda keys: key not in keys)
    expect(key not in held, f"{when} the runner holds entries of it")
