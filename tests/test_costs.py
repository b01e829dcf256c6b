"""What a step costs, counted: calls of the store, statements and commits of SQLite, values copied, steps looked at.

These are figures of the algorithms: the same on any machine, at any load. Each is what one step more costs, between 64
and 128 steps and between 128 and 640; that both are the same is the law, and the figure itself is here so that a
change of it is seen, and meant. (64, because settled runs are forgotten 64 at a time.)

Everything happens in one thread, one result at a time, as by a `Worker` with one thread or a handler of events.
"""

from __future__ import annotations

import importlib
import itertools
import sqlite3
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import runfox as rfx
from runfox import jsonvalue
from runfox.backend import inmemory_store
from runfox.machine import context, draft, transitions
from runfox_sqlite import SqliteRunner, SqliteStore

BENCHMARKS = Path(__file__).parent.parent / "benchmarks" / "speed"
SIZES = (64, 128, 640)

Counts = Counter[str]
Much = Callable[[Any, tuple[Any, ...]], int]
"""How much a call counts, by its result and its arguments."""


def once(*_: Any) -> int:
    return 1


COUNTED: list[tuple[Any, str, str, Much]] = [
    *(
        (store, method, f"store.{method}", once)
        for store in (rfx.InMemoryStore, SqliteStore)
        for method in ("load", "write", "patch", "refresh")
    ),
    *(
        (runner, method, f"runner.{method}", once)
        for runner in (rfx.InProcessRunner, SqliteRunner)
        for method in ("dispatch", "gather", "take_pending_jobs", "submit_work_result", "forget")
    ),
    (jsonvalue, "_fill_mapping", "values copied", lambda _, arguments: len(arguments[0])),
    (jsonvalue, "_fill_list", "values copied", lambda _, arguments: len(arguments[0])),
    (inmemory_store, "_copy_step", "steps copied by the store", once),
    (draft.Draft, "put", "steps changed", once),
    (transitions, "_candidates", "steps considered for a claim", lambda candidates, _: len(candidates)),
    (context.DraftContext, "child", "references resolved", once),
    (context.DraftContext, "_steps", "contexts built whole", once),
    (context.DraftContext, "everything", "contexts built whole", once),
]
"""The places where it is done, and what it is called."""


@pytest.fixture
def workloads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module("workloads")
    del sys.modules["workloads"]


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """What has been done since."""
    counts: Counts = Counter()
    for owner, name, what, much in COUNTED:
        monkeypatch.setattr(owner, name, counting(getattr(owner, name), counts, what, much))
    connect = sqlite3.connect

    def traced(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **named)
        connection.set_trace_callback(trace)
        return connection

    def trace(statement: str) -> None:
        counts["SQL statements"] += 1
        counts["SQL commits"] += statement == "COMMIT"

    monkeypatch.setattr(sqlite3, "connect", traced)
    return counts


def counting(original: Callable[..., Any], counts: Counts, what: str, much: Much) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        counts[what] += much(result, arguments)
        return result

    return counted


def clock() -> Callable[[], float]:
    """A millisecond passes with each look."""
    ticks = itertools.count()
    return lambda: 1_767_225_600.0 + next(ticks) / 1_000


def open_backend(place: str, folder: Path) -> rfx.Backend:
    if place == "memory":
        return rfx.Backend(clock=clock())
    # Nothing here depends on what the disk has; with FULL the test would do little but wait for it.
    settings: dict[str, Any] = {"synchronous": "NORMAL", "clock": clock()}
    path = folder / "costs.db"
    return rfx.Backend(
        store=SqliteStore(path, **settings), runner=SqliteRunner(path, **settings), clock=settings["clock"]
    )


def work(workload: Any, backend: rfx.Backend, total: Callable[[Any], int]) -> Any:
    """Take a job, submit its result, settle it, as a worker does."""
    workflow = rfx.Workflow.from_dict(workload.definition, backend, inputs={"value": 0})
    workflow.start()
    while jobs := backend.runner.take_pending_jobs(1):
        (job,) = jobs
        output = {"value": total(job.inputs)}
        backend.runner.submit_work_result(workflow.id, job.op, output, job.run_id)
        backend.engine.carry(workflow.id, [rfx.StepResult(job.op, output, job.run_id)])
    return workflow.outcome


def handle_events(workload: Any, backend: rfx.Backend, total: Callable[[Any], int]) -> Any:
    """Each result is an event; the queue is somebody else's."""
    workflow = rfx.Workflow.from_dict(workload.definition, backend, inputs={"value": 0})
    answer: Any = workflow.advance()
    queue: deque[rfx.DispatchJob] = deque()
    while not isinstance(answer, rfx.Complete):
        queue.extend(answer.jobs if isinstance(answer, rfx.Dispatch) else [])
        job = queue.popleft()
        result = rfx.StepResult(job.op, {"value": total(job.inputs)}, job.run_id)
        answer = rfx.Workflow.resume(workflow.id, backend).settle([result])
    return answer.outcome


def counted(workloads: Any, counts: Counts, shape: str, size: int, place: str, folder: Path) -> Counts:
    """What a whole execution cost, after one that has imported and opened what is needed once."""
    carry = handle_events if shape == "events" else work
    folder.mkdir()
    with open_backend(place, folder) as backend:
        carry(workloads.Workload(shape, 2), backend, workloads.total)
        counts.clear()
        workload = workloads.Workload(shape, size)
        assert carry(workload, backend, workloads.total) == {"value": workload.outcome}
    return Counter(counts)


