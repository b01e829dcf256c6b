"""A `Worker` lives through what happens to its storage, and goes on by itself."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

import runfox as rfx
from runfox.errors import StorageUnavailable
from runfox_sqlite import SqliteStore

DEFINITION: Any = {
    "steps": [{"op": "a"}, {"op": "b", "depends_on": "a"}, {"op": "c", "depends_on": "b"}],
    "outputs": {"n": {"var": "steps.c.output.n"}},
}


def text_of(op: str) -> dict[str, Any]:
    return {"n": op, "text": "x" * 20_000}


class Told(logging.Handler):
    """Counts what runfox logs, and tells when there is something."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0
        self.first = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        self.first.set()


@pytest.fixture
def told() -> Any:
    handler = Told()
    logging.getLogger("runfox").addHandler(handler)
    yield handler
    logging.getLogger("runfox").removeHandler(handler)


def worker(backend: rfx.Backend, execute: Any = None) -> rfx.Worker:
    def run(op: str, inputs: Any) -> Any:
        if execute is not None:
            execute(op)
        return text_of(op)

    return rfx.Worker(backend, run, concurrency=2, lease_seconds=0.5, sweep_interval=0.05)


def backend_on(path: Path | str) -> rfx.Backend:
    backend = rfx.open_backend(f"sqlite:///{path}?busy_timeout=0.05")
    backend.engine._recover_after = backend.recover_after = 0.5
    return backend


def test_a_worker_lives_through_a_full_disk_and_goes_on(disk: Any, told: Told) -> None:
    full = threading.Event()

    def fill(op: str) -> None:
        if op == "b" and not full.is_set():
            disk.fill()
            full.set()

    with backend_on(disk.folder / "x.db") as backend, worker(backend, fill):
        workflow = rfx.Workflow.from_dict(DEFINITION, backend)
        workflow.start()
        assert full.wait(60)
        assert told.first.wait(60)
        with pytest.raises(StorageUnavailable, match="make room"):
            rfx.Workflow.from_dict({**DEFINITION, "name": "x" * 50_000}, backend)
        disk.free()
        assert workflow.result(60) == rfx.Complete({"n": "c"})


def test_a_worker_lives_through_a_lock_that_is_held_too_long_and_goes_on(file: str, told: Told) -> None:
    held: list[sqlite3.Connection] = []

    def hold(op: str) -> None:
        if op == "b" and not held:
            other = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=60)
            other.execute("BEGIN IMMEDIATE")
            held.append(other)

    with backend_on(file) as backend, worker(backend, hold):
        workflow = rfx.Workflow.from_dict(DEFINITION, backend)
        workflow.start()
        assert told.first.wait(60)
        held[0].rollback()
        assert workflow.result(60) == rfx.Complete({"n": "c"})
        held[0].close()


@pytest.mark.skipif(os.name != "posix", reason="files that are open can't be removed here")
@pytest.mark.parametrize("suffixes", [["-wal"], ["-shm"], ["-wal", "-shm"]])
def test_a_worker_goes_on_when_the_log_or_its_index_is_removed(file: str, suffixes: list[str]) -> None:
    removed = threading.Event()

    def remove(op: str) -> None:
        if op == "b" and not removed.is_set():
            removed.set()
            for suffix in suffixes:
                Path(f"{file}{suffix}").unlink()

    with backend_on(file) as backend, worker(backend, remove):
        workflow = rfx.Workflow.from_dict(DEFINITION, backend)
        workflow.start()
        assert removed.wait(60)
        while True:
            try:
                assert workflow.result(60) == rfx.Complete({"n": "c"})
                break
            except StorageUnavailable:
                continue  # it is this thread that was told


@pytest.mark.skipif(os.name != "posix", reason="files that are open can't be removed here")
def test_a_worker_without_its_file_lives_and_goes_on_when_the_file_is_back(file: str, told: Told) -> None:
    with backend_on(file) as backend, worker(backend) as started:
        moved = Path(file).rename(f"{file}.moved")
        assert told.first.wait(60)
        before = told.count
        threading.Event().wait(0.5)  # how much it logs by itself
        assert told.count - before < 50
        assert not Path(file).exists()
        moved.rename(file)
        workflow = rfx.Workflow.from_dict(DEFINITION, backend)
        workflow.start()
        assert workflow.result(60) == rfx.Complete({"n": "c"})
        assert started.stop(60)
    with SqliteStore(file) as store:
        assert store.load(workflow.id).status.ended
