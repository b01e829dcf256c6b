"""STORE-WAKE: who has to be looked after."""

from __future__ import annotations

from functools import partial

from runfox.status import WorkflowStatus
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect
from runfox_testing.checks.stored import applied, written
from runfox_testing.observing import ObservedStore
from runfox_testing.sample_records import WORKFLOW_ID, at, copy_of, new_record, patch_of


def expect_due(
    case: StoreCase, client: ObservedStore, now: str, wanted: list[str], what: str, *, limit: int | None = None
) -> None:
    """The execution ids that are due, in that order."""
    arguments = (now,) if limit is None else (now, limit)
    keys = [f"{WORKFLOW_ID}#{execution_id}" for execution_id in wanted]
    found = case.awaited(partial(client.due, *arguments), lambda ids: ids == keys)
    told = [key.removeprefix(f"{WORKFLOW_ID}#") for key in found]
    expect(found == keys, f"{what}, due({', '.join(map(repr, arguments))}) gives {told}, not {wanted}")


@check(
    "STORE-WAKE-01",
    needs=("SupportsWake",),
    causes=["times are compared by < only, or without their microseconds", "the store asks its own clock"],
)
def an_execution_is_due_at_its_time_and_not_before(case: StoreCase) -> None:
    """An execution is due from its `wake_at` on, to the microsecond: by the `now` that is given and no other clock."""
    store, other = case.clients(2)
    written(store, new_record("e", wake_at=at(10)))
    for client in (store, other):
        for now in (at(-99), at(9), at(9.999999)):
            expect_due(case, client, now, [], f"with a wake_at of {at(10)}")
        for now in (at(10), at(10.000001), at(11), at(10**9), "9999-12-31T23:59:59.999999Z"):
            expect_due(case, client, now, ["e"], f"with a wake_at of {at(10)}")
    expect_due(case, store, at(9.999999), [], "asked again for an earlier time")


@check(
    "STORE-WAKE-02",
    needs=("SupportsWake",),
    causes=["the order is that of creation or of ids"],
)
def the_earliest_comes_first(case: StoreCase) -> None:
    """What is due comes earliest `wake_at` first, whatever the order of creation and of ids."""
    store, other = case.clients(2)
    seconds = {"c": 3, "a": 5, "z": 1, "b": 4, "y": 2, "x": 3.000001}
    for number, (execution_id, second) in enumerate(seconds.items()):
        written(store, new_record(execution_id, wake_at=at(second), created_at=at(-number)))
    expect_due(case, other, at(9), ["z", "y", "c", "x", "b", "a"], "of six executions")
    expect_due(case, other, at(3), ["z", "y", "c"], "of six executions, three of which are due")


@check(
    "STORE-WAKE-03",
    needs=("SupportsWake",),
    causes=["the limit is applied before the order, or before what is not due is left out", "0 stands for no limit"],
)
def at_most_limit_are_given(case: StoreCase) -> None:
    """`due` gives at most `limit` ids, the earliest; 100 where none is given, none for 0."""
    store, other = case.clients(2)
    order = case.random.sample(range(104), 104)
    for number in order:
        written(store, new_record(f"e{number:03d}", wake_at=at(number), ops=("only",)))
    wanted = [f"e{number:03d}" for number in range(104)]
    for limit in (104, 1, 3, 0, 103, 1_000_000):
        expect_due(case, other, at(999), wanted[:limit], "of 104 that are due", limit=limit)
    expect_due(case, other, at(999), wanted[:100], "of 104 that are due")
    expect_due(case, other, at(1), wanted[:2], "of 104, two of which are due", limit=50)


@check(
    "STORE-WAKE-04",
    needs=("SupportsWake",),
    causes=["the index is written when the execution is created, and not again", "the old entry stays beside the new"],
)
def due_follows_writes(case: StoreCase) -> None:
    """After each write an execution is due by the `wake_at` written last, by that alone, and for every client."""
    store, other = case.clients(2)
    record = written(store, new_record("e", wake_at=at(10)))
    written(store, new_record("later", wake_at=at(50)))
    for second in (20, 5, 5.5, 49):
        record = written(store, copy_of(record, wake_at=at(second)))
        expect_due(case, other, at(second - 0.000001), [], f"after a write of wake_at {at(second)}")
        expect_due(case, other, at(second), ["e"], f"after a write of wake_at {at(second)}")
    record = written(other, copy_of(record, wake_at=None))
    expect_due(case, store, at(99), ["later"], "after a write of wake_at None")
    record = written(other, copy_of(record, wake_at=at(60)))
    for client in (store, other):
        expect_due(case, client, at(99), ["later", "e"], "after a write of a later wake_at")


@check(
    "STORE-WAKE-05",
    needs=("SupportsWake", "SupportsPatch"),
    causes=["patches don't keep up the index", "None in a patch is taken for 'not changed'"],
)
def due_follows_patches(case: StoreCase) -> None:
    """After each patch an execution is due by the `wake_at` that was patched last; a patch that leaves it `UNSET`
    changes nothing.
    """
    store, other = case.clients(2)
    record = written(store, new_record("e", wake_at=at(10)))
    for second in (20, 5, 5.5):
        record = applied(store, record, patch_of(record, wake_at=at(second)))
        expect_due(case, other, at(second - 0.000001), [], f"after a patch of wake_at to {at(second)}")
        expect_due(case, other, at(second), ["e"], f"after a patch of wake_at to {at(second)}")
        record = applied(other, record, patch_of(record, state={"n": second}))
        expect_due(case, store, at(second), ["e"], "after a patch that leaves wake_at UNSET")
    record = applied(store, record, patch_of(record, wake_at=None))
    expect_due(case, other, at(10**9), [], "after a patch of wake_at to None")
    record = applied(store, record, patch_of(record, outcome=1))
    expect_due(case, other, at(10**9), [], "after a patch that leaves a wake_at of None UNSET")
    applied(other, record, patch_of(record, wake_at=at(0)))
    expect_due(case, store, at(0), ["e"], "after a patch of wake_at from None to a time")


@check(
    "STORE-WAKE-06",
    needs=("SupportsWake",),
    causes=[
        "NULL sorts first, or compares as smaller than any time",
        "ended executions are told apart by their status",
    ],
)
def without_wake_at_nothing_is_due(case: StoreCase) -> None:
    """An execution without `wake_at` is never due; one with it is, whatever its status and its other times."""
    store, other = case.clients(2)
    for status in WorkflowStatus:
        written(store, new_record(f"none-{status.value}", wake_at=None, status=status))
    expect_due(case, other, at(10**9), [], "with executions of every status that have no wake_at")
    for number, status in enumerate(WorkflowStatus):
        written(store, new_record(f"at-{status.value}", wake_at=at(number), status=status))
    wanted = [f"at-{status.value}" for status in WorkflowStatus]
    expect_due(case, other, at(10**9), wanted, "with executions of every status, with wake_at and without")


@check(
    "STORE-WAKE-07",
    needs=("SupportsWake",),
    causes=["what has been given once is marked, or taken from a queue"],
)
def due_changes_nothing(case: StoreCase) -> None:
    """What is due is due again for every client that asks, until the record is written: `due` changes nothing."""
    store, other = case.clients(2)
    record = written(store, new_record("e", wake_at=at(0)))
    for client in (store, other, store, other, case.client()):
        expect_due(case, client, at(1), ["e"], f"asked by {client.name}")
    found = other.load(record.workflow_execution_id)
    expect(found.version == 1, f"after due was asked, the version is {found.version}, not 1")
