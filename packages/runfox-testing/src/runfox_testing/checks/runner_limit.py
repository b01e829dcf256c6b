"""RUN-LIMIT: what is too large, or has no way to go."""

from __future__ import annotations

from runfox.errors import PayloadTooLarge, UnknownRoute
from runfox.jsonvalue import JSONObject
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import (
    expect_equal_job,
    expect_equal_jobs,
    expect_gathered,
    expect_pending,
    submit,
)
from runfox_testing.comparing import short
from runfox_testing.sample_jobs import EXECUTION, job

_LARGE = 3_000_000


def _large(name: str) -> JSONObject:
    return {"name": name, "large": name[0] * _LARGE}


@check(
    "RUN-LIMIT-01",
    needs=("queue",),
    causes=["one job that is too large ends the whole dispatch", "the limit of the service below is not known"],
)
def large_inputs_are_kept_whole_or_refused(case: RunnerCase) -> None:
    """A job with 3 MB of inputs is kept whole, or refused by a PayloadTooLarge that names it; the others of its
    dispatch are enqueued either way.
    """
    driver, worker = case.clients(2)
    large, small = job("large", inputs=_large("inputs")), [job("before"), job("after")]
    wanted = [small[0], large, small[1]]
    try:
        driver.dispatch(EXECUTION, wanted)
    except PayloadTooLarge as error:
        named = [one.op for one in error.jobs]
        expect(named == ["large"], f"a PayloadTooLarge names {named} where the job 'large' was over the limit")
        wanted = small
    found = case.pending(driver, len(wanted))
    expect_equal_jobs(found, wanted, "pending after a dispatch of a job with 3 MB of inputs and two small ones")
    expect_equal_jobs(case.take(worker, len(wanted)), wanted, "taken")


@check(
    "RUN-LIMIT-02",
    needs=("queue",),
    causes=["the run is marked as done before its result is written", "an output is cut short"],
)
def large_outputs_are_kept_whole_or_refused(case: RunnerCase) -> None:
    """An output of 3 MB is kept whole, or refused by a PayloadTooLarge that leaves the run as it was: taken, its lease
    alive, open for a smaller result.
    """
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, [job()])
    taken = case.take_one(worker)
    wanted = _large("output")
    try:
        submit(worker, taken, wanted)
    except PayloadTooLarge as error:
        named = [one.op for one in error.jobs]
        expect(named == ["step"], f"a PayloadTooLarge names {named} where the output of 'step' was over the limit")
        expect_gathered(driver, [], "after an output over the limit was refused")
        expect(worker.extend_lease(taken), "an output over the limit was refused, and the lease is over")
        wanted = {"small": True}
        submit(worker, taken, wanted)
    expect_gathered(driver, [("step", 1, wanted)], "after an output of 3 MB was submitted")


@check(
    "RUN-LIMIT-03",
    needs=("queue",),
    causes=["one job without a route ends the whole dispatch", "a job without a route goes to another's queue"],
)
def unknown_queues_are_kept_or_refused(case: RunnerCase) -> None:
    """A job whose queue nobody has heard of is enqueued there, or refused by an UnknownRoute that names it; the others
    of its dispatch are enqueued either way.
    """
    client = case.client()
    odd, plain = job("odd", queue="runfox-kit-queue-that-nobody-has"), [job("before"), job("after")]
    wanted = [plain[0], odd, plain[1]]
    try:
        client.dispatch(EXECUTION, wanted)
    except UnknownRoute as error:
        named = [one.op for one in error.jobs]
        expect(named == ["odd"], f"an UnknownRoute names {named} where the job 'odd' had a queue that nobody has")
        wanted = plain
    expect_pending(case, client, wanted, "after a dispatch with an odd queue")
    for one in case.take(client, 2, queues=[None]):
        expect(one.queue is None, f"from the jobs without a queue one of the queue {short(one.queue)} was taken")
    if odd in wanted:
        taken = case.take(client, 1, queues=[odd.queue])
        expect(len(taken) == 1, f"from a queue with one job {len(taken)} were taken")
        expect_equal_job(taken[0], odd, "taken from a queue that nobody knew before")
