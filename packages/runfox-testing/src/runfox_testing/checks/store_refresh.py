"""STORE-REFRESH: refresh equals load."""

from __future__ import annotations

from typing import Any

from runfox.errors import WorkflowNotFound
from runfox.records import WorkflowRecord
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect, expect_raises
from runfox_testing.checks.stored import applied, expect_record, expect_stored, written
from runfox_testing.checks.watching import expect_fresh, expect_whole, watch
from runfox_testing.observing import ObservedStore
from runfox_testing.sample_records import (
    OPS,
    at,
    chain_patch,
    chain_write,
    complete_step,
    copy_of,
    full_record,
    new_record,
    patch_of,
)

_MANY = 140
_MANY_KEYS = 100


def _change(case: StoreCase, client: ObservedStore, record: WorkflowRecord, number: int) -> WorkflowRecord:
    """One more version: by a patch where the store has them, else by a write. Gives what is stored then."""
    state: Any = {"n": number, f"key {number % 7}": [number]}
    steps = {OPS[number % 5]: complete_step(OPS[number % 5], {"n": number}, run_id=number + 20)}
    patch = patch_of(record, state=state, steps=steps, outcome=[number], wake_at=at(number) if number % 3 else None)
    if "SupportsPatch" in case.abilities:
        return applied(client, record, patch)
    changed = copy_of(record)
    patch.apply_to(changed)
    return written(client, changed)


@check(
    "STORE-REFRESH-01",
    needs=("SupportsRefresh",),
    causes=["the record is loaded anew whatever is stored, so that callers can't tell that nothing has changed"],
)
def an_unchanged_record_is_the_argument_itself(case: StoreCase) -> None:
    """Where nothing has changed `refresh` returns its argument itself, for every client, and leaves it as it is."""
    store, other = case.clients(2)
    wanted = written(store, full_record())
    for client in (store, other):
        for _ in range(2):
            seen = client.load(wanted.workflow_execution_id)
            refreshed = client.refresh(seen)
            expect(refreshed is seen, "nothing has changed, and refresh returned another object than its argument")
            expect_record(seen, wanted, "after a refresh, the argument: it")


@check(
    "STORE-REFRESH-02",
    needs=("SupportsRefresh",),
    causes=["a field, key or step that has changed does not know the version that changed it"],
)
def a_record_some_versions_old_is_brought_up_to_date(case: StoreCase) -> None:
    """A record that was seen at any earlier version comes back as `load` gives it, after changes of every field."""
    store, other = case.clients(2)
    wanted = written(store, full_record())
    seen = [other.load(wanted.workflow_execution_id)]
    for number in range(8):
        wanted = _change(case, store, wanted, number)
        for old in seen:
            fresh = other.refresh(copy_of(old))
            expect_record(fresh, wanted, f"refresh of version {old.version} while {wanted.version} is stored")
        seen.append(store.load(wanted.workflow_execution_id))
    expect_stored(other, wanted, "in the end")


@check(
    "STORE-REFRESH-03",
    needs=("SupportsRefresh",),
    causes=["keys and steps that are gone are not looked for, as they have no row that tells their version"],
)
def what_a_write_has_removed_is_gone(case: StoreCase) -> None:
    """After whole writes that drop, reorder and add keys and steps, and change definition and inputs, `refresh` gives
    what is stored and nothing of what was; with later changes on top as well.
    """
    store, other = case.clients(2)
    first = written(store, full_record())
    seen = [other.load(first.workflow_execution_id)]
    records = [
        new_record(ops=("other", "first"), version=1, state={"other": 1}, inputs={}, wake_at=None),
        new_record(version=2, state={"b": 1, "a": 2}, outcome=None),
        new_record(version=3, state={"a": 2, "b": 1}, name="named", steps={}),
    ]
    for number, record in enumerate(records):
        wanted = written(store, record)
        for old in seen:
            fresh = other.refresh(copy_of(old))
            expect_record(fresh, wanted, f"refresh of version {old.version} after {number + 1} whole writes")
        seen.append(other.load(wanted.workflow_execution_id))
    wanted = written(store, full_record(version=wanted.version))
    wanted = _change(case, store, wanted, 3)
    for old in seen:
        fresh = other.refresh(copy_of(old))
        expect_record(fresh, wanted, f"refresh of version {old.version} after a whole write and a change")


