"""RUN-DURABLE: what survives its client and its process."""

from __future__ import annotations

from collections import Counter

from runfox.results import DispatchJob
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import (
    expect_equal_jobs,
    expect_gathered,
    expect_pending,
    expect_results,
    names,
    submit,
)
from runfox_testing.comparing import difference
from runfox_testing.runner_calls import dispatch_for_ever, look, stream, work
from runfox_testing.sample_jobs import EXECUTION, job, jobs

_JOBS_PER_KILL = 40


def _prepare(case: RunnerCase) -> DispatchJob:
    """An execution with an entry in every state; gives the job that is taken."""
    client = case.client()
    client.dispatch(EXECUTION, [job("taken")])
    taken = case.take_one(client, lease_seconds=100 * case.lease)
    client.dispatch(EXECUTION, [job(op) for op in ("pending", "waiting", "gathered", "forgotten", "superseded")])
    submit(client, job("gathered"), {"of": "gathered"})
    expect_gathered(client, [("gathered", 1, {"of": "gathered"})], "after the submit")
    submit(client, job("waiting"), {"of": "waiting"})
    client.dispatch(EXECUTION, [job("superseded", 2)])
    client.forget(EXECUTION, [("forgotten", 1)])
    return taken


@check(
    "RUN-DURABLE-01",
    needs=("queue", "durable"),
    causes=["a commit is left to close() or to the next call", "leases live in the client's memory"],
)
def everything_survives_closing_and_reopening(case: RunnerCase) -> None:
    """After all clients were closed a new one finds pending jobs, living leases and results as they were, and nothing
    of what was gathered, superseded or forgotten.
    """
    taken = _prepare(case)
    client = case.reopened()
    pending = [job("pending"), job("superseded", 2)]
    expect_pending(case, client, pending, "after closing and reopening")
    expect(client.extend_lease(taken), "after closing and reopening a living lease can't be renewed")
    client = case.reopened()
    expect_gathered(client, [("waiting", 1, {"of": "waiting"})], "after closing and reopening")
    client = case.reopened()
    expect_gathered(client, [], "a second time, after closing and reopening")
    client.dispatch(EXECUTION, [job("gathered"), job("superseded", 1), job("taken")])
    expect_gathered(client, [("gathered", 1, {"of": "gathered"})], "after reopening and another dispatch")
    client = case.reopened()
    expect_equal_jobs(case.take(client, 2), pending, "taken after closing and reopening")


@check(
    "RUN-DURABLE-02",
    needs=("queue", "durable"),
    traits=("processes",),
    causes=["what is written lives in this process, or in a folder or name that is made of its id"],
)
def a_new_process_finds_everything(case: RunnerCase) -> None:
    """A process that is started after all clients were closed finds pending jobs, living leases and results."""
    taken = _prepare(case)
    case.close_clients()
    lives, pending, results = case.process().call(look, taken, case.harness.lag_seconds, 2)
    expect(lives is True, "in a new process a living lease can't be renewed")
    expect_equal_jobs(pending, [job("pending"), job("superseded", 2)], "taken in a new process")
    expect_results(results, [("waiting", 1, {"of": "waiting"})], "gathered in a new process")


@check(
    "RUN-DURABLE-03",
    needs=("queue", "durable"),
    traits=("kills", "processes", "time"),
    causes=["a submit returns before the result is on the disk", "result and end of the run are two writes"],
)
def killed_workers_lose_nothing(case: RunnerCase) -> None:
    """When processes that take and submit are killed at any moment, each result that they submitted is gathered, once,
    and each other job comes back after its lease, once.
    """
    kills = max(2, case.profile.kills // 2)
    wanted = jobs(kills * _JOBS_PER_KILL)
    case.client().dispatch(EXECUTION, wanted)
    case.close_clients()
    acknowledged: dict[str, object] = {}
    for number in range(kills):
        child = case.process()
        child.start(work, case.harness.lag_seconds, case.lease, number)
        after = case.random.randint(1, 9)
        seen: dict[str, object] = {}
        for op, output in child.items():
            seen[op] = output
            if len(seen) == after:
                child.kill()
        expect(len(seen) >= after, f"a process submitted {len(seen)} results with {len(wanted)} jobs to be taken")
        twice = seen.keys() & acknowledged.keys()
        expect(not twice, f"{len(twice)} jobs were taken by a process after another had submitted their results")
        acknowledged |= seen
    client = case.client()
    case.pass_time(case.lease + case.slack)
    while rest := case.take(client, len(wanted)):
        for one in rest:
            submit(client, one, {"by": "the survivor"})
    gathered = client.gather(EXECUTION)
    counts = Counter(result.op for result in gathered)
    lost = [op for op in acknowledged if not counts[op]]
    expect(not lost, f"{len(lost)} of {len(acknowledged)} acknowledged results are lost after {kills} kills")
    doubled = [op for op, count in counts.items() if count > 1]
    expect(not doubled, f"{len(doubled)} of {len(gathered)} results were gathered twice after {kills} kills")
    missing = len(wanted) - len(counts)
    expect(not missing, f"{missing} of {len(wanted)} jobs neither had a result nor came back after their leases")
    for result in gathered:
        if result.op in acknowledged:
            problem = difference(result.output, acknowledged[result.op])
            expect(problem is None, f"an acknowledged result is lost, another one was gathered in its place: {problem}")


@check(
    "RUN-DURABLE-04",
    needs=("queue", "durable"),
    traits=("kills", "processes"),
    causes=["a dispatch returns before the jobs are on the disk", "a cut-off batch leaves half a job"],
)
def killed_dispatchers_lose_nothing(case: RunnerCase) -> None:
    """When processes that dispatch are killed at any moment, every job whose dispatch was acknowledged is pending,
    whole, once; and what was under way is there whole or not at all.
    """
    kills = max(2, case.profile.kills // 2)
    acknowledged: list[DispatchJob] = []
    for number in range(kills):
        child = case.process()
        child.start(dispatch_for_ever, f"flow#{number}")
        after = case.random.randint(1, 9)
        seen = 0
        for batch in child.items():
            seen += 1
            acknowledged += batch
            if seen == after:
                child.kill()
        expect(seen >= after, f"a process had dispatched {seen} times, and ended")
    client = case.client()
    listed = case.awaited(client.list_pending_jobs, lambda found: set(names(found)) >= set(names(acknowledged)))
    lost = set(names(acknowledged)) - set(names(listed))
    expect(
        not lost, f"{len(lost)} of {len(acknowledged)} jobs whose dispatch was acknowledged are lost: {list(lost)[:2]}"
    )
    expect(len(names(listed)) == len(set(names(listed))), f"of {len(listed)} pending jobs some are there twice")
    whole = {names([one])[0]: one for number in range(kills) for one in stream(f"flow#{number}", len(listed) + 3)}
    expect_equal_jobs(listed, [whole[key] for key in names(listed)], f"pending after {kills} dispatchers were killed")
