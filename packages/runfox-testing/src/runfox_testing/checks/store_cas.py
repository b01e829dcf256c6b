"""STORE-CAS: a write succeeds only from the version that is stored."""

from __future__ import annotations

from functools import partial

from runfox.errors import WorkflowNotFound, WriteConflict
from runfox.records import WorkflowRecord
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect, expect_raises
from runfox_testing.checks.stored import expect_stored, expect_undone, expect_unknown, written
from runfox_testing.sample_records import at, copy_of, full_record, new_record


@check(
    "STORE-CAS-01",
    causes=["the version is stored as it was given", "a new record begins at another version"],
)
def each_write_counts_one_version(case: StoreCase) -> None:
    """A record that is written for the first time has version 1, and each write makes one more."""
    store, other = case.clients(2)
    record = new_record()
    for version in range(1, 8):
        store.write(copy_of(record, state={"write": version}))
        record = other.load(record.workflow_execution_id)
        expect(record.version == version, f"after {version} writes the stored version is {record.version}")
        expect(record.state == {"write": version}, f"after {version} writes the stored state is {record.state}")


@check(
    "STORE-CAS-02",
    causes=[
        "the version is not compared, or only by >=",
        "the version is compared in the client, outside the statement or transaction that writes",
        "the conflict is noticed after a part was written",
    ],
)
def a_stale_version_is_refused(case: StoreCase) -> None:
    """A write of a version that is no longer the stored one raises `WriteConflict`, and what is stored stays bit for
    bit, as loaded, refreshed, listed and due, also for the client that was refused.
    """
    store, other = case.clients(2)
    wanted = new_record()
    seen: list[WorkflowRecord] = []
    for version in range(4):
        wanted = written(other, full_record(version=version, outcome=[version]))
        if wanted.version < 4:  # the refused client must not take its own refused write for the last one
            seen.append(store.load(wanted.workflow_execution_id))
    for version in (3, 2, 1):
        stale = new_record(version=version, name="stale", state={"stale": version}, updated_at=at(999), wake_at=None)
        for client in (store, other):
            expect_raises(
                WriteConflict,
                f"a write of version {version} while version 4 is stored",
                partial(client.write, copy_of(stale)),
            )
            for reader in (store, other):
                expect_undone(case, reader, seen, wanted, f"after a refused write of version {version}")


@check(
    "STORE-CAS-03",
    causes=["the version is compared by <= only", "the stored version is replaced without being compared"],
)
def a_version_that_is_not_there_yet_is_refused(case: StoreCase) -> None:
    """A write of a version that was not written yet raises `WriteConflict`, and what is stored stays."""
    store, other = case.clients(2)
    wanted = written(store, full_record())
    # Some of them equal 1 in so many bits, or as floats.
    for version in (2, 3, *(1 + 2**bits for bits in (8, 16, 31, 32, 53)), 1_000_000, 2**40):
        expect_raises(
            WriteConflict,
            f"a write of version {version} while version 1 is stored",
            partial(store.write, new_record(version=version)),
        )
        expect_stored(other, wanted, f"after a refused write of version {version}")
        expect_stored(store, wanted, f"after its own refused write of version {version}")
    for version in (2, 3, 4):
        wanted = written(other, copy_of(wanted, state={"n": version}))
        expect_stored(store, wanted, f"after refused writes, when another client had written version {version}")


@check(
    "STORE-CAS-04",
    causes=["version 0 is written with an unconditional put, INSERT OR REPLACE or upsert"],
)
def creating_what_is_there_is_refused(case: StoreCase) -> None:
    """A write of version 0 of an execution that is there raises `WriteConflict`, whether or not it equals it."""
    store, other = case.clients(2)
    wanted = written(store, full_record())
    for what, record in (("another", new_record()), ("the same", full_record())):
        for client in (store, other):
            expect_raises(WriteConflict, f"the creation of {what} record again", partial(client.write, record))
            expect_stored(other, wanted, f"after the refused creation of {what} record")
    wanted = written(store, wanted)
    expect_raises(WriteConflict, "the creation of a record of version 2", partial(other.write, new_record()))
    expect_stored(other, wanted, "after the refused creation of a record of version 2")


@check(
    "STORE-CAS-05",
    causes=["a version is only compared where there is a row", "an upsert creates what is not there"],
)
def a_later_version_of_an_unknown_one_is_refused(case: StoreCase) -> None:
    """A write of a version from 1 on of an execution that is not there raises `WriteConflict` and creates nothing."""
    store, other = case.clients(2)
    written(store, new_record("another"))
    for version in (1, 2, 7):
        record = full_record("unknown", version=version)
        expect_raises(
            WriteConflict, f"a write of version {version} of an unknown execution", partial(store.write, record)
        )
        expect_unknown(other, record.workflow_execution_id, "after a refused write")
    expect_stored(other, written(store, full_record("unknown")), "after its creation")


@check(
    "STORE-CAS-06",
    causes=[
        "a write that equals what is stored is taken for done, so that the caller believes that it has won twice",
        "a driver or client library that repeats requests by itself: a token for that belongs to one call of write",
    ],
)
def a_repeated_write_is_a_conflict(case: StoreCase) -> None:
    """A write whose reply was lost and which is repeated raises `WriteConflict` and has no second effect; so does the
    same write by another client.
    """
    store, other = case.clients(2)
    record = full_record()
    for version in range(3):
        record = copy_of(record, version=version, state={"n": version})
        wanted = written(store, record)
        for client in (store, other, case.client()):
            expect_raises(
                WriteConflict, f"the repetition of a write of version {version}", partial(client.write, copy_of(record))
            )
            expect_stored(other, wanted, "after a write was repeated")


@check(
    "STORE-CAS-07",
    needs=("SupportsDelete",),
    causes=["a deleted record leaves no trace in an upsert that asks only for rows of another version"],
)
def a_write_after_a_deletion_is_refused(case: StoreCase) -> None:
    """A write of the version that was read before the execution was deleted raises `WriteConflict`: it does not come
    back.
    """
    store, other = case.clients(2)
    for version in (1, 2, 3):
        record = new_record(f"e{version}")
        for _ in range(version):
            record = written(store, record)
        seen = other.load(record.workflow_execution_id)
        store.delete(record.workflow_execution_id)
        for client in (other, store):
            expect_raises(
                WriteConflict,
                f"a write of version {version} after the execution was deleted",
                partial(client.write, copy_of(seen)),
            )
            expect_raises(WorkflowNotFound, "load after a deletion", partial(store.load, record.workflow_execution_id))
