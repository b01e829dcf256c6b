"""STORE-DELETE: all of an execution is removed, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from runfox.errors import WorkflowNotFound, WriteConflict
from runfox.records import WorkflowRecord
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect, expect_raises, violated
from runfox_testing.checks.stored import (
    all_succeeded,
    applied,
    expect_record,
    expect_stored,
    expect_unknown,
    ids_of,
    one_winner,
    written,
)
from runfox_testing.observing import ObservedStore
from runfox_testing.sample_records import at, copy_of, full_record, new_record, patch_of


@check(
    "STORE-DELETE-01",
    needs=("SupportsDelete",),
    causes=["an index, a summary or a table of steps keeps what belonged to it", "deletion only sets a mark"],
)
def nothing_knows_of_a_deleted_execution(case: StoreCase) -> None:
    """After `delete` no client can load the execution, list it, or is told that it is due; patches of it conflict."""
    store, other = case.clients(2)
    gone = written(store, full_record("gone", wake_at=at(0)))
    kept = written(store, full_record("kept", wake_at=at(0)))
    if "SupportsPatch" in case.abilities:
        gone = applied(store, gone, patch_of(gone, state={"patched": 1}))
    other.delete(gone.workflow_execution_id)
    for client in (store, other, case.client()):
        expect_unknown(client, gone.workflow_execution_id, "after its deletion")
        if "SupportsListing" in case.abilities:
            for filters in ({}, {"status": gone.status}, {"name": gone.name}):
                found = case.awaited(
                    lambda client=client, filters=filters: ids_of(client.list_executions(**filters)),  # type: ignore[misc]
                    lambda ids: ids == ["kept"],
                )
                expect(found == ["kept"], f"after one of two executions was deleted, the listing has {found}")
        if "SupportsWake" in case.abilities:
            wanted = [kept.workflow_execution_id]
            due = case.awaited(partial(client.due, at(5)), wanted.__eq__)
            expect(due == wanted, f"after one of two executions was deleted, {due} is due")
        if "SupportsPatch" in case.abilities:
            expect_raises(
                WriteConflict, "a patch of a deleted execution", partial(client.patch, patch_of(gone, outcome=1))
            )


@check(
    "STORE-DELETE-02",
    needs=("SupportsDelete",),
    causes=["a DELETE without a row counts as done"],
)
def deleting_an_unknown_execution_raises(case: StoreCase) -> None:
    """`delete` of an id that is not stored raises `WorkflowNotFound`: one never seen, one similar to a stored one, and
    one that was deleted before, by whichever client.
    """
    store, other = case.clients(2)
    kept = written(store, full_record("kept-1"))
    for execution_id in ("never", "kept-", "kept-11", "kept_1", "KEPT-1"):
        unknown = new_record(execution_id).workflow_execution_id
        expect_raises(WorkflowNotFound, f"delete({unknown!r})", partial(store.delete, unknown))
    gone = written(store, new_record("gone"))
    store.delete(gone.workflow_execution_id)
    for client in (store, other):
        expect_raises(WorkflowNotFound, "a second delete", partial(client.delete, gone.workflow_execution_id))
    expect_stored(other, kept, "after deletions of unknown ids")


@check(
    "STORE-DELETE-03",
    needs=("SupportsDelete",),
    causes=[
        "the definition or steps that executions share go with the first of them",
        "rows are found by a part of the id, or by its beginning",
    ],
)
def others_stay(case: StoreCase) -> None:
    """`delete` changes nothing in other executions: those with the same definition, with similar ids, and one with
    the same execution id of another workflow.
    """
    store, other = case.clients(2)
    gone = written(store, full_record("e"))
    rest = [written(store, full_record(execution_id)) for execution_id in ("E", "e_", "e.", "e-1", "ee", "_", "ne")]
    rest.append(written(store, full_record("e", workflow_id="f" * 32)))
    store.delete(gone.workflow_execution_id)
    for record in rest:
        expect_stored(other, record, "after another execution was deleted")
    for number, record in enumerate(rest):
        rest[number] = written(other, copy_of(record, outcome=number))
    for record in rest:
        expect_stored(store, record, "after another execution was deleted, and this one written")


@check(
    "STORE-DELETE-04",
    needs=("SupportsDelete",),
    causes=["keys, steps or the version of the one before are left, and come up again"],
)
def a_new_execution_has_nothing_of_the_old_one(case: StoreCase) -> None:
    """An execution that is created under the id of a deleted one begins at version 1 and has nothing of the old one."""
    store, other = case.clients(2)
    for number in range(3):
        old = written(store, full_record(state={f"old {number}": number}))
        if "SupportsPatch" in case.abilities:
            old = applied(other, old, patch_of(old, state={"patched": number}))
        else:
            old = written(other, old)
        store.delete(old.workflow_execution_id)
        stale = copy_of(old)
        new = written(other, new_record(created_at=at(50 + number), state={}))
        found = expect_stored(store, new, "after a new creation under the id of a deleted execution")
        expect(found.version == 1, f"the new execution begins at version {found.version}")
        if stale.version != new.version:
            expect_raises(WriteConflict, "a write of a version of the old execution", partial(store.write, stale))
        if "SupportsPatch" in case.abilities:
            new = applied(store, new, patch_of(new, state={"new": 1}))
            expect_stored(other, new, "after a patch of the new execution")
        store.delete(new.workflow_execution_id)


@check(
    "STORE-DELETE-05",
    needs=("SupportsDelete",),
    traits=("threads",),
    causes=["whether it is there is asked before it is deleted"],
)
def of_many_deletions_one_succeeds(case: StoreCase) -> None:
    """Of N clients that delete one execution at the same moment exactly one succeeds; all others raise
    `WorkflowNotFound`.
    """
    store = case.client()
    clients = case.clients(case.profile.contenders)
    for number in range(case.profile.rounds):
        case.history.clear()
        record = written(store, full_record(f"e{number}"))
        deletions = [partial(client.delete, record.workflow_execution_id) for client in clients]
        one_winner(case.race(*deletions), f"{len(deletions)} clients delete one execution at once", WorkflowNotFound)
        expect_unknown(store, record.workflow_execution_id, "after its deletion")


@check(
    "STORE-DELETE-06",
    needs=("SupportsDelete",),
    traits=("threads",),
    causes=[
        "a write that began before the deletion puts its rows, or the whole record, back after it",
        "a reader finds the header of a record and not the rest of it",
    ],
)
def a_deletion_that_races_with_writes_leaves_nothing(case: StoreCase) -> None:
    """While clients write on and load, another one deletes: afterwards the execution is gone, every writer has got
    `WriteConflict`, and readers have seen either a whole record or `WorkflowNotFound`.
    """
    store = case.client()
    writer, reader, deleter = case.clients(3)
    for number in range(case.profile.rounds):
        case.history.clear()
        record = written(store, full_record(f"e{number}"))
        calls: list[Callable[[], object]] = [
            partial(_write_on, case, writer, record),
            partial(_read_on, case, reader, record),
            partial(deleter.delete, record.workflow_execution_id),
        ]
        all_succeeded(case.race(*calls), "one client writes, one reads and one deletes")
        expect_unknown(store, record.workflow_execution_id, "after a deletion that raced with writes")


def _write_on(case: StoreCase, client: ObservedStore, record: WorkflowRecord) -> None:
    """Write until there is a conflict."""
    deadline = time.monotonic() + case.profile.patience / 2
    while time.monotonic() < deadline:
        try:
            if record.version % 2 and "SupportsPatch" in case.abilities:
                record = applied(client, record, patch_of(record, outcome=record.version))
            else:
                record = written(client, record)
        except WriteConflict:
            return
    violated("writes went on for long after another client had begun to delete the execution")


def _read_on(case: StoreCase, client: ObservedStore, record: WorkflowRecord) -> None:
    """Load until there is nothing, whole records till then."""
    deadline = time.monotonic() + case.profile.patience / 2
    while time.monotonic() < deadline:
        try:
            found = client.load(record.workflow_execution_id)
        except WorkflowNotFound:
            return
        wanted = copy_of(record, version=found.version, outcome=found.outcome, updated_at=found.updated_at)
        expect_record(found, wanted, "while another client writes and one deletes, load")
    violated("loads went on to find the execution for long after another client had begun to delete it")
