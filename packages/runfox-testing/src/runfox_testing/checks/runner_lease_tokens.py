"""RUN-LEASE, continued: tokens that are dead, and lengths that there are not."""

from __future__ import annotations

from dataclasses import replace

from runfox.results import DispatchJob
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect, expect_raises
from runfox_testing.checks.runner_jobs import expect_alive, expect_lapsed, expect_pending, submit, taken_job, told
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs


@check(
    "RUN-LEASE-09",
    needs=("queue",),
    traits=("time",),
    causes=["a renewal compares the token and not the time", "a lapse counts only when somebody takes the job"],
)
def a_lapsed_lease_is_not_renewed(case: RunnerCase) -> None:
    """A lease that has lapsed can't be renewed, although nobody has taken the job since: it stays pending."""
    one, two = case.clients(2)
    taken = taken_job(case, one, lease_seconds=case.lease)
    case.pass_time(case.lease + case.slack)
    for seconds in (None, case.lease, 0):
        expect(not one.extend_lease(taken, seconds), f"a lapsed lease could be renewed (seconds {seconds})")
    expect_pending(case, two, [job()], "after the holder of the lapsed lease tried to renew it")
    delivery = expect_lapsed(case, two, "after the holder of the lapsed lease tried to renew it").delivery
    expect(delivery == 2, f"the second delivery of a job has `delivery` {delivery}")


@check(
    "RUN-LEASE-10",
    needs=("queue",),
    traits=("time",),
    causes=["a renewal looks for the run, not for the token"],
)
def the_lease_of_a_former_taker_is_dead(case: RunnerCase) -> None:
    """When a job was taken by somebody else after a lapse, the former taker's token is dead, and does not disturb the
    living one.
    """
    one, two = case.clients(2)
    taken = taken_job(case, one, lease_seconds=case.lease)
    case.pass_time(case.lease + case.slack)
    again = expect_lapsed(case, two, "after the lease was over")
    for seconds in (None, 10 * case.lease, 0):
        expect(not one.extend_lease(taken, seconds), f"a former taker's lease could be renewed (seconds {seconds})")
    expect_pending(case, one, [], "after the former taker tried to renew and to give back")
    expect(two.extend_lease(again), "the former taker's renewals ended the living lease")


@check(
    "RUN-LEASE-11",
    needs=("queue",),
    causes=["leases are kept apart from entries, and outlive them"],
)
def a_lease_ends_with_its_run(case: RunnerCase) -> None:
    """The token of a run that was submitted, superseded or forgotten is dead."""
    one, two = case.clients(2)
    one.dispatch(EXECUTION, jobs(3))
    done, superseded, forgotten = sorted(case.take(one, 3), key=lambda taken: taken.op)
    submit(two, done, None)
    two.dispatch(EXECUTION, [replace(superseded, run_id=2)])
    two.forget(EXECUTION, [(forgotten.op, 1)])
    for taken, what in ((done, "submitted"), (superseded, "superseded"), (forgotten, "forgotten")):
        for seconds in (None, 60.0, 0):
            renewed = one.extend_lease(taken, seconds)
            expect(not renewed, f"the lease of a {what} run could be renewed (seconds {seconds})")
    expect_pending(case, two, [replace(superseded, run_id=2)], "after leases of ended runs were to be given back")


@check(
    "RUN-LEASE-12",
    needs=("queue",),
    causes=["a token of another run is accepted", "None equals the None of a job that nobody has"],
)
def a_token_that_is_not_the_runs_own_renews_nothing(case: RunnerCase) -> None:
    """Without a token, with a made-up one or with another run's nothing is renewed, be the job pending, taken or
    unknown.
    """
    client = case.client()
    client.dispatch(EXECUTION, [job("taken")])
    taken = case.take_one(client)
    client.dispatch(EXECUTION, [job("pending"), job("other")])
    other = next(one for one in case.take(client, 2) if one.op == "other")
    listed = next((one for one in client.list_pending_jobs() if one.op == "pending"), job("pending"))
    wrong: list[tuple[str, DispatchJob]] = [("as it was listed", listed)]
    for of in (job("pending"), job("taken"), job("unknown"), job("taken", 2), job("taken", execution=OTHER)):
        wrong += [(f"with the lease {lease!r:.20}", replace(of, lease=lease)) for lease in (None, "", "made up")]
        wrong.append(("with another run's lease", replace(of, lease=other.lease)))
    wrong += [("with another run's id", replace(taken, run_id=run_id)) for run_id in (0, 2)]
    wrong += [("with another execution's id", replace(taken, workflow_execution_id=OTHER))]
    for how, one in wrong:
        for seconds in (None, 60.0, 0):
            renewed = client.extend_lease(one, seconds)
            expect(not renewed, f"{told([one])} {how} could be renewed (seconds {seconds})")
    expect(client.extend_lease(taken), "a lease was over after others had tried wrong tokens")
    expect(client.extend_lease(other), "a lease was over after its token was used for other runs")


@check("RUN-LEASE-13", needs=("queue",), causes=["a negative length is added to now", "a negative length counts as 0"])
def a_lease_has_no_negative_length(case: RunnerCase) -> None:
    """Fewer than 0 seconds are a ValueError in a take and in a renewal, and change nothing."""
    client = case.client()
    client.dispatch(EXECUTION, [job()])
    for seconds in (-1.0, -0.001, -1):
        expect_raises(
            ValueError,
            f"a take for {seconds} s",
            lambda: client.take_pending_jobs(lease_seconds=seconds),  # noqa: B023  # called at once
        )
    expect_pending(case, client, [job()], "after takes for fewer than 0 seconds")
    taken = case.take_one(client)
    for seconds in (-1.0, -0.001, -1):
        expect_raises(
            ValueError,
            f"a renewal for {seconds} s",
            lambda: client.extend_lease(taken, seconds),  # noqa: B023  # called at once
        )
    expect_alive(client, "after renewals for fewer than 0 seconds")
    expect(client.extend_lease(taken), "a lease was over after renewals for fewer than 0 seconds")
