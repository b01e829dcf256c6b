"""RUN-LEASE, continued: clocks that go back, and calls that come at the same moment."""

from __future__ import annotations

from collections.abc import Callable

from runfox.results import DispatchJob
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import (
    expect_alive,
    expect_equal_jobs,
    expect_lapsed,
    expect_no_errors,
    expect_pending,
    taken_job,
)
from runfox_testing.observing import ObservedRunner
from runfox_testing.sample_jobs import EXECUTION, job, jobs


@check(
    "RUN-LEASE-14",
    needs=("queue", "clock"),
    traits=("time",),
    causes=["only the end of a lease is kept, not its length", "a clock that goes back is not thought of"],
)
def a_lease_ends_where_the_clock_went_back(case: RunnerCase) -> None:
    """A lease that ends further ahead than its own length, since the clock went back, counts as lapsed: the job is
    pending, and the token is dead.
    """
    one, two = case.clients(2)
    for back, how in ((3_600.0, "an hour"), (1.0, "a second"), (0.001, "a millisecond")):
        case.history.clear()
        taken = taken_job(case, one, lease_seconds=case.lease)
        case.pass_time(-back)
        expect(not one.extend_lease(taken), f"a lease could be renewed although the clock had gone back {how}")
        expect_pending(case, two, [job()], f"after the clock had gone back {how}")
        again = expect_lapsed(case, two, f"after the clock had gone back {how}")
        expect(again.delivery == 2, f"after the clock had gone back a second delivery has `delivery` {again.delivery}")
        two.forget(EXECUTION)


@check(
    "RUN-LEASE-15",
    needs=("queue", "clock"),
    traits=("time",),
    causes=["every lease ends when the clock goes back", "the lease's length is the one of the take, not the last one"],
)
def a_lease_lives_on_where_the_clock_went_back_within_it(case: RunnerCase) -> None:
    """A lease that ends no further ahead than its own length is alive, also when the clock went back since: it ends
    when it would have.
    """
    one, two = case.clients(2)
    taken = taken_job(case, one, lease_seconds=1.0)
    expect(one.extend_lease(taken, case.lease), "a living lease can't be renewed")
    case.pass_time(case.lease - 1.0)
    expect_alive(two, "before the clock went back")
    case.pass_time(-(case.lease - 2.0))
    expect_alive(two, "when the clock went back to a time within the lease")
    case.pass_time(case.lease - 1.0 - case.margin)
    expect_alive(two, "before the end of a lease during which the clock had gone back")
    case.pass_time(case.margin)
    expect_lapsed(case, two, "at the end of a lease during which the clock had gone back")


@check(
    "RUN-LEASE-16",
    needs=("queue",),
    traits=("threads", "time"),
    causes=["a lapsed job is read first and taken later, without a look at its lease"],
)
def of_takers_at_a_lapse_one_gets_the_job(case: RunnerCase) -> None:
    """Of several clients that take at the moment when a lease has lapsed exactly one gets the job."""
    clients = case.clients(case.profile.contenders)
    for number in range(case.profile.rounds if case.clock else 1):
        case.history.clear()
        execution = f"flow#{number}"
        clients[0].dispatch(execution, jobs(2, execution))
        case.take(clients[0], 2, lease_seconds=case.lease)
        case.pass_time(case.lease + case.slack)
        case.pending(clients[0], 2)
        answers = case.race(*[_taking(client) for client in clients])
        expect_no_errors(answers, "takes")
        taken = [one for answer in answers for one in answer.value or []]
        taken += case.take(clients[0], 2 - len(taken)) if len(taken) < 2 else []
        expect_equal_jobs(taken, jobs(2, execution), f"given to {len(clients)} takers when the leases had lapsed")
        deliveries = {one.delivery for one in taken}
        expect(deliveries == {2}, f"the second delivery of jobs has `delivery` {deliveries}")
        # The leases of this round end in one of the next.
        clients[0].forget(execution)


@check(
    "RUN-LEASE-17",
    needs=("queue",),
    traits=("threads", "time"),
    causes=["a renewal reads the token first, and writes later without a look at it"],
)
def a_renewal_and_takes_at_a_lapse_leave_one_holder(case: RunnerCase) -> None:
    """When holder and others come at the moment when a lease has lapsed, there is one holder afterwards: the one whose
    take gave the job, and the former one was told False.
    """
    clients = case.clients(case.profile.contenders)
    for number in range(case.profile.rounds if case.clock else 1):
        case.history.clear()
        execution = f"flow#{number}"
        clients[0].dispatch(execution, [job(execution=execution)])
        old = case.take_one(clients[0], lease_seconds=case.lease)
        case.pass_time(case.lease + case.slack)
        calls: list[Callable[[], object]] = [_extending(clients[0], old), *[_taking(client) for client in clients[1:]]]
        answers = case.race(*calls)
        expect_no_errors(answers, "calls")
        expect(answers[0].value is False, "a lapsed lease was renewed while others took the job")
        taken = [one for answer in answers[1:] for one in answer.value or []]  # type: ignore[attr-defined]  # of takes
        taken += case.take(clients[1], 1) if not taken else []
        expect(len(taken) == 1, f"a job whose lease had lapsed was given to {len(taken)} takers at once")
        expect(clients[1].extend_lease(taken[0]), "the lease of the one who took the lapsed job is over at once")
        clients[0].forget(execution)


@check(
    "RUN-LEASE-18",
    needs=("queue",),
    traits=("threads",),
    causes=["a job that is given back is written as it was read, over what came between"],
)
def giving_back_while_others_take_leaves_one_holder(case: RunnerCase) -> None:
    """A job that is given back while others take goes to one of them, or is pending afterwards."""
    clients = case.clients(case.profile.contenders)
    for number in range(case.profile.rounds):
        case.history.clear()
        execution = f"flow#{number}"
        clients[0].dispatch(execution, [job(execution=execution)])
        old = case.take_one(clients[0])
        calls: list[Callable[[], object]] = [
            _giving_back(clients[0], old),
            *[_taking(client) for client in clients[1:]],
        ]
        answers = case.race(*calls)
        expect_no_errors(answers, "calls")
        expect(answers[0].value is True, "a living lease could not be given back while others took jobs")
        taken = [one for answer in answers[1:] for one in answer.value or []]  # type: ignore[attr-defined]  # of takes
        taken += case.take(clients[1], 1) if not taken else []
        expect(len(taken) == 1, f"a job that was given back was given to {len(taken)} takers at once")
        expect_pending(case, clients[0], [], "after the job that was given back was taken")
        expect(clients[1].extend_lease(taken[0]), "the lease of the one who took what was given back is over at once")


def _taking(client: ObservedRunner) -> Callable[[], list[DispatchJob]]:
    return client.take_pending_jobs


def _extending(client: ObservedRunner, taken: DispatchJob) -> Callable[[], bool]:
    return lambda: client.extend_lease(taken, 60.0)


def _giving_back(client: ObservedRunner, taken: DispatchJob) -> Callable[[], bool]:
    return lambda: client.extend_lease(taken, 0)
