"""`FaultyStore`: any store, with faults."""

from __future__ import annotations

from typing import Self, cast

from runfox.errors import WriteConflict
from runfox.protocols import Store, SupportsDelete, SupportsListing, SupportsPatch, SupportsRefresh, SupportsWake
from runfox.records import ExecutionSummary, RecordPatch, WorkflowRecord
from runfox.status import WorkflowStatus
from runfox_testing.faults import Faults, Injected, Injector, SupportsClose, able


class FaultyStore:
    """A store whose calls meet conflicts, fail, or lose their replies, as `faults` says.

    It has the abilities of `store`, neither more nor less, and hands on `durable`, `shared` and `close`. The first
    write of a record meets no conflict: there is nobody yet who could have won.
    """

    def __new__(cls, store: Store, faults: Faults | Injector) -> Self:  # noqa: ARG004  # `__init__` takes it
        """An instance of a subclass that has the abilities of `store`."""
        return object.__new__(able(cls, _ABILITIES, store))

    def __init__(self, store: Store, faults: Faults | Injector) -> None:
        self._store = store
        self._injector = Injector(faults) if isinstance(faults, Faults) else faults
        self.durable: bool = getattr(store, "durable", False)
        self.shared: bool = getattr(store, "shared", False)

    @property
    def injected(self) -> tuple[Injected, ...]:
        """The faults so far, in order."""
        return self._injector.injected

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        """The record. May fail."""
        return self._injector.reading("load", workflow_execution_id, lambda: self._store.load(workflow_execution_id))

    def write(self, record: WorkflowRecord) -> None:
        """Persist the record. May meet a conflict, fail, or lose its reply."""
        key = record.workflow_execution_id
        if record.version:
            self._meet_rival("write", key, record.version)
        self._injector.acting("write", key, lambda: self._store.write(record))

    def _meet_rival(self, method: str, key: str, version: int) -> None:
        if self._injector.strikes("conflicts", method, key):
            raise WriteConflict(key, version)


class _Patching(FaultyStore):
    def patch(self, patch: RecordPatch) -> None:
        """Persist what changed. May meet a conflict, fail, or lose its reply."""
        store, key = cast("SupportsPatch", self._store), patch.workflow_execution_id
        self._meet_rival("patch", key, patch.version)
        self._injector.acting("patch", key, lambda: store.patch(patch))


class _Refreshing(FaultyStore):
    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        """The record, up to date. May fail."""
        store = cast("SupportsRefresh", self._store)
        return self._injector.reading("refresh", record.workflow_execution_id, lambda: store.refresh(record))


class _Listing(FaultyStore):
    def list_executions(
        self,
        *,
        status: WorkflowStatus | None = None,
        name: str | None = None,
        since: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        """Summaries. May fail."""
        store = cast("SupportsListing", self._store)
        return self._injector.reading(
            "list_executions",
            "",
            lambda: store.list_executions(status=status, name=name, since=since, limit=limit, after=after),
        )


class _Deleting(FaultyStore):
    def delete(self, workflow_execution_id: str) -> None:
        """Remove a record. May fail, or lose its reply."""
        store = cast("SupportsDelete", self._store)
        self._injector.acting("delete", workflow_execution_id, lambda: store.delete(workflow_execution_id))


class _Waking(FaultyStore):
    def due(self, now: str, limit: int = 100) -> list[str]:
        """Who has to be looked after. May fail."""
        store = cast("SupportsWake", self._store)
        return self._injector.reading("due", "", lambda: store.due(now, limit))


class _Closing(FaultyStore):
    def close(self) -> None:
        """Close the store."""
        cast("SupportsClose", self._store).close()


_ABILITIES = (
    (SupportsPatch, _Patching),
    (SupportsRefresh, _Refreshing),
    (SupportsListing, _Listing),
    (SupportsDelete, _Deleting),
    (SupportsWake, _Waking),
    (SupportsClose, _Closing),
)
