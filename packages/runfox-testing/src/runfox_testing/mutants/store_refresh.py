"""Mutants of stores: STORE-REFRESH."""

from __future__ import annotations

from dataclasses import replace

from runfox.backend import InMemoryStore
from runfox.errors import WorkflowNotFound
from runfox.records import WorkflowRecord
from runfox_testing.memory import MemoryStoreHarness
from runfox_testing.mutants.gaps import wait_until
from runfox_testing.mutants.mutant import mutant


@mutant("STORE-REFRESH-01", observed="returned another object than its argument", harness=MemoryStoreHarness)
class AlwaysLoads(InMemoryStore):
    """`refresh` loads, whatever is stored."""

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        return self.load(record.workflow_execution_id)


@mutant("STORE-REFRESH-02", observed="refresh of version", harness=MemoryStoreHarness)
class OldWakeAt(InMemoryStore):
    """`refresh` gives the `wake_at` of its argument."""

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        fresh = super().refresh(record)
        return fresh if fresh is record else replace(fresh, wake_at=record.wake_at)


@mutant("STORE-REFRESH-03", observed="whole writes", harness=MemoryStoreHarness)
class GoneKeysStay(InMemoryStore):
    """`refresh` keeps the keys of its argument's state that are gone."""

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        fresh = super().refresh(record)
        return fresh if fresh is record else replace(fresh, state={**record.state, **fresh.state})


@mutant("STORE-REFRESH-04", observed="after a refresh, the argument", harness=MemoryStoreHarness)
class RefreshesInPlace(InMemoryStore):
    """`refresh` brings its argument's state up to date as well."""

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        fresh = super().refresh(record)
        if fresh is not record:
            record.state.update(fresh.state)
        return fresh


@mutant("STORE-REFRESH-05", observed="raised nothing", harness=MemoryStoreHarness)
class UnknownIsUnchanged(InMemoryStore):
    """`refresh` of an unknown execution returns its argument."""

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        try:
            return super().refresh(record)
        except WorkflowNotFound:
            return record


@mutant("STORE-REFRESH-06", observed="raised nothing", harness=MemoryStoreHarness)
class DeletedIsUnchanged(InMemoryStore):
    """`refresh` of what was deleted returns its argument."""

    def __init__(self) -> None:
        super().__init__()
        self._deleted: set[str] = set()

    def delete(self, workflow_execution_id: str) -> None:
        super().delete(workflow_execution_id)
        self._deleted.add(workflow_execution_id)

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        return record if record.workflow_execution_id in self._deleted else super().refresh(record)


@mutant("STORE-REFRESH-07", observed="after a deletion and a new creation", harness=MemoryStoreHarness)
class OnlyTheVersionCounts(InMemoryStore):
    """`refresh` compares the version alone, and takes another execution of the same id for its argument."""

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        stored = self.load(record.workflow_execution_id)
        return record if stored.version == record.version else stored


@mutant("STORE-REFRESH-08", observed="versions old", harness=MemoryStoreHarness)
class ForgetsChanges(InMemoryStore):
    """`refresh` knows the last twenty versions, and takes older ones for unchanged."""

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        stored = self.load(record.workflow_execution_id)
        return record if stored.version > record.version + 20 else super().refresh(record)


@mutant("STORE-REFRESH-09", observed="with parts of another version", harness=MemoryStoreHarness)
class RefreshesByTwoQueries(InMemoryStore):
    """`refresh` reads the steps by a second query, and another client commits in between."""

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        first = super().refresh(record)
        load = super().load
        wait_until(lambda: load(record.workflow_execution_id).version > first.version)
        return replace(first, steps=load(record.workflow_execution_id).steps)


@mutant("STORE-REFRESH-10", observed="after its own patch, refresh returned another object", harness=MemoryStoreHarness)
class KnowsItsOwnRecords(InMemoryStore):
    """`refresh` knows the records that it has given, at the versions that it has given."""

    def __init__(self) -> None:
        super().__init__()
        self._given: list[tuple[WorkflowRecord, int]] = []

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        self._given.append((found, found.version))
        return found

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        if any(given is record and version == record.version for given, version in self._given):
            return super().refresh(record)
        return self.load(record.workflow_execution_id)