@check(
    "STORE-REFRESH-04",
    needs=("SupportsRefresh",),
    causes=["the argument is brought up to date in place", "the answer holds objects that the store keeps"],
)
def refresh_leaves_its_argument_and_shares_nothing_with_the_store(case: StoreCase) -> None:
    """`refresh` leaves its argument as it is; changing the answer, or the argument afterwards, changes nothing stored,
    and nothing that the next `refresh` or `load` gives.
    """
    store, other = case.clients(2)
    wanted = written(store, full_record(state={"deep": {"list": [1]}}))
    old = other.load(wanted.workflow_execution_id)
    before = copy_of(old)
    for number in range(3):
        deep: Any = {"list": [number], "object": {}}
        wanted = _change(case, store, wanted, number)
        if "SupportsPatch" in case.abilities:
            step = complete_step("second", {"deep": {"n": [number]}})
            wanted = applied(store, wanted, patch_of(wanted, state={"deep": deep}, steps={"second": step}))
        fresh: Any = other.refresh(old)
        expect_record(old, before, "after a refresh, the argument: it")
        expect_record(fresh, wanted, "refresh")
        fresh.state["deep"]["list"].append("changed")
        fresh.steps["second"].output and fresh.steps["second"].output.clear()
        fresh.steps["changed"] = fresh.steps.pop("first")
        fresh.state["changed"] = 1
        expect_stored(other, wanted, "after the answer of refresh was changed in place")
        expect_record(other.refresh(copy_of(before)), wanted, "after an answer was changed in place, the next refresh")
        old = copy_of(before)
    again: Any = other.load(wanted.workflow_execution_id)
    expect(other.refresh(again) is again, "nothing has changed, and refresh returned another object")
    again.state["deep"]["list"].clear()
    again.state["changed"] = 1
    expect_stored(other, wanted, "after the argument of a refresh was changed in place")


@check(
    "STORE-REFRESH-05",
    needs=("SupportsRefresh",),
    causes=["an id without a row counts as unchanged"],
)
def an_unknown_execution_is_not_found(case: StoreCase) -> None:
    """`refresh` of a record that was never stored raises `WorkflowNotFound`, whatever version it has."""
    store = case.client()
    store.write(new_record("other"))
    for version in (0, 1, 5):
        record = new_record("unknown", version=version)
        expect_raises(
            WorkflowNotFound,
            f"refresh of version {version} of an unknown execution",
            lambda record=record: store.refresh(record),  # type: ignore[misc]
        )


@check(
    "STORE-REFRESH-06",
    needs=("SupportsRefresh", "SupportsDelete"),
    causes=["what is cached or known to be unchanged is not asked for again"],
)
def a_deleted_execution_is_not_found(case: StoreCase) -> None:
    """`refresh` of a record that has been deleted since raises `WorkflowNotFound`, for every client."""
    store, other = case.clients(2)
    wanted = written(store, full_record())
    old = [store.load(wanted.workflow_execution_id), other.load(wanted.workflow_execution_id)]
    wanted = _change(case, store, wanted, 1)
    latest = other.refresh(old[1])
    store.delete(wanted.workflow_execution_id)
    for client in (store, other):
        for record in (*old, latest):
            expect_raises(
                WorkflowNotFound,
                f"refresh of version {record.version} after the execution was deleted",
                lambda client=client, record=record: client.refresh(record),  # type: ignore[misc]
            )


