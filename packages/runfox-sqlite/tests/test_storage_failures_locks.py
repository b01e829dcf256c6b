"""A lock that another program holds for longer than the timeout: who waits, for how long, and what goes on after."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import runfox as rfx
from runfox.errors import StorageUnavailable
from runfox.records import RecordPatch, WorkflowRecord
from runfox.results import DispatchJob
from runfox_sqlite import SqliteRunner, SqliteStore, _waiting

NOON = "2026-01-31T12:00:00.000000Z"


def record(execution_id: str = "e", **changes: Any) -> WorkflowRecord:
    return WorkflowRecord(workflow_id="w", execution_id=execution_id, spec={}, created_at=NOON, **changes)


HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    held.execute(statement).fetchall()
print("held", flush=True)
sys.stdin.readline()
"""

WRITING = ["BEGIN IMMEDIATE"]
ALONE = ["PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE", "SELECT * FROM executions"]
READING = ["BEGIN", "SELECT * FROM executions"]


@contextmanager
def held(path: str, statements: list[str]) -> Iterator[None]:
    """Another program holds the locks that `statements` take."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path, *statements], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    try:
        yield
    finally:
        process.communicate("\n", timeout=60)


def writing(store: SqliteStore, runner: SqliteRunner) -> list[Callable[[], object]]:
    (job,) = runner.take_pending_jobs(1)
    return [
        lambda: store.write(record("new")),
        lambda: store.patch(RecordPatch(workflow_execution_id="w#e", version=1, updated_at=NOON)),
        lambda: store.delete("w#f"),
        lambda: runner.dispatch("w#e", [DispatchJob("w#e", "c", {})]),
        lambda: runner.extend_lease(job),
        lambda: runner.submit_work_result("w#e", job.op, {}),
        runner.take_pending_jobs,
        lambda: runner.forget("w#e"),
    ]


def test_each_write_names_the_file_and_what_to_do_and_goes_on_when_the_lock_is_gone(file: str) -> None:
    with SqliteStore(file, busy_timeout=0.02) as store, SqliteRunner(file, busy_timeout=0.02) as runner:
        for name in "ef":
            store.write(record(name))
        runner.dispatch("w#e", [DispatchJob("w#e", op, {}) for op in "ab"])
        calls = writing(store, runner)
        with held(file, WRITING):
            for call in calls:
                with pytest.raises(StorageUnavailable, match=r"runfox\.db was locked .*: end the transaction"):
                    call()
            assert store.load("w#e").version == 1
            assert len(runner.list_pending_jobs()) == 1
        for call in calls:
            call()
        assert store.load("w#e").version == 2


def test_a_program_that_has_the_file_for_itself_keeps_readers_out_until_it_ends(file: str) -> None:
    SqliteStore(file).close()
    with held(file, ALONE), pytest.raises(StorageUnavailable, match=r"runfox\.db was locked"):
        SqliteStore(file, busy_timeout=0.02)
    with SqliteStore(file, busy_timeout=0.02) as store:
        store.write(record())
        assert store.load("w#e").version == 1


def test_a_long_read_of_another_program_holds_nobody_up(file: str) -> None:
    with SqliteStore(file, synchronous="OFF", busy_timeout=0.02) as store:

        def write(versions: range) -> int:
            for version in versions:
                state: Any = {"text": str(version % 10) * 60_000}
                store.patch(RecordPatch(workflow_execution_id="w#e", version=version, updated_at="", state=state))
            return Path(f"{file}-wal").stat().st_size

        store.write(record())
        with held(file, READING):
            assert write(range(1, 400)) > 16 * 1024 * 1024
        assert write(range(400, 450)) <= 16 * 1024 * 1024
        assert store.load("w#e").version == 450


class Turn:
    """The lock at which the writers of a process queue up; tells when somebody comes."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.came = threading.Event()
        self.came_at = 0.0

    def acquire(self, timeout: float) -> bool:
        self.came_at = time.monotonic()
        self.came.set()
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        self._lock.release()


def test_the_time_in_the_queue_of_this_process_counts(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the last of many would wait for as many timeouts."""
    deadlines: list[float] = []

    class Watched(_waiting.Patience):
        def __init__(self, deadline: float) -> None:
            deadlines.append(deadline)
            super().__init__(deadline)

    turn = Turn()
    with SqliteStore(file, busy_timeout=60.0) as store:
        monkeypatch.setattr(store._database, "_writers", turn)
        monkeypatch.setattr("runfox_sqlite._database.Patience", Watched)
        turn.acquire(60.0)
        turn.came.clear()
        writer = threading.Thread(target=store.write, args=(record(),))
        writer.start()
        assert turn.came.wait(60)
        came_at = turn.came_at
        turn.release()
        writer.join()
        assert deadlines
        assert max(deadlines) <= came_at + 60.0


def test_each_of_many_threads_gets_its_error(file: str) -> None:
    with SqliteStore(file, busy_timeout=0.05) as store, held(file, WRITING), ThreadPoolExecutor(8) as pool:
        for outcome in [pool.submit(store.write, record(f"e{number}")) for number in range(8)]:
            with pytest.raises(StorageUnavailable, match=r"locked .*: end the transaction"):
                outcome.result(60)


def test_readers_are_not_held_up_by_writers_who_wait(file: str) -> None:
    with SqliteStore(file, busy_timeout=60.0) as store:
        store.write(record())
        with ThreadPoolExecutor(4) as pool:
            with held(file, WRITING):
                outcomes = [pool.submit(store.write, record(f"e{number}")) for number in range(4)]
                for _ in range(100):
                    assert store.load("w#e").version == 1
                assert not any(outcome.done() for outcome in outcomes)
            for outcome in outcomes:
                outcome.result(60)
        assert len(store.list_executions()) == 5


def test_a_workflow_that_a_lock_stopped_runs_on(file: str) -> None:
    definition = {"steps": [{"op": "a"}, {"op": "b", "depends_on": "a"}]}
    holding: list[Any] = []

    def execute(op: str, inputs: Any) -> Any:
        if op == "a" and not holding:
            other = sqlite3.connect(file, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            holding.append(other)
        return {}

    with rfx.open_backend(f"sqlite:///{file}?busy_timeout=0.02&lease_seconds=0.2", executor=execute) as backend:
        workflow = rfx.Workflow.from_dict(definition, backend)
        with pytest.raises(StorageUnavailable, match="locked"):
            workflow.run()
        holding[0].close()
        assert workflow.run() == rfx.Complete({})
        assert backend.runner.held("9999") == []
