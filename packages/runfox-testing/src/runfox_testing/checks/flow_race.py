"""FLOW-RACE: drivers and workers, in threads and processes, on the same executions."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from runfox.backend import Backend, InProcessWorker
from runfox.jsonvalue import JSONObject
from runfox.protocols import Runner, Store
from runfox.results import Complete, Dispatch
from runfox.workflow import Workflow
from runfox_testing.case import WorkflowCase
from runfox_testing.check import check, describe, expect, violated
from runfox_testing.checks.flow_example import (
    RUNS,
    Merges,
    backend_clock,
    create,
    execute,
    executions,
    expect_end,
    settle,
    submit,
    undisturbed,
)
from runfox_testing.clock import ManualClock
from runfox_testing.processes import race_of_processes
from runfox_testing.races import Outcome

_PAUSE = 0.002
_LEASE = 600.0
_DRIVERS = 4
_EXECUTIONS = 4


class _Driver:
    """Drives and executes until all its executions have ended; counts what it claimed, merged and executed."""

    def __init__(self, store: Store, runner: Runner, clock: Callable[[], float], patience: float) -> None:
        self._merges = Merges()
        self._backend = Backend(store=store, runner=runner, clock=clock, on_state_change=self._merges.observe)
        self._patience = patience
        self.claims: Counter[tuple[str, str, int]] = Counter()
        self.executed = 0

    @property
    def counts(self) -> dict[str, Any]:
        """What it did."""
        return {"claims": self.claims, "merges": self._merges.counts, "executed": self.executed}

    def drive(self, keys: Sequence[str]) -> None:
        """Round and round. Raises `TimeoutError` where they do not end."""
        ends_at = time.monotonic() + self._patience
        living = list(keys)
        for key in living:
            # Not `attend`: what that claims it does not tell.
            answer = self._backend.advance(key)
            if isinstance(answer, Dispatch):
                self._count(key, answer)
                self._backend.dispatch(key, answer.jobs)
        while living:
            for job in self._backend.take_tasks(1, None, _LEASE):
                submit(self._backend, job)
                self.executed += 1
            for key in list(living):
                end, claimed = settle(self._backend, key)
                self._count(key, Dispatch(claimed))
                if end is not None:
                    living.remove(key)
            if time.monotonic() > ends_at:
                raise TimeoutError(f"{len(living)} of {len(keys)} executions had not ended after {self._patience:g} s")
            time.sleep(_PAUSE)

    def _count(self, key: str, answer: Dispatch) -> None:
        self.claims.update((key, job.op, job.run_id) for job in answer.jobs)


@check(
    "FLOW-RACE-01",
    needs=("queue",),
    traits=("threads",),
    causes=[
        "two writes of one version are acknowledged",
        "the version is read, compared and written in two transactions",
    ],
)
def drivers_share_an_execution(case: WorkflowCase) -> None:
    """Drivers in several threads, each with clients of its own, bring an execution to the undisturbed end: each run is
    claimed by one of them, and its result is merged once.
    """
    for number in range(case.profile.rounds):
        case.history.clear()
        clock = backend_clock(case)
        drivers = [_Driver(case.store(), case.runner(), clock, case.profile.patience) for _ in range(_DRIVERS)]
        backend = Backend(store=case.store(), runner=case.runner(), clock=clock)
        key = create(backend, f"shared-{number}", number)
        _expect_done(case.race(*(_driving(driver, [key]) for driver in drivers)))
        _expect_shared(backend, {key: number}, [driver.counts for driver in drivers], f"driven by {_DRIVERS} threads")
        case.close_clients()


def _driving(driver: _Driver, keys: Sequence[str]) -> Callable[[], None]:
    return lambda: driver.drive(keys)


@check(
    "FLOW-RACE-02",
    needs=("queue",),
    traits=("threads",),
    causes=["two takers get the same job", "a job that is taken is still pending", "a client serves one thread only"],
)
def worker_threads_share_the_jobs(case: WorkflowCase) -> None:
    """A driver whose worker has several threads executes each run once, and comes to the undisturbed end."""
    for number in range(case.profile.rounds):
        case.history.clear()
        counting = _Counting()
        backend = Backend(store=case.store(), runner=case.runner(), clock=backend_clock(case))
        key = create(backend, f"threads-{number}", number)
        worker = InProcessWorker(backend.runner, counting.execute, case.profile.contenders)
        outcome = Workflow.resume(key, backend).run(worker, timeout=case.profile.patience)
        expect_end(backend.load(key), number, f"executed by {case.profile.contenders} threads")
        wanted = undisturbed(number).outcome
        expect(outcome == Complete(wanted), f"run() gave {outcome!r} where the outcome is {wanted!r}")  # type: ignore[arg-type]
        twice = counting.counts - executions(number)
        expect(
            not twice, f"nobody had died, and yet these were executed more often than there were runs: {dict(twice)}"
        )
        case.close_clients()


class _Counting:
    """The executor, which counts what it is called with."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def execute(self, call: str, inputs: dict[str, Any]) -> JSONObject:
        with self._lock:
            self.counts[call, json.dumps(inputs, sort_keys=True)] += 1
        return execute(call, inputs)


