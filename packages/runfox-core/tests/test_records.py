"""Records, and the patches that change them."""

import copy
import dataclasses

import pytest

from runfox.records import UNSET, ExecutionSummary, RecordPatch, StepRecord, WorkflowRecord, defined_ops
from runfox.status import StepStatus, WorkflowStatus

SPEC = {"name": "demo", "steps": [{"op": "a"}, {"op": "b"}]}
LATER = "2026-01-31T12:00:01.000000Z"


@pytest.fixture
def record() -> WorkflowRecord:
    return WorkflowRecord(
        workflow_id="w",
        execution_id="e",
        spec=copy.deepcopy(SPEC),
        state={"kept": 1, "changed": 1},
        steps={"a": StepRecord(op="a"), "b": StepRecord(op="b")},
        outcome={"old": True},
        version=4,
        updated_at="2026-01-31T12:00:00.000000Z",
        wake_at="2026-01-31T12:00:05.000000Z",
    )


def a_patch(**changes: object) -> RecordPatch:
    return RecordPatch(workflow_execution_id="w#e", version=4, updated_at=LATER, **changes)


def test_a_step_nobody_touched_is_known_by_its_op_alone():
    step = StepRecord(op="a")
    assert step.status is StepStatus.READY
    assert (step.output, step.run_id, step.attempt) == (None, 0, 0)
    assert step == StepRecord(op="a")


def test_a_step_record_is_never_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        StepRecord(op="a").run_id = 1  # type: ignore[misc]


def test_a_record_knows_its_id_and_name(record):
    assert record.workflow_execution_id == "w#e"
    assert record.name == "demo"


@pytest.mark.parametrize("spec", [{}, {"name": None}, {"name": 3}])
def test_a_record_without_a_usable_name_is_called_workflow(spec):
    assert WorkflowRecord(workflow_id="w", execution_id="e", spec=spec).name == "workflow"


def test_new_records_share_nothing():
    one, other = (WorkflowRecord(workflow_id="w", execution_id=name, spec={}) for name in "ab")
    one.state["x"] = one.inputs["x"] = 1
    one.steps["a"] = StepRecord(op="a")
    assert (other.state, other.inputs, other.steps) == ({}, {}, {})


def test_an_empty_patch_changes_the_time_only(record):
    expected = dataclasses.replace(record, updated_at=LATER)
    a_patch().apply_to(record)
    assert record == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", WorkflowStatus.COMPLETE),
        ("outcome", {"new": True}),
        ("outcome", None),
        ("wake_at", LATER),
        ("wake_at", None),
    ],
)
def test_a_patch_sets_what_it_names_and_none_is_a_value(record, field, value):
    expected = dataclasses.replace(record, updated_at=LATER, **{field: value})
    a_patch(**{field: value}).apply_to(record)
    assert record == expected


def test_a_patch_merges_keys_of_the_state_and_whole_steps(record):
    claimed = StepRecord(op="b", status=StepStatus.IN_PROGRESS, run_id=1)
    a_patch(state={"changed": None, "added": []}, steps={"b": claimed}).apply_to(record)
    assert record.state == {"kept": 1, "changed": None, "added": []}
    assert record.steps == {"a": StepRecord(op="a"), "b": claimed}
    assert list(record.steps) == ["a", "b"]


def test_a_patch_leaves_the_version_to_the_store(record):
    a_patch(status=WorkflowStatus.HALTED).apply_to(record)
    assert record.version == 4


def test_an_applied_record_leaves_the_old_one_as_it_was(record):
    before = copy.deepcopy(record)
    patch = a_patch(status=WorkflowStatus.HALTED, state={"added": 1}, steps={"a": StepRecord(op="a", run_id=1)})
    after = patch.applied(record)
    assert record == before
    patch.apply_to(record)
    assert after == record
    assert after.spec is record.spec


def test_unset_is_one_thing_and_shows_its_name():
    patch = a_patch()
    assert patch.outcome is UNSET
    assert copy.deepcopy(patch).outcome is UNSET
    assert repr(UNSET) == str(UNSET) == f"{UNSET}" == "UNSET"


def test_the_cursor_of_a_summary_stands_for_its_place_in_time():
    summary = ExecutionSummary(
        workflow_execution_id="w#e", name="demo", status=WorkflowStatus.PENDING, created_at="T1", updated_at="T2"
    )
    assert summary.cursor == "T1 w#e"


@pytest.mark.parametrize(
    ("spec", "ops"),
    [
        (SPEC, ["a", "b"]),
        ({}, []),
        ({"steps": None}, []),
        ({"steps": {"op": "a"}}, []),
        ({"steps": ["a", {"op": 1}, {}, {"op": "b"}]}, ["b"]),
    ],
)
def test_the_ops_of_a_definition_come_in_its_order(spec, ops):
    assert list(defined_ops(spec)) == ops
