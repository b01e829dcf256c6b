"""STORE-LIMIT: what is too large is refused, and nothing is cut short."""

from __future__ import annotations

from runfox.errors import RecordTooLarge
from runfox.jsonvalue import JSONObject
from runfox.records import RecordPatch, StepRecord, WorkflowRecord
from runfox_testing.case import StoreCase
from runfox_testing.check import check, describe, expect, violated
from runfox_testing.checks.stored import expect_stored, written
from runfox_testing.observing import ObservedStore
from runfox_testing.sample_records import NOON, complete_step, copy_of, full_record, new_record, patch_of, patched

_MANY_STEPS = 2_000
_OUTPUT = 5_000
_MANY_ITEMS = (30, 120, 1_200)
"""Items in one call: the limits of usual batches lie below them."""
_SIZES = (16_000, 65_000, 66_000, 250_000, 260_000, 390_000, 420_000, 1_050_000, 3_000_000)
"""Characters: the limits of usual services lie between them."""


def _text(length: int) -> str:
    """A text without repetition that compression could make small, and not only ASCII."""
    return "".join(f"{number:06d}é" for number in range(length // 7 + 1))[:length]


def _keys(number: int) -> JSONObject:
    return {f"key {index}": [number, index] for index in range(number)}


def _kept_or_too_large(
    store: ObservedStore, other: ObservedStore, old: WorkflowRecord, change: WorkflowRecord | RecordPatch, what: str
) -> WorkflowRecord:
    """Write or patch; gives what is stored now."""
    wanted = patched(old, change) if isinstance(change, RecordPatch) else copy_of(change, version=change.version + 1)
    try:
        if isinstance(change, RecordPatch):
            store.patch(change)
        else:
            store.write(change)
    except RecordTooLarge:
        return expect_stored(other, old, f"after {what} was refused with RecordTooLarge")
    except Exception as error:  # noqa: BLE001  # what was observed
        violated(f"{what} raised {describe(error)}: it has to be kept whole, or to raise RecordTooLarge")
    expect_stored(other, wanted, f"after {what} was acknowledged")
    return wanted


@check(
    "STORE-LIMIT-01",
    causes=[
        "the steps are one item or row with a limit (DynamoDB: 400 KB, MongoDB: 16 MB)",
        "a batch or a statement with many parameters has a limit, and what is over it is left out",
        "a page of a query is taken for all of it (DynamoDB gives 1 MB at a time)",
    ],
)
def many_steps_are_kept_or_refused(case: StoreCase) -> None:
    """A record with 2,000 steps that have outputs of 5 KB each, and one with 1,200 keys in its state, is kept whole, or
    refused with `RecordTooLarge`, and then the old record stays.
    """
    store, other = case.clients(2)
    ops = [f"step-{number:04d}" for number in range(_MANY_STEPS)]
    old = written(store, new_record(ops=ops))
    output = _text(_OUTPUT)
    steps = {op: complete_step(op, {"op": op, "data": output}) for op in ops}
    large = copy_of(old)
    large.steps = steps
    kept = _kept_or_too_large(store, other, old, large, f"a write with {_MANY_STEPS} outputs of {_OUTPUT} characters")
    small = copy_of(kept, steps={op: StepRecord(op=op) for op in ops})
    kept = expect_stored(other, written(store, small), "after a small record was written over it")
    for number in _MANY_ITEMS:
        record = copy_of(kept, state=_keys(number))
        kept = _kept_or_too_large(store, other, kept, record, f"a write with {number:,} keys in the state")


@check(
    "STORE-LIMIT-02",
    causes=[
        "a column, item or message has a maximum length, and what is over it is cut off",
        "the driver's error for what is too large comes through, or is taken for a conflict",
    ],
)
def a_large_value_is_kept_or_refused(case: StoreCase) -> None:
    """A value of 16 KB to 3 MB in the state, the outcome, an output or the inputs is kept whole, or refused with
    `RecordTooLarge`, and then the old record stays.
    """
    store, other = case.clients(2)
    old = written(store, full_record())
    for number, size in enumerate(_SIZES):
        value: JSONObject = {"text": _text(size)}
        records = {
            "the state": copy_of(old, state={"large": value, "after": 1}),
            "the outcome": copy_of(old, outcome=value),
            "an output": copy_of(old, steps={**old.steps, "second": complete_step("second", value)}),
            "the inputs": copy_of(old, inputs=value),
        }
        # By turns, and the largest in two places: all of all would take long for nothing.
        for place in list(records)[number % 4 :: 2 if size == _SIZES[-1] else 4]:
            record = copy_of(records[place], version=old.version)
            old = _kept_or_too_large(store, other, old, record, f"a write of {size:,} characters in {place}")


@check(
    "STORE-LIMIT-03",
    needs=("SupportsPatch",),
    causes=[
        "a patch is measured alone, and the record that it makes is cut off or can't be read any more",
        "a batch or transaction has a limit of items (DynamoDB: 25 or 100), and what is over it is left out",
    ],
)
def a_record_that_grows_is_kept_or_refused(case: StoreCase) -> None:
    """A record that grows by patches, large ones and ones of up to 1,200 steps and as many keys, is kept whole after
    each, or the patch is refused with `RecordTooLarge` and the record stays as it was and can be written.
    """
    store, other = case.clients(2)
    old = written(store, new_record(state={}))
    for number in range(8):
        value = _text(150_000)
        patch = patch_of(old, state={f"part {number}": value}, outcome=number, updated_at=NOON)
        old = _kept_or_too_large(store, other, old, patch, f"a patch of 150,000 characters, number {number + 1}")
    patch = patch_of(old, steps={"first": complete_step("first", {"large": _text(_SIZES[-1])})}, state={"n": 2})
    old = _kept_or_too_large(store, other, old, patch, f"a patch of {_SIZES[-1]:,} characters")
    small = written(store, new_record(version=old.version, state={}))
    found = expect_stored(other, small, "after a small record was written over it")
    expect(found.state == {}, "the state is not empty")
    ops = [f"step-{number:04d}" for number in range(_MANY_ITEMS[-1])]
    old = written(store, new_record("many", ops=ops))
    for number in _MANY_ITEMS:
        steps = {op: complete_step(op, {"of": number}) for op in ops[:number]}
        patch = patch_of(old, state=_keys(number), steps=steps)
        old = _kept_or_too_large(store, other, old, patch, f"a patch of {number:,} steps and {number:,} keys")
