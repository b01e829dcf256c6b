"""Records and patches as documents: base, entries, merge and apply give what `RecordPatch.apply_to` gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_lines import patch_of, record_of

from runfox.jsonvalue import JSONValue
from runfox.packed import pack_plain, unpack_json
from runfox.records import UNSET, RecordPatch, StepRecord, WorkflowRecord
from runfox.status import StepStatus
from runfox_aws._documents import (
    Blob,
    Document,
    Slot,
    apply,
    base_of,
    changes_of,
    document_of,
    entry_of,
    merge,
    slots_of,
    with_untouched_steps,
)

texts = st.text(st.characters(exclude_categories=()), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
large = st.integers(900, 1_200).map(lambda size: "é" * size)
keys = st.sampled_from(["a", "b", "c", "\ud800", ""])
objects = st.dictionaries(texts, values | large, max_size=3)
ops = st.sampled_from(["a", "b", "c", "new", "\udfff"])
steps = st.builds(
    StepRecord,
    op=ops,
    status=st.sampled_from(StepStatus),
    output=st.none() | objects,
    run_id=st.integers(0, 9),
    attempt=st.integers(0, 3),
    start_time=st.none() | texts,
    ready_at=st.none() | texts,
    host=st.none() | texts,
    inputs=st.none() | objects,
)
touched = st.lists(steps, max_size=4).map(lambda found: {step.op: step for step in found})
states = st.dictionaries(keys, values | large, max_size=3)
spec = {"name": "n", "steps": [{"op": "a"}, {"op": "b"}, {"op": "c"}]}


@st.composite
def records(draw: st.DrawFn) -> WorkflowRecord:
    defined = {op: StepRecord(op=op) for op in draw(st.permutations(["a", "b", "c"]))}
    if draw(st.booleans()):
        defined = {op: defined[op] for op in "abc"}
    found = defined | draw(touched)
    return record_of(
        spec=spec, inputs=draw(objects), state=draw(states), steps=found, outcome=draw(values | large), version=1
    )


@st.composite
def patches(draw: st.DrawFn) -> RecordPatch:
    changes = {"outcome": values | large, "state": states, "steps": touched}
    return patch_of(1, **{name: draw(made) for name, made in changes.items() if draw(st.booleans())})


class Blobs:
    """The bytes of commits, as a table would keep them."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def new(self) -> Blob:
        return Blob(f"commit{len(self.kept)}")

    def keep(self, blob: Blob) -> None:
        self.kept[blob.commit] = b"".join(blob.parts())

    def read(self, slot: Slot) -> JSONValue:
        if len(slot) == 1:
            return slot[0]  # type: ignore[no-any-return]  # what it keeps in itself
        commit, offset, length = slot
        return unpack_json(self.kept[commit][offset : offset + length])

    def whole(self, placed: Document) -> Document:
        slot = placed.pop("at", None)
        rest = {} if slot is None else self.read(slot)
        assert isinstance(rest, dict)
        return {**rest, **placed}


def same(read: WorkflowRecord, expected: WorkflowRecord) -> None:
    """Equal, to the order of keys and the kind of numbers."""
    for name in ("inputs", "outcome", "state"):
        assert pack_plain(getattr(read, name)) == pack_plain(getattr(expected, name))
    assert list(read.steps) == list(expected.steps)
    for op, step in expected.steps.items():
        assert read.steps[op] == step
        assert pack_plain(read.steps[op].output) == pack_plain(step.output)
        assert pack_plain(read.steps[op].inputs) == pack_plain(step.inputs)


@given(record=records(), changes=st.lists(patches(), max_size=4))
def test_base_and_entries_merged_give_the_record_with_the_patches(
    record: WorkflowRecord, changes: list[RecordPatch]
) -> None:
    blobs = Blobs()
    blob = blobs.new()
    placed = blob.place(base_of(record, blob))
    blobs.keep(blob)
    document = blobs.whole(document_of(placed))
    expected = record
    for version, patch in enumerate(changes, 2):
        expected = patch.applied(expected)
        blob = blobs.new()
        entry = entry_of(changes_of(patch, blob), version, blob)
        blobs.keep(blob)
        made = document_of(entry)
        assert (made["version"], made["commit"], made["parts"]) == (version, blob.commit, len(blob.parts()))
        merge(document, blobs.whole(made))
    assert {slot[0] for slot in slots_of(document) if len(slot) > 1} <= blobs.kept.keys()
    read = replace(record, inputs={}, outcome=None, state={}, steps={})
    apply(document, read, blobs.read)
    same(read if document["explicit"] else with_untouched_steps(read), expected)


@given(record=records(), changes=st.lists(patches(), min_size=1, max_size=4))
def test_entries_merged_give_what_changed_since_a_record(record: WorkflowRecord, changes: list[RecordPatch]) -> None:
    blobs = Blobs()
    document: Document = {}
    expected = record
    for version, patch in enumerate(changes, 2):
        expected = patch.applied(expected)
        blob = blobs.new()
        entry = document_of(entry_of(changes_of(patch, blob), version, blob))
        blobs.keep(blob)
        merge(document, blobs.whole(entry))
    read = replace(record, state=dict(record.state), steps=dict(record.steps))
    apply(document, read, blobs.read)
    same(read, expected)


@given(patch=patches())
def test_an_entry_is_small(patch: RecordPatch) -> None:
    blob = Blob("c")
    assert len(entry_of(changes_of(patch, blob), 1, blob)) < 3_100


def test_steps_that_nobody_touched_are_not_written() -> None:
    record = record_of(spec=spec, steps={op: StepRecord(op=op) for op in "abc"})
    assert base_of(record, Blob("c"))["steps"] == {}


def test_what_a_patch_leaves_is_not_written() -> None:
    assert changes_of(patch_of(1), Blob("c")) == {}
    assert changes_of(patch_of(1, outcome=None), Blob("c")) == {"outcome": [None]}
    assert patch_of(1).outcome is UNSET


def test_a_step_under_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match="another step"):
        changes_of(patch_of(1, steps={"a": StepRecord(op="b")}), Blob("c"))
