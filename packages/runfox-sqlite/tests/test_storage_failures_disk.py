"""A disk that is full: typed errors, nothing that was acknowledged is lost, and everything goes on when there is room.

On a small file system, where it may be mounted, and under a limit for the size of files.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

import runfox as rfx
from runfox.errors import StorageUnavailable
from runfox.records import RecordPatch, StepRecord, WorkflowRecord
from runfox.results import DispatchJob
from runfox.status import WorkflowStatus
from runfox_sqlite import SqliteRunner, SqliteStore

NOON = "2026-01-31T12:00:00.000000Z"
LATER = "2026-01-31T13:00:00.000000Z"
TABLES = ("definitions", "executions", "contents", "state", "steps", "jobs")


def record(execution_id: str, **changes: Any) -> WorkflowRecord:
    return WorkflowRecord(workflow_id="w", execution_id=execution_id, spec={}, created_at=NOON, **changes)


def patch(execution_id: str, version: int, **changes: Any) -> RecordPatch:
    return RecordPatch(workflow_execution_id=f"w#{execution_id}", version=version, updated_at=NOON, **changes)


def everything(store: SqliteStore) -> list[Any]:
    """Each row of each table, as it is stored."""
    return [store._database.query(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES]


def failed(call: Callable[[], object]) -> bool:
    """True if the call said that there is no room, False if it succeeded. Nothing else can come of it."""
    try:
        call()
    except StorageUnavailable as error:
        assert "make room, and call again" in str(error)  # noqa: PT017  # that it is raised is not sure
        return True
    return False


class Calls:
    """A store and a runner with something for each call to change, and each call."""

    def __init__(self, path: Path) -> None:
        self.store, self.runner = SqliteStore(path), SqliteRunner(path)
        for name in "abcd":
            self.store.write(record(name, state={"n": name}, wake_at=NOON))
        self.runner.dispatch("w#a", [DispatchJob("w#a", op, {"n": op}) for op in ("taken", "done", "pending")])
        self.taken, _ = self.runner.take_pending_jobs(2)
        self.runner.submit_work_result("w#a", "done", {"n": 1})
        self.seen = self.store.load("w#a")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.close()
        self.store.close()

    def writing(self) -> dict[str, Callable[[], object]]:
        store, runner = self.store, self.runner
        steps = {"s": StepRecord(op="s", output={"text": "x" * 5000})}
        return {
            "create": lambda: store.write(record("new", state={"a": "x" * 20_000})),
            "write": lambda: store.write(store.load("w#b")),
            "patch": lambda: store.patch(patch("a", 1, state={"a": 1}, steps=steps, status=WorkflowStatus.COMPLETE)),
            "delete": lambda: store.delete("w#c"),
            "dispatch": lambda: runner.dispatch("w#d", [DispatchJob("w#d", "a", {"text": "x" * 20_000})]),
            "take": lambda: runner.take_pending_jobs(1),
            "extend": lambda: runner.extend_lease(self.taken, 5.0),
            "submit": lambda: runner.submit_work_result("w#a", "taken", {"n": 2}),
            "gather": lambda: runner.gather("w#a"),
            "forget": lambda: runner.forget("w#a"),
        }

    def read(self) -> list[object]:
        store, runner = self.store, self.runner
        return [
            [store.load(f"w#{name}") for name in "abd"],
            store.refresh(self.seen),
            store.due(LATER),
            store.list_executions(),
            runner.list_pending_jobs(),
            runner.held("9"),
            runner.gather("w#b"),
            runner.wait("w#a", 0),
        ]


def test_each_call_on_a_full_disk_says_so_and_changes_nothing_and_reading_goes_on(disk: Any) -> None:
    with Calls(disk.folder / "x.db") as calls:
        disk.fill()
        refused: list[str] = []
        for name, call in calls.writing().items():
            stored, seen = everything(calls.store), calls.read()
            if failed(call):
                refused.append(name)
                assert (name, everything(calls.store), calls.read()) == (name, stored, seen)
        assert {"create", "dispatch"} <= set(refused)
        disk.free()
        assert [name for name in refused if failed(calls.writing()[name])] == []
    with SqliteStore(disk.folder / "x.db") as store:
        assert store.load("w#new").state == {"a": "x" * 20_000}
        assert store._database.query("PRAGMA integrity_check") == [("ok",)]


def test_the_log_gives_its_room_back_before_a_write_fails(disk: Any) -> None:
    """Else it takes all there is, long before SQLite would empty it by itself, and no room that is made helps."""
    path = disk.folder / "x.db"
    with SqliteStore(path) as store:
        store.write(record("a", state={"text": "x" * 50_000}))
        for version in range(1, 500):
            store.patch(patch("a", version, state={"text": "x" * 20_000}))
        assert store.load("w#a").version == 500


def test_a_log_that_a_reader_kept_gives_its_room_back_when_he_has_ended(disk: Any) -> None:
    with SqliteStore(disk.folder / "x.db") as store:
        store.write(record("a"))

        def write(versions: range) -> None:
            for version in versions:
                store.patch(patch("a", version, state={"text": "x" * 20_000}))

        store._database.read(lambda cursor: (cursor.execute("SELECT * FROM state").fetchall(), write(range(1, 30))))
        write(range(30, 500))
        assert store.load("w#a").version == 500


def test_what_is_committed_stays_when_the_log_can_not_be_moved_into_the_file(disk: Any) -> None:
    path = disk.folder / "x.db"
    with SqliteStore(path) as store:
        store.write(record("a", state={"text": "x" * 300_000}))
        stored = everything(store)
        disk.fill()
        with pytest.raises(StorageUnavailable, match="full"):
            store.write(record("b", state={"text": "x" * 300_000}))
    if not failed(lambda: SqliteStore(path).close()):
        with SqliteStore(path) as store:
            assert everything(store) == stored
    disk.free()
    with SqliteStore(path) as store:
        assert everything(store) == stored


def test_a_database_that_can_not_be_made_on_a_full_disk_is_made_when_there_is_room(disk: Any) -> None:
    path = disk.folder / "x.db"
    disk.fill()
    for kind in (SqliteStore, SqliteRunner, SqliteStore):
        with pytest.raises(StorageUnavailable, match="full"):
            kind(path)
    disk.free()
    with SqliteStore(path) as store:
        store.write(record("a"))


CHAIN: Any = {
    "steps": [
        {"op": "s0"},
        *(
            {"op": f"s{n}", "depends_on": f"s{n - 1}", "input": {"n": {"var": f"steps.s{n - 1}.output.n"}}}
            for n in range(1, 6)
        ),
    ],
    "outputs": {"n": {"var": "steps.s5.output.n"}},
}


class FillsTheDisk:
    """An executor that leaves a full disk behind, once."""

    def __init__(self, disk: Any) -> None:
        self._disk = disk
        self.runs: list[str] = []

    def __call__(self, op: str, inputs: dict[str, Any]) -> dict[str, Any]:
        self.runs.append(op)
        if op == "s2" and self.runs.count(op) == 1:
            self._disk.fill()
        return {"n": inputs.get("n", 0) + 1, "text": "x" * 20_000}


def test_a_workflow_that_a_full_disk_stopped_runs_on_when_there_is_room(disk: Any) -> None:
    execute = FillsTheDisk(disk)
    with rfx.open_backend(f"sqlite:///{disk.folder / 'x.db'}?lease_seconds=0.2", executor=execute) as backend:
        workflow = rfx.Workflow.from_dict(CHAIN, backend)
        with pytest.raises(StorageUnavailable, match="full"):
            workflow.run()
        assert workflow.step_statuses["s1"] == "complete"
        disk.free()
        assert workflow.run() == rfx.Complete({"n": 6})
        assert [execute.runs.count(f"s{n}") for n in (0, 1, 3, 4, 5)] == [1] * 5
        assert backend.runner.held("9999") == []


def test_a_workflow_that_a_full_disk_stopped_is_brought_on_by_a_sweep(disk: Any) -> None:
    execute = FillsTheDisk(disk)
    with rfx.open_backend(f"sqlite:///{disk.folder / 'x.db'}") as backend:
        backend.recover_after = backend.engine._recover_after = 0.0
        workflow = rfx.Workflow.from_dict(CHAIN, backend)
        worker = rfx.InProcessWorker(backend.runner, execute, lease_seconds=0.2)
        with pytest.raises(StorageUnavailable, match="full"):
            workflow.run(worker=worker)
        disk.free()
        while not workflow.status.ended:
            rfx.sweep(backend)
            worker.work()
        assert workflow.outcome == {"n": 6}


PATCH_FOR_EVER = """
import sys
from runfox.errors import StorageUnavailable
from runfox.records import RecordPatch
from runfox_sqlite import SqliteStore
store = SqliteStore(sys.argv[1])
version = store.load("w#a").version
while True:
    change = {"n": version, f"key{version}": "x" * 5_000}
    try:
        store.patch(RecordPatch(workflow_execution_id="w#a", version=version, updated_at="", state=change))
    except StorageUnavailable as error:
        assert "full" in str(error), error
        assert store.load("w#a").version == version
        print("full", flush=True)
        continue
    version += 1
    print(version, flush=True)
"""


def test_a_process_lives_through_a_full_disk_and_loses_nothing_when_it_is_killed(disk: Any) -> None:
    path = str(disk.folder / "x.db")
    with SqliteStore(path) as store:
        store.write(record("a"))
    process = subprocess.Popen([sys.executable, "-c", PATCH_FOR_EVER, path], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(50)]
        for _ in range(2):
            disk.fill(process.pid)
            while lines[-1] != "full\n":
                lines.append(process.stdout.readline())
                assert lines[-1], "the process has ended"
            disk.free(process.pid)
            lines += [process.stdout.readline() for _ in range(50)]
            while lines[-1] == "full\n":
                lines.append(process.stdout.readline())
    finally:
        process.kill()
        lines += process.communicate()[0].splitlines(keepends=True)
    acknowledged = max(int(line) for line in lines if line.endswith("\n") and line[:-1].isdigit())
    with SqliteStore(path) as store:
        found = store.load("w#a")
        assert found.version in (acknowledged, acknowledged + 1)
        assert found.state["n"] == found.version - 1