@check(
    "FLOW-RACE-03",
    needs=("queue",),
    traits=("threads",),
    causes=[
        "a gather gives results of other executions",
        "jobs are known by op and run without their execution",
        "one execution's writes fail because of another's",
    ],
)
def executions_run_side_by_side(case: WorkflowCase) -> None:
    """Several executions at once, each driven by a thread that executes whatever is pending, end as each alone."""
    for round_ in range(case.profile.rounds):
        case.history.clear()
        clock = backend_clock(case)
        drivers = [_Driver(case.store(), case.runner(), clock, case.profile.patience) for _ in range(_EXECUTIONS)]
        backend = Backend(store=case.store(), runner=case.runner(), clock=clock)
        inputs = {
            create(backend, f"side-{round_}-{number}", 100 * number): 100 * number for number in range(_EXECUTIONS)
        }
        calls = [_driving(driver, [key]) for driver, key in zip(drivers, inputs, strict=True)]
        _expect_done(case.race(*calls))
        counts = [driver.counts for driver in drivers]
        _expect_shared(backend, inputs, counts, f"one of {_EXECUTIONS} that ran at once")
        case.close_clients()


@check(
    "FLOW-RACE-04",
    needs=("queue", "shared"),
    traits=("processes",),
    causes=[
        "versions are compared in a process's memory",
        "a lock that keeps threads apart does not keep processes apart",
        "a process works on a copy of what is shared",
    ],
)
def processes_share_executions(case: WorkflowCase) -> None:
    """Several processes, each of which drives and executes all executions, bring them to the undisturbed end: each run
    is claimed by one of them, and its result is merged once.
    """
    clock = backend_clock(case)
    children = case.processes(case.profile.processes)
    backend = Backend(store=case.store(), runner=case.runner(), clock=clock)
    shared = 0
    rounds = max(2, case.profile.rounds // 2)
    for round_ in range(rounds):
        inputs = {create(backend, f"processes-{round_}-{number}", number): number for number in range(_EXECUTIONS)}
        arguments = [(list(inputs), clock.now, case.profile.patience)] * len(children)
        found = race_of_processes(children, drive_in_child, arguments)
        for outcome in found:
            if isinstance(outcome, Exception):
                violated(f"a process that drove executions with others raised {describe(outcome)}")
        _expect_shared(backend, inputs, found, f"driven by {len(children)} processes")
        shared += sum(counts["executed"] > 0 for counts in found) > 1
    expect(shared > 0, f"in {rounds} rounds one process executed everything: this was no race")


def drive_in_child(store: Store, runner: Runner, keys: list[str], now: float, patience: float) -> dict[str, Any]:
    """What each of the processes does."""
    driver = _Driver(store, runner, ManualClock(now), patience)
    driver.drive(keys)
    return driver.counts


def _expect_done(outcomes: Sequence[Outcome[None]]) -> None:
    for outcome in outcomes:
        expect(outcome.error is None, f"a driver that raced with others raised {outcome}")


def _expect_shared(backend: Backend, inputs: dict[str, int], counts: list[dict[str, Any]], how: str) -> None:
    """Every execution ended as undisturbed, and every run was claimed and merged once by all of them together."""
    claims: Counter[tuple[str, str, int]] = sum((each["claims"] for each in counts), Counter())
    for key in inputs:
        for op, runs in RUNS.items():
            for run_id in range(runs):
                count = claims[key, op, run_id]
                expect(count == 1, f"{how}: the run {op}/{run_id} was claimed {count} times")
    for key, n in inputs.items():
        expect_end(backend.load(key), n, how)
    merges: Counter[str] = sum((each["merges"] for each in counts), Counter())
    for op, runs in RUNS.items():
        wanted = runs * len(inputs)
        expect(merges[op] == wanted, f"{how}: of {wanted} runs of {op!r} {merges[op]} results were merged")
