"""RUN-LEASE: for how long a taken job is its taker's."""

from __future__ import annotations

from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import expect_alive, expect_equal_job, expect_lapsed, expect_pending, taken_job
from runfox_testing.sample_jobs import EXECUTION, job, jobs


@check(
    "RUN-LEASE-01",
    needs=("queue",),
    traits=("time",),
    causes=["a lease is rounded to seconds", "the job is hidden for another time than the lease", "`<` for `<=`"],
)
def a_lease_lapses_at_its_end_and_not_before(case: RunnerCase) -> None:
    """A taken job is nobody else's until its lease is over, and then it is pending again."""
    one, two = case.clients(2)
    for seconds in (case.lease, 30.75, 0.5) if "clock" in case.abilities else (case.lease,):
        taken_job(case, one, lease_seconds=seconds)
        case.pass_time(seconds - case.margin)
        expect_alive(two, f"{case.margin:g} s before the end of a lease of {seconds:g} s")
        expect_pending(case, two, [], "before the lease was over")
        case.pass_time(case.margin + case.slack)
        expect_pending(case, two, [job()], "when the lease was over")
        taken = expect_lapsed(case, two, f"at the end of a lease of {seconds:g} s")
        expect_equal_job(taken, job(), "after the lease had lapsed")
        one.forget(EXECUTION)


@check(
    "RUN-LEASE-02",
    needs=("queue",),
    traits=("time",),
    causes=["deliveries are not counted in the entry", "each lapse makes a further entry"],
)
def each_lapse_brings_the_job_back_once(case: RunnerCase) -> None:
    """A job whose lease lapses is pending once, and its `delivery` is one more each time."""
    one, two = case.clients(2)
    one.dispatch(EXECUTION, [job()])
    for number in (1, 2, 3):
        taken = case.take(one, 1, lease_seconds=case.lease)
        expect(len(taken) == 1, f"{len(taken)} jobs could be taken as delivery {number}")
        expect(taken[0].delivery == number, f"delivery {number} of a job has `delivery` {taken[0].delivery}")
        more = two.take_pending_jobs()
        expect(more == [], f"delivery {number} of a job was there twice")
        case.pass_time(case.lease + case.slack)


@check(
    "RUN-LEASE-03",
    needs=("queue",),
    traits=("time",),
    causes=["the length of the call is ignored, or kept for later takes", "one length for a whole queue"],
)
def a_take_gives_its_own_length(case: RunnerCase) -> None:
    """`lease_seconds` of a take holds for what it takes, and for nothing that others take; without it the runner's own
    length holds, which is longer than that of this check.
    """
    client = case.client()
    client.dispatch(EXECUTION, jobs(3))
    short = case.take(client, 1, lease_seconds=case.lease)
    own = case.take(client, 1)
    long = case.take(client, 1, lease_seconds=4 * case.lease)
    case.pass_time(case.lease + case.slack)
    expect_pending(case, client, short, "when the one short of three leases was over")
    lives = [client.extend_lease(taken) for taken in (*short, *own, *long)]
    expect(lives == [False, True, True], f"when a short lease was over, of short, own and long lived {lives}")


@check(
    "RUN-LEASE-04",
    needs=("queue",),
    traits=("time",),
    causes=["the seconds are added to the old end", "a renewal changes nothing, and says True"],
)
def a_renewed_lease_counts_from_now(case: RunnerCase) -> None:
    """A renewed lease ends so many seconds after the renewal: neither at the old end, nor so many after that."""
    one, two = case.clients(2)
    taken = taken_job(case, one, lease_seconds=case.lease)
    case.pass_time(case.lease / 2)
    expect(one.extend_lease(taken, case.lease), "a living lease can't be renewed")
    case.pass_time(case.lease - case.margin)
    expect_alive(two, "before the end of the renewed lease")
    case.pass_time(case.margin + case.slack)
    expect(expect_lapsed(case, two, "at the end of the renewed lease").delivery == 2, "a renewal counts as a delivery")


@check(
    "RUN-LEASE-05",
    needs=("queue",),
    traits=("time",),
    causes=["the later of both ends is kept", "the seconds are added to the old end"],
)
def a_lease_can_be_renewed_for_a_shorter_time(case: RunnerCase) -> None:
    """A lease that is renewed for a shorter time ends when that is over."""
    one, two = case.clients(2)
    taken = taken_job(case, one, lease_seconds=10 * case.lease)
    expect(one.extend_lease(taken, case.lease), "a living lease can't be renewed for a shorter time")
    case.pass_time(case.lease + case.slack)
    expect_lapsed(case, two, "at the end of a lease that was renewed for a shorter time")


@check(
    "RUN-LEASE-06",
    needs=("queue",),
    traits=("time",),
    causes=["None stands for the runner's own length", "None stands for 0"],
)
def a_renewal_without_seconds_has_the_leases_length(case: RunnerCase) -> None:
    """Where no seconds are given a lease is renewed for its own length, from now."""
    one, two = case.clients(2)
    taken = taken_job(case, one, lease_seconds=case.lease)
    case.pass_time(case.lease / 2)
    expect(one.extend_lease(taken), "a living lease can't be renewed for its own length")
    case.pass_time(case.lease - case.margin)
    expect_alive(two, "before the end of a lease that was renewed for its own length")
    case.pass_time(case.margin + case.slack)
    expect_lapsed(case, two, "at the end of a lease that was renewed for its own length")


@check(
    "RUN-LEASE-07",
    needs=("queue",),
    traits=("time",),
    causes=["the length of the take is kept, not that of the renewal"],
)
def a_leases_length_is_the_one_it_was_given_last(case: RunnerCase) -> None:
    """A lease that was renewed for another time has that length from then on."""
    one, two = case.clients(2)
    taken = taken_job(case, one, lease_seconds=10 * case.lease)
    expect(one.extend_lease(taken, case.lease), "a living lease can't be renewed")
    case.pass_time(case.lease / 2)
    expect(one.extend_lease(taken), "a living lease can't be renewed for its own length")
    case.pass_time(case.lease + case.slack)
    expect_lapsed(case, two, "after the length that was given last, counted from the last renewal,")


@check(
    "RUN-LEASE-08",
    needs=("queue",),
    causes=["0 counts as None", "0 is refused", "the job waits for a tick before it is pending again"],
)
def a_job_can_be_given_back(case: RunnerCase) -> None:
    """Renewing for 0 seconds gives the job back: it is pending at once, with a higher `delivery`, and its old token is
    dead.
    """
    one, two = case.clients(2)
    taken = taken_job(case, one)
    expect(one.extend_lease(taken, 0), "a living lease can't be given back")
    expect_pending(case, two, [job()], "after the job was given back")
    expect(not one.extend_lease(taken), "the lease of a job that was given back could be renewed")
    again = case.take_one(two)
    expect_equal_job(again, job(), "after the job was given back")
    expect(again.delivery > 1, f"the next delivery of a job that was given back has `delivery` {again.delivery}")
    expect(not one.extend_lease(taken, 0), "the dead lease of a job that somebody else has could be given back")
    expect(two.extend_lease(again), "somebody else's dead lease ended a living one")
