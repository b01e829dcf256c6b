"""RUN-DISPATCH, continued: older and newer runs, known runs among new ones, and dispatches at once."""

from __future__ import annotations

from collections.abc import Callable

from runfox.results import DispatchJob
from runfox.times import LATEST
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect, expect_raises
from runfox_testing.checks.runner_jobs import (
    expect_equal_job,
    expect_equal_jobs,
    expect_gathered,
    expect_no_errors,
    expect_pending,
    submit,
    told,
)
from runfox_testing.comparing import short
from runfox_testing.observing import ObservedRunner
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs

_LARGER = (10, 100, 2**31)
"""Run ids that have one digit more than the one before, or do not fit into 32 bits with a sign."""


@check(
    "RUN-DISPATCH-09",
    needs=("queue",),
    causes=["an entry is known by op and run_id, and the newest run of the step is not looked at"],
)
def an_older_run_is_ignored(case: RunnerCase) -> None:
    """A run older than the newest one of its step is ignored, whether that is pending, taken, submitted or gathered."""
    driver, worker = case.clients(2)
    newest, older = job(run_id=5), [job(run_id=4), job(run_id=0)]
    driver.dispatch(EXECUTION, [newest])
    driver.dispatch(EXECUTION, older)
    expect_pending(case, driver, [newest], "after older runs than the pending one were dispatched")
    taken = case.take_one(worker)
    driver.dispatch(EXECUTION, older)
    expect_pending(case, driver, [], "after older runs than the taken one were dispatched")
    expect(worker.extend_lease(taken), "older runs than the taken one were dispatched: its lease is over")
    submit(worker, taken, "newest")
    driver.dispatch(EXECUTION, older)
    expect_pending(case, driver, [], "after older runs than the submitted one were dispatched")
    expect_gathered(driver, [("step", 5, "newest")], "after older runs were dispatched")
    driver.dispatch(EXECUTION, older)
    expect_pending(case, driver, [], "after older runs than the gathered one were dispatched")
    expect_gathered(driver, [], "after older runs than the gathered one were dispatched")
    for run_id in _LARGER:
        driver.forget(EXECUTION)
        driver.dispatch(EXECUTION, [job(run_id=run_id)])
        driver.dispatch(EXECUTION, [job(run_id=run_id - 1)])
        when = f"after run {run_id - 1} was dispatched where run {run_id} is known"
        expect_pending(case, driver, [job(run_id=run_id)], when)


@check(
    "RUN-DISPATCH-10",
    needs=("queue",),
    causes=["a newer run is put beside the older one", "the older run's message stays in the queue"],
)
def a_newer_run_removes_a_pending_one(case: RunnerCase) -> None:
    """A newer run removes the older pending one of the same step, and no other step's."""
    one, two = case.clients(2)
    others = [job("step2"), job("ste"), job(execution=OTHER)]
    one.dispatch(EXECUTION, [job(run_id=1), *others[:2]])
    one.dispatch(OTHER, others[2:])
    two.dispatch(EXECUTION, [job(run_id=2)])
    expect_pending(case, one, [job(run_id=2), *others], "after a newer run was dispatched")
    taken = case.take(one, 4)
    expect_equal_jobs(taken, [job(run_id=2), *others], "taken after a newer run was dispatched")
    expect(two.take_pending_jobs() == [], "an older run was taken after a newer one was dispatched")
    two.forget(EXECUTION)
    two.forget(OTHER)
    for run_id in _LARGER:
        older, newer = job(run_id=run_id - 1), job(run_id=run_id)
        one.dispatch(EXECUTION, [older])
        two.dispatch(EXECUTION, [newer])
        expect_pending(case, one, [newer], f"after run {newer.run_id} was dispatched where run {older.run_id} is known")
        two.forget(EXECUTION)


