"""STORE-PATCH: a patch equals load, apply, write."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from runfox.errors import WriteConflict
from runfox.records import RecordPatch, StepRecord
from runfox.status import StepStatus, WorkflowStatus
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect, expect_raises
from runfox_testing.checks.stored import applied, expect_record, expect_stored, expect_undone, expect_unknown, written
from runfox_testing.sample_records import OPS, at, complete_step, copy_of, full_record, new_record, patch_of

CHANGES: Mapping[str, dict[str, Any]] = {
    "nothing but updated_at": {},
    "status": {"status": WorkflowStatus.COMPLETE},
    "outcome": {"outcome": {"result": [1, {"b": 2, "a": 1}]}},
    "wake_at": {"wake_at": at(77.000001)},
    "state": {"state": {"total": 2.5, "new": {"deep": []}, "n": None}},
    "steps": {"steps": {"second": complete_step("second", {"second": True})}},
}
"""One field of a patch each."""


@check(
    "STORE-PATCH-01",
    needs=("SupportsPatch",),
    causes=["a field of the patch is not written, or writes others with it", "the version is not counted"],
)
def a_patch_of_one_field_equals_a_write(case: StoreCase) -> None:
    """A patch of each field alone gives the record that loading, applying and writing gives; all the rest stays."""
    store, other = case.clients(2)
    for number, (what, changes) in enumerate(CHANGES.items()):
        wanted = written(store, full_record(f"e{number}"))
        for client in (store, other):
            wanted = applied(client, wanted, patch_of(wanted, **changes))
            for reader in (store, other):
                expect_stored(reader, wanted, f"after a patch of {what}")


@check(
    "STORE-PATCH-02",
    needs=("SupportsPatch",),
    causes=["two fields are written by separate statements, one of which undoes the other"],
)
def a_patch_of_all_fields_equals_a_write(case: StoreCase) -> None:
    """A patch of all fields together gives the record that loading, applying and writing gives, again and again."""
    store, other = case.clients(2)
    together = {name: value for changes in CHANGES.values() for name, value in changes.items()}
    wanted = written(store, full_record())
    for number in range(6):
        changes = {**together, "outcome": number, "state": {f"key {number}": number, "n": number}}
        wanted = applied(store, wanted, patch_of(wanted, **changes))
        expect_stored(other, wanted, f"after {number + 1} patches of all fields")
    wanted = written(other, wanted)
    wanted = applied(store, wanted, patch_of(wanted, **together))
    expect_stored(other, wanted, "after patches, a write and a patch")


def _refused(case: StoreCase, versions: list[int], stored: int) -> None:
    store, other = case.clients(2)
    wanted = written(store, full_record())
    seen = [other.load(wanted.workflow_execution_id)]
    while wanted.version < stored:
        wanted = applied(store, wanted, patch_of(wanted, outcome=wanted.version))
        # The refused client has not seen what is stored last: it must not take its own refused patch for that.
        if wanted.version < stored:
            seen.append(other.load(wanted.workflow_execution_id))
    for version in versions:
        for what, changes in CHANGES.items():
            patch = patch_of(wanted, version=version, **changes)
            expect_raises(
                WriteConflict,
                f"a patch of version {version} ({what}) while version {stored} is stored",
                partial(other.patch, patch),
            )
        for client in (other, store):
            expect_undone(case, client, seen, wanted, f"after refused patches of version {version}")
    for version in range(stored + 1, 6):
        wanted = applied(store, wanted, patch_of(wanted, outcome=version))
        expect_undone(case, other, seen, wanted, f"after refused patches, when version {version} was patched")


@check(
    "STORE-PATCH-03",
    needs=("SupportsPatch",),
    causes=["the version is not compared, or not by the statement that writes", "steps and state go unguarded"],
)
def a_patch_of_a_stale_version_is_refused(case: StoreCase) -> None:
    """A patch of a version that is no longer the stored one raises `WriteConflict`, and what is stored stays bit for
    bit, as loaded, refreshed, listed and due, also for the client that was refused.
    """
    _refused(case, [3, 2, 1, 0], stored=4)


@check(
    "STORE-PATCH-04",
    needs=("SupportsPatch",),
    causes=["the version is compared by <= only"],
)
def a_patch_of_a_version_that_is_not_there_yet_is_refused(case: StoreCase) -> None:
    """A patch of a version that was not written yet raises `WriteConflict`, and what is stored stays."""
    _refused(case, [3, 4, 1_000_000], stored=2)


@check(
    "STORE-PATCH-05",
    needs=("SupportsPatch",),
    causes=[
        "an update without a row counts as done",
        "an upsert creates what is not there",
        "WorkflowNotFound is raised",
    ],
)
def a_patch_of_an_unknown_execution_is_a_conflict(case: StoreCase) -> None:
    """A patch of an execution that is not stored raises `WriteConflict`, at any version, and creates nothing."""
    store, other = case.clients(2)
    kept = written(store, full_record("kept"))
    for version in (0, 1, 2):
        for changes in CHANGES.values():
            patch = patch_of(new_record("unknown", version=version), **changes)
            expect_raises(
                WriteConflict, f"a patch of version {version} of an unknown execution", partial(store.patch, patch)
            )
        expect_unknown(other, new_record("unknown").workflow_execution_id, "after refused patches")
    expect_stored(other, kept, "after refused patches of an unknown execution beside it")
    wanted = written(store, new_record("unknown", state={}))
    expect_stored(other, wanted, "after refused patches of an execution that was then created")


@check(
    "STORE-PATCH-06",
    needs=("SupportsPatch",),
    causes=["None stands for 'not changed', so that nothing can be set to None", "UNSET is written as None"],
)
def unset_leaves_and_none_sets(case: StoreCase) -> None:
    """What a patch leaves `UNSET` stays, and None replaces what was there."""
    store, other = case.clients(2)
    wanted = written(store, full_record())
    changes: list[dict[str, Any]] = [
        {"wake_at": None},
        {"outcome": None},
        {},
        {"state": {"n": None}},
        {"outcome": 0},
        {"outcome": {}},
        {"wake_at": at(5)},
        {"state": {}},
        {"steps": {}},
        {"wake_at": None, "outcome": None},
    ]
    for change in changes:
        wanted = applied(store, wanted, patch_of(wanted, **change))
        expect_stored(other, wanted, f"after a patch of {change}")


@check(
    "STORE-PATCH-07",
    needs=("SupportsPatch",),
    causes=[
        "the patch's state replaces the whole state",
        "a key that is written again moves to the end, or a new one does not go there",
        "values are merged deeply, as JSON merge patches do (where null removes a key)",
    ],
)
def state_keys_merge(case: StoreCase) -> None:
    """The keys of a patch's state replace those of the record, each where it was; new ones come last, in their order;
    the others stay; values are replaced whole.
    """
    store, other = case.clients(2)
    state: Any = {"z": 1, "a": {"keep": 1, "deep": {"x": 1}}, "m": [1, 2, 3], "": 0, "9": 9}
    wanted = written(store, new_record(state=state))
    patches: list[Any] = [
        {"a": {"deep": {}}},
        {"m": [], "z": None},
        {"y": 1, "b": 2, "10": 3},
        {"9": {}, "c": 1, "z": 2, "B": 3},
        {"b": 4, "": "text", "d": None},
        {"d": {"keep": 2}},
    ]
    for patch in patches:
        wanted = applied(store, wanted, patch_of(wanted, state=patch))
        expect_stored(other, wanted, f"after a patch of the state with {patch}")


@check(
    "STORE-PATCH-08",
    needs=("SupportsPatch",),
    causes=[
        "the fields of a step that are None in the patch keep their old value",
        "the patch's steps replace all others, or go to the end",
    ],
)
def steps_are_replaced_whole(case: StoreCase) -> None:
    """A step of a patch replaces the record's step whole, in its place; None and 0 replace what was there; the others
    stay, and the order is the definition's.
    """
    store, other = case.clients(2)
    wanted = written(store, full_record())
    first, second, third, fourth, fifth = OPS
    patches = [
        {third: StepRecord(op=third, status=StepStatus.COMPLETE, output={}, run_id=3, end_time=at(9))},
        {second: StepRecord(op=second, status=StepStatus.IN_PROGRESS, run_id=1, start_time=at(9), inputs={})},
        {first: StepRecord(op=first)},
        {fifth: StepRecord(op=fifth, run_id=13), first: complete_step(first, {"again": None})},
        {fourth: StepRecord(op=fourth, run_id=2), third: StepRecord(op=third), second: complete_step(second, {})},
    ]
    for number, patch in enumerate(patches):
        wanted = applied(store, wanted, patch_of(wanted, steps=patch))
        expect_stored(other, wanted, f"after patch {number + 1}, of the steps {list(patch)}")


@check(
    "STORE-PATCH-09",
    needs=("SupportsPatch",),
    causes=["patch keeps the caller's objects", "patch counts or fills in something in its argument"],
)
def a_patch_shares_nothing_with_the_store(case: StoreCase) -> None:
    """`patch` leaves its argument as it is, and what the caller then changes in it, at any depth, changes nothing
    stored; nor does what others change in what they load.
    """
    store, other = case.clients(2)
    record = written(store, full_record())

    def made() -> RecordPatch:
        deep: Any = {"list": [{"a": []}], "object": {"b": {}}}
        steps = {"second": complete_step("second", {"deep": deep})}
        return patch_of(record, state={"deep": deep}, outcome={"deep": deep}, steps=steps)

    patch: Any = made()
    wanted = applied(store, record, patch)
    before: Any = made()
    for name in ("workflow_execution_id", "version", "updated_at", "status", "wake_at"):
        expect(
            getattr(patch, name) == getattr(before, name),
            f"after patch, the argument's {name} is {getattr(patch, name)!r}, it was {getattr(before, name)!r}",
        )
    unchanged, changed = copy_of(record), copy_of(record)
    before.apply_to(unchanged)
    patch.apply_to(changed)
    expect_record(changed, unchanged, "after patch, applying its argument")
    for value in (patch.state["deep"], patch.outcome["deep"], patch.steps["second"].output["deep"]):
        value["list"][0]["a"].append("changed")
        value["object"]["b"]["changed"] = 1
    patch.state["changed"] = 1
    patch.steps["first"] = complete_step("first", {"changed": 1})
    for reader in (store, other):
        expect_stored(reader, wanted, "after what patch had been given was changed in place")
        _change(reader.load(wanted.workflow_execution_id))
        expect_stored(other, wanted, f"after what {reader.name} had loaded was changed in place")


def _change(record: Any) -> None:
    record.state["deep"]["list"].clear()
    record.outcome["deep"]["object"]["b"] = 1
    record.steps["second"].output["deep"].clear()


@check(
    "STORE-PATCH-10",
    needs=("SupportsPatch",),
    causes=["a patch that changes nothing is taken for done", "a token against repetition outlives the call"],
)
def a_repeated_patch_is_a_conflict(case: StoreCase) -> None:
    """A patch whose reply was lost and which is repeated raises `WriteConflict` and has no second effect."""
    store, other = case.clients(2)
    wanted = written(store, full_record())
    for what, changes in CHANGES.items():
        patch = patch_of(wanted, **changes)
        wanted = applied(store, wanted, patch)
        for client in (store, other, case.client()):
            expect_raises(WriteConflict, f"the repetition of a patch of {what}", partial(client.patch, patch))
            expect_stored(other, wanted, f"after a patch of {what} was repeated")
