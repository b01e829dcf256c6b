"""RUN-LIST: which jobs are pending."""

from __future__ import annotations

from dataclasses import replace

from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import dispatch, expect_equal_jobs, expect_pending, submit
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs


@check(
    "RUN-LIST-01",
    needs=("queue",),
    causes=["only one execution's jobs are listed", "a page of a listing is taken for all of it"],
)
def all_pending_jobs_are_listed(case: RunnerCase) -> None:
    """The listing has every pending job of all executions and queues, each once, whole and equal."""
    one, two = case.clients(2)
    wanted = [*jobs(600), *jobs(3, OTHER), job("fast", queue="fast"), job("called", call="function", run_id=0)]
    dispatch(one, *wanted)
    expect_pending(case, two, wanted, "after jobs of two executions were dispatched")


@check(
    "RUN-LIST-02",
    needs=("queue",),
    causes=["a listing receives messages, which hides them from takers", "a listing counts as a delivery"],
)
def listing_changes_nothing(case: RunnerCase) -> None:
    """Listed jobs are listed again, and are taken by somebody else as a first delivery."""
    one, two = case.clients(2)
    one.dispatch(EXECUTION, jobs(3))
    for when in ("at first", "a second time", "a third time"):
        expect_pending(case, one, jobs(3), when)
    taken = case.take(two, 3)
    expect_equal_jobs(taken, jobs(3), "taken after the jobs were listed")
    deliveries = {job.delivery for job in taken}
    expect(deliveries == {1}, f"the first delivery of jobs that were listed before has `delivery` {deliveries}")


@check("RUN-LIST-03", needs=("queue",), causes=["the listing shows every entry, whatever its state"])
def what_is_not_pending_is_not_listed(case: RunnerCase) -> None:
    """Jobs that are taken, submitted, gathered, superseded or forgotten are not listed."""
    client = case.client()
    pending, submitted, gathered, superseded, forgotten = jobs(5)
    client.dispatch(EXECUTION, [job("taken")])
    expect(case.take_one(client).op == "taken", "another job was taken than the one that was dispatched")
    expect_pending(case, client, [], "after the one job was taken")
    client.dispatch(EXECUTION, [pending, submitted, gathered, superseded, forgotten])
    submit(client, gathered, None)
    expect(len(client.gather(EXECUTION)) == 1, "the one result that was submitted could not be gathered")
    submit(client, submitted, None)
    newer = replace(superseded, run_id=2)
    client.dispatch(EXECUTION, [newer])
    client.forget(EXECUTION, [(forgotten.op, 1)])
    expect_pending(case, client, [pending, newer], "after the others were taken, submitted, superseded and forgotten")


@check(
    "RUN-LIST-04",
    needs=("queue",),
    traits=("time",),
    causes=["jobs of lapsed leases are found by takes only", "a lapsed job is listed with its old lease"],
)
def jobs_of_lapsed_leases_are_listed(case: RunnerCase) -> None:
    """A job whose lease has lapsed is listed again, and the listing does not take it back from the next taker."""
    one, two = case.clients(2)
    one.dispatch(EXECUTION, jobs(2))
    case.take(one, 2, lease_seconds=case.lease)
    case.pass_time(case.lease + case.slack)
    expect_pending(case, two, jobs(2), "after the leases had lapsed")
    expect_pending(case, one, jobs(2), "a second time")
    expect_equal_jobs(case.take(two, 2), jobs(2), "taken after the leases had lapsed and the jobs were listed")
    expect_pending(case, one, [], "after the lapsed jobs were taken")