@check(
    "RUN-DISPATCH-11",
    needs=("queue",),
    causes=["a lease is looked up by its token alone", "a submit looks for the run and not for the newest one"],
)
def a_newer_run_removes_a_taken_one(case: RunnerCase) -> None:
    """A newer run ends the lease of an older taken one, whose result then changes nothing."""
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, [job(run_id=1)])
    old = case.take_one(worker)
    driver.dispatch(EXECUTION, [job(run_id=2)])
    expect(not worker.extend_lease(old), "a newer run was dispatched, and the older one's lease could be renewed")
    expect_pending(case, driver, [job(run_id=2)], "after a newer run than the taken one was dispatched")
    submit(worker, old, "old")
    expect_gathered(driver, [], "after the result of a superseded run was submitted")
    expect_pending(case, driver, [job(run_id=2)], "after the result of a superseded run was submitted")


@check(
    "RUN-DISPATCH-12",
    needs=("queue",),
    causes=["results are kept apart from jobs, and a dispatch does not look there"],
)
def a_newer_run_removes_a_result(case: RunnerCase) -> None:
    """A newer run removes the older one's result, gathered or not: it is not gathered, and does not come again."""
    driver = case.client()
    for gathered in (False, True):
        when = "that was gathered" if gathered else "that nobody had gathered"
        execution = f"flow#{'gathered' if gathered else 'waiting'}"
        old, new = job(run_id=1, execution=execution), job(run_id=2, execution=execution)
        driver.dispatch(execution, [old])
        submit(driver, old, "old")
        if gathered:
            expect_gathered(driver, [("step", 1, "old")], "after the submit", execution)
        driver.dispatch(execution, [new])
        expect_gathered(driver, [], f"after a newer run than a result {when} was dispatched", execution)
        driver.dispatch(execution, [old])
        expect_gathered(driver, [], f"after a run superseded with a result {when} was dispatched again", execution)
        submit(driver, new, "new")
        expect_gathered(driver, [("step", 2, "new")], "after the newer run's result was submitted", execution)


@check("RUN-DISPATCH-13", causes=["the execution's id is taken from the job, or from the call, without a comparison"])
def a_job_of_another_execution_is_refused(case: RunnerCase) -> None:
    """A job of another execution than the call's raises ValueError, and is enqueued nowhere."""
    client = case.client()
    foreign = job("foreign", execution=OTHER)
    for wanted in ([foreign], [job(), foreign]):
        expect_raises(ValueError, "a dispatch of another execution's job", lambda: client.dispatch(EXECUTION, wanted))  # noqa: B023
    found = [one for one in client.list_pending_jobs() if one.op == "foreign"]
    expect(not found, f"a job of another execution was refused, and is pending nevertheless: {told(found)}")
    held = client.held(LATEST)
    expect(OTHER not in held, f"a job of {OTHER} was refused in a dispatch of {EXECUTION}, and {held} are held")


@check("RUN-DISPATCH-14", causes=["an empty batch is sent, which the service refuses", "a header row is written"])
def an_empty_dispatch_does_nothing(case: RunnerCase) -> None:
    """A dispatch of no jobs gives [] and leaves nothing behind."""
    client = case.client()
    answer = client.dispatch(EXECUTION, [])
    expect(answer == [], f"a dispatch of no jobs gave {short(answer)}")
    held = case.held(client, LATEST, [])
    expect(held == [], f"after a dispatch of no jobs the executions {held} are held")
    expect_pending(case, client, [], "after a dispatch of no jobs")


@check(
    "RUN-DISPATCH-15",
    needs=("queue",),
    causes=["a batch is inserted by one statement that does not look at itself", "the last one of a batch wins"],
)
def of_one_step_in_one_dispatch_the_newest_run_counts(case: RunnerCase) -> None:
    """Where one dispatch has several runs of a step, the newest one is there, once, in whatever order they stand."""
    client = case.client()
    for number, runs in enumerate([(1, 2), (2, 1), (2, 2), (1, 3, 2, 3)]):
        execution = f"flow#{number}"
        client.dispatch(execution, [job(run_id=run_id, execution=execution) for run_id in runs])
        newest = job(run_id=max(runs), execution=execution)
        expect_pending(case, client, [newest], f"after one dispatch of the runs {runs} of one step")
        client.forget(execution)


