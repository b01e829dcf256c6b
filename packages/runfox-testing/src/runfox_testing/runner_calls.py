"""What child processes do with a runner's client. The module imports little, since each child imports it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from runfox.protocols import Runner
from runfox.results import DispatchJob
from runfox_testing.sample_jobs import EXECUTION, job, jobs

_PAUSE = 0.001
"""Seconds between two calls of a process that is going to be killed, so that it is killed in the midst."""

_LOOK = 0.02
"""Seconds between two takes of what may be late."""


def count_pending(client: Runner) -> int:
    """How many jobs it sees."""
    return len(client.list_pending_jobs())


def take_one_by_one(client: Runner, times: int) -> list[DispatchJob]:
    """So many takes of one job."""
    return [one for _ in range(times) for one in client.take_pending_jobs(1)]


def taken_within(client: Runner, lag: float, count: int, lease_seconds: float | None = None) -> list[DispatchJob]:
    """So many jobs, or those that come in `lag` seconds: so late may takes be."""
    ends_at = time.monotonic() + lag
    taken = client.take_pending_jobs(count, None, lease_seconds)
    while len(taken) < count and time.monotonic() < ends_at:
        time.sleep(_LOOK)
        taken += client.take_pending_jobs(count - len(taken), None, lease_seconds)
    return taken


def submit_all(client: Runner, execution: str, count: int, place: int) -> None:
    """A result for each of so many runs."""
    for one in jobs(count, execution):
        client.submit_work_result(execution, one.op, {"by": place}, one.run_id)


def submit_in_child(client: Runner) -> None:
    """The result of the job."""
    client.submit_work_result(EXECUTION, "step", None, 1)


def look(client: Runner, taken: DispatchJob, lag: float, count: int) -> tuple[bool, list[DispatchJob], object]:
    """What is there; the jobs are so many."""
    return client.extend_lease(taken), take_all(client, lag, count), client.gather(EXECUTION)


def work(client: Runner, lag: float, lease_seconds: float, number: int) -> Iterator[tuple[str, object]]:
    """Until it is killed: takes and submits; tells of what was acknowledged."""
    while taken := client.take_pending_jobs(3, None, lease_seconds) or taken_within(client, lag, 1, lease_seconds):
        for one in taken:
            output = {"by": number, "process": os.getpid(), "of": one.inputs}
            client.submit_work_result(one.workflow_execution_id, one.op, output, one.run_id)  # type: ignore[arg-type]  # JSON
            yield one.op, output
            time.sleep(_PAUSE)


def dispatch_for_ever(client: Runner, execution: str) -> Iterator[list[DispatchJob]]:
    """Until it is killed: dispatches; tells of what was acknowledged."""
    for number in range(10_000):
        batch = batch_of(execution, number)
        client.dispatch(execution, batch)
        yield batch
        time.sleep(_PAUSE)


def batch_of(execution: str, number: int) -> list[DispatchJob]:
    """The jobs of one dispatch of `dispatch_for_ever`."""
    return [job(f"step{number}-{place}", execution=execution, inputs={"n": [number, place]}) for place in range(3)]


def stream(execution: str, count: int) -> list[DispatchJob]:
    """Those of its first dispatches."""
    return [one for number in range(count) for one in batch_of(execution, number)]


def take_and_submit(client: Runner, lag: float, count: int, output: str) -> list[DispatchJob]:
    """All jobs, which are so many, with a result for each."""
    taken = take_all(client, lag, count)
    for one in taken:
        client.submit_work_result(one.workflow_execution_id, one.op, output, one.run_id)
    return taken


def dispatch_in_child(client: Runner, execution: str, wanted: list[DispatchJob]) -> None:
    """A dispatch."""
    client.dispatch(execution, wanted)


def gather_in_child(client: Runner, execution: str) -> object:
    """A gather."""
    return client.gather(execution)


def take_all(client: Runner, lag: float, count: int) -> list[DispatchJob]:
    """All jobs, which are so many."""
    return taken_within(client, lag, count) + client.take_pending_jobs()


def extend_all(client: Runner, taken: list[DispatchJob]) -> list[bool]:
    """Which leases live."""
    return [client.extend_lease(one) for one in taken]


def submit_each(client: Runner, taken: list[DispatchJob]) -> None:
    """A result for each."""
    for one in taken:
        client.submit_work_result(one.workflow_execution_id, one.op, "in the child", one.run_id)


def take_and_stay(client: Runner, lag: float, lease_seconds: float) -> Iterator[list[DispatchJob]]:
    """Takes four jobs, submits one result, and waits to be killed."""
    taken = taken_within(client, lag, 4, lease_seconds)
    client.submit_work_result(EXECUTION, taken[0].op, "before the kill", 1)
    yield taken
    time.sleep(600)
