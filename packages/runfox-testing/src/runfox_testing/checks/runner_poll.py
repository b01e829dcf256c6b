"""RUN-POLL: a take that waits for jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from runfox.results import DispatchJob
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect, expect_raises
from runfox_testing.checks.runner_jobs import (
    dispatch,
    expect_equal_jobs,
    expect_no_errors,
    expect_pending,
    names,
    submit,
)
from runfox_testing.checks.waking import BEGUN, LONG, woken_by
from runfox_testing.comparing import short
from runfox_testing.observing import ObservedRunner
from runfox_testing.runner_calls import dispatch_in_child
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs

_SHORT = 0.3
_EARLY = 0.02
"""Seconds that a clock may be off which ticks 60 times a second."""

_POLLING = ("queue", "SupportsLongPolling")


def _polled(
    case: RunnerCase,
    client: ObservedRunner,
    count: int,
    *,
    limit: int | None = None,
    queues: Collection[str | None] | None = None,
) -> list[DispatchJob]:
    """Jobs that are there: so many of them, or what comes in polls that don't wait, until the lag is over."""
    taken: list[DispatchJob] = []

    def more() -> int:
        taken.extend(client.poll_pending_jobs(0, limit, queues))
        return len(taken)

    case.awaited(more, lambda held: held >= count)
    return taken


@check(
    "RUN-POLL-01",
    needs=_POLLING,
    causes=["the poll waits although there is something", "what came is kept until the poll is full"],
)
def a_poll_takes_at_once_what_is_there(case: RunnerCase) -> None:
    """Where something is pending a poll takes it as a take does, whole, with a lease and `delivery` 1, and does not
    wait for more.
    """
    one, two = case.clients(2)
    wanted = [job("one", 3, call="function", queue="fast", inputs={"a": 1}), job("two", 0, execution=OTHER)]
    dispatch(one, *wanted)
    case.pending(one, 2)
    taken: list[DispatchJob] = []
    while len(taken) < 2:
        begun = time.monotonic()
        found = two.poll_pending_jobs(LONG, 10)
        seconds = time.monotonic() - begun
        expect(found and seconds < LONG / 2, f"a poll gave {short(found)} after {seconds:.1f} s where jobs are pending")
        taken += found
    expect_equal_jobs(taken, wanted, "polled")
    for found_one in taken:
        expect(found_one.delivery == 1, f"the first delivery of a polled job has `delivery` {found_one.delivery}")
        expect(two.extend_lease(found_one), "the lease of a job that was polled is not alive")
    expect_pending(case, one, [], "after all jobs were polled")


@check(
    "RUN-POLL-02",
    needs=_POLLING,
    causes=["the limit or the queues are not handed on", "the poll ends with jobs of other queues"],
)
def a_poll_heeds_limit_and_queues(case: RunnerCase) -> None:
    """A poll gives at most `limit` jobs, none for 0 and below, only of `queues`, and leaves the others pending."""
    client = case.client()
    made = [job(f"step{number}", queue=queue) for number, queue in enumerate(("fast", None, "fast", "slow", "fast"))]
    client.dispatch(EXECUTION, made)
    for limit in (0, -1):
        expect(client.poll_pending_jobs(0, limit) == [], f"a poll with limit {limit} gave jobs")
    expect(client.poll_pending_jobs(0, None, []) == [], "a poll of no queues gave jobs")
    found = client.poll_pending_jobs(LONG, 2, ["fast"])
    queues = [one.queue for one in found]
    expect(found and set(queues) == {"fast"}, f"a poll of the queue 'fast' gave jobs of {queues}")
    expect(len(found) <= 2, f"a poll with limit 2 gave {len(found)} jobs")
    found += _polled(case, client, 3 - len(found), queues=["fast"])
    expect_equal_jobs(found, [one for one in made if one.queue == "fast"], "polled from the queue 'fast'")
    found = client.poll_pending_jobs(_SHORT, None, ["fast"])
    expect(found == [], f"a poll of a queue that is empty gave jobs of {[one.queue for one in found]}")
    found = _polled(case, client, 1, queues=[None])
    expect_equal_jobs(found, [made[1]], "polled from the jobs without a queue")
    expect_pending(case, client, [made[3]], "after polls of other queues")


