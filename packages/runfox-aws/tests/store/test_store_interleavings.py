"""Several clients, one call at a time, in any order: whoever is slow, every load is whole, and nothing that the living
head names is ever removed.

Each client runs in a thread of its own and waits for its turn before each call. A client may die before any of them,
or lose a reply. After every call the record is read by somebody who remembers nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_lines import KEY, TABLE, Line, Send, patch_of, record_of, reply_lost

from runfox.errors import StorageUnavailable, WorkflowNotFound, WriteConflict
from runfox.records import RecordPatch, StepRecord, WorkflowRecord
from runfox_aws import DynamoDBStore

pytestmark = pytest.mark.usefixtures("_no_pauses", "_small_sizes")

CLIENTS = 3
READS = {"get_item", "batch_get_item", "query"}
GO, LOSE, DIE = "go", "lose", "die"


class Died(BaseException):
    """The process ends here."""


class Actor:
    """A client that does one thing after the other, a call for each turn."""

    def __init__(self, world: World, number: int, line: Line) -> None:
        self.world = world
        self.number = number
        self.line = line
        self.store = DynamoDBStore(TABLE, line)
        self.known: WorkflowRecord | None = None
        self.thread: threading.Thread | None = None
        self.turn = threading.Semaphore(0)
        self.waits = threading.Semaphore(0)
        self.fate = GO
        self.error: BaseException | None = None
        line.hook = self._before

    def _before(self, name: str, request: dict[str, Any], send: Send) -> Any:
        self.waits.release()
        self.turn.acquire()
        if self.fate == DIE:
            raise Died
        reply = send()
        if name not in READS:
            self.world.look()
        if self.fate == LOSE:
            raise reply_lost()
        return reply

    def step(self, what: Callable[[], None], fate: str) -> None:
        """One call of what is under way, else of `what`; up to before the next one."""
        if self.thread is None:
            self.fate = GO
            self.thread = threading.Thread(target=self._run, args=(what,), daemon=True)
            self.thread.start()
        else:
            self.fate = fate
            self.turn.release()
        assert self.waits.acquire(timeout=60)
        for error in (self.world.broken, self.error):
            if error is not None:
                raise error

    def _run(self, what: Callable[[], None]) -> None:
        try:
            what()
        except Died:
            self.store = DynamoDBStore(TABLE, self.line)  # a new process, which remembers nothing
            self.known = None
        except BaseException as error:  # noqa: BLE001  # is raised by the test's thread
            self.error = error
        self.thread = None
        self.waits.release()

    def end(self) -> None:
        while self.thread is not None:
            self.step(lambda: None, GO)


class World:
    """What was tried and what has been seen: every record that ever lives is one that somebody tried to write."""

    def __init__(self, line: Line) -> None:
        self.actors = [Actor(self, number, Line(line.client)) for number in range(CLIENTS)]
        self.line = line
        self.broken: BaseException | None = None
        self.tried: dict[str, WorkflowRecord] = {}
        self.patches: dict[str, RecordPatch] = {}
        self.stands: WorkflowRecord | None = None
        self.lived: dict[str, WorkflowRecord] = {}
        self.never: set[str] = set()
        self.count = 0
        self.incarnation = 0

    # What clients do

    def marker(self) -> str:
        self.count += 1
        return f"m{self.count}"

    def load(self, actor: Actor) -> None:
        try:
            actor.known = actor.store.load(KEY)
        except (WorkflowNotFound, StorageUnavailable):
            actor.known = None
        else:
            self.check(actor.known)

    def refresh(self, actor: Actor) -> None:
        if actor.known is None:
            return self.load(actor)
        try:
            actor.known = actor.store.refresh(actor.known)
        except (WorkflowNotFound, StorageUnavailable):
            actor.known = None
        else:
            self.check(actor.known)
        return None

    def patch(self, actor: Actor, size: int) -> None:
        if actor.known is None:
            return self.load(actor)
        marker = self.marker()
        step = StepRecord(op="ab"[size % 2], run_id=self.count, output={"v": "y" * (size % 70)})
        patch = patch_of(
            actor.known.version, state={"marker": marker, f"k{size % 5}": marker + "x" * size}, steps={step.op: step}
        )
        self.patches[marker] = patch
        return self.commit(actor, marker, patch.applied(actor.known), lambda: actor.store.patch(patch))

    def write(self, actor: Actor, size: int) -> None:
        marker = self.marker()
        if actor.known is None:
            self.incarnation += 1
            made = f"2026-01-01T00:00:00.{self.incarnation:06}Z"
            record = record_of(created_at=made, state={"marker": marker, "k0": "x" * size})
        else:
            record = patch_of(actor.known.version, state={"marker": marker}).applied(actor.known)
        self.commit(actor, marker, record, lambda: actor.store.write(record))

    def commit(self, actor: Actor, marker: str, record: WorkflowRecord, send: Callable[[], None]) -> None:
        expected = patch_of(0, updated_at=record.updated_at).applied(record)
        expected.version += 1
        self.tried[marker] = expected
        try:
            send()
        except WriteConflict:
            assert marker not in self.lived, "a conflict that took effect"
            self.never.add(marker)
            actor.known = None
        except StorageUnavailable:
            actor.known = None
        else:
            assert marker in self.lived, "a success that nobody saw"
            lived = self.lived[marker]
            actor.known = patch_of(0, updated_at=lived.updated_at).applied(lived)

    def delete(self, actor: Actor) -> None:
        with suppress(WorkflowNotFound, StorageUnavailable):
            actor.store.delete(KEY)
        actor.known = None

    # What must hold

    def check(self, record: WorkflowRecord) -> None:
        marker = str(record.state["marker"])
        assert record == self.tried[marker], "a load that is no record that anybody wrote"

    def look(self) -> None:
        try:
            record = DynamoDBStore(TABLE, self.line).load(KEY)
            marker = str(record.state["marker"])
            if marker not in self.lived and marker in self.patches:
                self.take_effect(marker)
            self.lived[marker] = self.stands = record
            self.check(record)
            assert marker not in self.never, "a conflict that took effect afterwards"
        except WorkflowNotFound:
            self.stands = None
        except BaseException as error:
            self.broken = error  # the client's own code might take it for its own trouble
            raise

    def take_effect(self, marker: str) -> None:
        """A patch was applied to what stood there, which may be an execution that was made anew and has come to the
        same version: versions are all that is compared.
        """
        patch = self.patches[marker]
        assert self.stands is not None, "a patch of what is not there"
        assert self.stands.version == patch.version, "a patch of another version"
        expected = patch.applied(self.stands)
        expected.version += 1
        self.tried[marker] = expected


deeds = st.one_of(
    st.tuples(st.just("patch"), st.integers(0, 120)),
    st.tuples(st.just("patch"), st.integers(0, 120)),
    st.tuples(st.just("patch"), st.integers(0, 120)),
    st.tuples(st.sampled_from(["load", "refresh", "refresh", "delete"]), st.just(0)),
    st.tuples(st.just("write"), st.integers(0, 300)),
)
fates = st.sampled_from([GO] * 12 + [LOSE, DIE])
turns = st.tuples(st.integers(0, CLIENTS - 1), deeds, fates, st.integers(1, 5))


@pytest.fixture
def emptied(line: Line) -> Callable[[], None]:
    client = line.client

    def empty() -> None:
        for page in client.get_paginator("scan").paginate(TableName=TABLE):
            for item in page["Items"]:
                client.delete_item(TableName=TABLE, Key={"PK": item["PK"], "SK": item["SK"]})

    return empty


@settings(
    max_examples=max(5, settings.default.max_examples // 5),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=st.lists(turns, min_size=10, max_size=50))
def test_whatever_the_order_of_calls_every_load_is_whole(
    line: Line, emptied: Callable[[], None], plan: list[tuple[int, tuple[str, int], str, int]]
) -> None:
    emptied()
    world = World(line)
    try:
        for number, (deed, size), fate, times in plan:
            actor = world.actors[number]
            for _ in range(times):
                arguments = (actor, size) if deed in {"patch", "write"} else (actor,)
                actor.step(lambda deed=deed, arguments=arguments: getattr(world, deed)(*arguments), fate)
    finally:
        for actor in world.actors:
            actor.end()
