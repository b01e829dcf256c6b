"""RUN-THREADS: one client in many threads."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import cast

from runfox.jsonvalue import JSONObject
from runfox.results import DispatchJob, StepResult
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import expect_gathered, expect_no_errors, expect_pending, names
from runfox_testing.comparing import difference
from runfox_testing.echoing import echo
from runfox_testing.observing import ObservedRunner
from runfox_testing.sample_jobs import EXECUTION, job, jobs

_JOBS_PER_DRIVER = 12

_STALLED = 5.0
"""Seconds without a new result after which nothing more is awaited."""


@check(
    "RUN-THREADS-01",
    needs=("queue",),
    traits=("threads",),
    causes=["a connection or cursor is used by two threads at once", "a lock is missing around a dictionary"],
)
def one_client_serves_many_threads(case: RunnerCase) -> None:
    """When threads dispatch, take, renew, submit and gather with one client at once, each job is executed once and each
    result is gathered once, with what belongs to it.
    """
    client = case.client()
    half = max(2, case.profile.contenders // 2)
    for number in range(max(1, case.profile.rounds // 3)):
        case.history.clear()
        _run_threads(case, client, [f"flow#{number}.{driver}" for driver in range(half)], half)


class _Traffic:
    """Drivers and workers that use one client, until every job has a result or nothing goes on any more."""

    def __init__(self, client: ObservedRunner, total: int) -> None:
        self.taken: list[tuple[str, str, int]] = []
        self._client = client
        self._total = total
        self._submitted = 0
        self._progress = time.monotonic()
        self._done = threading.Event()

    def drive(self, execution: str) -> list[StepResult]:
        """Dispatches, and gathers."""
        wanted = jobs(_JOBS_PER_DRIVER, execution)
        results: list[StepResult] = []
        with self._ending():
            for start in range(0, _JOBS_PER_DRIVER, 3):
                self._client.dispatch(execution, wanted[start : start + 3])
            while not self._done.wait(0.001):
                results += self._client.gather(execution)
        return results

    def work(self) -> list[StepResult]:
        """Takes, renews and submits."""
        with self._ending():
            while not self._done.wait(0.001):
                for one in self._client.take_pending_jobs(2):
                    self.taken.extend(names([one]))
                    expect(self._client.extend_lease(one), "a lease was over as soon as it was given")
                    output = _output(one)
                    self._client.submit_work_result(one.workflow_execution_id, one.op, output, one.run_id)
                    self._submitted += 1
                    self._progress = time.monotonic()
                if self._submitted >= self._total or time.monotonic() - self._progress > _STALLED:
                    self._done.set()
        return []

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Ends the others where one fails."""
        try:
            yield
        except Exception:
            self._done.set()
            raise


def _output(one: DispatchJob) -> JSONObject:
    return {"of": one.workflow_execution_id, **echo(one.op, one.inputs)}


def _run_threads(case: RunnerCase, client: ObservedRunner, executions: list[str], workers: int) -> None:
    traffic = _Traffic(client, len(executions) * _JOBS_PER_DRIVER)
    drivers = [functools.partial(traffic.drive, execution) for execution in executions]
    answers = case.race(*drivers, *[traffic.work] * workers)
    expect_no_errors(answers, "threads with one client")
    doubled = [name for name, count in Counter(traffic.taken).items() if count > 1]
    expect(not doubled, f"{len(doubled)} jobs were given to two threads: {doubled[:2]}")
    expect_pending(case, client, [], "after threads had taken everything")
    for execution, answer in zip(executions, answers, strict=False):
        results = sorted([*(answer.value or []), *client.gather(execution)], key=lambda result: result.op)
        wanted = sorted(jobs(_JOBS_PER_DRIVER, execution), key=lambda one: one.op)
        ops = [result.op for result in results]
        expect(
            ops == [one.op for one in wanted],
            f"of {len(wanted)} results that threads submitted with one client {len(ops)} were gathered, "
            f"{len(ops) - len(set(ops))} of them twice",
        )
        for result, one in zip(results, wanted, strict=True):
            problem = difference(result.output, _output(one))
            expect(problem is None, f"the result of {one.op} is another's, or not whole: {problem}")


@check(
    "RUN-THREADS-02",
    needs=("queue",),
    traits=("threads",),
    causes=["a take and a submit read the same state, and the later one writes it back", "two locks for one entry"],
)
def a_take_and_a_submit_at_once_keep_the_result(case: RunnerCase) -> None:
    """When a pending job is taken while its result comes from elsewhere, the result is gathered, once, and the job is
    not pending, nor comes back when it is given back.
    """
    one, two = case.clients(2)
    for number in range(case.profile.rounds):
        case.history.clear()
        execution = f"flow#{number}"
        one.dispatch(execution, [job(execution=execution)])
        case.pending(one, 1)
        calls: list[Callable[[], object]] = [one.take_pending_jobs, _submitting(two, execution)]
        outcomes = case.race(*calls)
        expect_no_errors(outcomes, "calls")
        for taken in cast("list[DispatchJob]", outcomes[0].value):
            given_back = one.extend_lease(taken, 0)
            expect(not given_back, "a job whose result came while it was taken could be given back")
        expect_pending(case, one, [], "after a take and a submit at once")
        expect_gathered(one, [("step", 1, "from elsewhere")], "after a take and a submit at once", execution)


def _submitting(client: ObservedRunner, execution: str) -> Callable[[], None]:
    return lambda: client.submit_work_result(execution, "step", "from elsewhere", 1)


@check("RUN-THREADS-03", traits=("threads",), causes=["a client belongs to the thread that opened it"])
def a_client_may_be_used_by_another_thread_than_its_openers(case: RunnerCase) -> None:
    """A client that was opened and used by one thread works in others."""
    client = case.client()
    client.dispatch(EXECUTION, [job()])
    for number in range(3):
        (outcome,) = case.race(lambda: client.dispatch(EXECUTION, [job(f"step{number}")]))  # noqa: B023
        expect(outcome.error is None, f"a client that another thread had opened failed: {outcome}")
    client.forget(EXECUTION, [("step", 1)])
