"""RUN-TAKE: who gets the pending jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from runfox.results import DispatchJob
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import (
    BETWEEN,
    dispatch,
    expect_equal_jobs,
    expect_no_errors,
    expect_no_failures,
    expect_pending,
    names,
)
from runfox_testing.comparing import short
from runfox_testing.observing import ObservedRunner
from runfox_testing.processes import race_of_processes
from runfox_testing.runner_calls import take_one_by_one
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs

_AT_ONCE = 1.0
"""Seconds that the fastest of three calls which have nothing to wait for may take: a long poll takes longer."""


_LIKE_NONE = ("default", "None", "null", "\0", "_", "*", "0")
"""Queues that an implementation may use for the jobs that have none."""


@check(
    "RUN-TAKE-01",
    needs=("queue",),
    causes=["a field is not kept", "the lease's token is not handed out", "deliveries count from 0"],
)
def a_taken_job_is_whole(case: RunnerCase) -> None:
    """A taken job equals the dispatched one in every field, and has a lease's token and `delivery` 1."""
    one, two = case.clients(2)
    wanted = [job("one", 3, call="function", queue="fast", inputs={"a": 1}), job("two", 0, execution=OTHER)]
    dispatch(one, *wanted)
    taken = case.take(two, 2)
    expect_equal_jobs(taken, wanted, "taken")
    for found in taken:
        expect(isinstance(found.lease, str) and found.lease, f"a taken job has the lease {short(found.lease)}")
        expect(found.delivery == 1, f"the first delivery of a job has `delivery` {found.delivery}")
    expect_pending(case, one, [], "after all jobs were taken")


@check("RUN-TAKE-02", needs=("queue",), causes=["the limit is a hint to the service", "the limit counts per queue"])
def at_most_limit_jobs_are_taken(case: RunnerCase) -> None:
    """A take gives at most `limit` jobs; the others stay pending, for the next one."""
    client = case.client()
    dispatch(client, *jobs(4), *[job(f"{name}{n}", execution=OTHER, queue=name) for name in "ab" for n in range(4)])
    seen: list[DispatchJob] = []
    for limit in (1, 2, 5, 100):
        taken = client.take_pending_jobs(limit)
        expect(len(taken) <= limit, f"a take with limit {limit} gave {len(taken)} jobs")
        seen += taken
    seen += case.take(client, 12 - len(seen))
    doubled = len(seen) - len(set(names(seen)))
    expect(not doubled and len(seen) == 12, f"of 12 jobs, takes with limits gave {len(seen)}, {doubled} of them twice")


@check(
    "RUN-TAKE-03",
    needs=("queue",),
    causes=["0 or a negative number is handed to the storage, where it means no limit", "`if limit:`"],
)
def a_limit_of_zero_and_below_takes_nothing(case: RunnerCase) -> None:
    """A take with a limit of 0 or below gives nothing, and leaves the jobs pending."""
    client = case.client()
    client.dispatch(EXECUTION, jobs(3))
    for limit in (0, -1, -5):
        taken = client.take_pending_jobs(limit)
        expect(taken == [], f"a take with limit {limit} gave {len(taken)} jobs")
    expect_pending(case, client, jobs(3), "after takes with limits of 0 and below")
    expect({one.delivery for one in case.take(client, 3)} == {1}, "takes that gave nothing counted as deliveries")


def _queued() -> list[DispatchJob]:
    queues = (None, "fast", "slow", "fast", None, "")
    return [job(f"step{number}", queue=queue) for number, queue in enumerate(queues)]


def _expect_taken(case: RunnerCase, queues: Collection[str | None], *, limit: int | None = None) -> None:
    """Of six jobs in four queues those of `queues` are taken, and no others."""
    client = case.client()
    client.dispatch(EXECUTION, _queued())
    due = [one for one in _queued() if one.queue in queues]
    wanted = len(due) if limit is None else min(limit, len(due))
    taken = case.take(client, limit, queues=queues)
    wrong = [one.queue for one in taken if one.queue not in queues]
    expect(not wrong, f"a take from the queues {queues!r} gave jobs of {wrong}")
    given = f" with limit {limit}" if limit is not None else ""
    expect(len(taken) == wanted, f"a take from the queues {queues!r}{given} gave {len(taken)} jobs, not {wanted}")
    rest = [one for one in _queued() if one.op not in {found.op for found in taken}]
    expect_pending(case, client, rest, f"after a take from the queues {queues!r}")


