"""Mutants of stores: STORE-LIST."""

from __future__ import annotations

from typing import Any

from runfox.backend import InMemoryStore
from runfox.errors import WorkflowNotFound
from runfox.records import ExecutionSummary, WorkflowRecord
from runfox_testing.memory import MemoryStoreHarness
from runfox_testing.mutants.mutant import mutant

_ALL = 1_000_000


class _Listing(InMemoryStore):
    """`_listed` is what a subclass changes."""

    def list_executions(self, *, limit: int = 100, **options: Any) -> list[ExecutionSummary]:
        return self._listed(limit, options)

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        return super().list_executions(limit=limit, **options)


@mutant("STORE-LIST-01", observed="of seven executions: the listing has", harness=MemoryStoreHarness)
class OldestFirst(_Listing):
    """The oldest comes first."""

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        return super()._listed(limit, options)[::-1]


@mutant("STORE-LIST-02", observed="in pages of 1", harness=MemoryStoreHarness)
class CursorInclusive(_Listing):
    """A page begins with the last one of the page before."""

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        after = options.pop("after", None)
        found = super()._listed(_ALL, options)
        begin = next((place for place, one in enumerate(found) if after in (one.cursor, one.workflow_execution_id)), 0)
        return found[begin : begin + limit]


@mutant("STORE-LIST-03", observed="in pages of", harness=MemoryStoreHarness)
class CursorIsATime(_Listing):
    """A page goes on with those that were created before the last one of the page before."""

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        after = options.pop("after", None)
        found = super()._listed(_ALL, options)
        if after is not None:
            time = self.load(after).created_at if " " not in after else after.partition(" ")[0]
            found = [one for one in found if one.created_at < time]
        return found[:limit]


@mutant("STORE-LIST-04", observed="created since the first page", harness=MemoryStoreHarness)
class PagesByOffset(_Listing):
    """A page goes on where as many were left out as were given before."""

    def __init__(self) -> None:
        super().__init__()
        self._offsets: dict[str, int] = {}

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        begin = self._offsets.get(options.pop("after", None) or "", 0)
        found = super()._listed(_ALL, options)[begin : begin + limit]
        if found:
            self._offsets[found[-1].cursor] = begin + len(found)
        return found


@mutant("STORE-LIST-05", observed="the second page: the listing has", harness=MemoryStoreHarness)
class CursorIsLookedUp(_Listing):
    """A page after an execution that was deleted is the first page."""

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        after = options.pop("after", None)
        found = super()._listed(_ALL, options)
        begin = next((place + 1 for place, one in enumerate(found) if one.cursor == after), 0)
        return found[begin : begin + limit]


@mutant("STORE-LIST-06", observed="after a patch of the status", harness=MemoryStoreHarness)
class SummariesAreWritten(_Listing):
    """A summary is made by a write, and not by a patch."""

    def __init__(self) -> None:
        super().__init__()
        self._summaries: dict[str, ExecutionSummary] = {}

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        for one in super()._listed(_ALL, {}):
            if one.workflow_execution_id == record.workflow_execution_id:
                self._summaries[one.workflow_execution_id] = one

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        return [self._summaries[one.workflow_execution_id] for one in super()._listed(limit, options)]


@mutant("STORE-LIST-07", observed="with limit 0", harness=MemoryStoreHarness)
class ZeroIsNoLimit(_Listing):
    """A limit of 0 stands for none."""

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        return super()._listed(limit or _ALL, options)


@mutant("STORE-LIST-08", observed="without a limit", harness=MemoryStoreHarness)
class FiftyAtMost(_Listing):
    """A page has 50 at most."""

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        return super()._listed(min(limit, 50), options)


@mutant("STORE-LIST-09", observed="by a name with: empty", harness=MemoryStoreHarness)
class NoNameIsAnyName(_Listing):
    """An empty name filters nothing."""

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        return super()._listed(limit, {**options, "name": options.get("name") or None})


@mutant("STORE-LIST-10", observed="in pages of 2", harness=MemoryStoreHarness)
class FiltersAfterThePage(_Listing):
    """The status filters what is on the page."""

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        status = options.pop("status", None)
        return [one for one in super()._listed(limit, options) if status is None or one.status == status]


@mutant("STORE-LIST-11", observed="with name 'ORDERS'", harness=MemoryStoreHarness)
class NamesInAnyCase(_Listing):
    """A name is found without regard to case."""

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        name = options.get("name")
        return super()._listed(limit, {**options, "name": name.lower() if name else name})


@mutant("STORE-LIST-12", observed="since", harness=MemoryStoreHarness)
class SinceExclusive(_Listing):
    """`since` leaves out what was created then."""

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        since = options.get("since")
        return [one for one in super()._listed(limit, options) if one.created_at != since]


@mutant("STORE-LIST-13", observed="in pages of 2", harness=MemoryStoreHarness)
class OneFilterOnly(_Listing):
    """Where a status is given the name does not filter."""

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        return super()._listed(limit, {**options, "name": None} if options.get("status") else options)


@mutant("STORE-LIST-14", observed="raised nothing", harness=MemoryStoreHarness)
class UnknownIsTheBeginning(_Listing):
    """A listing after an unknown id begins at the beginning."""

    def _listed(self, limit: int, options: dict[str, Any]) -> list[ExecutionSummary]:
        try:
            return super()._listed(limit, options)
        except WorkflowNotFound:
            return super()._listed(limit, {**options, "after": None})
