"""Mutants of stores: STORE-CAS, STORE-THREADS."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from runfox.backend import InMemoryStore
from runfox.errors import WorkflowNotFound, WriteConflict
from runfox.protocols import Store
from runfox.records import WorkflowRecord
from runfox_testing.comparing import record_difference
from runfox_testing.memory import MemoryStoreHarness
from runfox_testing.mutants.gaps import Meeting
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.served import StoreClientHarness, StoreStub


def stored_version(store: Store, workflow_execution_id: str) -> int:
    """The version that is stored, 0 for none."""
    try:
        return store.load(workflow_execution_id).version
    except WorkflowNotFound:
        return 0


def overwrite(store: Store, record: WorkflowRecord) -> None:
    """Write whatever version is stored: `store` is what ``super()`` is to the mutant."""
    while True:
        try:
            store.write(replace(record, version=stored_version(store, record.workflow_execution_id)))
        except WriteConflict:
            continue
        return


@mutant("STORE-CAS-01", observed="after 2 writes the stored version is 3", harness=MemoryStoreHarness)
class CountsTwice(InMemoryStore):
    """A write of what is there makes two versions."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        if record.version:
            super().write(replace(record, version=record.version + 1))


@mutant("STORE-CAS-02", observed="raised nothing", harness=MemoryStoreHarness)
class StaleWritesPass(InMemoryStore):
    """A write of an older version passes."""

    def write(self, record: WorkflowRecord) -> None:
        version = stored_version(self, record.workflow_execution_id)
        super().write(replace(record, version=version) if 0 < record.version < version else record)


@mutant("STORE-CAS-03", observed="raised nothing", harness=MemoryStoreHarness)
class FutureWritesPass(InMemoryStore):
    """A write of a later version passes."""

    def write(self, record: WorkflowRecord) -> None:
        version = stored_version(self, record.workflow_execution_id)
        super().write(replace(record, version=version) if 0 < version < record.version else record)


@mutant("STORE-CAS-04", observed="raised nothing", harness=MemoryStoreHarness)
class CreationReplaces(InMemoryStore):
    """A write of version 0 replaces what is there."""

    def write(self, record: WorkflowRecord) -> None:
        version = stored_version(self, record.workflow_execution_id)
        super().write(replace(record, version=version) if record.version == 0 else record)


@mutant("STORE-CAS-05", observed="raised nothing", harness=MemoryStoreHarness)
class UnknownIsCreated(InMemoryStore):
    """A write of any version creates what is not there."""

    def write(self, record: WorkflowRecord) -> None:
        version = stored_version(self, record.workflow_execution_id)
        super().write(record if version else replace(record, version=0))


@mutant("STORE-CAS-06", observed="the repetition of a write", harness=MemoryStoreHarness)
class RepeatedWritesAreDone(InMemoryStore):
    """A write of what is stored already is acknowledged."""

    def write(self, record: WorkflowRecord) -> None:
        try:
            found = self.load(record.workflow_execution_id)
        except WorkflowNotFound:
            found = None
        if found is None or record_difference(found, replace(record, version=record.version + 1)):
            super().write(record)


@mutant("STORE-CAS-07", observed="raised nothing", harness=MemoryStoreHarness)
class ComesBack(InMemoryStore):
    """A write of a version that was read before the deletion brings the execution back."""

    def __init__(self) -> None:
        super().__init__()
        self._deleted: set[str] = set()

    def delete(self, workflow_execution_id: str) -> None:
        super().delete(workflow_execution_id)
        self._deleted.add(workflow_execution_id)

    def write(self, record: WorkflowRecord) -> None:
        super().write(replace(record, version=0) if record.workflow_execution_id in self._deleted else record)


class _ComparesFirst(InMemoryStore):
    """The version is compared first, and then written whatever is there by then."""

    def __init__(self) -> None:
        super().__init__()
        self._meeting = Meeting()

    def _write(self, record: WorkflowRecord) -> None:
        if record.version != stored_version(self, record.workflow_execution_id):
            raise WriteConflict(record.workflow_execution_id, record.version)
        self._meeting.wait()
        overwrite(super(), record)  # type: ignore[arg-type]  # it has the methods