@check(
    "RUN-TAKE-04", needs=("queue",), causes=["the queue is not kept, or not looked at", "jobs without one match any"]
)
def only_jobs_of_the_named_queues_are_taken(case: RunnerCase) -> None:
    """A take from named queues gives their jobs, of one or several, and no others."""
    _expect_taken(case, ["fast"])
    case.fresh_namespace()
    _expect_taken(case, ["slow", "fast"])


@check(
    "RUN-TAKE-05", needs=("queue",), causes=["None means all queues", "`queue = NULL`", 'None is the queue named ""']
)
def none_stands_for_jobs_without_a_queue(case: RunnerCase) -> None:
    """None among the queues stands for the jobs that have none, alone and beside names; the queue "" is another one, as
    are "default", "None", "null", "*" and the like.
    """
    _expect_taken(case, [None])
    case.fresh_namespace()
    _expect_taken(case, [None, "slow"])
    case.fresh_namespace()
    _expect_taken(case, [""])
    case.fresh_namespace()
    client = case.client()
    wanted = [job(f"step{number}", queue=queue) for number, queue in enumerate((None, *_LIKE_NONE))]
    for order in (wanted, wanted[::-1]):
        client.dispatch(EXECUTION, wanted)
        for one in order:
            where = f"taken from the queue {one.queue!r} beside {', '.join(map(repr, _LIKE_NONE))} and none"
            expect_equal_jobs(case.take(client, 1, queues=[one.queue]), [one], where)
            expect(client.take_pending_jobs(None, [one.queue]) == [], f"more than one job was {where}")
        client.forget(EXECUTION)


@check("RUN-TAKE-06", needs=("queue",), causes=["the limit is applied before the queues are", "one queue fills it"])
def the_limit_counts_jobs_of_the_queues(case: RunnerCase) -> None:
    """`limit` counts the jobs of the queues asked for, wherever others stand."""
    _expect_taken(case, ["slow", ""], limit=2)
    case.fresh_namespace()
    _expect_taken(case, ["fast", None], limit=3)


@check("RUN-TAKE-07", needs=("queue",), causes=["an empty collection counts as None", "an unknown queue means any"])
def unknown_queues_and_no_queues_give_nothing(case: RunnerCase) -> None:
    """A take from queues that nobody uses, and from an empty collection of queues, gives nothing."""
    _expect_taken(case, ["unknown", "fas", "FAST"])
    case.fresh_namespace()
    _expect_taken(case, [])


@check("RUN-TAKE-08", needs=("queue",), causes=["queues are indexed or added to a list", "a set can't be a parameter"])
def queues_may_be_any_collection(case: RunnerCase) -> None:
    """The queues may come as any collection: a list, tuple, set, frozenset, or the keys of a dict."""
    for queues in (("fast", None), {"fast", None}, frozenset({"fast", None}), {"fast": 1, None: 2}.keys()):
        _expect_taken(case, queues)
        case.fresh_namespace()


@check("RUN-TAKE-09", needs=("queue",), causes=["a long poll waits for jobs", "an empty queue is an error"])
def an_empty_queue_answers_at_once(case: RunnerCase) -> None:
    """A take gives [] at once where nothing is pending: at first, and after all jobs were taken."""
    client = case.client()
    for when in ("in a new namespace", "after all jobs were taken"):
        seconds = []
        for _ in range(3):
            begun = time.monotonic()
            answer = client.take_pending_jobs()
            seconds.append(time.monotonic() - begun)
            expect(answer == [], f"a take {when} gave {short(answer)}")
        expect(min(seconds) < _AT_ONCE, f"a take {when} waited {min(seconds):.1f} s before it gave []")
        client.dispatch(EXECUTION, [job(when)])
        case.take_one(client)


