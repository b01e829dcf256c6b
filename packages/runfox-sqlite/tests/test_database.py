"""The file below store and runner: what can be wrong with it, how it is opened, shared and closed."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from runfox.errors import SchemaTooNew, StorageCorrupt, StorageError, StorageUnavailable, WorkflowNotFound
from runfox.records import RecordPatch, WorkflowRecord
from runfox.results import DispatchJob
from runfox_sqlite import SqliteRunner, SqliteStore, _errors, _schema, _sharing

NOON = "2026-01-31T12:00:00.000000Z"


def record(execution_id: str = "e", **changes: Any) -> WorkflowRecord:
    return WorkflowRecord(workflow_id="w", execution_id=execution_id, spec={}, created_at=NOON, **changes)


def patch(version: int = 1, **changes: Any) -> RecordPatch:
    return RecordPatch(workflow_execution_id="w#e", version=version, updated_at=NOON, **changes)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# What can be wrong


@pytest.mark.parametrize("kind", [SqliteStore, SqliteRunner])
def test_a_missing_folder_is_named(tmp_path: Path, kind: Any) -> None:
    with pytest.raises(StorageUnavailable, match=r"the folder .*missing does not exist"):
        kind(tmp_path / "missing" / "x.db")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="it is a folder"):
        SqliteStore(tmp_path)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which nobody can create a file")
def test_a_folder_that_takes_no_file_is_an_error() -> None:
    with pytest.raises(StorageUnavailable, match="allow this user"):
        SqliteStore("/proc/self/x.db")


@pytest.mark.parametrize("content", [b"hello", b"not a database " * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_an_error_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(content)
    with pytest.raises(StorageCorrupt, match=r"x\.db"):
        SqliteStore(path)
    assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["x.db"]


def test_another_applications_database_is_an_error_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StorageCorrupt, match="another application's"):
        SqliteRunner(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.touch()
    with SqliteStore(path) as store:
        store.write(record())


def test_tables_that_are_gone_are_an_error(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record())
        store._database.write(lambda cursor: cursor.execute("DROP TABLE state"))
        with pytest.raises(StorageCorrupt, match="not the tables"):
            store.load("w#e")


def test_a_value_that_is_no_json_is_an_error(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record(state={"a": 1}))
        store._database.write(lambda cursor: cursor.execute("UPDATE state SET value = '{'"))
        with pytest.raises(StorageCorrupt, match=r"w#e.* not the JSON"):
            store.load("w#e")


def test_a_newer_schema_is_refused(file: str) -> None:
    SqliteStore(file).close()
    with sqlite3.connect(file) as other:
        other.execute(f"PRAGMA user_version={_schema.SCHEMA_VERSION + 1}")
    other.close()
    with pytest.raises(SchemaTooNew, match="pip install --upgrade runfox-sqlite"):
        SqliteStore(file)


def test_an_older_schema_is_migrated_step_by_step_and_whole(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteStore(file) as store:
        store.write(record())
    monkeypatch.setattr(_schema, "SCHEMA_VERSION", 3)
    second = ("CREATE TABLE extra (a)", "INSERT INTO extra VALUES (2)")
    monkeypatch.setattr(_schema, "MIGRATIONS", {2: second, 3: ("no statement",)})
    with pytest.raises(StorageCorrupt):
        SqliteStore(file)
    monkeypatch.setattr(_schema, "MIGRATIONS", {2: second, 3: ("UPDATE extra SET a = a + 1",)})
    for _ in range(2):
        with SqliteStore(file) as store:
            assert store._database.query("SELECT a FROM extra") == [(3,)]
            assert store._database.query("PRAGMA user_version") == [(3,)]
            assert store.load("w#e").version == 1


def test_a_full_disk_is_an_error_and_nothing_is_lost(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record(state={"old": 1}))
        before = store.load("w#e")
        store._database.query("PRAGMA max_page_count=1")
        with pytest.raises(StorageUnavailable, match="full"):
            store.patch(patch(state={"big": "x" * 100_000}))
        assert store.load("w#e") == before
        store.patch(patch(state={"small": 1}))
        assert store.load("w#e").state == {"old": 1, "small": 1}


def test_a_full_memory_database_keeps_what_it_has() -> None:
    with SqliteStore(":memory:") as store:
        store.write(record())
        store._database.query("PRAGMA max_page_count=1")
        with pytest.raises(StorageUnavailable, match="full"):
            store.patch(patch(state={"big": "x" * 1_000_000}))
        assert store.load("w#e").version == 1


def test_what_is_read_only_is_an_error(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record())
        store._database.query("PRAGMA query_only=ON")
        with pytest.raises(StorageUnavailable, match="read-only"):
            store.patch(patch())
        assert store.load("w#e").version == 1


def test_a_lock_that_is_held_too_long_is_an_error_and_the_next_call_goes_on(file: str) -> None:
    with SqliteStore(file, busy_timeout=0.02) as store:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match=r"locked by another connection for 0\.02 s"):
            store.write(record())
        other.execute("ROLLBACK")
        other.close()
        store.write(record())


def test_a_lock_that_is_held_by_a_thread_of_this_process_is_waited_for_no_longer(file: str) -> None:
    with SqliteStore(file, busy_timeout=0.02) as store:

        def attempt() -> None:
            with pytest.raises(StorageUnavailable, match="locked") as caught:
                store.patch(patch())
            errors.append(caught.value)

        def other(_: Any) -> None:
            thread = threading.Thread(target=attempt)
            thread.start()
            thread.join()

        errors: list[Any] = []
        store._database.write(other)
        assert len(errors) == 1


def test_a_file_that_is_locked_while_it_is_opened_is_waited_for(file: str) -> None:
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageUnavailable, match="locked"):
        SqliteStore(file, busy_timeout=0.02)
    threading.Timer(0.05, other.execute, ["ROLLBACK"]).start()
    with SqliteStore(file) as store:
        store.write(record())
    other.close()


def test_an_error_that_nobody_foresaw_is_a_storage_error() -> None:
    error = _errors.storage_error(sqlite3.OperationalError("odd"), "x.db", 1)
    assert type(error) is StorageError
    assert "odd" in str(error)


def test_an_error_that_sqlalchemy_wraps_is_told_by_its_cause() -> None:
    cause = sqlite3.OperationalError("full")
    cause.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert isinstance(_errors.storage_error(DBAPIError("", None, cause), "x.db", 1), StorageUnavailable)


def test_an_exception_in_the_middle_rolls_everything_back(file: str) -> None:
    with SqliteStore(file) as store:

        def fail(cursor: sqlite3.Cursor) -> None:
            cursor.execute("DELETE FROM executions")
            raise KeyboardInterrupt

        store.write(record())
        with pytest.raises(KeyboardInterrupt):
            store._database.write(fail)
        assert store.load("w#e").version == 1


@pytest.mark.parametrize("options", [{"synchronous": "SOME"}, {"busy_timeout": -1}, {"busy_timeout": float("nan")}])
def test_options_that_mean_nothing_are_refused(file: str, options: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        SqliteStore(file, **options)
    assert not Path(file).exists()


# Opening, sharing, closing


@pytest.mark.parametrize(("synchronous", "level"), [("FULL", 2), ("normal", 1), ("OFF", 0)])
def test_every_connection_syncs_as_it_was_told(file: str, synchronous: str, level: int) -> None:
    with SqliteStore(file, synchronous=synchronous) as store:

        def nested(cursor: sqlite3.Cursor) -> list[Any]:
            inner = store._database.query("PRAGMA synchronous")
            return [*inner, *cursor.execute("PRAGMA synchronous").fetchall()]

        assert store._database.read(nested) == [(level,), (level,)]
        assert store._database.query("PRAGMA journal_mode") == [("wal",)]


@pytest.mark.parametrize(
    ("place", "synchronous", "levels"),
    [
        ("file", "FULL", [2, 1, 1, 2]),
        ("file", "EXTRA", [3, 1, 1, 3]),
        ("file", "NORMAL", [1, 1, 1, 1]),
        ("file", "OFF", [0, 0, 0, 0]),
        # Without a log, a commit that is not synced could damage the file.
        ("memory", "FULL", [2, 2, 2, 2]),
    ],
)
def test_a_commit_that_may_come_undone_does_not_wait_for_the_disk(
    place: str, file: str, synchronous: str, levels: list[int]
) -> None:
    with SqliteStore(file if place == "file" else ":memory:", synchronous=synchronous) as store:

        def level(cursor: sqlite3.Cursor) -> int:
            return cursor.execute("PRAGMA synchronous").fetchall()[0][0]

        kinds = [True, False, False, True]
        assert [store._database.write(level, synced=synced) for synced in kinds] == levels


def test_an_interrupt_in_the_midst_of_changing_how_to_sync_leaves_no_commit_unsynced(file: str) -> None:
    with SqliteStore(file) as store:

        def level(cursor: sqlite3.Cursor) -> int:
            return cursor.execute("PRAGMA synchronous").fetchall()[0][0]

        class Interrupted:
            """A cursor that is interrupted when it has done its work."""

            def __init__(self, cursor: sqlite3.Cursor) -> None:
                self.cursor = cursor

            def execute(self, sql: str) -> None:
                self.cursor.execute(sql)
                raise KeyboardInterrupt

        assert store._database.write(level) == 2
        (connection,) = store._database._idle
        connection.cursor = Interrupted(connection.cursor)
        with pytest.raises(KeyboardInterrupt):
            store._database.write(level, synced=False)
        connection.cursor = connection.cursor.cursor
        assert store._database.write(level) == 2


def test_results_and_ends_wait_for_the_disk_and_no_other_call_of_a_runner(
    file: str, clock: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteRunner(file, clock=clock) as runner:
        synced: list[bool] = []

        def write(work: Any, *, synced_before: Any = runner._database.write, **options: bool) -> Any:
            synced.append(options.get("synced", True))
            return synced_before(work, **options)

        monkeypatch.setattr(runner._database, "write", write)

        def waits(call: Any) -> bool:
            call()
            (only,) = synced
            synced.clear()
            return only

        assert not waits(lambda: runner.dispatch("w#e", [DispatchJob("w#e", "a", {}), DispatchJob("w#e", "b", {})]))
        jobs: list[DispatchJob] = []
        assert not waits(lambda: jobs.extend(runner.take_pending_jobs()))
        assert not waits(lambda: runner.extend_lease(jobs[0]))
        assert not waits(lambda: runner.extend_lease(jobs[1], 0))
        assert waits(lambda: runner.submit_work_result("w#e", "a", {"x": 1}, 0))
        assert not waits(lambda: runner.gather("w#e"))
        assert not waits(lambda: runner.forget("w#e", [("a", 0)]))
        assert waits(lambda: runner.forget("w#e"))


def test_store_and_runner_of_one_file_share_an_engine(file: str) -> None:
    with SqliteStore(file) as store, SqliteRunner(file) as runner, SqliteStore(file, synchronous="OFF") as other:
        assert store._database is runner._database
        assert store._database is not other._database
        store.write(record())
        assert other.load("w#e").version == 1


def test_the_path_is_resolved_when_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with SqliteStore(Path("x.db")) as store:
        monkeypatch.chdir(tmp_path / "elsewhere")
        with store._database.read(lambda _: SqliteStore(store.path)) as second:
            second.write(record())
        assert store.load("w#e").version == 1
        assert repr(store) == f"SqliteStore({str(tmp_path / 'x.db')!r})"
    assert not (tmp_path / "elsewhere" / "x.db").exists()


def test_a_file_is_durable_and_shared_and_memory_is_neither(file: str) -> None:
    with SqliteStore(file) as store, SqliteRunner(":memory:") as runner, SqliteStore(":memory:") as memory:
        assert (store.durable, store.shared) == (True, True)
        assert (runner.durable, runner.shared) == (memory.durable, memory.shared) == (False, False)


def test_every_memory_database_is_private() -> None:
    with SqliteStore(":memory:") as one, SqliteStore(":memory:") as other:
        one.write(record())
        with pytest.raises(WorkflowNotFound):
            other.load("w#e")


def test_what_is_closed_says_so(place: str) -> None:
    store, runner = SqliteStore(place), SqliteRunner(place)
    store.close()
    runner.dispatch("w#e", [DispatchJob("w#e", "a", {})])
    runner.close()
    runner.close()
    for call in (
        lambda: store.load("w#e"),
        lambda: store.write(record()),
        lambda: store.due(NOON),
        runner.list_pending_jobs,
    ):
        with pytest.raises(StorageUnavailable, match="is closed"):
            call()


def test_nothing_stays_open_after_close_or_when_nobody_holds_it(file: str) -> None:
    gc.collect()
    before = open_files()
    store, runner = SqliteStore(file), SqliteRunner(file)
    threads = [threading.Thread(target=lambda: [store.due(NOON) for _ in range(50)]) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # SQLite keeps the descriptor of a connection that was closed until no other has a lock on the file.
    assert open_files() <= before + 2 * len(threads) + 1
    store.close()
    runner.close()
    assert open_files() == before
    SqliteStore(file)  # and dropped at once
    gc.collect()
    assert open_files() == before
    assert not any(key[0] == file for key in _sharing._databases)


def test_a_connection_in_use_is_closed_when_it_comes_back(file: str) -> None:
    before = open_files()
    store = SqliteStore(file)
    store._database.read(lambda _: store.close())
    assert open_files() == before


def test_a_failed_opening_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"garbage" * 1000)
    before = open_files()
    with pytest.raises(StorageCorrupt):
        SqliteStore(path)
    assert open_files() == before


def test_a_file_that_was_replaced_is_another_database(file: str) -> None:
    with SqliteStore(file) as old:
        old.write(record())
        for suffix in ("", "-wal", "-shm"):
            Path(file + suffix).unlink()
        with SqliteStore(file) as new, SqliteStore(file) as newer:
            with pytest.raises(WorkflowNotFound):
                new.load("w#e")
            assert new._database is newer._database
        with pytest.raises(StorageUnavailable, match="removed or replaced while it was open"):
            old.load("w#e")


def test_a_file_that_was_removed_is_no_place_to_write_to(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record())
        moved = Path(file).rename(file + ".moved")
        for call in (lambda: store.write(record("f")), lambda: store.load("w#e"), lambda: store.due(NOON)):
            with pytest.raises(StorageUnavailable, match="removed or replaced while it was open"):
                call()
        assert not Path(file).exists()
        moved.rename(file)
        assert store.load("w#e").version == 1


INTERRUPTED = """
import contextlib, signal, sys, threading
from runfox.records import RecordPatch, WorkflowRecord
from runfox.results import DispatchJob
from runfox_sqlite import SqliteRunner, SqliteStore