@mutant("STORE-CAS-08", observed="were acknowledged, not exactly one", harness=MemoryStoreHarness)
class ComparesThenWrites(_ComparesFirst):
    """A write compares the version before the statement that writes."""

    def write(self, record: WorkflowRecord) -> None:
        if record.version:
            self._write(record)
        else:
            super().write(record)


@mutant("STORE-CAS-09", observed="were acknowledged, not exactly one", harness=MemoryStoreHarness)
class AsksThenCreates(_ComparesFirst):
    """A creation asks whether the execution is there before the statement that writes."""

    def write(self, record: WorkflowRecord) -> None:
        if record.version:
            super().write(record)
        else:
            self._write(record)


@mutant("STORE-CAS-10", observed="were counted up and acknowledged", harness=MemoryStoreHarness)
class ConflictAfterTheEffect(InMemoryStore):
    """Each fifth version is written, and a conflict raised all the same."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        if record.version % 5 == 4:
            raise WriteConflict(record.workflow_execution_id, record.version)


@mutant("STORE-CAS-11", observed="raised WriteConflict", harness=MemoryStoreHarness)
class OneWriterAtATime(InMemoryStore):
    """Two writes at once conflict, whatever they write."""

    def __init__(self) -> None:
        super().__init__()
        self._meeting = Meeting()
        self._busy: set[int] = set()

    def write(self, record: WorkflowRecord) -> None:
        thread = threading.get_ident()
        self._busy.add(thread)
        try:
            self._meeting.wait()
            if len(self._busy) > 1:
                raise WriteConflict(record.workflow_execution_id, record.version)
            super().write(record)
        finally:
            self._busy.discard(thread)


@mutant("STORE-CAS-12", observed="were acknowledged, not exactly one", harness=StoreClientHarness)
class ComparesInTheProcess(StoreStub):
    """The version is compared by the client, and then written whatever is there by then."""

    def write(self, record: WorkflowRecord) -> None:
        if record.version != stored_version(self, record.workflow_execution_id):
            raise WriteConflict(record.workflow_execution_id, record.version)
        time.sleep(0.3)
        overwrite(super(), record)  # type: ignore[arg-type]  # it has the methods


class LoadsSlowly(StoreStub):
    """Between a load and the write that follows there is time for another process."""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        time.sleep(0.005)
        return found


class LoadsInPairs(InMemoryStore):
    """Two threads that load have both done so before either goes on."""

    def __init__(self) -> None:
        super().__init__()
        self._meeting = Meeting(0.05)

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        if threading.active_count() > 2:
            self._meeting.wait()
        return found


@mutant("STORE-CAS-13", observed="were counted up and acknowledged", harness=StoreClientHarness)
class RetriesAConflict(LoadsSlowly):
    """A client that gets a conflict writes the same again over what is there."""

    def write(self, record: WorkflowRecord) -> None:
        try:
            super().write(record)
        except WriteConflict:
            overwrite(super(), record)  # type: ignore[arg-type]  # it has the methods


@mutant("STORE-THREADS-01", observed="were acknowledged, not exactly one", harness=MemoryStoreHarness)
class NoLock(_ComparesFirst):
    """A client's threads compare and write without a lock."""

    def write(self, record: WorkflowRecord) -> None:
        self._write(record)


@mutant("STORE-THREADS-02", observed="were counted up and acknowledged", harness=MemoryStoreHarness)
class SharedTransaction(LoadsInPairs):
    """Two threads that load and write at once both succeed, and one of the writes is lost."""

    def write(self, record: WorkflowRecord) -> None:
        try:
            super().write(record)
        except WriteConflict:
            overwrite(super(), record)  # type: ignore[arg-type]  # it has the methods


@mutant("STORE-THREADS-03", observed="in thread", harness=MemoryStoreHarness)
class SharedCursor(InMemoryStore):
    """A load gives what the thread that came last has asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._meeting = Meeting()
        self._asked = ""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        self._asked = workflow_execution_id
        self._meeting.wait()
        return super().load(self._asked)
