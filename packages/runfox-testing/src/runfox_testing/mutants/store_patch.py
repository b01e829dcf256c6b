"""Mutants of stores: STORE-PATCH."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from runfox.backend import InMemoryStore
from runfox.errors import WorkflowNotFound, WriteConflict
from runfox.records import UNSET, RecordPatch, WorkflowRecord
from runfox.status import StepStatus
from runfox_testing.memory import MemoryStoreHarness
from runfox_testing.mutants.gaps import Meeting
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.recoding import each_object, recoded_patch
from runfox_testing.mutants.served import StoreClientHarness
from runfox_testing.mutants.store_cas import LoadsInPairs, LoadsSlowly, stored_version
from runfox_testing.mutants.store_durable import Torn
from runfox_testing.sample_records import copy_of


def patch_whatever_is_there(store: Any, patch: RecordPatch) -> None:
    """Patch the stored version, whichever it is."""
    while True:
        try:
            store.patch(replace(patch, version=stored_version(store, patch.workflow_execution_id)))
        except WriteConflict:
            continue
        return


@mutant("STORE-PATCH-01", observed="after a patch of nothing but updated_at", harness=MemoryStoreHarness)
class UpdatedAtStays(InMemoryStore):
    """A patch leaves `updated_at` as it was."""

    def patch(self, patch: RecordPatch) -> None:
        with contextlib.suppress(WorkflowNotFound):
            patch = replace(patch, updated_at=self.load(patch.workflow_execution_id).updated_at)
        super().patch(patch)


@mutant("STORE-PATCH-02", observed="patches of all fields", harness=MemoryStoreHarness)
class StateOrSteps(InMemoryStore):
    """A patch that has state keys writes no steps."""

    def patch(self, patch: RecordPatch) -> None:
        super().patch(patch if patch.state is UNSET else replace(patch, steps=UNSET))


@mutant("STORE-PATCH-03", observed="raised nothing", harness=MemoryStoreHarness)
class StalePatchesPass(InMemoryStore):
    """A patch of an older version passes."""

    def patch(self, patch: RecordPatch) -> None:
        version = stored_version(self, patch.workflow_execution_id)
        super().patch(replace(patch, version=version) if patch.version < version else patch)


@mutant("STORE-PATCH-04", observed="raised nothing", harness=MemoryStoreHarness)
class FuturePatchesPass(InMemoryStore):
    """A patch of a later version passes."""

    def patch(self, patch: RecordPatch) -> None:
        version = stored_version(self, patch.workflow_execution_id)
        super().patch(replace(patch, version=version) if 0 < version < patch.version else patch)


@mutant("STORE-PATCH-05", observed="raised WorkflowNotFound", harness=MemoryStoreHarness)
class UnknownIsNotFound(InMemoryStore):
    """A patch of an unknown execution raises WorkflowNotFound."""

    def patch(self, patch: RecordPatch) -> None:
        self.load(patch.workflow_execution_id)
        super().patch(patch)


@mutant("STORE-PATCH-06", observed="after a patch of {'wake_at': None}", harness=MemoryStoreHarness)
class NoneIsUnset(InMemoryStore):
    """None in a patch is taken for UNSET."""

    def patch(self, patch: RecordPatch) -> None:
        super().patch(replace(patch, wake_at=UNSET) if patch.wake_at is None else patch)


@mutant("STORE-PATCH-07", observed="after a patch of the state with", harness=MemoryStoreHarness)
class PatchedKeysGoToTheEnd(InMemoryStore):
    """A key of the state that is patched goes to the end."""

    def patch(self, patch: RecordPatch) -> None:
        super().patch(patch)
        if patch.state is not UNSET:
            record = self.load(patch.workflow_execution_id)
            for key in patch.state:
                record.state[key] = record.state.pop(key)
            super().delete(patch.workflow_execution_id)
            for version in range(record.version):
                super().write(replace(record, version=version))


@mutant("STORE-PATCH-08", observed="of the steps", harness=MemoryStoreHarness)
class OutputsStay(InMemoryStore):
    """A patch leaves the output of a step where its own is None."""

    def patch(self, patch: RecordPatch) -> None:
        if patch.steps is not UNSET:
            old = self.load(patch.workflow_execution_id).steps
            steps = {
                op: replace(step, output=old[op].output) if step.output is None else step
                for op, step in patch.steps.items()
            }
            patch = replace(patch, steps=steps)
        super().patch(patch)


@mutant("STORE-PATCH-09", observed="was changed in place", harness=MemoryStoreHarness)
class KeepsThePatch(InMemoryStore):
    """`patch` keeps the state that it was given, not a copy of it."""

    def __init__(self) -> None:
        super().__init__()
        self._given: dict[str, Any] = {}

    def patch(self, patch: RecordPatch) -> None:
        super().patch(patch)
        if patch.state is not UNSET:
            self._given[patch.workflow_execution_id] = patch.state

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        found = super().load(workflow_execution_id)
        found.state.update(self._given.get(workflow_execution_id, {}))
        return copy_of(found)


@mutant("STORE-PATCH-10", observed="the repetition of a patch", harness=MemoryStoreHarness)
class RepeatedPatchesAreDone(InMemoryStore):
    """The patch that was written last is acknowledged again."""

    def __init__(self) -> None:
        super().__init__()
        self._latest: RecordPatch | None = None

    def patch(self, patch: RecordPatch) -> None:
        if patch != self._latest:
            super().patch(patch)
            self._latest = patch


@mutant("STORE-PATCH-11", observed="after patches with every kind of JSON", harness=MemoryStoreHarness)
class PatchesSortKeys(InMemoryStore):
    """A patch sorts keys."""

    def patch(self, patch: RecordPatch) -> None:
        super().patch(recoded_patch(patch, each_object(lambda value: dict(sorted(value.items())))))


@mutant("STORE-PATCH-12", observed="after a patch of a step's status", harness=MemoryStoreHarness)
class HaltedStepsAreComplete(InMemoryStore):
    """A patch keeps a halted step as complete."""

    def patch(self, patch: RecordPatch) -> None:
        if patch.steps is not UNSET:
            steps = {
                op: replace(step, status=StepStatus.COMPLETE) if step.status is StepStatus.HALTED else step
                for op, step in patch.steps.items()
            }
            patch = replace(patch, steps=steps)
        super().patch(patch)


@mutant("STORE-PATCH-13", observed="after patches of another execution", harness=MemoryStoreHarness)
class PatchesAnyCase(InMemoryStore):
    """A patch reaches all executions whose id is the same in lower case."""

    def patch(self, patch: RecordPatch) -> None:
        super().patch(patch)
        for summary in self.list_executions():
            key = summary.workflow_execution_id
            if key != patch.workflow_execution_id and key.lower() == patch.workflow_execution_id.lower():
                with contextlib.suppress(WriteConflict):
                    super().patch(replace(patch, workflow_execution_id=key))


@mutant("STORE-PATCH-14", observed="were acknowledged, not exactly one", harness=MemoryStoreHarness)
class ComparesThenPatches(InMemoryStore):
    """A patch compares the version before the statement that writes."""

    def __init__(self) -> None:
        super().__init__()
        self._meeting = Meeting()

    def patch(self, patch: RecordPatch) -> None:
        if patch.version != stored_version(self, patch.workflow_execution_id):
            raise WriteConflict(patch.workflow_execution_id, patch.version)
        self._meeting.wait()
        patch_whatever_is_there(super(), patch)


@mutant("STORE-PATCH-15", observed="were counted up and acknowledged", harness=MemoryStoreHarness)
class PatchesDoNotConflict(LoadsInPairs):
    """A patch that conflicts is written all the same."""

    def patch(self, patch: RecordPatch) -> None:
        try:
            super().patch(patch)
        except WriteConflict:
            patch_whatever_is_there(super(), patch)


@mutant("STORE-PATCH-16", observed="were counted up and acknowledged", harness=StoreClientHarness)
class PatchesAgainAfterAConflict(LoadsSlowly):
    """A client that gets a conflict patches what is there with the same."""

    def patch(self, patch: RecordPatch) -> None:
        try:
            super().patch(patch)
        except WriteConflict:
            patch_whatever_is_there(super(), patch)


@mutant("STORE-PATCH-17", observed="with parts of another version", harness=MemoryStoreHarness)
class PatchesBetweenTwoQueries(Torn):
    """A load reads the steps by a second query, and another client patches in between."""


@mutant("STORE-PATCH-18", observed="after generated patch", harness=MemoryStoreHarness)
class OutcomeOrWakeAt(InMemoryStore):
    """A patch that sets the outcome and not the status leaves `wake_at` as it is."""

    def patch(self, patch: RecordPatch) -> None:
        only = patch.outcome is not UNSET and patch.status is UNSET
        super().patch(replace(patch, wake_at=UNSET) if only else patch)
