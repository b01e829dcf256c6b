"""Mutants of stores: STORE-DELETE, STORE-WAKE, STORE-CLOSE, STORE-MODEL."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, ClassVar

from runfox.backend import InMemoryStore
from runfox.errors import StorageUnavailable, WorkflowNotFound, WriteConflict
from runfox.records import ExecutionSummary, RecordPatch, WorkflowRecord
from runfox_testing.memory import MemoryStoreHarness
from runfox_testing.mutants.gaps import Meeting
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.served import StoreClientHarness, StoreStub
from runfox_testing.sample_records import copy_of


@mutant("STORE-DELETE-01", observed="the listing has", harness=MemoryStoreHarness)
class StaysListed(InMemoryStore):
    """What was deleted is listed."""

    def __init__(self) -> None:
        super().__init__()
        self._deleted: list[ExecutionSummary] = []

    def delete(self, workflow_execution_id: str) -> None:
        listed = super().list_executions()
        super().delete(workflow_execution_id)
        self._deleted += [one for one in listed if one.workflow_execution_id == workflow_execution_id]

    def list_executions(self, **options: Any) -> list[ExecutionSummary]:
        return super().list_executions(**options) + self._deleted


@mutant("STORE-DELETE-02", observed="raised nothing", harness=MemoryStoreHarness)
class UnknownIsDeleted(InMemoryStore):
    """An unknown execution is deleted without a word."""

    def delete(self, workflow_execution_id: str) -> None:
        with contextlib.suppress(WorkflowNotFound):
            super().delete(workflow_execution_id)


@mutant("STORE-DELETE-03", observed="nothing is stored", harness=MemoryStoreHarness)
class DeletesByExecutionId(InMemoryStore):
    """A deletion removes the executions of all workflows that have the execution id."""

    def delete(self, workflow_execution_id: str) -> None:
        super().delete(workflow_execution_id)
        end = "#" + workflow_execution_id.partition("#")[2]
        for summary in self.list_executions():
            if summary.workflow_execution_id.endswith(end):
                super().delete(summary.workflow_execution_id)


class _LeavesState(InMemoryStore):
    """The keys of a deleted execution's state come up again under its id."""

    def __init__(self) -> None:
        super().__init__()
        self._left: dict[str, Any] = {}

    def delete(self, workflow_execution_id: str) -> None:
        state = self.load(workflow_execution_id).state
        super().delete(workflow_execution_id)
        self._left[workflow_execution_id] = state

    def write(self, record: WorkflowRecord) -> None:
        left = self._left.get(record.workflow_execution_id, {}) if record.version == 0 else {}
        super().write(replace(record, state={**left, **record.state}))


@mutant("STORE-DELETE-04", observed="after a new creation", harness=MemoryStoreHarness)
class LeavesState(_LeavesState):
    """A deletion leaves the keys of the state, and a new execution under the id has them."""


@mutant("STORE-DELETE-05", observed="were acknowledged, not exactly one", harness=MemoryStoreHarness)
class AsksThenDeletes(InMemoryStore):
    """A deletion asks whether the execution is there, and then removes what there is."""

    def __init__(self) -> None:
        super().__init__()
        self._meeting = Meeting()

    def delete(self, workflow_execution_id: str) -> None:
        self.load(workflow_execution_id)
        self._meeting.wait()
        with contextlib.suppress(WorkflowNotFound):
            super().delete(workflow_execution_id)


@mutant("STORE-DELETE-06", observed="after a deletion that raced with writes", harness=MemoryStoreHarness)
class PutsBack(InMemoryStore):
    """A write that meets a deletion conflicts, and puts the record back all the same."""

    def __init__(self) -> None:
        super().__init__()
        self._latest: dict[str, WorkflowRecord] = {}

    def write(self, record: WorkflowRecord) -> None:
        self._latest[record.workflow_execution_id] = copy_of(record, version=0)
        try:
            super().write(record)
        except WriteConflict:
            self._put_back(record.workflow_execution_id)
            raise

    def patch(self, patch: RecordPatch) -> None:
        try:
            super().patch(patch)
        except WriteConflict:
            self._put_back(patch.workflow_execution_id)
            raise

    def _put_back(self, workflow_execution_id: str) -> None:
        time.sleep(0.2)  # readers see that it is gone
        super().write(self._latest[workflow_execution_id])


@mutant("STORE-WAKE-01", observed="with a wake_at of", harness=MemoryStoreHarness)
class DueAfterItsTime(InMemoryStore):
    """What is due at this very moment is left out."""

    def due(self, now: str, limit: int = 100) -> list[str]:
        return [key for key in super().due(now, limit) if self.load(key).wake_at != now]