@check(
    "RUN-POLL-03",
    needs=_POLLING,
    traits=("time",),
    causes=["`lease_seconds` is not handed on", "the time of waiting counts as time of the lease"],
)
def a_polled_job_is_leased_for_as_long_as_the_poll_says(case: RunnerCase) -> None:
    """A polled job is the poller's for the `lease_seconds` of the poll. Fewer than 0 are a `ValueError`."""
    client = case.client()
    expect_raises(ValueError, "a poll with a lease of -1 s", lambda: client.poll_pending_jobs(0, None, None, -1))
    client.dispatch(EXECUTION, [job("short", queue="short"), job("long", queue="long")])
    case.pending(client, 2)
    for queue, lease in (("long", 10 * case.lease), ("short", case.lease)):
        found = client.poll_pending_jobs(LONG, 1, [queue], lease)
        expect(len(found) == 1, f"a poll gave {len(found)} jobs where one is pending")
    case.pass_time(case.lease - case.margin)
    early = client.take_pending_jobs()
    expect(early == [], f"{len(early)} polled jobs could be taken before their leases were over")
    case.pass_time(case.margin + case.slack)
    taken = [one.op for one in case.take(client, 1)]
    expect(taken == ["short"], f"when the shorter of two polled leases was over {taken} could be taken")
    rest = client.take_pending_jobs()
    expect(rest == [], "when the shorter of two polled leases was over the other job could be taken, too")


def _expect_polled(
    case: RunnerCase, what: str, act: Callable[[], object], *, queues: Collection[str | None] | None = None
) -> DispatchJob:
    """A poll that has begun ends with one job when `act` is called, long before its timeout."""
    polling = case.client()
    found: Any = woken_by(
        act,
        lambda: polling.poll_pending_jobs(LONG, 5, queues),
        kind="a poll",
        too_early="before there was anything to take",
        after=what,
    )
    expect(isinstance(found, list) and len(found) == 1, f"a poll gave {short(found)} after {what}")
    polled: DispatchJob = found[0]
    return polled


@check(
    "RUN-POLL-04",
    needs=_POLLING,
    traits=("threads",),
    causes=["only dispatches of the same client are heard of", "a job of another queue ends the poll"],
)
def a_poll_is_woken_by_a_dispatch(case: RunnerCase) -> None:
    """A poll that has begun ends with the job that another client dispatches meanwhile; not with one of another queue
    than it asks for.
    """
    client = case.client()
    found = _expect_polled(case, "another client had dispatched a job", lambda: client.dispatch(EXECUTION, [job()]))
    expect_equal_jobs([found], [job()], "polled while it was dispatched")

    def dispatch_both() -> None:
        client.dispatch(OTHER, [job("slow", execution=OTHER, queue="slow")])
        time.sleep(BEGUN)
        client.dispatch(OTHER, [job("fast", execution=OTHER, queue="fast")])

    found = _expect_polled(case, "a job of its queue was dispatched", dispatch_both, queues=["fast"])
    expect(found.op == "fast", f"a poll of the queue 'fast' ended with a job of {found.queue!r}")


@check(
    "RUN-POLL-05",
    needs=_POLLING,
    causes=["seconds as ms", "an empty answer of the service ends the poll", "any change ends the poll"],
)
def a_poll_gives_nothing_after_its_timeout(case: RunnerCase) -> None:
    """A poll gives [] after its timeout, and not before, where nothing can be taken: at first, for a taken job and for
    one whose result is there.
    """
    client = case.client()

    def expect_nothing(when: str) -> None:
        begun = time.monotonic()
        found = client.poll_pending_jobs(_SHORT)
        seconds = time.monotonic() - begun
        expect(found == [], f"a poll {when} gave {short(found)} although nothing can be taken")
        expect(seconds > _SHORT - _EARLY, f"a poll of {_SHORT:g} s {when} gave [] after {seconds:.3f} s")
        expect(seconds < LONG / 2, f"a poll of {_SHORT:g} s {when} gave [] after {seconds:.1f} s")
        expect(client.poll_pending_jobs(0) == [], f"a poll of 0 s {when} gave a job")

    expect_nothing("in a new namespace")
    client.dispatch(EXECUTION, [job()])
    taken = case.take_one(client, lease_seconds=600)
    expect_nothing("while the only job is taken")
    submit(client, taken, None)
    expect_nothing("after the only job's result was submitted")


