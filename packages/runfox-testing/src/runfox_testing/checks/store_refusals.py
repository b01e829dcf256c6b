"""STORE-JSON: what is no JSON is refused, and the old record stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from runfox.errors import RunfoxError
from runfox.records import RecordPatch, WorkflowRecord
from runfox.status import WorkflowStatus
from runfox_testing.case import StoreCase
from runfox_testing.check import check, describe, violated
from runfox_testing.checks.stored import (
    expect_record,
    expect_refused,
    expect_stored,
    expect_undone,
    expect_unknown,
    written,
)
from runfox_testing.json_samples import beyond_limits, no_json
from runfox_testing.observing import ObservedStore
from runfox_testing.sample_records import OPS, at, complete_step, copy_of, full_record, patch_of


def _with_output(record: WorkflowRecord, value: object) -> WorkflowRecord:
    odd: Any = {"a": value}
    return replace(record, steps={**record.steps, OPS[1]: complete_step(OPS[1], odd)})


_PLACES: Mapping[str, Callable[[WorkflowRecord, Any], WorkflowRecord]] = {
    "the state": lambda record, value: replace(record, state={**record.state, "a": [value]}),
    "the outcome": lambda record, value: replace(record, outcome=[value]),
    "the inputs": lambda record, value: replace(record, inputs={"a": {"b": value}}),
    "the spec": lambda record, value: replace(record, spec={**record.spec, "a": value}),
    "an output": _with_output,
}

_PATCHES: Mapping[str, Callable[[WorkflowRecord, Any], RecordPatch]] = {
    "the state": lambda record, value: patch_of(
        record, state={"before": 1, "a": [value]}, status=WorkflowStatus.COMPLETE, wake_at=at(5)
    ),
    "the outcome": lambda record, value: patch_of(
        record, outcome=[value], state={"before": 1}, status=WorkflowStatus.COMPLETE, wake_at=None
    ),
    "an output": lambda record, value: patch_of(
        record, state={"before": 1}, steps={OPS[1]: complete_step(OPS[1], {"a": value})}
    ),
}


@check(
    "STORE-JSON-12",
    causes=[
        "json.dumps writes NaN and Infinity, turns keys into texts, and default=str turns objects into texts",
        "the value is encoded after something was written, so that the old record is half replaced",
        "the encoder's own TypeError, ValueError or RecursionError comes through",
    ],
)
def a_write_of_what_is_no_json_is_refused(case: StoreCase) -> None:
    """A write with NaN, infinities, bytes, sets, dates, keys that are no texts or a list in itself, in any place, is
    refused with a `RunfoxError` that is no conflict, and the old record stays bit for bit.
    """
    store, other = case.clients(2)
    wanted = written(store, full_record())
    for number, (kind, value) in enumerate(no_json().items()):
        for place in list(_PLACES)[number % 2 :: 2]:
            # A new copy each time: what was refused must not be what a next write is compared with.
            record = _PLACES[place](copy_of(wanted), value)
            expect_refused(f"a write with {kind} in {place}", partial(store.write, record))
            expect_stored(other, wanted, f"after the refused write of {kind} in {place}")
    unknown = _PLACES["the state"](full_record("never"), float("nan"))
    expect_refused("the creation of a record with NaN in the state", lambda: store.write(unknown))
    expect_unknown(other, unknown.workflow_execution_id, "after a refused creation")
    expect_stored(other, written(store, wanted), "after the next write of the same version")


@check(
    "STORE-JSON-13",
    needs=("SupportsPatch",),
    causes=[
        "a patch is encoded piece by piece inside the transaction that it has begun to write",
        "patches are encoded by another function than whole records, one that is not strict",
    ],
)
def a_patch_of_what_is_no_json_is_refused(case: StoreCase) -> None:
    """A patch with what is no JSON is refused with a `RunfoxError` that is no conflict; nothing of it is written,
    not to listings and `due` either.
    """
    store, other = case.clients(2)
    wanted = written(store, full_record())
    for number, (kind, value) in enumerate(no_json().items()):
        for place in list(_PATCHES)[number % 2 :: 2]:
            patch = _PATCHES[place](wanted, value)
            expect_refused(f"a patch with {kind} in {place}", partial(store.patch, patch))
            for client in (store, other):
                expect_undone(case, client, [wanted], wanted, f"after the refused patch of {kind} in {place}")


@check(
    "STORE-JSON-14",
    causes=["what is over a limit is cut off, rounded or replaced instead of refused"],
)
def what_is_beyond_the_limits_is_kept_whole_or_refused(case: StoreCase) -> None:
    """More than 500 levels or 4,000 digits are either kept exactly or refused with a `RunfoxError`; then the old record
    stays.
    """
    store, other = case.clients(2)
    wanted = written(store, full_record())
    for what, value in beyond_limits().items():
        for place in ("the state", "the outcome", "an output"):
            record = _PLACES[place](copy_of(wanted), value)
            wanted = _kept_or_refused(store, other, wanted, record, f"{what} in {place}")


def _kept_or_refused(
    store: ObservedStore, other: ObservedStore, old: WorkflowRecord, record: WorkflowRecord, what: str
) -> WorkflowRecord:
    """What is stored now. The `record` itself is compared with, as it is too deep to be copied."""
    try:
        store.write(record)
    except RunfoxError:
        expect_refused(f"a write with {what}", lambda: store.write(record))
        expect_stored(other, old, f"after the refused write of {what}")
        return old
    except Exception as error:  # noqa: BLE001  # what was observed
        violated(f"a write with {what} raised {describe(error)}, which is no RunfoxError")
    found = other.load(record.workflow_execution_id)
    expect_record(found, replace(record, version=record.version + 1), f"after the acknowledged write of {what}, load")
    return written(store, copy_of(old, version=found.version))
