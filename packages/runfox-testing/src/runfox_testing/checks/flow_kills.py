"""FLOW-RECOVER, for what processes share and what outlives them: SIGKILL, again and again."""

from __future__ import annotations

import time
from collections.abc import Iterator

from runfox.backend import Backend, sweep
from runfox.protocols import Runner, Store, SupportsWake
from runfox_testing.case import WorkflowCase
from runfox_testing.check import check, expect, violated
from runfox_testing.checks.flow_example import create, expect_end, lease_of, settle, submit
from runfox_testing.clock import ManualClock
from runfox_testing.processes import Child

_EXECUTIONS = 3
_RECOVER_AFTER = 60.0
_MOST_ROUNDS = 60
_PAUSE = 0.001
_MOST_ACKNOWLEDGED = 12
_MOST_JOBS = 6
_IDLE = "idle"
_IDLE_AFTER = 30
_STUCK = "stuck"
_EVER = 3_600.0


@check(
    "FLOW-RECOVER-04",
    needs=("queue", "durable", "shared"),
    traits=("processes", "kills", "time"),
    causes=[
        "what was acknowledged is not on disk yet",
        "a killed process leaves a lock behind",
        "the jobs of a killed process never come back",
    ],
)
def processes_may_be_killed(case: WorkflowCase) -> None:
    """Processes that drive and execute are killed, some of them while their executor runs; whoever comes next, and at
    last somebody who is left alone, brings every execution to the undisturbed end.
    """
    # Children have clocks of their own, which stand where the parent's stood when they were made.
    clock = case.movable or ManualClock(time.time())
    backend = Backend(store=case.store(), runner=case.runner(), clock=clock, recover_after=_RECOVER_AFTER)
    inputs: dict[str, int] = {}
    unfinished = acknowledged = 0
    rounds = max(1, case.profile.kills // 2)
    for round_ in range(rounds):
        inputs |= {create(backend, f"killed-{round_}-{n}", n): n for n in range(_EXECUTIONS)}
        stuck, other = case.processes(2)
        stuck.start(work_in_child, list(inputs), clock.now, lease_of(case), case.random.randint(1, _MOST_JOBS))
        done = _read_until(stuck, _STUCK)
        expect(done[-1:] == [_STUCK], f"a process that was to be killed at a job found nothing to do after {done}")
        other.start(work_in_child, list(inputs), clock.now, lease_of(case), 0)
        done += _read_until(other, _IDLE, case.random.randint(1, _MOST_ACKNOWLEDGED))
        other.kill()
        stuck.kill()
        acknowledged += len(done) - 1
        unfinished += any(not backend.load(key).status.ended for key in inputs)
        _pass_time(case, clock)
    expect(acknowledged >= rounds, f"{2 * rounds} processes were killed, which had done {acknowledged} things by then")
    expect(unfinished > 0, "the processes were killed after they had finished everything")
    _finish(case, backend, clock, list(inputs))
    for key, n in inputs.items():
        expect_end(backend.load(key), n, f"after {2 * rounds} processes were killed")


def _read_until(child: Child, last: str, most: int | None = None) -> list[str]:
    """What a process says it has done, until it says `last`, or has said so much."""
    done: list[str] = []
    for item in child.items():
        done.append(item)
        if item in (last, _IDLE) or len(done) == most:
            break
    return done


def work_in_child(
    store: Store, runner: Runner, keys: list[str], now: float, lease: float, stuck_at: int
) -> Iterator[str]:
    """Drive and execute for ever; names each thing that is done when it has been acknowledged. At its `stuck_at`-th job
    the executor does not return.
    """
    backend = Backend(store=store, runner=runner, clock=ManualClock(now), recover_after=_RECOVER_AFTER)
    for key in keys:
        backend.attend(key)
    count = idle = 0
    while True:
        jobs = backend.take_tasks(1, None, lease)
        for job in jobs:
            count += 1
            while count == stuck_at:
                yield _STUCK
                time.sleep(_EVER)
            submit(backend, job)
            yield job.key
        for key in keys:
            if settle(backend, key)[1]:
                yield f"claimed in {key}"
        idle = 0 if jobs else idle + 1
        if idle == _IDLE_AFTER:
            # What is left is in the hands of somebody who is dead, and the clock stands still.
            yield _IDLE
        time.sleep(_PAUSE)


def _look_after(backend: Backend, keys: list[str]) -> None:
    if isinstance(backend.store, SupportsWake):
        sweep(backend)
    else:
        for key in keys:
            backend.attend(key)


def _pass_time(case: WorkflowCase, clock: ManualClock) -> None:
    """Let leases lapse, and executions fall due."""
    if case.movable is None:
        time.sleep(lease_of(case) + case.runner_harness.lag_seconds)
    clock.advance(_RECOVER_AFTER + 1)


def _finish(case: WorkflowCase, backend: Backend, clock: ManualClock, keys: list[str]) -> None:
    """What is left is looked after by one process that nobody kills."""
    for _ in range(_MOST_ROUNDS):
        living = [key for key in keys if not backend.load(key).status.ended]
        if not living:
            return
        _look_after(backend, living)
        while jobs := case.awaited(lambda: backend.take_tasks(None, None, lease_of(case)), bool):
            for job in jobs:
                submit(backend, job)
            for key in living:
                settle(backend, key)
        _pass_time(case, clock)
    violated(f"{len(living)} of {len(keys)} executions hang, although nothing disturbs them any more")
