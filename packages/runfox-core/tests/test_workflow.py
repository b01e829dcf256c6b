"""`Workflow`: making and resuming handles, waiting without driving, and what can be seen from outside."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from runfox import Workflow
from runfox.backend import Backend, InProcessRunner
from runfox.errors import DefinitionError, ExecutionExists, ExpressionError, UnknownStep, WaitTimeout, WorkflowNotFound
from runfox.results import Complete, Dispatch, Halt, Pending, StepResult
from runfox.status import StepStatus, WorkflowStatus

CHAIN: dict[str, Any] = {
    "name": "demo",
    "steps": [{"op": "a"}, {"op": "b", "depends_on": "a"}],
    "outputs": {"x": {"var": "state.x"}},
}
YAML = "name: demo\nsteps:\n  - op: a\n  - op: b\n    depends_on: a\noutputs:\n  x: {var: state.x}\n"
JSON = '{"name": "demo", "steps": [{"op": "a"}, {"op": "b", "depends_on": "a"}], "outputs": {"x": {"var": "state.x"}}}'


class ManualClock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def backend(clock: ManualClock) -> Backend:
    return Backend(runner=InProcessRunner(clock=clock), clock=clock)


@pytest.fixture
def workflow(backend: Backend) -> Workflow:
    return Workflow.from_dict(CHAIN, backend)


# Handles


def test_text_and_data_give_the_same_definition(backend: Backend) -> None:
    made = [
        Workflow.from_yaml(YAML, backend, {"i": 1}, "e"),
        Workflow.from_json(JSON, backend, {"i": 1}, "e"),
        Workflow.from_dict(CHAIN, backend, {"i": 1}, "e"),
    ]
    assert len({workflow.id for workflow in made}) == 1
    assert len(backend.list_executions()) == 1
    assert backend.load(made[0].id).inputs == {"i": 1}
    with pytest.raises(ExecutionExists):
        Workflow.from_yaml(YAML, backend, {"i": 2}, "e")


def test_a_wrong_definition_stores_nothing(backend: Backend) -> None:
    with pytest.raises(DefinitionError):
        Workflow.from_yaml("steps: []", backend)
    with pytest.raises(DefinitionError):
        Workflow.from_json("{}", backend)
    with pytest.raises(DefinitionError):
        Workflow.from_dict({}, backend)
    assert backend.list_executions() == []


def test_a_resumed_handle_is_as_good_as_the_first(workflow: Workflow, backend: Backend) -> None:
    workflow.start()
    other = Workflow.resume(workflow.id, backend)
    assert isinstance(other.settle([("a", {"x": 1})]), Dispatch)
    assert workflow.step_statuses == {"a": StepStatus.COMPLETE, "b": StepStatus.IN_PROGRESS}
    assert (other.id, other.backend) == (workflow.id, backend)


def test_only_what_exists_is_resumed(backend: Backend) -> None:
    with pytest.raises(WorkflowNotFound):
        Workflow.resume("w#nobody", backend)


def test_to_resume_changes_nothing(workflow: Workflow, backend: Backend) -> None:
    before = backend.load(workflow.id)
    Workflow.resume(workflow.id, backend)
    assert backend.load(workflow.id) == before


def test_subclasses_make_and_resume_their_own_kind(backend: Backend) -> None:
    class Mine(Workflow):
        pass

    made = Mine.from_dict(CHAIN, backend)
    assert isinstance(made, Mine)
    assert isinstance(Mine.resume(made.id, backend), Mine)


# Events


def test_a_workflow_can_be_carried_by_events_alone(workflow: Workflow, backend: Backend) -> None:
    answer = workflow.advance()
    assert isinstance(answer, Dispatch)
    assert [job.op for job in answer.jobs] == ["a"]
    assert workflow.advance() == Pending()
    assert workflow.on_step_result("a", {"x": 1}, 0) is None
    assert workflow.on_step_result("a", {"x": 2}, 0) is None
    answer = workflow.advance()
    assert isinstance(answer, Dispatch)
    assert workflow.settle([StepResult("b", {}, 0)]) == Complete({"x": 1})
    assert workflow.advance() == workflow.settle([]) == Complete({"x": 1})
    assert backend.pending_tasks() == []


def test_start_hands_the_first_jobs_to_the_runner_and_waits_for_nothing(workflow: Workflow, backend: Backend) -> None:
    answer = workflow.start()
    assert isinstance(answer, Dispatch)
    assert backend.pending_tasks() == answer.jobs
    assert workflow.start() == Pending()
    assert workflow.status is WorkflowStatus.IN_PROGRESS


def test_an_unknown_step_is_an_error(workflow: Workflow) -> None:
    with pytest.raises(UnknownStep):
        workflow.on_step_result("nobody", {})


def test_an_expression_that_fails_is_raised_to_who_can_answer_and_else_ends_the_workflow(backend: Backend) -> None:
    branch = [{"condition": {"+": [{"var": "x"}, 1]}, "action": "complete"}]
    workflow = Workflow.from_dict({"steps": [{"op": "a", "branch": branch}]}, backend)
    workflow.advance()
    with pytest.raises(ExpressionError):
        workflow.on_step_result("a", {"x": {}})
    assert workflow.status is WorkflowStatus.IN_PROGRESS
    answer = workflow.settle([("a", {"x": {}})])
    assert isinstance(answer, Halt)
    assert isinstance(answer.result, dict)
    assert (answer.result["status"], answer.result["op"]) == ("error", "a")
    assert answer.result["place"] == "branch[0].condition"
    assert workflow.outcome == answer.result


def test_a_workflow_is_halted_from_outside(workflow: Workflow) -> None:
    workflow.start()
    assert workflow.halt() == Halt(None)
    assert workflow.halt({"again": True}) == Halt(None)
    assert workflow.status is WorkflowStatus.HALTED
    assert workflow.on_step_result("a", {}) == Halt(None)


# Waiting


def test_a_wait_for_an_end_that_is_there_is_no_wait(workflow: Workflow) -> None:
    workflow.halt("done")
    assert workflow.result() == workflow.result(timeout=0) == Halt("done")


@pytest.mark.parametrize("timeout", [0, 0.03])
def test_a_wait_ends_when_its_time_is_up_and_can_be_begun_again(workflow: Workflow, timeout: float) -> None:
    with pytest.raises(WaitTimeout) as caught:
        workflow.result(timeout)
    assert isinstance(caught.value, TimeoutError)
    workflow.halt("done")
    assert workflow.result(timeout) == Halt("done")


@pytest.mark.parametrize("timeout", [None, 1_000])
def test_a_wait_ends_when_the_execution_does(timeout: float | None) -> None:
    workflow = Workflow.from_dict(CHAIN, Backend(lambda op, inputs: {"x": op}))
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(workflow.result(timeout)))
    waiting.start()
    assert workflow.run() == Complete({"x": "b"})
    waiting.join()
    assert answers == [Complete({"x": "b"})]


def test_a_wait_drives_nothing(workflow: Workflow, backend: Backend) -> None:
    with pytest.raises(WaitTimeout):
        workflow.result(0.01)
    assert backend.load(workflow.id).version == 1


# Looking


def test_what_can_be_seen_follows_the_events(workflow: Workflow, clock: ManualClock) -> None:
    assert (workflow.status, workflow.outcome, workflow.progress) == (WorkflowStatus.PENDING, None, 0.0)
    assert (workflow.step_durations, workflow.elapsed) == ({}, 0.0)
    workflow.advance()
    clock.now += 2
    assert workflow.status is WorkflowStatus.IN_PROGRESS
    assert (workflow.step_durations, workflow.elapsed) == ({"a": 2.0}, 2.0)
    workflow.settle([("a", {"x": 1})])
    clock.now += 3
    assert workflow.step_statuses == {"a": StepStatus.COMPLETE, "b": StepStatus.IN_PROGRESS}
    assert list(workflow.step_statuses) == ["a", "b"]
    assert (workflow.progress, workflow.step_durations, workflow.elapsed) == (0.5, {"a": 2.0, "b": 3.0}, 5.0)
    workflow.settle([("b", {})])
    clock.now += 100
    assert (workflow.status, workflow.outcome) == (WorkflowStatus.COMPLETE, {"x": 1})
    assert (workflow.progress, workflow.step_durations, workflow.elapsed) == (1.0, {"a": 2.0, "b": 3.0}, 5.0)


def test_a_handle_shows_how_its_execution_stands(workflow: Workflow, backend: Backend) -> None:
    assert repr(workflow) == f"<Workflow 'demo' {workflow.id!r} pending 0/2 steps>"
    workflow.advance()
    workflow.settle([("a", {})])
    assert repr(workflow) == f"<Workflow 'demo' {workflow.id!r} in_progress 1/2 steps>"
    workflow.halt()
    backend.delete(workflow.id)
    assert repr(workflow) == f"<Workflow {workflow.id!r} (WorkflowNotFound)>"


def test_what_does_not_exist_can_not_be_looked_at(backend: Backend) -> None:
    workflow = Workflow("w#nobody", backend)
    for name in ("status", "outcome", "step_statuses", "progress", "step_durations", "elapsed"):
        with pytest.raises(WorkflowNotFound):
            getattr(workflow, name)


def test_a_handle_holds_an_id_and_a_backend_and_nothing_else(workflow: Workflow) -> None:
    with pytest.raises(AttributeError):
        workflow.cached = 1  # type: ignore[attr-defined]
