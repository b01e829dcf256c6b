"""STORE-FRESH: what was acknowledged is seen by everybody, and seen whole."""

from __future__ import annotations

from runfox.protocols import Store
from runfox.records import WorkflowRecord
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect
from runfox_testing.checks.stored import expect_stored, written
from runfox_testing.checks.watching import expect_fresh, expect_whole, watch
from runfox_testing.sample_records import at, chain_write, copy_of, full_record, new_record
from runfox_testing.store_calls import load_until

_VERSIONS = 60


@check(
    "STORE-FRESH-01",
    causes=[
        "reads come from a replica, or are eventually consistent",
        "a client keeps what it has read, or reads in a transaction that was begun before",
    ],
)
def every_client_sees_a_write_at_once(case: StoreCase) -> None:
    """What one client has written every other one loads at once, over many rounds in which the writer changes."""
    clients = case.clients(3)
    wanted = written(clients[0], new_record())
    for number in range(30):
        writer = clients[number % len(clients)]
        for reader in clients:
            expect_stored(reader, wanted, f"after {wanted.version} writes by changing clients, {reader.name}'s turn:")
        record = copy_of(wanted, state={"round": number, f"only {number}": None}, updated_at=at(number))
        wanted = written(writer, record)


@check(
    "STORE-FRESH-02",
    traits=("threads",),
    causes=[
        "a record is read by several queries outside one transaction or snapshot",
        "a record is written by several requests, rows or files that become visible one by one",
    ],
)
def no_reader_sees_half_of_a_commit(case: StoreCase) -> None:
    """While one client writes version after version, what others load is always one version, whole."""
    writer = case.client()
    seen = watch(case, lambda version: writer.write(chain_write(version)), _load)
    for own in seen:
        expect_whole((record for _, record in own.answers), "load")


@check(
    "STORE-FRESH-03",
    traits=("threads",),
    causes=["loads are spread over replicas, or over connections with older snapshots"],
)
def no_reader_goes_back(case: StoreCase) -> None:
    """While one client writes, no other one sees an older version than it has seen, or than was acknowledged before
    it asked.
    """
    writer = case.client()
    seen = watch(case, lambda version: writer.write(chain_write(version)), _load)
    for own in seen:
        expect_fresh(own, "load")


@check(
    "STORE-FRESH-04",
    causes=["a write inserts and updates keys and steps, but never removes those that are gone"],
)
def a_write_replaces_the_whole_record(case: StoreCase) -> None:
    """After a write nothing is left of the version before: keys, steps and fields that are gone are gone."""
    store, other = case.clients(2)
    first = written(store, full_record())
    second = new_record(
        ops=("other",), version=1, inputs={}, state={"other": 1}, wake_at=None, updated_at=at(5), outcome=None
    )
    for reader in (store, other):
        expect_stored(reader, first, "after the first write")
    wanted = written(other, second)
    for reader in (store, other):
        found = expect_stored(reader, wanted, "after a write of a record with less in it")
        expect(set(found.steps) <= {"other"}, f"the steps are {list(found.steps)}, one of them from before")
    expect_stored(other, written(store, full_record(version=2)), "after a write of a record with more in it")


@check(
    "STORE-FRESH-05",
    needs=("shared",),
    traits=("processes",),
    causes=["what several threads see whole is guarded by a lock of this process only"],
)
def no_process_sees_half_of_a_commit(case: StoreCase) -> None:
    """While this process writes version after version, what another one loads is always one version, whole, and never
    an older one than it has seen.
    """
    writer = case.client()
    writer.write(chain_write(1))
    child = case.process()
    child.start(load_until, _VERSIONS, case.profile.patience / 2)
    items = child.items()
    expect(next(items) == "reading", "the other process did not begin to read")
    for version in range(2, _VERSIONS + 1):
        writer.write(chain_write(version))
    records: list[WorkflowRecord] = list(items)
    versions = [record.version for record in records]
    expect(len(versions) > 1, f"another process has seen only the versions {versions}")
    expect(versions == sorted(versions), f"another process has seen the versions {versions}, in this order")
    expect(versions[-1] == _VERSIONS, f"another process saw version {versions[-1]} last, {_VERSIONS} is stored")
    expect_whole(records, "load in another process")


def _load(client: Store, latest: WorkflowRecord) -> WorkflowRecord:
    return client.load(latest.workflow_execution_id)