def interrupt(*_):
    raise KeyboardInterrupt

def patch(version, **changes):
    return RecordPatch(workflow_execution_id="w#e", version=version, updated_at="2026", **changes)

store, runner = (kind(sys.argv[1], synchronous="NORMAL") for kind in (SqliteStore, SqliteRunner))
store.write(WorkflowRecord(workflow_id="w", execution_id="e", spec={}))
signal.signal(signal.SIGALRM, interrupt)
for number in range(300):
    with contextlib.suppress(KeyboardInterrupt):
        # Python drops an interrupt that comes in a callback of a weak reference: then there is another one.
        signal.setitimer(signal.ITIMER_REAL, 0.0002 + number % 50 * 0.00005, 5)
        while True:
            runner.dispatch("w#e", [DispatchJob("w#e", "a", {}, number)])
            store.patch(patch(store.load("w#e").version, state={"n": number}))
signal.signal(signal.SIGALRM, signal.SIG_IGN)
done = []
other = threading.Thread(target=lambda: done.append(store.load("w#e").version), daemon=True)
other.start()
other.join(60)
assert done == [store.load("w#e").version], "another thread can't read any more"
store.patch(patch(done[0]))
assert not store._database._in_use
assert len(runner.take_pending_jobs()) == 1
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
def test_an_interrupt_at_any_moment_leaves_no_lock_behind(file: str) -> None:
    # In a process of its own: what measures coverage has locks, too, and they don't bear it.
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, file], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_take_that_is_interrupted_gives_back_what_it_took(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteRunner(file) as runner:
        runner.dispatch("w#e", [DispatchJob("w#e", "a", {})])
        write = runner._database.write

        def interrupted(work: Any, **_: Any) -> Any:
            monkeypatch.undo()
            write(work)
            raise KeyboardInterrupt

        monkeypatch.setattr(runner._database, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            runner.take_pending_jobs()
        assert len(runner.take_pending_jobs()) == 1


def test_a_pickled_store_opens_the_same_file(file: str) -> None:
    with SqliteStore(file, busy_timeout=7) as store, SqliteRunner(file, lease_seconds=5) as runner:
        store.write(record())
        with pickle.loads(pickle.dumps(store)) as copy:
            assert copy.load("w#e").version == 1
        with pickle.loads(pickle.dumps(runner)) as second:
            assert second.lease_seconds == 5
    with SqliteStore(":memory:") as memory, pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(memory)


# What a fork does in the child, where no measure of coverage sees it


def test_the_child_of_a_fork_begins_with_no_connection(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record())
        before = open_files()
        _sharing._before_fork()
        assert open_files() < before
        _sharing._after_fork_in_child()
        assert store.load("w#e").version == 1


def test_a_call_waits_for_the_end_of_a_fork(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record())
        _sharing._before_fork()
        found: list[WorkflowRecord] = []
        thread = threading.Thread(target=lambda: found.append(store.load("w#e")))
        thread.start()
        thread.join(0.05)
        assert found == []
        _sharing._after_fork_in_parent()
        thread.join(30)
        assert found[0].version == 1


def test_a_connection_in_use_across_a_fork_bars_the_child_from_the_file(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sharing, "_FORK_PATIENCE", 0.0)
    with SqliteStore(file) as store:

        def fork(_: Any) -> None:
            _sharing._before_fork()
            _sharing._after_fork_in_child()

        store._database.read(fork)
        with pytest.raises(StorageUnavailable, match="forked"):
            store.due(NOON)


def test_memory_is_not_for_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteStore(":memory:") as store:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(StorageUnavailable, match="belongs to the process"):
            store.due(NOON)
