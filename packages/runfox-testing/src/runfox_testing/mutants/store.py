"""Mutants of stores: STORE-CLAIM, STORE-LOAD, STORE-ISO."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from runfox.backend import InMemoryStore
from runfox.errors import WorkflowNotFound
from runfox.records import WorkflowRecord
from runfox.status import WorkflowStatus
from runfox_testing.memory import MemoryStoreHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.sample_records import copy_of


@mutant("STORE-CLAIM-01", observed="load(workflow_execution_id=) raised TypeError", harness=MemoryStoreHarness)
class AnotherArgumentName(InMemoryStore):
    """The argument of `load` has another name."""

    def load(self, execution: str) -> WorkflowRecord:
        return super().load(execution)


@mutant("STORE-CLAIM-02", observed="neither True nor False", harness=MemoryStoreHarness)
class NoBoolean(InMemoryStore):
    """`shared` is None."""

    shared: Any = None


@mutant("STORE-CLAIM-03", observed="one and the same object", harness=MemoryStoreHarness)
class OneForAll(InMemoryStore):
    """`shared` is claimed, and all clients are one object."""

    shared = True


@mutant("STORE-LOAD-01", observed="raised KeyError", harness=MemoryStoreHarness)
class PlainKeyError(InMemoryStore):
    """A plain KeyError comes of an unknown id."""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        try:
            return super().load(workflow_execution_id)
        except WorkflowNotFound:
            raise KeyError(workflow_execution_id) from None


@mutant("STORE-LOAD-02", observed="where WorkflowNotFound is due", harness=MemoryStoreHarness)
class FoundByLike(InMemoryStore):
    """Ids are found by LIKE, where `_` stands for any character."""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        pattern = re.escape(workflow_execution_id).replace("_", ".")
        for summary in self.list_executions():
            if re.fullmatch(pattern, summary.workflow_execution_id):
                return super().load(summary.workflow_execution_id)
        raise WorkflowNotFound(workflow_execution_id)


@mutant("STORE-LOAD-03", observed="steps['first'].host: None", harness=MemoryStoreHarness)
class NoHost(InMemoryStore):
    """The host of a step is not kept."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(replace(record, steps={op: replace(step, host=None) for op, step in record.steps.items()}))


@mutant("STORE-LOAD-04", observed="it is taken for one that is there", harness=MemoryStoreHarness)
class AnyCase(InMemoryStore):
    """Ids are compared without regard to case."""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        return super().load(workflow_execution_id.lower())

    def write(self, record: WorkflowRecord) -> None:
        super().write(replace(record, execution_id=record.execution_id.lower()))


@mutant("STORE-LOAD-05", observed="status: <WorkflowStatus.COMPLETE", harness=MemoryStoreHarness)
class HaltedIsComplete(InMemoryStore):
    """All that has ended is complete."""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        return replace(found, status=WorkflowStatus.COMPLETE) if found.status.ended else found


@mutant("STORE-LOAD-06", observed="another order of keys", harness=MemoryStoreHarness)
class SortedSteps(InMemoryStore):
    """Steps come sorted by name."""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        return replace(found, steps=dict(sorted(found.steps.items())))


@mutant("STORE-LOAD-07", observed="load gives another record", harness=MemoryStoreHarness)
class StateByExecutionId(InMemoryStore):
    """The state is found by the execution id, without the workflow's."""

    def __init__(self) -> None:
        super().__init__()
        self._states: dict[str, Any] = {}

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        self._states[record.execution_id] = copy_of(record).state

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        return replace(found, state=self._states[found.execution_id])


@mutant("STORE-LOAD-08", observed="nothing is stored", harness=MemoryStoreHarness)
class JoinedWithState(InMemoryStore):
    """A record without state is not found."""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        if not found.state:
            raise WorkflowNotFound(workflow_execution_id)
        return found


@mutant("STORE-ISO-01", observed="had loaded was changed in place", harness=MemoryStoreHarness)
class HandsOutWhatItKeeps(InMemoryStore):
    """`load` gives the same object until the record is written."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[tuple[str, int], WorkflowRecord] = {}

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        return self._kept.setdefault((workflow_execution_id, found.version), found)


@mutant("STORE-ISO-02", observed="after what write had been given was changed in place", harness=MemoryStoreHarness)
class KeepsTheArgument(InMemoryStore):
    """`write` keeps the state that it was given, not a copy of it."""

    def __init__(self) -> None:
        super().__init__()
        self._given: dict[str, Any] = {}

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        self._given[record.workflow_execution_id] = record.state

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        return copy_of(replace(found, state=self._given[workflow_execution_id]))


@mutant("STORE-ISO-03", observed="version: 1, not 0", harness=MemoryStoreHarness)
class CountsInItsArgument(InMemoryStore):
    """`write` counts up the version of its argument."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        record.version += 1


@mutant("STORE-ISO-04", observed="one loaded before", harness=MemoryStoreHarness)
class ShallowCopies(InMemoryStore):
    """`load` gives shallow copies of a record that it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[tuple[str, int], WorkflowRecord] = {}

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        kept = self._kept.setdefault((workflow_execution_id, found.version), found)
        return replace(kept, state=dict(kept.state), steps=dict(kept.steps))


@mutant("STORE-ISO-05", observed="after newer versions were written", harness=MemoryStoreHarness)
class ChangesWhatReadersHold(InMemoryStore):
    """A write changes the records that were loaded before."""

    def __init__(self) -> None:
        super().__init__()
        self._loaded: list[WorkflowRecord] = []

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        self._loaded.append(found)
        return found

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        for loaded in self._loaded:
            loaded.state = copy_of(record).state


@mutant("STORE-ISO-06", observed="version: 1, not 0", harness=MemoryStoreHarness)
class CountsBeforeItCompares(InMemoryStore):
    """`write` counts up in its argument, and takes it back only where it succeeds."""

    def write(self, record: WorkflowRecord) -> None:
        before = copy_of(record)
        record.version += 1
        super().write(before)
        record.version -= 1
