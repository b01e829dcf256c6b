"""Records for checks: plain ones, one with every field set, and a chain of which every version is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from runfox.jsonvalue import JSONObject, copy_json, copy_object
from runfox.records import RecordPatch, StepRecord, WorkflowRecord
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import add_seconds

NOON = "2026-01-31T12:00:00.000000Z"
WORKFLOW_ID = "c0ffee" + "0123456789abcdef0123456789"
OPS = ("first", "second", "third", "fourth", "fifth")


def at(seconds: float) -> str:
    """UTC text, `seconds` after noon."""
    return add_seconds(NOON, seconds)


def spec_of(ops: Sequence[str] = OPS, name: str | None = None) -> JSONObject:
    """A definition with these steps."""
    spec: JSONObject = {} if name is None else {"name": name}
    spec["steps"] = [{"op": op, "input": {"n": {"var": "input.n"}}} for op in ops]
    return spec


def new_record(
    execution_id: str = "e", *, ops: Sequence[str] = OPS, name: str | None = None, **fields: Any
) -> WorkflowRecord:
    """A record as an execution begins: nothing is touched, version 0. `fields` are set as given."""
    record = WorkflowRecord(
        workflow_id=WORKFLOW_ID,
        execution_id=execution_id,
        spec=spec_of(ops, name),
        inputs={"n": 1},
        state={"n": 1},
        steps={op: StepRecord(op=op) for op in ops},
        status=WorkflowStatus.IN_PROGRESS,
        created_at=NOON,
        updated_at=NOON,
        wake_at=at(60),
    )
    return replace(record, **fields)


def full_record(execution_id: str = "e", **fields: Any) -> WorkflowRecord:
    """A record in which every field is set, and every field of its steps; one of them is untouched."""
    first, second, third, fourth, fifth = OPS
    steps = [
        StepRecord(
            op=first,
            status=StepStatus.COMPLETE,
            output={"total": 1.5, "items": [1, "two", None]},
            run_id=1,
            start_time=at(1),
            end_time=at(2.000001),
            host="host-1:4711",
        ),
        StepRecord(op=second),
        StepRecord(
            op=third,
            status=StepStatus.RETRY,
            output={"error": "once"},
            run_id=3,
            attempt=2,
            start_time=at(3),
            end_time=at(4),
            ready_at=at(30),
            host="host-2",
        ),
        StepRecord(
            op=fourth,
            status=StepStatus.IN_PROGRESS,
            run_id=2,
            attempt=1,
            start_time=at(5),
            host="",
            inputs={"n": 7, "more": {"a": []}},
        ),
        StepRecord(op=fifth, status=StepStatus.HALTED, output={}, run_id=12, start_time=at(6), end_time=at(7)),
    ]
    record = new_record(
        execution_id,
        name="sample",
        inputs={"n": 7, "customer": {"id": "c-1", "tags": ["a", "b"]}},
        state={"n": 7, "total": 1.5, "error": None},
        steps={step.op: step for step in steps},
        status=WorkflowStatus.HALTED,
        outcome={"result": [1, 2.5, None, True, "text"]},
        updated_at=at(8),
        wake_at=at(30),
    )
    return replace(record, **fields)


def complete_step(op: str, output: JSONObject, *, run_id: int = 1) -> StepRecord:
    """A step that has ended with an output."""
    return StepRecord(
        op=op, status=StepStatus.COMPLETE, output=output, run_id=run_id, start_time=at(1), end_time=at(2), host="h"
    )


def copy_of(record: WorkflowRecord, **fields: Any) -> WorkflowRecord:
    """A record that shares nothing with `record`; `fields` are set as given."""
    copy = replace(
        record,
        spec=copy_object(record.spec, "the spec"),
        inputs=copy_object(record.inputs, "the inputs"),
        state=copy_object(record.state, "the state"),
        steps={op: copy_of_step(step) for op, step in record.steps.items()},
        outcome=copy_json(record.outcome, "the outcome"),
    )
    return replace(copy, **fields)


def copy_of_step(step: StepRecord) -> StepRecord:
    """A step that shares nothing with `step`."""
    return replace(
        step,
        output=None if step.output is None else copy_object(step.output, "the output"),
        inputs=None if step.inputs is None else copy_object(step.inputs, "the inputs"),
    )


def patch_of(record: WorkflowRecord, **changes: Any) -> RecordPatch:
    """A patch computed from `record`, which is the stored one. `changes` are its fields."""
    changes = {"version": record.version, "updated_at": at(100 + record.version), **changes}
    return RecordPatch(workflow_execution_id=record.workflow_execution_id, **changes)


def patched(record: WorkflowRecord, patch: RecordPatch) -> WorkflowRecord:
    """What a store has to hold after the patch, as the contract defines it: load, apply, write."""
    copy = copy_of(record)
    patch.apply_to(copy)
    copy = copy_of(copy)  # shares nothing with the patch
    copy.version += 1
    return copy


# A chain of versions, each known from its number alone: what is seen of it is whole, or it is not.

_CHAIN_KEYS = 6


def chain_record(version: int, execution_id: str = "chain") -> WorkflowRecord:
    """The chain's record with this version, as `load` gives it. Everything that changes tells the version."""
    record = new_record(execution_id, ops=OPS, version=version, updated_at=at(version), wake_at=at(version + 60))
    record.state = {f"key {number}": version for number in range(_CHAIN_KEYS)}
    record.steps = {op: complete_step(op, {"version": version}, run_id=version) for op in OPS}
    record.outcome = version
    return record


def chain_write(version: int, execution_id: str = "chain") -> WorkflowRecord:
    """What is written to make the chain's record of this version; from 1 on."""
    return replace(chain_record(version, execution_id), version=version - 1)


def chain_patch(version: int, execution_id: str = "chain") -> RecordPatch:
    """The patch that makes the chain's record of this version; from 2 on."""
    record = chain_record(version, execution_id)
    return RecordPatch(
        workflow_execution_id=record.workflow_execution_id,
        version=version - 1,
        updated_at=record.updated_at,
        outcome=record.outcome,
        wake_at=record.wake_at,
        state=record.state,
        steps=record.steps,
    )
