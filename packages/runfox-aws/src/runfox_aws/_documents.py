"""Records and patches as documents, and back. Nothing here calls AWS; whatever can be refused is refused here.

A document is plain JSON with a slot for each value: ``[value]`` where the value is small, else ``[commit, offset,
length]``, which says where in the blob of a commit its JSON text is. So values are written once, and documents, which
are written again when they are merged, stay small.

The document of a whole record, a base, has ``inputs``, ``outcome``, ``state`` (a slot for each key), ``steps`` (those
that were touched; all of them with ``explicit``), and ``blobs``, the number of parts of each blob that it knows of. The
document of a patch, an entry, has ``version``, ``commit``, ``parts`` of its own blob, and what it changes. Of one that
is large only these three stand at its place, and ``at`` is the slot of the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from runfox.errors import StorageCorrupt
from runfox.jsonvalue import JSONObject, JSONValue, copy_object
from runfox.packed import Packed, pack_json, pack_plain, unpack_json
from runfox.records import UNSET, RecordPatch, StepRecord, WorkflowRecord, defined_ops
from runfox.status import StepStatus
from runfox_aws._parts import split

Slot: TypeAlias = "list[Any]"
Document: TypeAlias = "dict[str, Any]"
Read: TypeAlias = Callable[[Slot], JSONValue]
"""What gives the value of a slot."""

_SMALL_VALUE = 300
_SMALL_DOCUMENT = 1_000
"""Bytes up to which a value stands in its document, and a document at its place in the head or the log. See ADR 9."""

_SEARCHED = 1_000_000
"""Bytes of a blob in which a value is looked for before it is written."""

_PARTS_OF_A_STEP = 9


class Blob:
    """What a commit keeps beside the head: bytes that never change, under the commit's id."""

    def __init__(self, commit: str) -> None:
        self.commit = commit
        self._data = bytearray()

    def slot(self, value: object, subject: str) -> Slot:
        """The slot of a value. Raises `InvalidJSON` that starts with `subject`."""
        packed = pack_json(value, subject)
        if len(packed) <= _SMALL_VALUE:
            return [unpack_json(packed)]
        return self._keep(packed)

    def place(self, document: Document, *kept: str) -> Packed:
        """A document as it stands at its place: itself, or the entries `kept` and where the rest is."""
        packed = pack_plain(document)
        if len(packed) <= _SMALL_DOCUMENT:
            return packed
        return pack_plain({**{name: document[name] for name in kept}, "at": self._keep(packed)})

    def _keep(self, packed: Packed) -> Slot:
        data = packed.encode() if isinstance(packed, str) else packed
        # What a step puts into the state is a part of its output, which is there by then.
        offset = self._data.find(data, max(0, len(self._data) - _SEARCHED))
        if offset < 0:
            offset = len(self._data)
            self._data += data
        return [self.commit, offset, len(data)]

    def parts(self) -> list[bytes]:
        """What there is to be written."""
        return split(self._data)


# Writing


def base_of(record: WorkflowRecord, blob: Blob) -> Document:
    """The document of a whole record. Raises `InvalidJSON`."""
    defined = dict.fromkeys(defined_ops(record.spec))
    explicit = list(record.steps)[: len(defined)] != list(defined)
    needed = {
        op: step for op, step in record.steps.items() if explicit or op not in defined or step != StepRecord(op=op)
    }
    return {
        "inputs": blob.slot(record.inputs, "the inputs"),
        "outcome": blob.slot(record.outcome, "the outcome"),
        "state": _state(record.state, blob),
        "steps": _steps(needed, blob),
        "explicit": explicit,
        "blobs": {},
    }


def changes_of(patch: RecordPatch, blob: Blob) -> Document:
    """What a patch changes beside the attributes of the head. Raises `InvalidJSON`."""
    document: Document = {}
    if patch.outcome is not UNSET:
        document["outcome"] = blob.slot(patch.outcome, "the outcome")
    if patch.steps is not UNSET:
        document["steps"] = _steps(patch.steps, blob)
    if patch.state is not UNSET:
        document["state"] = _state(patch.state, blob)
    return document