@mutant("STORE-WAKE-02", observed="of six executions", harness=MemoryStoreHarness)
class DueById(InMemoryStore):
    """What is due comes in the order of ids."""

    def due(self, now: str, limit: int = 100) -> list[str]:
        return sorted(super().due(now, limit))


@mutant("STORE-WAKE-03", observed="of 104 that are due", harness=MemoryStoreHarness)
class ZeroIsNoLimitOfDue(InMemoryStore):
    """A limit of 0 stands for none."""

    def due(self, now: str, limit: int = 100) -> list[str]:
        return super().due(now, limit or 1_000)


class _Indexed(InMemoryStore):
    """What is due is known from an index that `write` keeps."""

    def __init__(self) -> None:
        super().__init__()
        self._index: dict[str, str | None] = {}

    def _note(self, record: WorkflowRecord) -> None:
        self._index[record.workflow_execution_id] = record.wake_at

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        self._note(record)

    def due(self, now: str, limit: int = 100) -> list[str]:
        known = sorted((wake_at, key) for key, wake_at in self._index.items() if wake_at is not None)
        return [key for wake_at, key in known if wake_at <= now][:limit]


@mutant("STORE-WAKE-04", observed="after a write of wake_at", harness=MemoryStoreHarness)
class IndexedOnce(_Indexed):
    """An execution is due by the `wake_at` that it was created with."""

    def _note(self, record: WorkflowRecord) -> None:
        self._index.setdefault(record.workflow_execution_id, record.wake_at)


@mutant("STORE-WAKE-05", observed="after a patch of wake_at", harness=MemoryStoreHarness)
class IndexedByWrites(_Indexed):
    """An execution is due by the `wake_at` that was written last, whatever was patched since."""


@mutant("STORE-WAKE-06", observed="that have no wake_at", harness=MemoryStoreHarness)
class NoneIsEarly(InMemoryStore):
    """An execution without `wake_at` is due always."""

    def due(self, now: str, limit: int = 100) -> list[str]:
        keys = [summary.workflow_execution_id for summary in self.list_executions()]
        never = [key for key in keys if self.load(key).wake_at is None]
        return (never + super().due(now, limit))[:limit]


@mutant("STORE-WAKE-07", observed="asked by", harness=MemoryStoreHarness)
class DueOnce(InMemoryStore):
    """What was given as due is not given again."""

    def __init__(self) -> None:
        super().__init__()
        self._given: set[str] = set()

    def due(self, now: str, limit: int = 100) -> list[str]:
        found = [key for key in super().due(now, limit) if key not in self._given]
        self._given.update(found)
        return found


_never = threading.Event()
_left_open: list[IO[str]] = []


@mutant("STORE-CLOSE-01", observed="threads more are alive", harness=StoreClientHarness)
class ThreadsStay(StoreStub):
    """Each client has a thread that `close` does not end."""

    def __init__(self, address: str, namespace: str) -> None:
        super().__init__(address, namespace)
        threading.Thread(target=_never.wait, daemon=True).start()


@mutant("STORE-CLOSE-02", observed="file handles more are open", harness=StoreClientHarness)
class FilesStayOpen(StoreStub):
    """Each client opens a file that `close` does not close."""

    def __init__(self, address: str, namespace: str) -> None:
        super().__init__(address, namespace)
        _left_open.append(Path(__file__).open(encoding="utf-8"))  # noqa: SIM115  # the mutation


@mutant("STORE-CLOSE-03", observed="was closed, a call of", harness=StoreClientHarness)
class ClosesForAll(StoreStub):
    """To close one client closes what all of its namespace have."""

    _closed: ClassVar[set[str]] = set()

    def close(self) -> None:
        """Close for all."""
        self._closed.add(self._namespace)

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        if self._namespace in self._closed:
            raise StorageUnavailable("the connection is closed")
        return super()._call(method, *arguments, **options)


@mutant("STORE-CLOSE-04", observed="closing a client again raised", harness=StoreClientHarness)
class ClosesOnce(StoreStub):
    """To close a client that is closed is an error."""

    _is_closed = False

    def close(self) -> None:
        """Close, once."""
        if self._is_closed:
            raise RuntimeError("it is closed")
        self._is_closed = True


@mutant("STORE-MODEL-01", observed="gave a record whose state differ", harness=MemoryStoreHarness)
class LeavesStateToTheNext(_LeavesState):
    """What was deleted shows up in the state of the next execution under its id."""


@mutant("STORE-MODEL-02", observed="after a lost reply", harness=MemoryStoreHarness)
class RepetitionsAreDone(InMemoryStore):
    """The write that came last is acknowledged again."""

    def __init__(self) -> None:
        super().__init__()
        self._latest: WorkflowRecord | None = None

    def write(self, record: WorkflowRecord) -> None:
        if record is not self._latest:
            super().write(record)
            self._latest = record
