"""What the checks of runners have in common: how what came out is held against what went in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from runfox.jsonvalue import JSONValue
from runfox.results import DispatchJob, StepResult
from runfox_testing.case import RunnerCase
from runfox_testing.check import describe, expect, violated
from runfox_testing.comparing import difference, short
from runfox_testing.observing import ObservedRunner
from runfox_testing.races import Outcome
from runfox_testing.sample_jobs import EXECUTION, job

Result: TypeAlias = tuple[str, int | None, JSONValue]
"""op, run_id and output of a result that is wanted."""

BETWEEN = 0.002
"""Seconds between two events whose order a check looks at: clocks of stores may count milliseconds."""


def dispatch(client: ObservedRunner, *wanted: DispatchJob) -> None:
    """Dispatch jobs, one execution after the other."""
    executions = dict.fromkeys(one.workflow_execution_id for one in wanted)
    for execution in executions:
        client.dispatch(execution, [one for one in wanted if one.workflow_execution_id == execution])


def submit(client: ObservedRunner, done: DispatchJob, output: JSONValue) -> None:
    """Submit the result of a job."""
    answer: object = client.submit_work_result(  # type: ignore[func-returns-value]  # which is what is looked at
        done.workflow_execution_id, done.op, output, done.run_id
    )
    expect(answer is None, f"submit_work_result gave {short(answer)} where None is due")


def names(found: Iterable[DispatchJob]) -> list[tuple[str, str, int]]:
    """Which jobs these are, in a fixed order."""
    return sorted((one.workflow_execution_id, one.op, one.run_id) for one in found)


def told(found: Iterable[DispatchJob]) -> str:
    """The same in few words."""
    every = names(found)
    shown = ", ".join(f"{execution} {op} run {run_id}" for execution, op, run_id in every[:4])
    return f"{len(every)} ({shown}{', …' if len(every) > 4 else ''})" if every else "none"


def expect_equal_job(found: DispatchJob, wanted: DispatchJob, where: str) -> None:
    """The job is whole and equal to what was dispatched, to the letter."""
    expect(isinstance(found, DispatchJob), f"{where} there is {short(found)}, which is no DispatchJob")
    problem = difference(found, wanted)
    expect(problem is None, f"{where} the job of {short(wanted.op)} is not what was dispatched: {problem}")


def expect_equal_jobs(found: Sequence[DispatchJob], wanted: Sequence[DispatchJob], where: str) -> None:
    """The jobs are these, each once, whole and equal, in whatever order."""
    expect(names(found) == names(wanted), f"{where} there are {told(found)} where there have to be {told(wanted)}")
    by_name = {names([one])[0]: one for one in wanted}
    for one in found:
        expect_equal_job(one, by_name[names([one])[0]], where)


def expect_pending(case: RunnerCase, client: ObservedRunner, wanted: Sequence[DispatchJob], when: str) -> None:
    """Just these jobs are listed as pending, each once, whole and equal."""
    listed = case.awaited(client.list_pending_jobs, lambda found: names(found) == names(wanted))
    expect_equal_jobs(listed, wanted, f"pending {when}")


def expect_gathered(client: ObservedRunner, wanted: Sequence[Result], when: str, execution: str = EXECUTION) -> None:
    """A gather gives just these results, in this order, whole and equal."""
    expect_results(client.gather(execution), wanted, f"gathered {when}")


def expect_results(found: Sequence[StepResult], wanted: Sequence[Result], where: str) -> None:
    """The results are just these, in this order, whole and equal."""
    runs = [(one.op, one.run_id) for one in found]
    due = [(op, run_id) for op, run_id, _ in wanted]
    if runs != due and sorted(map(repr, runs)) == sorted(map(repr, due)):
        violated(f"{where} are the results of {_runs(runs)} in another order than submitted: {_runs(due)}")
    expect(runs == due, f"{where} are {_runs(runs)} where there have to be {_runs(due)}")
    for one, (op, _, output) in zip(found, wanted, strict=True):
        problem = difference(one.output, output)
        expect(
            problem is None, f"{where} is the result of {short(op)} with another output than was submitted: {problem}"
        )


def taken_job(case: RunnerCase, client: ObservedRunner, *, lease_seconds: float | None = None) -> DispatchJob:
    """The one job, dispatched and taken."""
    client.dispatch(EXECUTION, [job()])
    return case.take_one(client, lease_seconds=lease_seconds)


def expect_alive(client: ObservedRunner, when: str) -> None:
    """Nobody else gets the job."""
    taken = client.take_pending_jobs()
    expect(taken == [], f"{when} the job was given to somebody else: its lease had lapsed too early")


def expect_lapsed(case: RunnerCase, client: ObservedRunner, when: str) -> DispatchJob:
    """The job is there to be taken."""
    taken = case.take(client, 1)
    expect(len(taken) == 1, f"{when} the job could not be taken: its lease had not lapsed")
    return taken[0]


def expect_no_errors(outcomes: Sequence[Outcome[Any]], what: str) -> None:
    """No call of a race raised anything. `what` names the calls: ``takes``."""
    failed = [str(outcome) for outcome in outcomes if outcome.error is not None]
    expect(not failed, f"{len(failed)} of {len(outcomes)} {what} at once failed: {failed[:1]}")


def expect_no_failures(answers: Sequence[object]) -> None:
    """No process of a race raised anything."""
    failed = [describe(answer) for answer in answers if isinstance(answer, Exception)]
    expect(not failed, f"{len(failed)} of {len(answers)} processes failed: {failed[:1]}")


def _runs(runs: Sequence[tuple[str, int | None]]) -> str:
    shown = ", ".join(f"{short(op)} run {run_id}" for op, run_id in runs[:4])
    return f"{len(runs)} ({shown}{', …' if len(runs) > 4 else ''})" if runs else "none"