def entry_of(changes: Document, version: int, blob: Blob) -> Packed:
    """The entry of a patch, as it stands in the head; the last thing that goes into the blob."""
    entry: Document = {"version": version, "commit": blob.commit, "parts": 0, **changes}
    placed = unpack_json(blob.place(entry, "version", "commit", "parts"))
    assert isinstance(placed, dict)
    placed["parts"] = len(blob.parts())
    return pack_plain(placed)


def _state(state: Mapping[str, JSONValue], blob: Blob) -> dict[str, Slot]:
    slots: dict[str, Slot] = {}
    for key, value in state.items():
        plain = key if type(key) is str else next(iter(copy_object({key: None}, "the state")))
        slots[plain] = blob.slot(value, f"state[{plain!r}]")
    return slots


def _steps(steps: Mapping[str, StepRecord], blob: Blob) -> dict[str, list[Any]]:
    written: dict[str, list[Any]] = {}
    for op, step in steps.items():
        if step.op != op:
            raise ValueError(f"steps[{op!r}] is the record of another step, {step.op!r}")
        parts = [
            step.status.value,
            step.run_id,
            step.attempt,
            step.start_time,
            step.end_time,
            step.ready_at,
            step.host,
            None if step.output is None else blob.slot(step.output, f"the output of step {op!r}"),
            None if step.inputs is None else blob.slot(step.inputs, f"the inputs of step {op!r}"),
        ]
        while parts[-1] is None:
            parts.pop()
        written[op] = parts
    return written


# Merging


def merge(base: Document, changes: Document) -> None:
    """Apply what an entry changes to `base`, in place: as `RecordPatch.apply_to`, with slots for values."""
    if "outcome" in changes:
        base["outcome"] = changes["outcome"]
    for part in ("state", "steps"):
        base.setdefault(part, {}).update(changes.get(part, ()))


def slots_of(document: Document) -> Iterator[Slot]:
    """All slots of a document."""
    for name in ("inputs", "outcome"):
        if name in document:
            yield document[name]
    yield from document.get("state", {}).values()
    for parts in document.get("steps", {}).values():
        yield from (slot for slot in parts[7:] if slot is not None)


def commit_of(slot: Slot) -> str | None:
    """The commit in whose blob the value of a slot is; None where the slot has it itself."""
    return None if len(slot) == 1 else slot[0]


# Reading


def apply(document: Document, record: WorkflowRecord, read: Read) -> None:
    """Set what a document has in `record`, in place."""
    if "inputs" in document:
        record.inputs = _object(document["inputs"], read)
    if "outcome" in document:
        record.outcome = read(document["outcome"])
    record.state.update({key: read(slot) for key, slot in document.get("state", {}).items()})
    record.steps.update({op: _step(op, parts, read) for op, parts in document.get("steps", {}).items()})


def with_untouched_steps(record: WorkflowRecord) -> WorkflowRecord:
    """The record with all steps of its definition, in its order, before any others."""
    steps = {op: record.steps.get(op) or StepRecord(op=op) for op in defined_ops(record.spec)}
    return replace(record, steps={**steps, **record.steps})


def _step(op: str, parts: list[Any], read: Read) -> StepRecord:
    parts = [*parts, *(None,) * (_PARTS_OF_A_STEP - len(parts))]
    status, run_id, attempt, start_time, end_time, ready_at, host, output, inputs = parts
    return StepRecord(
        op=op,
        status=StepStatus(status),
        run_id=run_id,
        attempt=attempt,
        start_time=start_time,
        end_time=end_time,
        ready_at=ready_at,
        host=host,
        output=None if output is None else _object(output, read),
        inputs=None if inputs is None else _object(inputs, read),
    )


def _object(slot: Slot, read: Read) -> JSONObject:
    value = read(slot)
    if not isinstance(value, dict):
        raise StorageCorrupt("a value in the table is not the JSON object that was written")
    return value


def document_of(packed: Packed) -> Document:
    """A document as it was placed. Raises `StorageCorrupt`."""
    document = unpack_json(packed)
    if not isinstance(document, dict):
        raise StorageCorrupt("an item of the table has no document where one was written")
    return document
