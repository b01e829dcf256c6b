"""Records as rows and back: what is written for a record or a patch, and what is read.

Nothing here touches a database. Whatever can be refused is refused here, before a lock is taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runfox.errors import RecordTooLarge, StorageCorrupt
from runfox.jsonvalue import JSONObject, JSONValue, copy_object
from runfox.packed import Packed, pack, pack_optional, unpack, unpack_json, unpack_optional
from runfox.records import UNSET, RecordPatch, StepRecord, WorkflowRecord, defined_ops
from runfox.status import StepStatus, WorkflowStatus
from runfox_sqlite._database import Row
from runfox_sqlite._json import TextTooLong, encode

_POSITIONS = 24
"""Bits of a position that count inside one write; the version that it makes is above them."""

# Plain strings, which the driver takes without asking for an adapter. They compare equal to the members.
_STEP_TEXT = {status: status.value for status in StepStatus}
_WORKFLOW_TEXT = {status: status.value for status in WorkflowStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRows:
    """A whole record, ready to be written. Rows lack the numbers, which are the database's.

    `identity` is the workflow_execution_id and its two parts, `header` the columns of an execution from `version` on,
    `definition` the name and text of a definition.
    """

    identity: tuple[Packed, Packed, Packed]
    digest: bytes
    definition: tuple[Packed, Packed]
    header: Row
    inputs: Packed
    state: list[Row]
    steps: list[Row]


def record_rows(record: WorkflowRecord) -> RecordRows:
    """The rows of a record. Raises `InvalidJSON` and `RecordTooLarge`."""
    try:
        spec = encode(record.spec, "the spec")
        version = record.version + 1
        explicit, steps = _needed_steps(record)
        return RecordRows(
            identity=(
                pack(record.workflow_execution_id),
                pack(record.workflow_id),
                pack(record.execution_id),
            ),
            digest=hashlib.sha256(spec if isinstance(spec, bytes) else spec.encode()).digest(),
            definition=(pack(record.name), spec),
            header=(
                version,
                version,
                explicit,
                _WORKFLOW_TEXT[record.status],
                pack(record.created_at),
                pack(record.updated_at),
                pack_optional(record.wake_at),
                encode(record.outcome, "the outcome"),
            ),
            inputs=encode(record.inputs, "the inputs"),
            state=list(state_rows(record.state, version)),
            steps=list(step_rows(steps, version)),
        )
    except TextTooLong as problem:
        raise RecordTooLarge(record.workflow_execution_id, str(problem)) from None


def _needed_steps(record: WorkflowRecord) -> tuple[int, Mapping[str, StepRecord]]:
    """Whether the steps have to be kept explicitly, and those that need a row."""
    defined = dict.fromkeys(defined_ops(record.spec))
    if list(record.steps)[: len(defined)] != list(defined):
        return 1, record.steps
    return 0, {op: step for op, step in record.steps.items() if op not in defined or step != StepRecord(op=op)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchRows:
    """A patch, ready to be written. `changed` names the columns that it sets besides version and `updated_at`."""

    key: Packed
    changed: tuple[str, ...]
    header: Row
    state: list[Row]
    steps: list[Row]


def patch_rows(patch: RecordPatch) -> PatchRows:
    """The rows of a patch. Raises `InvalidJSON` and `RecordTooLarge`."""
    columns: dict[str, object] = {}
    version = patch.version + 1
    try:
        if patch.status is not UNSET:
            columns["status"] = _WORKFLOW_TEXT[patch.status]
        if patch.outcome is not UNSET:
            columns["outcome"] = encode(patch.outcome, "the outcome")
        if patch.wake_at is not UNSET:
            columns["wake_at"] = pack_optional(patch.wake_at)
        key = pack(patch.workflow_execution_id)
        return PatchRows(
            key=key,
            changed=tuple(columns),
            header=(version, pack(patch.updated_at), *columns.values(), key, patch.version),
            state=[] if patch.state is UNSET else list(state_rows(patch.state, version)),
            steps=[] if patch.steps is UNSET else list(step_rows(patch.steps, version)),
        )
    except TextTooLong as problem:
        raise RecordTooLarge(patch.workflow_execution_id, str(problem)) from None


def state_rows(state: Mapping[str, JSONValue], version: int) -> Iterator[Row]:
    """key, position, version, value."""
    for position, (key, value) in enumerate(state.items(), version << _POSITIONS):
        plain = key if type(key) is str else next(iter(copy_object({key: None}, "the state")))
        yield pack(plain), position, version, encode(value, f"state[{plain!r}]")


def step_rows(steps: Mapping[str, StepRecord], version: int) -> Iterator[Row]:
    """op, position, version, status, run_id, attempt, start_time, end_time, ready_at, host, output, inputs."""
    for position, (op, step) in enumerate(steps.items(), version << _POSITIONS):
        if step.op != op:
            raise ValueError(f"steps[{op!r}] is the record of another step, {step.op!r}")
        yield (
            pack(op),
            position,
            version,
            _STEP_TEXT[step.status],
            step.run_id,
            step.attempt,
            pack_optional(step.start_time),
            pack_optional(step.end_time),
            pack_optional(step.ready_at),
            pack_optional(step.host),
            None if step.output is None else encode(step.output, f"the output of step {op!r}"),
            None if step.inputs is None else encode(step.inputs, f"the inputs of step {op!r}"),
        )


def read_record(header: Row, state: list[Row], steps: list[Row]) -> WorkflowRecord:
    """The record of the rows that `load` selects."""
    spec, inputs, explicit, workflow_id, execution_id, *rest = header
    version, status, created_at, updated_at, wake_at, outcome = rest
    record = WorkflowRecord(
        workflow_id=unpack(workflow_id),
        execution_id=unpack(execution_id),
        spec=read_object(spec),
        inputs=read_object(inputs),
        state=read_state(state),
        status=WorkflowStatus(status),
        outcome=unpack_json(outcome),
        version=version,
        created_at=unpack(created_at),
        updated_at=unpack(updated_at),
        wake_at=unpack_optional(wake_at),
    )
    touched = read_steps(steps)
    if not explicit:
        record.steps = {op: touched.get(op) or StepRecord(op=op) for op in defined_ops(record.spec)}
    record.steps.update(touched)
    return record


def read_state(rows: list[Row]) -> JSONObject:
    """key, value, in the order of the keys."""
    return {unpack(key): unpack_json(value) for key, value in rows}


_STEP_STATUS = {status.value: status for status in StepStatus}


def read_steps(rows: list[Row]) -> dict[str, StepRecord]:
    """op, status, run_id, attempt, start_time, end_time, ready_at, host, output, inputs, in the order of the steps."""
    steps: dict[str, StepRecord] = {}
    for packed, status, run_id, attempt, start_time, end_time, ready_at, host, output, inputs in rows:
        op = unpack(packed)
        steps[op] = StepRecord(
            op=op,
            status=_STEP_STATUS[status],
            run_id=run_id,
            attempt=attempt,
            start_time=unpack_optional(start_time),
            end_time=unpack_optional(end_time),
            ready_at=unpack_optional(ready_at),
            host=unpack_optional(host),
            output=None if output is None else read_object(output),
            inputs=None if inputs is None else read_object(inputs),
        )
    return steps


def read_object(packed: Packed) -> JSONObject:
    """The object of a JSON text that was one. Raises `StorageCorrupt`."""
    value = unpack_json(packed)
    if not isinstance(value, dict):
        raise StorageCorrupt("a value in the database is not the JSON object that was written")
    return value