@check(
    "STORE-REFRESH-07",
    needs=("SupportsRefresh", "SupportsDelete"),
    causes=["only the version is compared, and an execution of the same id is taken for the one before"],
)
def another_execution_of_the_same_id_is_not_mixed_up(case: StoreCase) -> None:
    """After an execution was deleted and another one was created under its id, `refresh` gives the new one, be its
    version lower, the same or higher.
    """
    store, other = case.clients(2)
    for versions in (1, 3, 6):
        execution_id = f"e{versions}"
        old = written(store, full_record(execution_id))
        for number in range(2):
            old = _change(case, store, old, number)
        seen = other.load(old.workflow_execution_id)
        store.delete(old.workflow_execution_id)
        new = written(store, new_record(execution_id, created_at=at(500), updated_at=at(500), state={"new": 0}))
        while new.version < versions:
            new = _change(case, store, new, new.version + 10)
        for client in (store, other):
            fresh = client.refresh(copy_of(seen))
            what = f"refresh of version {seen.version} after a deletion and a new creation"
            expect_record(fresh, new, f"{what} that is at version {new.version}")


@check(
    "STORE-REFRESH-08",
    needs=("SupportsRefresh",),
    causes=["changes are kept for a time or a number, and what is older is taken for unchanged"],
)
def a_record_many_versions_old_is_brought_up_to_date(case: StoreCase) -> None:
    """A record that was seen many versions ago comes back as `load` gives it."""
    store, other = case.clients(2)
    wanted = written(store, full_record())
    seen = other.load(wanted.workflow_execution_id)
    held = [seen]
    for number in range(_MANY):
        # Every version has a key of its own at first, so that none of them can be left out.
        if number < _MANY_KEYS and "SupportsPatch" in case.abilities:
            wanted = applied(store, wanted, patch_of(wanted, state={f"only {number}": number}))
        else:
            wanted = _change(case, store, wanted, number)
        if number in (_MANY - 70, _MANY - 130):
            held.append(copy_of(wanted))
    for client in (other, store, case.client()):
        for record in held:
            what = f"refresh of a record {wanted.version - record.version} versions old"
            expect_record(client.refresh(copy_of(record)), wanted, what)


@check(
    "STORE-REFRESH-09",
    needs=("SupportsRefresh",),
    traits=("threads",),
    causes=["header, state and steps are read by several queries outside one snapshot"],
)
def no_refresh_sees_half_of_a_commit(case: StoreCase) -> None:
    """While one client writes version after version, what others get by refreshing what they have seen last is always
    one version, whole, and never older than what they have seen or what was acknowledged before they asked.
    """
    writer = case.client()
    by_patches = "SupportsPatch" in case.abilities

    def make(version: int) -> None:
        # Now and then a whole write, which readers have to notice as such.
        if version == 1 or not by_patches or version % 7 == 0:
            writer.write(chain_write(version))
        else:
            writer.patch(chain_patch(version))

    for seen in watch(case, make, lambda client, latest: client.refresh(latest)):
        expect_whole((record for _, record in seen.answers), "refresh")
        expect_fresh(seen, "refresh")


def _ordered(record: WorkflowRecord) -> WorkflowRecord:
    """A copy with the steps in the definition's order: a patch puts those at the end that `load` has left out."""
    return copy_of(record, steps={op: record.steps[op] for op in OPS if op in record.steps})


@check(
    "STORE-REFRESH-10",
    needs=("SupportsRefresh", "SupportsPatch"),
    causes=["only records that the store itself has made are recognised"],
)
def a_record_that_the_caller_has_patched_is_known(case: StoreCase) -> None:
    """A record that the caller made by applying its own committed patch to what it had seen, with version + 1, is as
    good as a loaded one: `refresh` returns it itself while it is current, and brings it up to date later.
    """
    store, other = case.clients(2)
    wanted = written(store, full_record())
    held = store.load(wanted.workflow_execution_id)
    for number in range(5):
        patch = patch_of(held, state={"n": number, f"own {number}": number}, outcome=number)
        store.patch(patch)
        patch.apply_to(held)
        held.version += 1
        expect(store.refresh(held) is held, "after its own patch, refresh returned another object than the argument")
        expect_stored(other, held, "after the caller's own patch")
        mine = copy_of(held)
        held = _ordered(_change(case, other, held, number))
        expect_record(store.refresh(mine), held, "after another client's change, refresh of what the caller had made")
