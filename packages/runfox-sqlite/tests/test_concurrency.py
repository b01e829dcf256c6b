"""Many threads, many processes, forks and kills."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from runfox.errors import StorageUnavailable, WriteConflict
from runfox.records import RecordPatch, WorkflowRecord
from runfox.results import DispatchJob
from runfox_sqlite import SqliteRunner, SqliteStore, _sharing

NOON = "2026-01-31T12:00:00.000000Z"
W = "w#e"


def record(execution_id: str = "e", **changes: Any) -> WorkflowRecord:
    return WorkflowRecord(workflow_id="w", execution_id=execution_id, spec={}, created_at=NOON, **changes)


def patch(version: int, **changes: Any) -> RecordPatch:
    return RecordPatch(workflow_execution_id=W, version=version, updated_at=NOON, **changes)


def at_once(count: int, function: Callable[[int], Any]) -> list[Any]:
    """What `function` gives or raises in each of `count` threads that begin together."""
    barrier = threading.Barrier(count)

    def call(number: int) -> Any:
        barrier.wait()
        try:
            return function(number)
        except Exception as error:  # noqa: BLE001  # the outcome
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_of_many_threads_that_write_one_version_one_succeeds(store: SqliteStore) -> None:
    def attempt(version: int, number: int) -> None:
        store.patch(patch(version, state={"winner": number}))

    store.write(record())
    for version in range(1, 20):
        outcomes = at_once(8, partial(attempt, version))
        assert [type(one) for one in outcomes].count(WriteConflict) == 7
        assert outcomes[store.load(W).state["winner"]] is None  # type: ignore[index]  # an integer
        assert store.load(W).version == version + 1


def test_of_many_threads_that_create_one_execution_one_succeeds(store: SqliteStore) -> None:
    outcomes = at_once(8, lambda number: store.write(record(state={"winner": number})))
    assert [type(one) for one in outcomes].count(WriteConflict) == 7


def test_a_reader_never_sees_half_a_commit(store: SqliteStore) -> None:
    store.write(record(state={"a": 1}, outcome=1))

    def work(number: int) -> None:
        for version in range(1, 100):
            if number == 0:
                store.patch(patch(version, state={"a": version + 1}, outcome=version + 1))
            else:
                found = store.load(W)
                assert found.version == found.state["a"] == found.outcome

    assert at_once(4, work) == [None] * 4


def test_every_job_goes_to_exactly_one_thread(runner: SqliteRunner) -> None:
    jobs = [DispatchJob(W, f"op{number}", {}) for number in range(200)]
    runner.dispatch(W, jobs)

    def work(_: int) -> list[DispatchJob]:
        taken: list[DispatchJob] = []
        while more := runner.take_pending_jobs(3):
            taken += more
        for one in taken:
            runner.submit_work_result(W, one.op, {})
        return taken

    taken = [one.op for part in at_once(6, work) for one in part]
    assert sorted(taken) == sorted(one.op for one in jobs)
    gathered = [result.op for part in at_once(6, lambda _: runner.gather(W)) for result in part]
    assert sorted(gathered) == sorted(taken)


def test_of_many_processes_that_write_one_version_one_succeeds(file: str) -> None:
    with SqliteStore(file) as store, multiprocessing.get_context("spawn").Pool(3) as pool:
        store.write(record())
        for version in range(1, 8):
            attempts = [pool.apply_async(store.patch, (patch(version, state={"n": number}),)) for number in range(3)]
            conflicts = 0
            for attempt in attempts:
                try:
                    attempt.get(60)
                except WriteConflict:
                    conflicts += 1
            assert conflicts == 2
            assert store.load(W).version == version + 1


OPEN_AND_TAKE = """
import sys
from runfox.results import DispatchJob
from runfox_sqlite import SqliteRunner
print("ready", flush=True)
sys.stdin.readline()
with SqliteRunner(sys.argv[1]) as runner:
    runner.dispatch("w#e", [DispatchJob("w#e", f"op{number}", {}) for number in range(100)])
    while jobs := runner.take_pending_jobs(2):
        print(*(job.op for job in jobs), flush=True)