@check("RUN-TAKE-10", needs=("queue", "ordered"), causes=["jobs are ordered by op or id", "a stack instead of a queue"])
def jobs_are_taken_oldest_first(case: RunnerCase) -> None:
    """Takes give the oldest jobs first, across executions and queues, and each take gives them in that order."""
    client = case.client()
    order = [("c", OTHER, None), ("a", EXECUTION, "fast"), ("d", EXECUTION, None), ("b", OTHER, "fast")]
    order += [(f"x{99 - number}", EXECUTION, None) for number in range(25)]
    for op, execution, queue in order:
        client.dispatch(execution, [job(op, execution=execution, queue=queue)])
        case.pass_time(BETWEEN)
    taken = [*case.take(client, 1), *case.take(client, 2), *case.take(client, len(order) - 3)]
    found, wanted = [one.op for one in taken], [op for op, _, _ in order]
    expect(found == wanted, f"jobs dispatched in the order {wanted} were taken as {found}")


@check("RUN-TAKE-11", needs=("queue",), causes=["the token is made of the run", "a worker's name is the token"])
def every_lease_has_a_token_of_its_own(case: RunnerCase) -> None:
    """No two leases have the same token: not of two jobs, not of two deliveries of one job."""
    client = case.client()
    client.dispatch(EXECUTION, jobs(5))
    tokens: list[str | None] = []
    for _ in range(3):
        for taken in case.take(client, 5):
            tokens.append(taken.lease)
            expect(client.extend_lease(taken, 0), "a living lease can't be given back")
    expect(len(tokens) == 15, f"of 5 jobs in 3 deliveries {len(tokens)} were taken")
    expect(len(set(tokens)) == 15, f"15 leases had {len(set(tokens))} different tokens")


@check(
    "RUN-TAKE-12",
    needs=("queue",),
    traits=("threads",),
    causes=["pending jobs are read first and marked later", "the mark does not look whether the job is still pending"],
)
def of_takers_at_once_each_job_goes_to_one(case: RunnerCase) -> None:
    """Of jobs that several clients take at the same moment each goes to exactly one of them."""
    clients = case.clients(case.profile.contenders)
    for number in range(case.profile.rounds):
        case.history.clear()
        wanted = jobs(2 * len(clients), f"flow#{number}")
        clients[0].dispatch(f"flow#{number}", wanted)
        case.pending(clients[0], len(wanted))
        answers = case.race(*[_taking(client) for client in clients])
        expect_no_errors(answers, "takes")
        taken = [one for answer in answers for one in answer.value or []]
        taken += case.take(clients[0], len(wanted) - len(taken)) if len(taken) < len(wanted) else []
        expect_equal_jobs(taken, wanted, f"given to {len(clients)} takers at once, all told,")


def _taking(client: ObservedRunner) -> Callable[[], list[DispatchJob]]:
    return lambda: client.take_pending_jobs(3)


@check(
    "RUN-TAKE-13",
    needs=("queue", "shared"),
    traits=("processes",),
    causes=["a lock of this process guards what other processes change, too"],
)
def of_processes_that_take_at_once_each_job_goes_to_one(case: RunnerCase) -> None:
    """Of jobs that several processes take at the same moment each goes to exactly one of them."""
    client = case.client()
    children = case.processes(case.profile.processes)
    for number in range(max(2, case.profile.rounds // 2)):
        case.history.clear()
        wanted = jobs(4 * len(children), f"flow#{number}")
        client.dispatch(f"flow#{number}", wanted)
        case.pending(client, len(wanted))
        answers = race_of_processes(children, take_one_by_one, [(5,)] * len(children))
        expect_no_failures(answers)
        taken = [one for answer in answers for one in answer]
        taken += case.take(client, len(wanted) - len(taken)) if len(taken) < len(wanted) else []
        expect_equal_jobs(taken, wanted, f"given to {len(children)} processes at once, all told,")