@check(
    "RUN-DISPATCH-16",
    needs=("queue",),
    causes=["the first known job of a batch ends the call", "a batch is all or nothing: one known job refuses it"],
)
def a_dispatch_of_jobs_in_every_state_does_each_its_due(case: RunnerCase) -> None:
    """One dispatch with jobs that are pending, taken, submitted, gathered, superseded and new, as an attend makes after
    a crash, does with each what is due.
    """
    driver, worker = case.clients(2)
    taken, submitted, gathered, pending = jobs(4)
    newer, superseded, new = job("again", 2), job("again", 1), job("new")
    driver.dispatch(EXECUTION, [taken])
    held = case.take_one(worker)
    driver.dispatch(EXECUTION, [submitted, gathered, pending, newer])
    submit(worker, gathered, "gathered")
    expect_gathered(driver, [(gathered.op, 1, "gathered")], "after the submit")
    submit(worker, submitted, "submitted")
    driver.dispatch(EXECUTION, [superseded, gathered, taken, submitted, pending, newer, new])
    expect_pending(case, driver, [pending, newer, new], "after one dispatch of jobs in every state")
    expect(worker.extend_lease(held), "one dispatch of jobs in every state ended the lease of the taken one")
    wanted = [(gathered.op, 1, "gathered"), (submitted.op, 1, "submitted")]
    expect_gathered(driver, wanted, "after one dispatch of jobs in every state")


@check(
    "RUN-DISPATCH-17",
    needs=("queue",),
    traits=("threads",),
    causes=["a look whether the run is known, and its insertion, are two steps"],
)
def clients_that_dispatch_the_same_jobs_at_once_make_one_entry_each(case: RunnerCase) -> None:
    """Of jobs that several clients dispatch at the same moment there is one entry each."""
    clients = case.clients(case.profile.contenders)
    for number in range(case.profile.rounds):
        case.history.clear()
        execution = f"flow#{number}"
        wanted = jobs(3, execution)
        answers = case.race(*[_dispatching(client, execution, wanted) for client in clients])
        expect_no_errors(answers, "dispatches")
        taken = case.take(clients[0], 3)
        taken += clients[0].take_pending_jobs()
        when = f"taken after {len(clients)} clients dispatched the same jobs at once"
        expect_equal_jobs(taken, wanted, when)


@check(
    "RUN-DISPATCH-18",
    needs=("queue",),
    traits=("threads",),
    causes=["a dispatch reads that there is no result, and then writes the whole entry", "two locks for one entry"],
)
def a_dispatch_and_a_submit_at_once_keep_the_result(case: RunnerCase) -> None:
    """A run that is dispatched again while its result is submitted: the result is gathered, once, and nothing runs
    again.
    """
    driver, worker = case.clients(2)
    for number in range(case.profile.rounds):
        case.history.clear()
        execution = f"flow#{number}"
        wanted = job(execution=execution)
        driver.dispatch(execution, [wanted])
        taken = case.take_one(worker)
        expect_equal_job(taken, wanted, "taken")
        answers = case.race(
            _dispatching(driver, execution, [wanted]),
            lambda: submit(worker, taken, "done"),  # noqa: B023  # called in this round
        )
        expect_no_errors(answers, "calls")
        expect_pending(case, driver, [], "after a dispatch and a submit of one run at once")
        expect_gathered(driver, [("step", 1, "done")], "after a dispatch and a submit of one run at once", execution)


def _dispatching(client: ObservedRunner, execution: str, wanted: list[DispatchJob]) -> Callable[[], object]:
    return lambda: client.dispatch(execution, wanted)