"""


def test_processes_that_open_a_new_file_at_once_share_its_jobs(file: str) -> None:
    for attempt in range(3):
        processes = [python(OPEN_AND_TAKE, f"{file}{attempt}") for _ in range(4)]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        taken = [op for process in processes for op in process.communicate(timeout=60)[0].split()]
        assert [process.returncode for process in processes] == [0] * 4
        assert sorted(taken) == sorted(f"op{number}" for number in range(100))


SUBMIT = """
import sys
from runfox_sqlite import SqliteRunner
with SqliteRunner(sys.argv[1]) as runner:
    runner.submit_work_result("w#e", "a", {"n": 1})
"""


def test_wait_sees_what_another_process_submits(file: str) -> None:
    with SqliteRunner(file) as runner:
        runner.dispatch(W, [DispatchJob(W, "a", {})])
        process = python(SUBMIT, file)
        assert runner.wait(W, 60)
        process.communicate(timeout=60)


WRITE_FOR_EVER = """
import sys
from runfox.records import RecordPatch
from runfox_sqlite import SqliteStore
store = SqliteStore(sys.argv[1], synchronous="NORMAL")
version = store.load("w#e").version
while True:
    change = {"a": version + 1, f"key{version}": "x" * 500}
    store.patch(RecordPatch(workflow_execution_id="w#e", version=version, updated_at="", state=change))
    version += 1
    print(version, flush=True)
"""


def test_what_was_acknowledged_survives_a_killed_process(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record(state={"a": 1}))
    for round_ in range(5):
        process = python(WRITE_FOR_EVER, file)
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(20 + 7 * round_)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        process.communicate(timeout=60)
        acknowledged = max(int(line) for line in lines if line.strip())
        with SqliteStore(file) as store:
            found = store.load(W)
            assert found.version == found.state["a"]
            assert found.version in (acknowledged, acknowledged + 1)
            assert len(found.state) == found.version


def in_child(function: Callable[[], object]) -> int:
    """The exit code of a forked process that calls `function`."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@forks
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_and_its_parent_go_on_and_neither_loses_a_write(file: str) -> None:
    store = SqliteStore(file)
    store.write(record())
    read, write = os.pipe()

    def child() -> None:
        os.read(read, 1)
        store.patch(patch(2, state={"child": 1}))
        store.patch(patch(3, state={"child": 2}))

    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child()
            code = 0
        finally:
            os._exit(code)
    store.patch(patch(1, state={"parent": 1}))
    store.close()  # with SQLite open across the fork this would remove the log that the child writes to
    os.write(write, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(read)
    os.close(write)
    with SqliteStore(file) as again:
        assert again.load(W).state == {"parent": 1, "child": 2}


@forks
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_waits_for_calls_under_way(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record())
        stop = threading.Event()
        busy = [threading.Thread(target=lambda: [store.load(W) for _ in iter(stop.is_set, True)]) for _ in range(2)]
        for thread in busy:
            thread.start()
        try:
            for version in range(1, 6):
                assert in_child(partial(store.patch, patch(version))) == 0
        finally:
            stop.set()
            for thread in busy:
                thread.join()
        assert store.load(W).version == 6


@forks
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_forked_in_the_middle_of_a_call_says_so(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sharing, "_FORK_PATIENCE", 0.01)
    with SqliteStore(file) as store:
        store.write(record())

        def child() -> None:
            with pytest.raises(StorageUnavailable, match="while this process was forked"):
                store.load(W)

        assert store._database.read(lambda _: in_child(child)) == 0
        assert store.load(W).version == 1


@forks
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_database_in_memory_stays_with_its_process() -> None:
    with SqliteStore(":memory:") as store:
        store.write(record())

        def child() -> None:
            with pytest.raises(StorageUnavailable, match="belongs to the process"):
                store.load(W)

        assert in_child(child) == 0
        assert store.load(W).version == 1
