"""Rows and pages that can't be read: a typed error that says which, and the others are served."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import runfox as rfx
from runfox.errors import StorageCorrupt, StorageUnavailable
from runfox.records import WorkflowRecord
from runfox.results import DispatchJob
from runfox_sqlite import SqliteRunner, SqliteStore

NOON = "2026-01-31T12:00:00.000000Z"
NOT_JSON, NOT_TEXT, NOT_UTF8, NO_OBJECT = "'{'", "X'FF'", "CAST(X'FF22' AS TEXT)", "17"
DAMAGE = [NOT_JSON, NOT_TEXT, NOT_UTF8, NO_OBJECT]
"""What may stand in a column of JSON instead, as SQL."""


def record(name: str, **changes: Any) -> WorkflowRecord:
    return WorkflowRecord(
        workflow_id="w", execution_id=name, spec={}, created_at=NOON, wake_at=NOON, state={"n": name}, **changes
    )


def harm(file: str, statement: str) -> None:
    """Do it as another program does."""
    other = sqlite3.connect(file)
    with other:
        assert other.execute(statement).rowcount > 0
    other.close()


# Rows of the store


@pytest.mark.parametrize("column", ["inputs", "outcome", "status", "created_at", "value"])
@pytest.mark.parametrize("damage", [NOT_JSON, NOT_TEXT, NOT_UTF8])
def test_a_record_that_can_not_be_read_is_named_and_the_others_are_served(file: str, column: str, damage: str) -> None:
    table = {"inputs": "contents", "value": "state"}.get(column, "executions")
    with SqliteStore(file) as store:
        for name in "abc":
            store.write(record(name))
        seen = store.load("w#b")
        harm(
            file,
            f"UPDATE {table} SET {column} = {damage} WHERE rowid = 2"
            if table != "state"
            else f"UPDATE state SET value = {damage} WHERE execution = 2",
        )
        if (column, damage) != ("created_at", NOT_JSON):  # any text will do
            with pytest.raises(StorageCorrupt, match=r"w#b.*delete\(\) it"):
                store.load("w#b")
        if column in ("status", "created_at", "outcome") and damage != NOT_JSON:
            harm(file, "UPDATE executions SET version = 2 WHERE id = 2")
            with pytest.raises(StorageCorrupt, match="w#b"):
                store.refresh(seen)
        for name in "ac":
            assert store.load(f"w#{name}").state == {"n": name}
        assert store.due("9") == ["w#a", "w#b", "w#c"]
        assert {"w#a", "w#c"} <= {one.workflow_execution_id for one in store.list_executions()}
        store.delete("w#b")


def test_an_id_that_can_not_be_read_is_left_out_and_logged(file: str, caplog: pytest.LogCaptureFixture) -> None:
    with SqliteStore(file) as store:
        for name in "abc":
            store.write(record(name))
        harm(file, f"UPDATE executions SET workflow_execution_id = {NOT_UTF8} WHERE id = 2")
        assert store.due("9") == ["w#a", "w#c"]
        assert [one.workflow_execution_id for one in store.list_executions()] == ["w#c", "w#a"]
        assert "left out of a list" in caplog.text


def test_a_page_of_a_list_in_which_nothing_can_be_read_is_not_the_last(file: str) -> None:
    with SqliteStore(file) as store:
        for name in "abc":
            store.write(record(name))
        harm(file, f"UPDATE executions SET status = {NOT_JSON} WHERE id > 1")
        assert [one.workflow_execution_id for one in store.list_executions(limit=1)] == ["w#a"]


# Rows of the runner


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_job_that_can_not_be_read_keeps_nobody_from_the_others(
    file: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with SqliteRunner(file) as runner:
        runner.dispatch("w#e", [DispatchJob("w#e", op, {"text": "secret"}, queue="q") for op in "abc"])
        harm(file, f"UPDATE jobs SET inputs = {damage} WHERE op = 'a'")
        assert [job.op for job in runner.list_pending_jobs()] == ["b", "c"]
        assert [job.op for job in runner.take_pending_jobs(1, ["q"])] == ["b"]
        assert [job.op for job in runner.take_pending_jobs()] == ["c"]
        assert runner.take_pending_jobs() == []
        told = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
        assert len(told) == 1
        assert "step 'a' of 'w#e'" in told[0]
        assert "secret" not in told[0]
        runner.dispatch("w#e", [DispatchJob("w#e", "a", {"n": 1})])
        assert [job.inputs for job in runner.take_pending_jobs()] == [{"n": 1}]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_job_that_can_not_be_read_is_queued_again_from_the_record(file: str, damage: str) -> None:
    definition = {"steps": [{"op": "a", "input": {"n": 1}}, {"op": "b", "depends_on": "a"}]}
    inputs: list[Any] = []
    with rfx.open_backend(f"sqlite:///{file}") as backend:
        backend.engine._recover_after = 0.0
        workflow = rfx.Workflow.from_dict(definition, backend)
        workflow.start()
        harm(file, f"UPDATE jobs SET inputs = {damage}")
        worker = rfx.InProcessWorker(backend.runner, lambda op, given: inputs.append((op, given)))
        assert worker.work() == 0
        assert workflow.run(worker=worker) == rfx.Complete({})
        assert inputs == [("a", {"n": 1}), ("b", {})]


@pytest.mark.parametrize("damage", [NOT_JSON, NOT_TEXT, NOT_UTF8])
def test_a_result_that_can_not_be_read_is_named_and_can_be_forgotten(file: str, damage: str) -> None:
    with SqliteRunner(file) as runner:
        for key in ("w#e", "w#f"):
            runner.dispatch(key, [DispatchJob(key, "a", {}, 3)])
            runner.submit_work_result(key, "a", {"n": key})
        harm(file, f"UPDATE jobs SET result = {damage} WHERE workflow_execution_id = 'w#e'")
        for _ in range(2):
            with pytest.raises(StorageCorrupt, match=r"result of step 'a' \(run 3\) of 'w#e'.*forget"):
                runner.gather("w#e")
        assert [result.output for result in runner.gather("w#f")] == [{"n": "w#f"}]
        runner.forget("w#e", [("a", 3)])
        runner.dispatch("w#e", [DispatchJob("w#e", "a", {}, 3)])
        assert len(runner.take_pending_jobs()) == 1


def test_damage_in_one_execution_stops_no_sweep(file: str) -> None:
    definition = {"steps": [{"op": "a"}]}
    with rfx.open_backend(f"sqlite:///{file}") as backend:
        backend.engine._recover_after = backend.recover_after = 0.0
        keys = [rfx.Workflow.from_dict(definition, backend, {"n": n}).id for n in range(3)]
    harm(file, f"UPDATE contents SET inputs = {NOT_UTF8} WHERE execution = 2")
    with rfx.open_backend(f"sqlite:///{file}") as backend:
        backend.engine._recover_after = backend.recover_after = 0.0
        assert rfx.sweep(backend) == 2
        assert len(backend.take_tasks()) == 2
        with pytest.raises(StorageCorrupt, match="restore it from a backup"):
            rfx.Workflow(keys[1], backend).run()


# Pages


def pages_of(file: str, what: str) -> list[int]:
    """The pages that hold the texts with `what`."""
    content = Path(file).read_bytes()
    size = 4096
    return [at // size for at in range(0, len(content), size) if what.encode() in content[at : at + size]]


def overwrite_page(file: str, page: int) -> None:
    descriptor = os.open(file, os.O_WRONLY)
    os.pwrite(descriptor, b"\xab" * 4096, page * 4096)
    os.close(descriptor)


def test_a_page_that_is_damaged_is_told_with_advice_and_the_others_are_served(file: str) -> None:
    with SqliteStore(file) as store:
        for name in "abc":
            store.write(record(name, outcome=name * 20_000))
    (first, *_) = pages_of(file, "b" * 4000)
    overwrite_page(file, first)
    with SqliteStore(file) as store:
        for name in "ac":
            assert store.load(f"w#{name}").outcome == name * 20_000
        with pytest.raises(StorageCorrupt, match=r"restore it from a backup"):
            assert store.load("w#b").outcome != "b" * 20_000
        store.write(record("d"))
        assert store.load("w#d").version == 1


def test_a_job_on_a_page_that_is_damaged_keeps_nobody_from_the_others(
    file: str, caplog: pytest.LogCaptureFixture
) -> None:
    with SqliteRunner(file) as runner:
        runner.dispatch("w#e", [DispatchJob("w#e", op, {"text": op * 3000}) for op in "abcdefgh"])
    (page,) = pages_of(file, "a" * 2500)
    overwrite_page(file, page)
    with SqliteRunner(file) as runner:
        taken = [runner.take_pending_jobs(1) for _ in range(8)]
        assert [job.op for jobs in taken for job in jobs][-6:] == list("cdefgh")
        assert all(job.inputs == {"text": job.op * 3000} for jobs in taken for job in jobs)
        assert "others are served" in caplog.text
        for jobs in taken:
            for job in jobs:
                runner.submit_work_result("w#e", job.op, {})


def test_a_sweep_goes_round_a_page_that_is_damaged(file: str, caplog: pytest.LogCaptureFixture) -> None:
    with SqliteStore(file) as store, SqliteRunner(file) as runner:
        for name in "abcdefgh":
            store.write(record(name, outcome=name * 3000))
            runner.dispatch(f"w#{name}", [DispatchJob(f"w#{name}", "op", {"text": name.upper() * 3000})])
        runner.submit_work_result("w#g", "op", {})
    for what in ("c" * 2500, "D" * 2500):
        (page,) = pages_of(file, what)
        overwrite_page(file, page)
    with SqliteStore(file) as store, SqliteRunner(file) as runner:
        due, held = store.due("9"), runner.held("9")
        assert {f"w#{name}" for name in "aefgh"} <= set(due) <= {f"w#{name}" for name in "abdefgh"}
        assert due == sorted(due)
        assert {f"w#{name}" for name in "abfgh"} <= set(held)
        assert held[-1] == "w#g"  # touched last
        assert held[:-1] == sorted(held[:-1])
        assert store.due("9", limit=1) == ["w#a"]
        assert runner.held("2000") == []
        assert "the others are" in caplog.text


def test_a_root_page_that_is_damaged_is_a_typed_error_in_each_call(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record("a"))
        roots = store._database.query("SELECT rootpage FROM sqlite_master WHERE name = 'executions'")
    overwrite_page(file, roots[0][0] - 1)
    with SqliteStore(file) as store:
        for call in (lambda: store.load("w#a"), lambda: store.write(record("b")), store.list_executions):
            with pytest.raises(StorageCorrupt, match="is damaged: restore it from a backup"):
                call()


def test_a_workflow_beside_a_damaged_one_runs_to_its_end(file: str) -> None:
    definition = {"steps": [{"op": "a"}, {"op": "b", "depends_on": "a"}]}
    with rfx.open_backend(f"sqlite:///{file}") as backend:
        for n in range(3):
            rfx.Workflow.from_dict(definition, backend, {"text": str(n) * 20_000}, execution_id=f"e{n}")
    (first, *_) = pages_of(file, "1" * 4000)
    overwrite_page(file, first)
    with rfx.open_backend(f"sqlite:///{file}", executor=lambda op, inputs: {}) as backend:
        found = [one.workflow_execution_id for one in backend.list_executions()]
        sound = [key for key in found if not key.endswith("e1")]
        assert [rfx.Workflow(key, backend).run() for key in sound] == [rfx.Complete({})] * 2
        (damaged,) = set(found) - set(sound)
        with pytest.raises((StorageCorrupt, StorageUnavailable)):
            rfx.Workflow(damaged, backend).run()
