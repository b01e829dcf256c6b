"""`Backend`: records and their identity, events, and what happens to jobs on their way to the runner."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from runfox import Workflow
from runfox.backend import Backend, InMemoryStore, InProcessRunner
from runfox.backend import base as base_module
from runfox.backend import engine as engine_module
from runfox.definition import parse_dict
from runfox.errors import (
    ExecutionActive,
    ExecutionEnded,
    ExecutionExists,
    InvalidExecutionId,
    InvalidJSON,
    NotSupported,
    PayloadTooLarge,
    RecordTooLarge,
    StorageUnavailable,
    UnknownRoute,
    WorkflowNotFound,
)
from runfox.jsonvalue import canonical_text
from runfox.records import RecordPatch, StepRecord, WorkflowRecord
from runfox.results import Complete, Dispatch, DispatchJob, Halt, Pending, StepResult
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import format_time

ONE = {"steps": [{"op": "a"}]}


def create(backend: Backend, definition: dict[str, Any] = ONE, *args: Any) -> str:
    return backend.create(parse_dict(definition), *args)


def advanced(backend: Backend, definition: dict[str, Any]) -> str:
    key = create(backend, definition)
    backend.advance(key)
    return key


class PlainStore:
    """Has what every store must have, and nothing else."""

    def __init__(self) -> None:
        self._inner = InMemoryStore()
        self.after_write: Callable[[], None] = lambda: None

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        return self._inner.load(workflow_execution_id)

    def write(self, record: WorkflowRecord) -> None:
        self._inner.write(record)
        self.after_write()


# Creating


def test_a_new_execution_is_stored_whole_and_somebody_will_look_after_it(clock: Any) -> None:
    backend = Backend(clock=clock, recover_after=7.0)
    definition = {"name": "demo", "steps": [{"op": "b"}, {"op": "a", "depends_on": "b"}]}
    key = create(backend, definition, {"x": 1}, "e-1")
    record, now = backend.load(key), format_time(clock.now)
    assert key == record.workflow_execution_id == f"{parse_dict(definition).workflow_id}#e-1"
    assert (record.inputs, record.state, record.outcome, record.name) == ({"x": 1}, {}, None, "demo")
    assert (record.status, record.version) == (WorkflowStatus.PENDING, 1)
    assert (record.created_at, record.updated_at, record.wake_at) == (now, now, format_time(clock.now + 7))
    assert {op: step.status for op, step in record.steps.items()} == {"b": StepStatus.READY, "a": StepStatus.READY}
    assert list(record.steps) == ["b", "a"]
    assert parse_dict(record.spec).workflow_id == record.workflow_id


def test_executions_without_an_id_get_one_each() -> None:
    backend = Backend()
    assert len({create(backend) for _ in range(100)}) == 100


def test_creating_again_with_the_same_id_and_inputs_gives_the_execution_that_is_there() -> None:
    backend = Backend()
    key = create(backend, ONE, {"x": 1, "y": [None]}, "e")
    backend.halt(key, "done")
    before = backend.load(key)
    assert create(backend, ONE, {"y": [None], "x": 1}, "e") == key
    assert create(Backend(store=backend.store), ONE, {"x": 1, "y": (None,)}, "e") == key
    assert backend.load(key) == before


@pytest.mark.parametrize("other", [{"x": 1.0}, {"x": True}, {"x": "1"}, {}, None, {"x": 1, "y": 1}, {"x": None}])
def test_creating_again_with_other_inputs_is_refused(other: Any) -> None:
    backend = Backend()
    key = create(backend, ONE, {"x": 1}, "e")
    with pytest.raises(ExecutionExists) as caught:
        create(backend, ONE, other, "e")
    assert caught.value.workflow_execution_id == key
    assert backend.load(key).inputs == {"x": 1}


def test_no_inputs_and_empty_inputs_are_the_same() -> None:
    backend = Backend()
    assert create(backend, ONE, None, "e") == create(backend, ONE, {}, "e")


def test_an_id_may_be_used_once_for_each_definition() -> None:
    backend = Backend()
    assert create(backend, ONE, {"x": 1}, "e") != create(backend, {"steps": [{"op": "b"}]}, {"x": 2}, "e")


@pytest.mark.parametrize("execution_id", ["", "a#b", "ä", "x" * 129, "a b", 7])
def test_an_id_that_stores_need_not_keep_is_refused(execution_id: Any) -> None:
    backend = Backend()
    with pytest.raises(InvalidExecutionId):
        create(backend, ONE, None, execution_id)
    assert backend.list_executions() == []


def test_inputs_that_are_not_json_are_refused_and_nothing_is_stored() -> None:
    backend = Backend()
    for inputs in ({"x": math.nan}, {1: 2}, [1]):
        with pytest.raises(InvalidJSON, match="the workflow's inputs"):
            create(backend, ONE, inputs)
    assert backend.list_executions() == []


def test_what_the_caller_does_to_the_inputs_afterwards_reaches_no_one() -> None:
    backend = Backend()
    inputs: dict[str, Any] = {"x": [1]}
    key = create(backend, {"steps": [{"op": "a", "input": {"x": {"var": "input.x"}}}]}, inputs)
    inputs["x"].append(2)
    answer = backend.advance(key)
    assert isinstance(answer, Dispatch)
    assert answer.jobs[0].inputs == backend.load(key).inputs == {"x": [1]}


def test_a_lost_reply_to_a_create_is_no_failure() -> None:
    def lose() -> None:
        raise StorageUnavailable("the reply was lost")

    store = PlainStore()
    store.after_write = lose
    backend = Backend(store=store)
    key = create(backend, ONE, {"x": 1})
    store.after_write = lambda: None
    assert isinstance(backend.advance(key), Dispatch)


def test_a_create_that_failed_raises_what_the_store_raised() -> None:
    class Refusing(InMemoryStore):
        def write(self, record: WorkflowRecord) -> None:
            raise RecordTooLarge(record.workflow_execution_id, "10 bytes")

    with pytest.raises(RecordTooLarge):
        create(Backend(store=Refusing()))


def test_of_concurrent_creates_with_one_id_all_give_the_same_execution(together: Callable[..., list[Any]]) -> None:
    store = InMemoryStore()
    keys = together(4, lambda n: create(Backend(store=store), ONE, {"x": 1}, "e"))
    assert len(set(keys)) == 1
    assert store.load(keys[0]).version == 1


# Records


def test_what_a_store_can_not_do_is_said_by_name() -> None:
    backend = Backend(store=PlainStore())
    with pytest.raises(NotSupported, match="SupportsListing") as caught:
        backend.list_executions()
    assert isinstance(caught.value, TypeError)
    with pytest.raises(NotSupported, match="SupportsDelete"):
        backend.delete(create(backend))


def test_executions_are_listed_as_the_store_lists_them(clock: Any) -> None:
    backend = Backend(clock=clock)
    keys = []
    for n in range(3):
        clock.now += 1
        keys.append(create(backend, {"name": f"n{n}", **ONE}))
    backend.halt(keys[1], None)
    assert [s.workflow_execution_id for s in backend.list_executions()] == keys[::-1]
    (summary,) = backend.list_executions(status=WorkflowStatus.HALTED, name="n1", since=format_time(0.0), limit=5)
    assert summary.workflow_execution_id == keys[1]
    page = backend.list_executions(limit=2)
    assert [s.workflow_execution_id for s in backend.list_executions(after=page[-1].cursor)] == keys[:1]


def test_an_execution_that_has_ended_can_be_deleted_and_its_jobs_with_it(clock: Any) -> None:
    backend = Backend(clock=clock)
    key = advanced(backend, ONE)
    backend.runner.dispatch(key, [DispatchJob(key, "a", {})])
    with pytest.raises(ExecutionActive):
        backend.delete(key)
    assert len(backend.pending_tasks()) == 1
    backend.halt(key, None)
    backend.runner.dispatch(key, [DispatchJob(key, "a", {})])
    backend.delete(key)
    assert backend.pending_tasks() == []
    with pytest.raises(WorkflowNotFound):
        backend.load(key)
    with pytest.raises(WorkflowNotFound):
        backend.delete(key)


def test_a_loaded_record_is_a_copy() -> None:
    backend = Backend()
    key = create(backend, ONE, {"x": [1]})
    record = backend.load(key)
    record.inputs.clear()
    record.steps.clear()
    assert backend.load(key).inputs == {"x": [1]}


# Events


def test_results_are_plain_pairs_or_fenced() -> None:
    backend = Backend()
    key = advanced(backend, {"steps": [{"op": "a"}, {"op": "b"}]})
    results: list[Any] = [("a", {"x": 1}), StepResult("b", {}, 0)]
    assert backend.settle(key, iter(results)) == Complete({})
    assert backend.load(key).state == {"x": 1}


def test_on_step_result_says_what_follows_for_that_step() -> None:
    backend = Backend()
    halting = [{"condition": {"var": "stop"}, "action": "halt", "result": "stopped"}]
    steps = [{"op": "a", "max_attempts": 2, "branch": halting}, {"op": "b"}]
    key = advanced(backend, {"steps": steps})
    assert backend.on_step_result(key, "b", None) is None
    assert isinstance(backend.on_step_result(key, "a", {"ok": False}, 0), Pending)
    assert backend.on_step_result(key, "a", {"ok": False}, 0) is None
    backend.advance(key)
    assert backend.on_step_result(key, "a", {"stop": True}, 1) == Halt("stopped")
    assert backend.on_step_result(key, "b", {}) == Halt("stopped")


def test_a_late_result_of_a_completed_execution_is_none() -> None:
    backend = Backend()
    key = advanced(backend, ONE)
    backend.settle(key, [("a", {})])
    assert backend.on_step_result(key, "a", {}) is None


def test_an_execution_is_ended_from_outside_once() -> None:
    backend = Backend()
    key = create(backend)
    result: dict[str, Any] = {"x": [1]}
    assert backend.halt(key, result) == Halt({"x": [1]})
    result["x"].append(2)
    assert backend.halt(key, "again") == Halt({"x": [1]})
    assert backend.load(key).wake_at is None
    with pytest.raises(InvalidJSON, match="result of halt"):
        backend.halt(key, math.nan)


def test_what_an_answer_holds_is_a_copy() -> None:
    backend = Backend()
    key = create(backend)
    answers = [backend.halt(key, {"x": [1]}), backend.look(key)]
    for answer in answers:
        assert isinstance(answer, Halt)
        answer.result["x"].append(2)  # type: ignore[call-overload,index,union-attr]
    assert backend.look(key) == Halt({"x": [1]})


def test_updates_of_the_state_have_to_be_json() -> None:
    backend = Backend()
    key = create(backend)
    with pytest.raises(InvalidJSON, match="updates of the state"):
        backend.merge_workflow_state(key, {"x": math.inf})
    assert backend.load(key).version == 1


def test_a_look_changes_nothing() -> None:
    backend = Backend()
    key = create(backend)
    before = backend.load(key)
    assert backend.look(key) == Pending()
    assert backend.load(key) == before


# The runner's side


class Choosy(InProcessRunner):
    """Refuses the jobs in `refused`, and executes those in `local` within the dispatch."""

    def __init__(self, error: type[PayloadTooLarge | UnknownRoute], refused: str, local: str = "") -> None:
        super().__init__()
        self._error, self._refused, self._local = error, refused, local

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        special = self._refused + self._local
        super().dispatch(workflow_execution_id, [job for job in jobs if job.op not in special])
        done = [StepResult(job.op, {"local": True}, job.run_id) for job in jobs if job.op in self._local]
        refused = [job for job in jobs if job.op in self._refused]
        if refused:
            raise self._error(refused, "256 KiB", done)
        return done


@pytest.mark.parametrize("error", [PayloadTooLarge, UnknownRoute])
def test_jobs_that_a_runner_refuses_become_error_results_and_the_others_are_dispatched(error: Any) -> None:
    backend = Backend(runner=Choosy(error, "bd", local="c"))
    key = create(backend, {"steps": [{"op": op} for op in "abcd"]})
    answer = backend.advance(key)
    assert isinstance(answer, Dispatch)
    results = {result.op: result for result in backend.dispatch(key, answer.jobs)}
    assert [job.op for job in backend.pending_tasks()] == ["a"]
    assert results["c"] == StepResult("c", {"local": True}, 0)
    for op in "bd":
        output: Any = results[op].output
        assert (output["ok"], output["error_type"], results[op].run_id) == (False, error.__name__, 0)
        assert "256 KiB" in output["error"]
    assert set(results) == set("bcd")


def test_a_dispatch_of_nothing_asks_no_runner() -> None:
    class Never(InProcessRunner):
        def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
            raise AssertionError

    assert Backend(runner=Never()).dispatch("w#e", []) == []


def test_results_of_a_dispatch_may_be_plain_pairs() -> None:
    class Pairs(InProcessRunner):
        def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> Any:
            return [(job.op, {"x": 1}) for job in jobs]

    backend = Backend(runner=Pairs())
    assert backend.dispatch("w#e", [DispatchJob("w#e", "a", {})]) == [StepResult("a", {"x": 1})]


def test_workers_take_and_submit_through_the_backend(clock: Any) -> None:
    backend = Backend(runner=InProcessRunner(clock=clock))
    key = create(backend, {"steps": [{"op": "a", "queue": "gpu"}, {"op": "b"}]})
    answer = backend.advance(key)
    assert isinstance(answer, Dispatch)
    backend.dispatch(key, answer.jobs)
    assert [job.op for job in backend.pending_tasks()] == ["a", "b"]
    assert [job.op for job in backend.take_tasks(1, ["gpu"], 5.0)] == ["a"]
    clock.now += 5
    assert [job.op for job in backend.take_tasks()] == ["a", "b"]
    backend.submit_result(key, "b", {"x": 1}, 0)
    backend.submit_result(key, "a", {})
    assert backend.gather(key) == [StepResult("b", {"x": 1}, 0), StepResult("a", {}, 0)]


# What a store can't keep


class SmallStore(InMemoryStore):
    """Keeps records of at most `limit` characters of JSON."""

    limit = 100_000

    def patch(self, patch: RecordPatch) -> None:
        record = self.load(patch.workflow_execution_id)
        patch.apply_to(record)
        kept = [record.state, record.outcome, *[[s.output, s.inputs] for s in record.steps.values()]]
        if len(canonical_text(kept)) > self.limit:  # type: ignore[arg-type]  # JSON, but a list of its parts
            raise RecordTooLarge(patch.workflow_execution_id, f"{self.limit} characters")
        super().patch(patch)


def test_an_output_too_large_among_several_becomes_that_runs_error_and_the_others_go_on() -> None:
    store = SmallStore()
    store.limit = 2_000
    backend = Backend(store=store)
    key = advanced(backend, {"steps": [{"op": op} for op in "abc"] + [{"op": "d", "depends_on": ["a", "c"]}]})
    answer = backend.settle(key, [("a", {"x": 1}), ("b", {"large": "y" * 2_000}), ("c", {"z": 1})])
    record = backend.load(key)
    assert record.steps["b"].output is not None
    assert (record.steps["b"].output["ok"], record.steps["b"].output["error_type"]) == (False, "RecordTooLarge")
    assert [record.steps[op].status for op in "abc"] == [StepStatus.COMPLETE] * 3
    assert (record.state["x"], record.state["z"], "large" in record.state) == (1, 1, False)
    assert isinstance(answer, Dispatch)
    assert [job.op for job in answer.jobs] == ["d"]
    assert [job.op for job in backend.pending_tasks()] == ["d"]
    assert backend.settle(key, [("d", {})]) == Complete({})


def test_an_output_too_large_is_retried_as_any_error_is() -> None:
    store = SmallStore()
    store.limit = 2_000
    outputs: list[dict[str, Any]] = [{"large": "y" * 2_000}, {"small": 1}]
    backend = Backend(lambda op, inputs: outputs.pop(0), store)
    key = create(backend, {"steps": [{"op": "a", "max_attempts": 2}]})
    backend.engine.start(key)
    assert backend.worker is not None
    backend.worker.work()
    assert isinstance(backend.settle(key, backend.gather(key)), Dispatch)
    backend.attend(key)
    backend.worker.work()
    assert backend.settle(key, backend.gather(key)) == Complete({})
    assert backend.load(key).state["small"] == 1


def test_an_execution_that_can_not_even_keep_the_error_is_halted() -> None:
    store = SmallStore()
    backend = Backend(store=store)
    key = advanced(backend, {"steps": [{"op": "a"}, {"op": "b"}]})
    store.limit = 400  # enough for an outcome, not for an output in step and state
    answer = backend.settle(key, [("a", {"large": "y" * 1_000})])
    assert isinstance(answer, Halt)
    assert isinstance(answer.result, dict)
    assert (answer.result["status"], answer.result["op"]) == ("error", "a")
    assert "over the store's limit" in str(answer.result["error"])
    assert backend.load(key).status is WorkflowStatus.HALTED


def test_a_claim_that_does_not_fit_ends_the_execution_where_nobody_could_be_told() -> None:
    store = SmallStore()
    store.limit = 800
    backend = Backend(store=store)
    steps = [{"op": "a", "input": {"x": {"var": "state.x"}, "y": {"var": "state.x"}}}]
    key = create(backend, {"steps": steps})
    backend.merge_workflow_state(key, {"x": "z" * 300})
    with pytest.raises(RecordTooLarge):
        backend.advance(key)
    answer = backend.attend(key)
    assert isinstance(answer, Halt)
    assert backend.load(key).status is WorkflowStatus.HALTED


# The parts


def test_a_backend_without_parts_has_them_in_memory() -> None:
    backend = Backend()
    assert isinstance(backend.store, InMemoryStore)
    assert isinstance(backend.runner, InProcessRunner)
    assert backend.worker is None


def test_an_executor_has_one_worker() -> None:
    backend = Backend(lambda op, inputs: {})
    assert backend.worker is backend.worker is not None


def test_closing_closes_what_can_be_closed() -> None:
    closed = []

    class Store(InMemoryStore):
        def close(self) -> None:
            closed.append("store")

    class Runner(InProcessRunner):
        def close(self) -> None:
            closed.append("runner")

    with Backend(store=Store(), runner=Runner()) as backend:
        assert isinstance(backend, Backend)
        assert closed == []
    assert closed == ["runner", "store"]
    Backend().close()


@pytest.mark.parametrize(("store", "runner", "expected"), [(True, False, 1), (True, True, 0), (False, False, 0)])
def test_a_shared_store_with_a_process_local_runner_is_warned_of_once(
    store: bool, runner: bool, expected: int, caplog: pytest.LogCaptureFixture
) -> None:
    class Store(InMemoryStore):
        shared = store

    class Runner(InProcessRunner):
        shared = runner

    backend = Backend(store=Store(), runner=Runner())
    for _ in range(2):
        backend.warn_if_unattended()
    assert len(caplog.records) == expected
    assert backend.unattended is bool(expected)


# Edges of the laws


def test_what_a_store_leaves_out_is_there_in_the_order_of_the_definition() -> None:
    class Sparse:
        def __init__(self) -> None:
            self._inner = InMemoryStore()
            self.write = self._inner.write

        def load(self, workflow_execution_id: str) -> WorkflowRecord:
            record = self._inner.load(workflow_execution_id)
            touched = {op: step for op, step in record.steps.items() if step != StepRecord(op=op)}
            return replace(record, steps=touched)

    definition = {"steps": [{"op": "a"}, {"op": "b", "depends_on": "a"}, {"op": "c"}]}
    workflow = Workflow.from_dict(definition, Backend(store=Sparse()))
    assert workflow.progress == 0
    workflow.advance()
    workflow.on_step_result("c", {}, 0)
    assert list(workflow.step_statuses) == ["a", "b", "c"]
    assert workflow.progress == pytest.approx(1 / 3)


@pytest.mark.parametrize("run_id", ["0", 0.0, [0]])
def test_a_run_id_that_is_no_integer_is_refused(run_id: Any) -> None:
    workflow = Workflow.from_dict({"steps": [{"op": "a"}]}, Backend())
    workflow.start()
    with pytest.raises(TypeError, match="the run_id of step 'a'"):
        workflow.on_step_result("a", {}, run_id)
    with pytest.raises(TypeError, match="pass on the integer that the job carries"):
        workflow.settle([StepResult("a", {}, run_id)])
    with pytest.raises(TypeError, match="the run_id of step 'a'"):
        workflow.backend.submit_result(workflow.id, "a", {}, run_id)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Backend(store="sqlite:///x.db"), "a store is wanted, not str: open_store"),
        (lambda: Backend(runner="sqlite:///x.db"), "a runner is wanted, not str: open_runner"),
        (lambda: Workflow.from_yaml("steps: [{op: a}]", "memory:"), "a Backend is wanted, not str: open_backend"),
        (lambda: Workflow.from_json('{"steps": [{"op": "a"}]}', InProcessRunner()), "not InProcessRunner"),
        (lambda: Workflow.from_dict({"steps": [{"op": "a"}]}, InMemoryStore()), "not InMemoryStore"),
        (lambda: Workflow.resume("w#e", "memory:"), "a Backend is wanted"),
        (
            lambda: Workflow.from_yaml("steps: [{op: a}]", Backend()).run(print),
            "an InProcessWorker is wanted, not builtin",
        ),
    ],
)
def test_what_is_no_backend_no_part_of_one_and_no_worker_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_intervals_that_are_none_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="poll_interval must be 0 or more"):
        Backend(poll_interval=seconds)
    with pytest.raises(ValueError, match="recover_after must be 0 or more"):
        Backend(recover_after=seconds)


def test_nothing_is_merged_into_an_execution_that_has_ended() -> None:
    backend = Backend()
    workflow = Workflow.from_dict({"steps": [{"op": "a"}]}, backend)
    workflow.halt({})
    with pytest.raises(ExecutionEnded, match="nothing can change it"):
        backend.merge_workflow_state(workflow.id, {"n": 1})


def test_the_status_of_a_listing_may_be_its_text() -> None:
    backend = Backend()
    workflow = Workflow.from_dict({"steps": [{"op": "a"}]}, backend)
    assert [summary.workflow_execution_id for summary in backend.list_executions(status="pending")] == [workflow.id]  # type: ignore[arg-type]  # what the documents have
    with pytest.raises(ValueError, match="nonsense"):
        backend.list_executions(status="nonsense")  # type: ignore[arg-type]  # a mistake


def test_a_backend_that_sees_no_ends_does_not_remember_their_runs_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shared(InProcessRunner):
        shared = True

    monkeypatch.setattr(engine_module, "_RETIRED_EXECUTIONS", 3)
    backend = Backend(runner=Shared())
    for _ in range(10):
        workflow = Workflow.from_dict({"steps": [{"op": "a"}, {"op": "b"}]}, backend)
        workflow.start()
        backend.submit_result(workflow.id, "a", {}, 0)
        workflow.settle(backend.gather(workflow.id))
    assert len(backend.engine._retired) == 3


def test_a_backend_does_not_remember_for_ever_what_was_gathered_and_not_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base_module, "_GATHERED", 3)
    backend = Backend()
    workflow = Workflow.from_dict({"steps": [{"op": f"s{number}"} for number in range(5)]}, backend)
    workflow.start()
    for number in range(5):
        backend.submit_result(workflow.id, f"s{number}", {}, 0)
    assert len(backend.gather(workflow.id)) == 5
    assert len(backend._gathered) == 3


def test_an_execution_made_anew_under_an_old_id_is_not_the_one_that_was_seen() -> None:
    clock = [1_700_000_000.0]
    store = InMemoryStore()
    backend = Backend(store=store, clock=lambda: clock[0])
    definition = parse_dict({"steps": [{"op": "a"}]})
    key = backend.create(definition, {"n": 1}, "x")
    seen = store.load(key)
    store.delete(key)
    clock[0] += 1
    backend.create(definition, {"n": 2}, "x")
    assert store.refresh(seen) == store.load(key)


def test_jobs_can_be_kept_in_sets() -> None:
    assert len({DispatchJob("w", "a", {}), DispatchJob("w", "a", {}, lease="x"), DispatchJob("w", "a", {}, 1)}) == 2
