"""The state machine of STORE-MODEL.

Hypothesis generates the sequences, `store_model.Model` says what has to come of them, `StoreMachine` calls and
compares.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from runfox.errors import StorageUnavailable, WorkflowNotFound, WriteConflict
from runfox.records import RecordPatch, StepRecord, WorkflowRecord
from runfox.status import WorkflowStatus
from runfox_testing.case import StoreCase
from runfox_testing.check import describe, expect, violated
from runfox_testing.checks.store_model import Kept, Model
from runfox_testing.checks.store_model_strategies import (
    CLIENTS,
    IDS,
    aims,
    client_numbers,
    names,
    offsets,
    patch_fields,
    whole_fields,
)
from runfox_testing.checks.stored import ids_of
from runfox_testing.comparing import record_difference
from runfox_testing.observing import ObservedStore
from runfox_testing.sample_records import OPS, WORKFLOW_ID, at, copy_of, new_record
from runfox_testing.shrinking import ShrinkBudget


class StoreMachine(RuleBasedStateMachine):
    """Calls the store as the rules come, and compares with the model.

    `case` and `with_faults` are set in a subclass. A rule whose ability is not claimed is never chosen.
    """

    case: StoreCase
    with_faults: bool
    answers: Counter[str]
    """How often each kind of call was answered or refused, over all sequences."""
    budget: ShrinkBudget

    def __init__(self) -> None:
        super().__init__()
        self.budget.begin()
        self.case.fresh_namespace()
        self.model = Model()
        self.clients: list[ObservedStore] = []
        self.seen: dict[str, WorkflowRecord] = {}
        self.calls = 0

    @initialize(records=st.lists(whole_fields, min_size=1, max_size=2))
    def open(self, records: list[dict[str, Any]]) -> None:
        """Several clients, and something to begin with, which one of them has seen."""
        self.clients = self.case.clients(CLIENTS)
        for fields in records:
            self.create(0, 0, fields, lost=False)
        for client in (0, 1):
            self.load(client, client)

    def aimed_at(self, aim: int) -> str:
        """An execution id: three of four aims are an execution that is stored, if any is."""
        known = sorted(self.model.kept)
        return known[aim % len(known)] if known and aim < 9 else IDS[aim % len(IDS)]

    def able(self, ability: str) -> bool:
        """True if the store claims it."""
        return ability in self.case.abilities

    # What changes

    @precondition(lambda self: len(self.model.kept) < len(IDS))
    @rule(client=client_numbers, aim=aims, fields=whole_fields, lost=st.booleans())
    def create(self, client: int, aim: int, fields: dict[str, Any], lost: bool) -> None:
        """A new execution, perhaps under the id of one that was deleted."""
        free = sorted(set(IDS) - self.model.kept.keys())
        self.written(client, free[aim % len(free)], fields, 0, lost=lost)

    @rule(client=client_numbers, aim=aims, fields=whole_fields, off=offsets, lost=st.booleans())
    def write(self, client: int, aim: int, fields: dict[str, Any], off: int, lost: bool) -> None:
        """A whole record, at the stored version or beside it."""
        execution_id = self.aimed_at(aim)
        self.written(client, execution_id, fields, max(0, self.model.version(execution_id) + off), lost=lost)

    def written(self, client: int, execution_id: str, fields: dict[str, Any], version: int, *, lost: bool) -> None:
        """A write of a version; the model knows whether it has to succeed."""
        known = self.model.kept.get(execution_id)
        if known is None and version == 0:
            self.model.born += 1
        # Two executions may be created in the same moment, but never two of one id.
        created_at = known.told("created_at") if known else at(self.model.born + (execution_id == "b"))
        mine = new_record(execution_id, version=version, created_at=created_at, **{**fields, "steps": {}})
        mine.steps = {op: fields["steps"].get(op, StepRecord(op=op)) for op in OPS}
        mine = copy_of(mine)
        self.changes(
            f"a write of version {version}",
            lambda: self.clients[client].write(mine),
            self.model.write(mine),
            WriteConflict,
            lost=lost,
        )

    @precondition(lambda self: self.able("SupportsPatch"))
    @rule(client=client_numbers, aim=aims, changes=patch_fields, off=offsets, lost=st.booleans())
    def patch(self, client: int, aim: int, changes: dict[str, Any], off: int, lost: bool) -> None:
        """A patch, at the stored version or beside it."""
        execution_id = self.aimed_at(aim)
        version = max(0, self.model.version(execution_id) + off)
        patch = RecordPatch(
            workflow_execution_id=f"{WORKFLOW_ID}#{execution_id}", version=version, updated_at=at(version), **changes
        )
        succeeds = self.model.patch(execution_id, patch)
        self.changes(
            f"a patch of version {version}",
            lambda: self.clients[client].patch(patch),
            succeeds,
            WriteConflict,
            lost=lost,
        )
        seen = self.seen.get(execution_id)
        if succeeds and seen is not None and seen.version == version:
            # What the caller knows after its own commit, without a load.
            patch.apply_to(seen)
            seen.version += 1

    @precondition(lambda self: self.able("SupportsDelete") and self.model.kept)
    @rule(client=client_numbers, aim=aims, lost=st.booleans())
    def delete(self, client: int, aim: int, lost: bool) -> None:
        """A deletion, of what is there or not."""
        execution_id = self.aimed_at(aim)
        self.changes(
            "a deletion",
            lambda: self.clients[client].delete(f"{WORKFLOW_ID}#{execution_id}"),
            self.model.kept.pop(execution_id, None) is not None,
            WorkflowNotFound,
            lost=lost,
        )

    def changes(
        self, what: str, call: Callable[[], None], succeeds: bool, refusal: type[Exception], *, lost: bool
    ) -> None:
        """A call that has to succeed, or to be refused. Where its reply is lost, the caller repeats it: the effect
        has happened, so that it has to be refused then.
        """
        self.calls += 1
        for is_first in (True, False):
            try:
                call()
                if is_first and lost and self.with_faults:
                    raise StorageUnavailable("the reply was lost")
            except StorageUnavailable:
                if not (is_first and lost and self.with_faults):
                    raise
                expect(succeeds, f"{what} was acknowledged where {refusal.__name__} is due")
                what, succeeds = f"after a lost reply, {what} again", False
                continue
            except refusal as error:
                expect(not succeeds, f"{what} raised {describe(error)}, though nothing is in its way")
                self.answers["refused"] += 1
            except Exception as error:  # noqa: BLE001  # what was observed
                violated(f"{what} raised {describe(error)}")
            else:
                expect(succeeds, f"{what} was acknowledged where {refusal.__name__} is due")
                self.answers["acknowledged"] += 1
            break

    # What asks

    @rule(client=client_numbers, aim=aims)
    def load(self, client: int, aim: int) -> None:
        """A load; what was seen is remembered for a refresh."""
        execution_id = self.aimed_at(aim)
        found = self.asked("load", self.clients[client].load, execution_id)
        if found is not None:
            self.seen[execution_id] = found

    @precondition(lambda self: self.able("SupportsRefresh") and self.seen)
    @rule(client=client_numbers, data=st.data())
    def refresh(self, client: int, data: st.DataObject) -> None:
        """A refresh of what was seen some time ago."""
        execution_id = data.draw(st.sampled_from(sorted(self.seen)))
        seen = self.seen[execution_id]
        before = copy_of(seen)
        found = self.asked("refresh", lambda _: self.clients[client].refresh(seen), execution_id)
        problem = record_difference(seen, before)
        expect(problem is None, f"refresh has changed its argument: {problem}")
        if found is None:
            del self.seen[execution_id]
        else:
            self.seen[execution_id] = found

    def asked(self, what: str, ask: Callable[[str], WorkflowRecord], execution_id: str) -> WorkflowRecord | None:
        """The record that a load or refresh gives, which has to be the stored one."""
        self.calls += 1
        wanted = self.model.kept.get(execution_id)
        try:
            found = ask(f"{WORKFLOW_ID}#{execution_id}")
        except WorkflowNotFound:
            expect(wanted is None, f"{what} raised WorkflowNotFound, though the execution is stored")
            self.answers[f"asked by {what}"] += 1
            return None
        if wanted is None:
            violated(f"{what} gave a record of version {found.version} where WorkflowNotFound is due")
        kept = Kept.of(found)
        problem = wanted.difference(kept)
        expect(problem is None, f"{what} gave a record whose {problem}")
        self.answers[f"asked by {what}"] += 1
        return found

    @precondition(lambda self: self.able("SupportsListing"))
    @rule(
        client=client_numbers,
        status=st.none() | st.sampled_from(WorkflowStatus),
        name=names,
        since=st.none() | st.integers(0, 9).map(at),
        limit=st.integers(1, 3),
    )
    def browse(
        self, client: int, status: WorkflowStatus | None, name: str | None, since: str | None, limit: int
    ) -> None:
        """All pages of a listing."""
        wanted = self.model.listed(status, name, since)

        def ask() -> list[str]:
            found: list[str] = []
            after = None
            while True:
                page = self.clients[client].list_executions(
                    status=status, name=name, since=since, limit=limit, after=after
                )
                found += ids_of(page)
                if len(page) < limit or len(found) > len(IDS):
                    return found
                after = page[-1].cursor

        def order(ids: list[str]) -> list[str]:
            return [self.model.kept[key].told("created_at") if key in self.model.kept else key for key in ids]

        found = self.case.awaited(ask, lambda ids: sorted(ids) == sorted(wanted) and order(ids) == order(wanted))
        expect(sorted(found) == sorted(wanted), f"the pages of a listing have {found}, not {wanted}")
        self.answers["listed"] += 1
        expect(order(found) == order(wanted), f"the listing has {found}, which is not newest first: {order(found)}")

    @precondition(lambda self: self.able("SupportsWake"))
    @rule(client=client_numbers, now=st.integers(0, 20).map(at))
    def due(self, client: int, now: str) -> None:
        """What is due."""
        wanted = self.model.due(now)

        def order(ids: list[str]) -> list[str]:
            return [self.model.kept[key].told("wake_at") for key in ids]

        found = self.case.awaited(
            lambda: [key.partition("#")[2] for key in self.clients[client].due(now)],
            lambda ids: sorted(ids) == sorted(wanted) and order(ids) == sorted(order(ids)),
        )
        expect(sorted(found) == sorted(wanted), f"{found} are due, not {wanted}")
        self.answers["due"] += 1
        times = order(found)
        expect(times == sorted(times), f"what is due comes in the order of {times}")

    # What happens to clients

    @precondition(lambda self: self.with_faults)
    @rule(client=client_numbers)
    def crash(self, client: int) -> None:
        """A client is abandoned as a crash does it, and another one takes its place."""
        self.case.abandon(self.clients[client])
        self.clients[client] = self.case.client()

    @precondition(lambda self: self.able("durable"))
    @rule()
    def reopen(self) -> None:
        """All clients are closed, and others opened."""
        self.case.close_clients()
        self.clients = self.case.clients(CLIENTS)

    def teardown(self) -> None:
        """In the end everything is as the model has it, for every client."""
        error = sys.exception()  # what a rule has raised: this is called all the same
        if error is None:
            try:
                for client in self.clients:
                    for execution_id in IDS:
                        self.asked("load", client.load, execution_id)
            except Exception as raised:
                self.budget.failed(raised, self.calls)
                raise
        elif isinstance(error, Exception):
            self.budget.failed(error, self.calls)