@check(
    "RUN-POLL-06",
    needs=_POLLING,
    traits=("threads",),
    causes=["all pollers are woken, and each is given what the first one saw", "the take after the wake-up is no take"],
)
def of_pollers_at_once_each_job_goes_to_one(case: RunnerCase) -> None:
    """Of jobs for which several clients wait each goes to exactly one of them."""
    clients = case.clients(case.profile.contenders)
    for number in range(max(2, case.profile.rounds // 4)):
        case.history.clear()
        execution = f"flow#{number}"
        wanted = jobs(2 * len(clients), execution)
        outcomes = case.race(*[_polling_for(client) for client in clients], _dispatching(clients[0], wanted))
        expect_no_errors(outcomes, "polls")
        taken = [one for outcome in outcomes for one in outcome.value or []]
        doubled = len(taken) - len(set(names(taken)))
        expect(not doubled, f"{doubled} jobs went to more than one of {len(clients)} pollers")
        taken += case.take(clients[0], len(wanted) - len(taken)) if len(taken) < len(wanted) else []
        expect_equal_jobs(taken, wanted, f"given to {len(clients)} pollers at once, all told,")


def _polling_for(client: ObservedRunner) -> Callable[[], list[DispatchJob]]:
    return lambda: client.poll_pending_jobs(LONG, 2)


def _dispatching(client: ObservedRunner, wanted: list[DispatchJob]) -> Callable[[], list[DispatchJob]]:
    def call() -> list[DispatchJob]:
        time.sleep(BEGUN)
        # Two for each poller: none is left with nothing, however they are shared out.
        client.dispatch(wanted[0].workflow_execution_id, wanted)
        return []

    return call


@check(
    "RUN-POLL-07",
    needs=_POLLING,
    traits=("threads", "time"),
    causes=["only dispatches wake", "a lease that lapses is seen by the next poll only"],
)
def a_poll_sees_what_comes_back(case: RunnerCase) -> None:
    """A poll that has begun ends with a job that is given back, and with one whose lease lapses, meanwhile."""
    client = case.client()
    client.dispatch(EXECUTION, [job()])
    taken = case.take_one(client, lease_seconds=600)
    found = _expect_polled(case, "a job was given back", lambda: client.extend_lease(taken, 0))
    expect(found.delivery == 2, f"a poll gave a job that was given back with `delivery` {found.delivery}, not 2")
    client.extend_lease(found, case.lease)
    found = _expect_polled(case, "a lease had lapsed", lambda: case.pass_time(case.lease + case.slack))
    expect(found.delivery == 3, f"a poll gave a job whose lease had lapsed with `delivery` {found.delivery}, not 3")


@check(
    "RUN-POLL-08",
    needs=_POLLING,
    traits=("threads",),
    causes=["a poll holds the client's lock or its only connection while it waits"],
)
def other_calls_of_the_client_go_on_while_it_polls(case: RunnerCase) -> None:
    """While one thread waits in a poll others use the same client: what they dispatch with it ends the poll."""
    client = case.client()
    client.dispatch(OTHER, [job(execution=OTHER)])
    held = case.take_one(client, lease_seconds=600)

    def use() -> list[DispatchJob]:
        time.sleep(BEGUN)
        begun = time.monotonic()
        expect(client.extend_lease(held), "a living lease could not be renewed during a poll")
        submit(client, held, None)
        client.dispatch(EXECUTION, [job()])
        seconds = time.monotonic() - begun
        expect(seconds < LONG / 2, f"three calls took {seconds:.1f} s while another thread waited in a poll")
        return []

    outcomes = case.race(lambda: client.poll_pending_jobs(LONG), use)
    expect_no_errors(outcomes, "calls of one client")
    expect_equal_jobs(outcomes[0].value or [], [job()], "polled while another thread used the client")


@check(
    "RUN-POLL-09",
    needs=(*_POLLING, "shared"),
    traits=("threads", "processes"),
    causes=["a poll hears of what this process dispatches only"],
)
def a_poll_is_woken_by_another_process(case: RunnerCase) -> None:
    """A poll that has begun ends with the job that another process dispatches."""
    child = case.process()
    wanted = [job()]
    found = _expect_polled(
        case, "another process had dispatched a job", lambda: child.call(dispatch_in_child, EXECUTION, wanted)
    )
    expect_equal_jobs([found], wanted, "polled while another process dispatched it")
