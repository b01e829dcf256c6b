"""What the engine answers, and what travels between engine, runner and worker."""

import dataclasses
import pickle

import pytest

from runfox.results import Complete, Dispatch, DispatchJob, Halt, Pending, StateChangeEvent, StepResult
from runfox.status import StepStatus, WorkflowStatus

JOB = DispatchJob("w#e", "resize", {"width": 3}, run_id=2)


def test_a_job_calls_its_op_where_nothing_else_is_given():
    assert JOB.call == "resize"
    assert DispatchJob("w#e", "resize", {}, call="image.resize").call == "image.resize"


def test_the_key_of_a_job_names_the_run_and_no_delivery():
    assert JOB.key == "w#e#resize#2"
    assert dataclasses.replace(JOB, delivery=3, lease="token").key == JOB.key


def test_jobs_are_equal_whatever_a_take_adds():
    assert dataclasses.replace(JOB, lease="token", delivery=2) == JOB


@pytest.mark.parametrize("change", [{"run_id": 3}, {"inputs": {}}, {"call": "x"}, {"queue": "gpu"}, {"op": "y"}])
def test_jobs_differ_in_everything_else(change):
    assert dataclasses.replace(JOB, **change) != JOB


def test_a_result_iterates_as_a_pair():
    op, output = StepResult("a", {"ok": True}, run_id=3)
    assert (op, output) == ("a", {"ok": True})


def test_a_result_without_a_run_stands_for_the_newest():
    assert StepResult("a", None).run_id is None


def test_answers_have_empty_outcomes_of_their_own():
    assert Complete().outcome == {}
    assert Halt().result == {}
    assert Complete().outcome is not Complete().outcome
    assert Pending().wake_at is None


@pytest.mark.parametrize(
    "value", [JOB, StepResult("a", [1], 2), Complete({"x": 1}), Halt(None), Dispatch([JOB]), Pending("T"),
              StateChangeEvent("a")]
)  # fmt: skip
def test_values_are_frozen_and_travel_between_processes(value):
    assert pickle.loads(pickle.dumps(value)) == value
    field = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, None)


def test_the_values_of_the_states_are_what_stores_keep():
    assert [str(status) for status in StepStatus] == ["ready", "in_progress", "retry", "complete", "halted"]
    assert [str(status) for status in WorkflowStatus] == ["pending", "in_progress", "complete", "halted"]


def test_a_workflow_has_ended_when_it_is_complete_or_halted():
    assert [status.value for status in WorkflowStatus if status.ended] == ["complete", "halted"]
