"""Mutants of stores: STORE-FRESH, STORE-LIMIT, STORE-DURABLE, STORE-SHARED."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runfox.backend import InMemoryStore
from runfox.records import ExecutionSummary, RecordPatch, WorkflowRecord
from runfox_testing.memory import MemoryStoreHarness
from runfox_testing.mutants.gaps import wait_until
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.recoding import each_scalar, recoded, recoded_patch
from runfox_testing.mutants.served import StoreClientHarness, StoreStub
from runfox_testing.sample_records import copy_of


class _Caching(StoreStub):
    """A client that keeps what it has loaded until it writes itself."""

    def __init__(self, address: str, namespace: str) -> None:
        super().__init__(address, namespace)
        self._known: dict[str, WorkflowRecord] = {}

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        if workflow_execution_id not in self._known:
            self._known[workflow_execution_id] = super().load(workflow_execution_id)
        return copy_of(self._known[workflow_execution_id])

    def write(self, record: WorkflowRecord) -> None:
        self._known.pop(record.workflow_execution_id, None)
        super().write(record)


@mutant("STORE-FRESH-01", observed="load gives another record", harness=StoreClientHarness)
class KeepsWhatItHasLoaded(_Caching):
    """A client loads each record once."""


class Torn(InMemoryStore):
    """A load reads the steps by a second query, after the next commit."""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        first = super().load(workflow_execution_id)
        load = super().load
        wait_until(lambda: load(workflow_execution_id).version > first.version)
        return replace(first, steps=load(workflow_execution_id).steps)


@mutant("STORE-FRESH-02", observed="with parts of another version", harness=MemoryStoreHarness)
class TwoQueries(Torn):
    """A load reads the steps by a second query, and another client commits in between."""


@mutant("STORE-FRESH-03", observed="load gave version", harness=MemoryStoreHarness)
class OldReplica(InMemoryStore):
    """Each third load comes from a replica that is one version behind."""

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[str, WorkflowRecord] = {}
        self._loads = 0

    def write(self, record: WorkflowRecord) -> None:
        if record.version:
            self._before[record.workflow_execution_id] = super().load(record.workflow_execution_id)
        super().write(record)

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        self._loads += 1
        if self._loads % 3 == 0 and workflow_execution_id in self._before:
            return copy_of(self._before[workflow_execution_id])
        return super().load(workflow_execution_id)


@mutant("STORE-FRESH-04", observed="a record with less in it", harness=MemoryStoreHarness)
class NothingGoes(InMemoryStore):
    """A write leaves the keys of the state that are gone."""

    def write(self, record: WorkflowRecord) -> None:
        if record.version:
            old = self.load(record.workflow_execution_id).state
            record = replace(record, state={**old, **record.state})
        super().write(record)


@mutant("STORE-FRESH-05", observed="with parts of another version", harness=StoreClientHarness)
class TwoRequests(StoreStub):
    """A client loads the steps by a second request, and another process commits in between."""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        first = super().load(workflow_execution_id)
        load = super().load
        wait_until(lambda: load(workflow_execution_id).version > first.version, 0.3)
        return replace(first, steps=load(workflow_execution_id).steps)


@mutant("STORE-LIMIT-01", observed="was acknowledged, load gives another record", harness=MemoryStoreHarness)
class FirstPageOfSteps(InMemoryStore):
    """Of the steps the first thousand are read."""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        return replace(found, steps=dict(list(found.steps.items())[:1_000]))


def _cut(value: Any) -> Any:
    return value[:65_535] if isinstance(value, str) else value


@mutant("STORE-LIMIT-02", observed="was acknowledged, load gives another record", harness=MemoryStoreHarness)
class TextsAreCut(InMemoryStore):
    """Texts are cut off after 65,535 characters."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(recoded(record, each_scalar(_cut)))


@mutant("STORE-LIMIT-03", observed="after a patch of 150,000 characters", harness=MemoryStoreHarness)
class PatchedTextsAreCut(InMemoryStore):
    """Texts of a patch are cut off after 65,535 characters."""

    def patch(self, patch: RecordPatch) -> None:
        super().patch(recoded_patch(patch, each_scalar(_cut)))


@mutant("STORE-DURABLE-01", observed="after all clients were closed and a new one", harness=MemoryStoreHarness)
class TimesStayInMemory(InMemoryStore):
    """When an execution has to be woken is known until the client is closed."""

    durable = True
    _is_closed = False

    def close(self) -> None:
        self._is_closed = True

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        return replace(found, wake_at=None) if self._is_closed else found


@mutant("STORE-DURABLE-02", observed="finds nothing of what was written", harness=MemoryStoreHarness)
class OfThisProcess(InMemoryStore):
    """`durable` is claimed, and what is stored lives in this process."""

    durable = True


class _Buffering(StoreStub):
    """A client that sends what was written when something is read."""

    def __init__(self, address: str, namespace: str) -> None:
        super().__init__(address, namespace)
        self._buffered: list[WorkflowRecord | RecordPatch] = []

    def write(self, record: WorkflowRecord) -> None:
        self._buffered.append(copy_of(record))

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        self._send()
        return super().load(workflow_execution_id)

    def close(self) -> None:
        """Send the rest."""
        self._send()

    def _send(self) -> None:
        for change in self._buffered:
            if isinstance(change, RecordPatch):
                super().patch(change)
            else:
                super().write(change)
        self._buffered.clear()


@mutant("STORE-DURABLE-03", observed="was killed when it had acknowledged version", harness=StoreClientHarness)
class WritesLater(_Buffering):
    """What was written is sent with the next read."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        if record.version == 0:
            self._send()


@mutant("STORE-DURABLE-04", observed="was killed when it had acknowledged version", harness=StoreClientHarness)
class PatchesLater(_Buffering):
    """Patches are sent with the next read."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        self._send()

    def patch(self, patch: RecordPatch) -> None:
        self._buffered.append(patch)


@mutant("STORE-DURABLE-05", observed="where WorkflowNotFound is due", harness=MemoryStoreHarness)
class ComesBackAfterClosing(InMemoryStore):
    """What was deleted comes back when the client is closed."""

    durable = True

    def __init__(self) -> None:
        super().__init__()
        self._deleted: list[WorkflowRecord] = []

    def delete(self, workflow_execution_id: str) -> None:
        self._deleted.append(self.load(workflow_execution_id))
        super().delete(workflow_execution_id)

    def close(self) -> None:
        """End, and lose the deletions."""
        while self._deleted:
            super().write(replace(self._deleted.pop(), version=0))


@mutant("STORE-SHARED-01", observed="load in another process gives another record", harness=StoreClientHarness)
class EachProcessKeepsItsOwn(_Caching):
    """A process loads each record once."""


@mutant("STORE-SHARED-02", observed="this process lists []", harness=StoreClientHarness)
class ListsItsOwn(StoreStub):
    """A client lists what it has written itself."""

    def __init__(self, address: str, namespace: str) -> None:
        super().__init__(address, namespace)
        self._own: set[str] = set()

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        self._own.add(record.workflow_execution_id)

    def list_executions(self, **options: Any) -> list[ExecutionSummary]:
        listed = super().list_executions(**options)
        return [summary for summary in listed if summary.workflow_execution_id in self._own]
