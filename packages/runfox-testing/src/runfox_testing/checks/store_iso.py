"""STORE-ISO: what a caller holds and what is stored share nothing."""

from __future__ import annotations

from typing import Any

from runfox.errors import WriteConflict
from runfox.records import WorkflowRecord
from runfox.status import WorkflowStatus
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect_raises
from runfox_testing.checks.stored import applied, expect_record, expect_stored, written
from runfox_testing.sample_records import at, complete_step, copy_of, full_record, patch_of


def _deep_record() -> WorkflowRecord:
    """A record with something to change everywhere, at every depth."""
    record = full_record()
    record.state = {"list": [1, {"deep": [2]}], "object": {"a": {"b": {}}}}
    record.outcome = {"list": [[]], "object": {}}
    return record


def _change_everything(record: WorkflowRecord) -> None:
    """Change each container of a record in place, and each field."""
    waiting: list[Any] = [record.spec, record.inputs, record.state, record.outcome]
    for step in record.steps.values():
        waiting += [step.output, step.inputs]
    while waiting:
        container = waiting.pop()
        if isinstance(container, dict):
            waiting += container.values()
            container["changed"] = "afterwards"
        elif isinstance(container, list):
            waiting += container
            container.append("changed afterwards")
    record.steps["changed"] = complete_step("changed", {})
    del record.steps["first"]
    record.status = WorkflowStatus.PENDING
    record.updated_at = record.created_at = at(9_999)
    record.wake_at = None
    record.version += 5


@check(
    "STORE-ISO-01",
    causes=["load returns the stored object itself, or a shallow copy of it", "a cache hands out what it keeps"],
)
def changing_a_loaded_record_changes_nothing_stored(case: StoreCase) -> None:
    """Changing what `load` returned, at any depth, changes nothing that the same or another client loads."""
    store, other = case.clients(2)
    wanted = written(store, _deep_record())
    for client in (store, other, store):
        _change_everything(client.load(wanted.workflow_execution_id))
        for reader in (store, other):
            expect_stored(reader, wanted, f"after what {client.name} had loaded was changed in place")


@check(
    "STORE-ISO-02",
    causes=["write keeps the caller's objects, or a shallow copy of them", "the write is carried out later"],
)
def changing_a_written_record_changes_nothing_stored(case: StoreCase) -> None:
    """Changing what `write` was given, after it has returned, changes nothing stored."""
    store, other = case.clients(2)
    record = _deep_record()
    wanted = copy_of(record, version=1)
    store.write(record)
    _change_everything(record)
    for reader in (store, other):
        expect_stored(reader, wanted, "after what write had been given was changed in place")


@check("STORE-ISO-03", causes=["write counts the version up in its argument", "write normalises its argument in place"])
def write_leaves_its_argument_as_it_is(case: StoreCase) -> None:
    """`write` leaves its argument as it is, its version, too."""
    store = case.client()
    for version in (0, 1):
        record = _deep_record()
        record.version = version
        before = copy_of(record)
        store.write(record)
        expect_record(record, before, f"after the write of version {version}, the argument: it")


@check("STORE-ISO-04", causes=["load returns one object to everybody", "a cache hands out what it keeps"])
def two_loads_share_nothing(case: StoreCase) -> None:
    """Two records loaded by one client, and by two, share nothing: changing one leaves the other as it is."""
    store, other = case.clients(2)
    wanted = written(store, _deep_record())
    loaded = [client.load(wanted.workflow_execution_id) for client in (store, store, other, other)]
    for number in range(len(loaded) - 1):
        _change_everything(loaded[number])
        for rest in loaded[number + 1 :]:
            expect_record(rest, wanted, "after another loaded record was changed in place, one loaded before: it")


@check(
    "STORE-ISO-05",
    causes=["the stored object is changed in place by the next write or patch, and readers hold it"],
)
def what_was_loaded_stays_as_it_was(case: StoreCase) -> None:
    """A record that was loaded stays as it was while the same or another client writes newer versions."""
    store, other = case.clients(2)
    first = written(store, _deep_record())
    loaded = [client.load(first.workflow_execution_id) for client in (store, other)]
    second = copy_of(first)
    _change_everything(second)
    second.version = 1
    second = written(other, second)
    if "SupportsPatch" in case.abilities:
        steps = {"third": complete_step("third", {"new": True})}
        applied(store, second, patch_of(second, state={"list": [], "new": 1}, steps=steps, outcome=None))
    for record in loaded:
        expect_record(record, first, "after newer versions were written, a record loaded before: it")


@check("STORE-ISO-06", causes=["write changes its argument before it compares the version, or on its way out"])
def a_refused_write_leaves_its_argument_as_it_is(case: StoreCase) -> None:
    """A write that raises `WriteConflict` leaves its argument as it is, so that the caller knows what it had tried."""
    store = case.client()
    written(store, _deep_record())
    record = _deep_record()
    before = copy_of(record)
    expect_raises(WriteConflict, "a second write of version 0", lambda: store.write(record))
    expect_record(record, before, "after a refused write, the argument: it")