def per_step(more: Counts, fewer: Counts, steps: int) -> dict[str, float]:
    return {what: (more[what] - fewer[what]) / steps for what in sorted(more) if more[what] != fewer[what]}


_QUEUE = {"runner.submit_work_result": 1, "runner.take_pending_jobs": 1}
_PER_64 = 1 / 64
"""Settled runs are forgotten 64 at a time where the queue is shared."""

EXPECTED: dict[tuple[str, str], dict[str, float]] = {
    # A worker: take, submit, settle and claim what follows, dispatch it. (A fan's steps were all dispatched at once.)
    ("chain", "memory"): {
        "references resolved": 1,
        "runner.dispatch": 1,
        "runner.forget": 1,
        **_QUEUE,
        "steps changed": 2,
        "steps considered for a claim": 2,
        "steps copied by the store": 4,
        "store.patch": 1,
        "values copied": 21,
    },
    ("fan", "memory"): {
        "references resolved": 2,
        "runner.forget": 1,
        **_QUEUE,
        "steps changed": 2,
        "steps considered for a claim": 3,
        "steps copied by the store": 4,
        "store.patch": 1,
        "values copied": 29,
    },
    ("loop", "memory"): {
        "references resolved": 1,
        "runner.dispatch": 1,
        "runner.forget": 1,
        **_QUEUE,
        "steps changed": 3,
        "steps considered for a claim": 1,
        "steps copied by the store": 1,
        "store.patch": 1,
        "values copied": 7,
    },
    ("chain", "sqlite"): {
        "SQL commits": 4 + _PER_64,
        "SQL statements": 25 + 3 * _PER_64,
        "references resolved": 1,
        "runner.dispatch": 1,
        "runner.forget": _PER_64,
        **_QUEUE,
        "steps changed": 2,
        "steps considered for a claim": 2,
        "store.patch": 1,
        "values copied": 11,
    },
    ("fan", "sqlite"): {
        "SQL commits": 3 + _PER_64,
        "SQL statements": 23 + 3 * _PER_64,
        "references resolved": 2,
        "runner.forget": _PER_64,
        **_QUEUE,
        "steps changed": 2,
        "steps considered for a claim": 3,
        "store.patch": 1,
        "values copied": 15,
    },
    # A reset retires the run that the result has retired: it is forgotten twice.
    ("loop", "sqlite"): {
        "SQL commits": 4 + 2 * _PER_64,
        "SQL statements": 25 + 6 * _PER_64,
        "references resolved": 1,
        "runner.dispatch": 1,
        "runner.forget": 2 * _PER_64,
        **_QUEUE,
        "steps changed": 3,
        "steps considered for a claim": 1,
        "store.patch": 1,
        "values copied": 5,
    },
    # A handler of events: `resume` makes sure that the execution exists, `settle` commits.
    ("events", "memory"): {
        "references resolved": 2,
        "runner.forget": 1,
        "steps changed": 2,
        "steps considered for a claim": 3,
        "steps copied by the store": 3,
        "store.patch": 1,
        "store.refresh": 1,
        "values copied": 13,
    },
    ("events", "sqlite"): {
        "SQL commits": 1,
        "SQL statements": 8,
        "references resolved": 2,
        # A result that did not come through the queue: its job leaves it at once.
        "runner.forget": 1,
        "steps changed": 2,
        "steps considered for a claim": 3,
        "store.patch": 1,
        "store.refresh": 1,
        "values copied": 12,
    },
}


@pytest.mark.parametrize(("shape", "place"), EXPECTED)
def test_a_step_costs_the_same_however_many_there_are(
    workloads: Any, counts: Counts, tmp_path: Path, shape: str, place: str
) -> None:
    few, some, many = (counted(workloads, counts, shape, size, place, tmp_path / str(size)) for size in SIZES)
    first, second = per_step(some, few, SIZES[1] - SIZES[0]), per_step(many, some, SIZES[2] - SIZES[1])
    assert first == second
    assert second == EXPECTED[shape, place]


def test_the_same_execution_costs_the_same_again(workloads: Any, counts: Counts, tmp_path: Path) -> None:
    one, other = (counted(workloads, counts, "fan", 20, "sqlite", tmp_path / name) for name in ("one", "other"))
    assert one == other


def test_any_number_of_results_are_one_commit(workloads: Any, counts: Counts) -> None:
    workload = workloads.Workload("fan", 100)
    backend = rfx.Backend(clock=clock())
    workflow = rfx.Workflow.from_dict(workload.definition, backend, inputs={"value": 0})
    workflow.advance()
    answer = workflow.settle([("root", {"value": 1})])
    assert isinstance(answer, rfx.Dispatch)
    assert len(answer.jobs) == workload.size
    counts.clear()
    workflow.settle([rfx.StepResult(job.op, {"value": 2}, job.run_id) for job in answer.jobs])
    assert counts["store.patch"] == 1
    assert counts["store.load"] == counts["store.refresh"] == 0
    # All of them, and the join that they were waited for by.
    assert counts["steps changed"] == workload.size + 1
    assert counts["steps considered for a claim"] == workload.size + 1
