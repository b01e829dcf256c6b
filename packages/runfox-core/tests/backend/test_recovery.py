"""`attend` and `sweep`: who repairs what, when, and what they leave alone. Time is the test's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from runfox.backend import Backend, InMemoryStore, InProcessRunner, sweep
from runfox.backend.recovery import Sweeper
from runfox.definition import parse_dict
from runfox.errors import StorageUnavailable
from runfox.records import RecordPatch, WorkflowRecord
from runfox.results import Complete, DispatchJob, Halt, StepResult
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import format_time

ONE: dict[str, Any] = {"steps": [{"op": "a"}]}
TWO: dict[str, Any] = {"steps": [{"op": "a"}, {"op": "b"}]}


def a_backend(clock: Any, **parts: Any) -> Backend:
    return Backend(runner=parts.pop("runner", None) or InProcessRunner(clock=clock), clock=clock, **parts)


def create(backend: Backend, definition: dict[str, Any] = ONE) -> str:
    return backend.create(parse_dict(definition))


def wake_at(backend: Backend, key: str) -> str | None:
    return backend.load(key).wake_at


def status(backend: Backend, key: str, op: str = "a") -> StepStatus:
    return backend.load(key).steps[op].status


# wake_at


def test_create_sets_when_to_wake_and_only_attend_puts_it_off(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(backend, TWO)
    first = format_time(clock.now + 60)
    assert wake_at(backend, key) == first
    clock.now += 30
    backend.advance(key)
    backend.settle(key, [("a", {})])
    backend.merge_workflow_state(key, {"x": 1})
    assert wake_at(backend, key) == first
    backend.attend(key)
    assert wake_at(backend, key) == format_time(clock.now + 60)


def test_a_timer_brings_it_nearer_and_attend_stops_at_the_next_one(clock: Any) -> None:
    backend = a_backend(clock)
    steps = [{"op": "a", "timeout": 10}, {"op": "b", "timeout": 40}, {"op": "c", "timeout": 400}]
    start = clock.now
    key = create(backend, {"steps": steps})
    backend.advance(key)
    assert wake_at(backend, key) == format_time(start + 10)
    clock.now += 5
    backend.attend(key)
    assert wake_at(backend, key) == format_time(start + 10)
    clock.now += 5
    backend.attend(key)
    assert wake_at(backend, key) == format_time(start + 40)
    clock.now = start + 40
    backend.attend(key)
    assert wake_at(backend, key) == format_time(clock.now + 60)


def test_a_retrys_delay_brings_it_nearer(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(backend, {"steps": [{"op": "a", "retry": {"max_attempts": 2, "delay": 7}}]})
    backend.advance(key)
    backend.settle(key, [("a", {"ok": False})])
    assert wake_at(backend, key) == format_time(clock.now + 7)


def test_it_is_gone_when_the_execution_has_ended(clock: Any) -> None:
    backend = a_backend(clock)
    done, halted = create(backend), create(backend)
    backend.advance(done)
    backend.settle(done, [("a", {})])
    backend.halt(halted, None)
    assert wake_at(backend, done) is wake_at(backend, halted) is None
    clock.now += 1_000
    assert backend.attend(done) == Complete({})
    assert wake_at(backend, done) is None


# attend


def test_attend_starts_what_was_never_started(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(backend)
    backend.attend(key)
    assert [job.op for job in backend.pending_tasks()] == ["a"]


def test_attend_hands_out_again_what_was_claimed_and_never_dispatched_with_the_inputs_of_its_claim(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(backend, {"steps": [{"op": "a", "input": {"x": {"var": "state.x"}}, "call": "f", "queue": "q"}]})
    backend.merge_workflow_state(key, {"x": [1]})
    backend.advance(key)
    backend.merge_workflow_state(key, {"x": [2]})
    Backend(store=backend.store, runner=backend.runner, clock=clock).attend(key)
    assert backend.pending_tasks() == [DispatchJob(key, "a", {"x": [1]}, 0, call="f", queue="q")]


def test_attend_settles_what_was_gathered_and_lost(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(backend, {"steps": [{"op": "a"}, {"op": "b", "depends_on": "a"}]})
    backend.attend(key)
    backend.submit_result(key, "a", {"x": 1}, 0)
    backend.gather(key)
    backend.attend(key)
    assert status(backend, key) is StepStatus.COMPLETE
    assert [job.op for job in backend.pending_tasks()] == ["b"]


def test_attend_forgets_what_has_ended_and_nothing_else(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(backend)
    backend.halt(key, "over")
    backend.runner.dispatch(key, [DispatchJob(key, "a", {})])
    assert backend.attend(key) == Halt("over")
    assert backend.pending_tasks() == []
    assert backend.load(key).version == 2


def test_attend_ends_what_an_expression_keeps_from_being_claimed(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(backend, {"steps": [{"op": "a", "input": {"x": {"+": [{"var": "input.x"}]}}}]})
    record = backend.load(key)
    record.inputs["x"] = {}
    backend.write(record)
    answer = backend.attend(key)
    assert isinstance(answer, Halt)
    assert isinstance(answer.result, dict)
    assert (answer.result["op"], answer.result["place"]) == ("a", "input.x")


@pytest.mark.parametrize("reader", ["attend", "sweep"])
def test_an_overdue_run_is_settled_with_nobody_driving(clock: Any, reader: str) -> None:
    backend = a_backend(clock)
    key = create(backend, {"steps": [{"op": "a", "timeout": 10}, {"op": "b", "depends_on": "a"}]})
    backend.engine.start(key)
    clock.now += 10
    if reader == "attend":
        backend.attend(key)
    else:
        assert sweep(backend) == 1
    record = backend.load(key)
    assert record.steps["a"].output == {"ok": False, "error": "timed out after 10 s", "timeout": True}
    assert [job.op for job in backend.pending_tasks()] == ["b"]


def test_an_overdue_run_is_settled_also_where_another_step_is_claimed_in_the_same_attend(clock: Any) -> None:
    backend = a_backend(clock)
    steps = [{"op": "a", "timeout": 10}, {"op": "b", "retry": {"max_attempts": 2, "delay": 10}}]
    key = create(backend, {"steps": steps})
    backend.engine.start(key)
    backend.settle(key, [("b", {"ok": False})])
    clock.now += 10
    backend.attend(key)
    assert status(backend, key, "a") is StepStatus.COMPLETE
    assert status(backend, key, "b") is StepStatus.IN_PROGRESS


def test_a_result_in_hand_comes_before_the_timeout(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(backend, {"steps": [{"op": "a", "timeout": 10}]})
    backend.engine.start(key)
    backend.submit_result(key, "a", {"x": 1}, 0)
    clock.now += 1_000
    assert backend.attend(key) == Complete({})
    assert backend.load(key).state == {"x": 1}


def test_a_second_attend_at_the_same_time_leaves_the_work_to_the_first(clock: Any) -> None:
    class Racing(InMemoryStore):
        before: Callable[[], object] | None = None

        def patch(self, patch: RecordPatch) -> None:
            before, self.before = self.before, None
            if before is not None:
                before()
            super().patch(patch)

    store = Racing()
    one, two = a_backend(clock, store=store), a_backend(clock, store=store)
    key = create(one)
    clock.now += 60
    store.before = lambda: two.attend(key)
    one.attend(key)
    assert [job.op for job in two.pending_tasks()] == ["a"]
    assert one.pending_tasks() == []
    assert one.load(key).version == 2


def test_attend_goes_on_if_what_came_between_was_no_attend(clock: Any) -> None:
    class Racing(InMemoryStore):
        before: Callable[[], object] | None = None

        def patch(self, patch: RecordPatch) -> None:
            before, self.before = self.before, None
            if before is not None:
                before()
            super().patch(patch)

    store = Racing()
    one, two = a_backend(clock, store=store), a_backend(clock, store=store)
    key = create(one)
    store.before = lambda: two.advance(key)
    one.attend(key)
    assert [job.op for job in one.pending_tasks()] == ["a"]


@pytest.mark.parametrize("times", [2, 5])
def test_attending_again_is_harmless(clock: Any, times: int) -> None:
    backend = a_backend(clock)
    key = create(backend, TWO)
    for _ in range(times):
        backend.attend(key)
    jobs = backend.take_tasks()
    assert [job.op for job in jobs] == ["a", "b"]
    for _ in range(times):
        backend.attend(key)
    assert backend.pending_tasks() == []
    backend.submit_result(key, "a", {"n": 1}, 0)
    for _ in range(times):
        backend.attend(key)
    assert backend.load(key).state == {"n": 1}


# sweep


def test_a_sweep_attends_to_who_is_due_earliest_first(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = a_backend(clock)
    keys = []
    for _ in range(3):
        keys.append(create(backend))
        clock.now += 1
    seen: list[str] = []
    monkeypatch.setattr(backend.engine, "attend", lambda key, only_if_due: seen.append(key))
    clock.now += 57
    assert sweep(backend) == 1
    clock.now += 100
    assert sweep(backend, limit=2) == 2
    assert seen == [keys[0], *keys[:2]]


def test_a_sweep_attends_to_whom_the_runner_has_held_for_long(clock: Any) -> None:
    backend = a_backend(clock, recover_after=60.0)
    key = create(backend)
    backend.attend(key)
    backend.submit_result(key, "a", {}, 0)
    record = backend.load(key)
    record.wake_at = format_time(clock.now + 10_000)
    backend.write(record)
    clock.now += 60
    assert sweep(backend) == 0
    clock.now += 1
    assert sweep(backend) == 1
    assert backend.load(key).status is WorkflowStatus.COMPLETE
    assert sweep(backend) == 0


def test_a_sweep_clears_what_the_runner_holds_of_ended_executions(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(backend)
    backend.halt(key, None)
    backend.runner.dispatch(key, [DispatchJob(key, "a", {})])
    clock.now += 61
    assert sweep(backend) == 1
    assert backend.runner.held(format_time(clock.now + 1)) == []


def test_an_execution_of_another_store_is_left_in_the_runner(clock: Any) -> None:
    backend = a_backend(clock)
    backend.runner.dispatch("w#foreign", [DispatchJob("w#foreign", "a", {})])
    clock.now += 61
    assert sweep(backend) == 0
    assert [job.workflow_execution_id for job in backend.pending_tasks()] == ["w#foreign"]


def test_who_is_both_due_and_held_is_attended_to_once(clock: Any) -> None:
    backend = a_backend(clock)
    create(backend)
    clock.now += 60
    assert sweep(backend) == 1
    clock.now += 61
    assert sweep(backend) == 1


def test_one_execution_that_fails_stops_no_other(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(InMemoryStore):
        broken = ""

        def load(self, workflow_execution_id: str) -> WorkflowRecord:
            if workflow_execution_id == self.broken:
                raise StorageUnavailable("a bad block")
            return super().load(workflow_execution_id)

    store = Broken()
    backend = a_backend(clock, store=store)
    store.broken = create(backend)
    clock.now += 1
    other = create(backend)
    clock.now += 60
    sweeper = a_backend(clock, store=store, runner=backend.runner)
    assert sweep(sweeper) == 1
    assert caplog.messages == [f"execution {store.broken} could not be attended to"]
    assert [job.workflow_execution_id for job in backend.pending_tasks()] == [other]


def test_executions_that_fail_again_and_again_do_not_keep_the_others_waiting(clock: Any) -> None:
    class Broken(InMemoryStore):
        broken: frozenset[str] = frozenset()

        def load(self, workflow_execution_id: str) -> WorkflowRecord:
            if workflow_execution_id in self.broken:
                raise StorageUnavailable("a bad block")
            return super().load(workflow_execution_id)

    store = Broken()
    backend = a_backend(clock, store=store)
    store.broken = frozenset(create(backend) for _ in range(5))
    clock.now += 1
    others = [create(backend) for _ in range(3)]
    clock.now += 60
    sweeper = a_backend(clock, store=store, runner=backend.runner)
    assert sweep(sweeper, limit=2) == 2
    assert [job.workflow_execution_id for job in backend.pending_tasks()] == others[:2]
    assert sweep(sweeper, limit=2) == 1


def test_who_sweeps_again_and_again_leaves_alone_what_failed_a_short_while_ago(
    clock: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(InMemoryStore):
        asked: ClassVar[list[str]] = []

        def load(self, key: str) -> WorkflowRecord:
            self.asked.append(key)
            raise StorageUnavailable("gone")

    times = [0.0]
    monkeypatch.setattr("runfox.backend.recovery.time.monotonic", lambda: times[0])
    backend = a_backend(clock, store=Broken())
    key = create(backend)
    backend.runner.dispatch(key, [DispatchJob(key, "a", {})])
    clock.now += 61
    sweeper = Sweeper(a_backend(clock, store=backend.store, runner=backend.runner))
    for _ in range(3):
        assert sweeper.attend_due(10) == sweeper.attend_held(10) == []
    assert Broken.asked == [key]
    times[0] = 61.0
    assert sweeper.attend_held(10) == []
    assert Broken.asked == [key, key]
    assert caplog.messages == [f"execution {key} could not be attended to"]  # once, for as long as it lasts


def test_a_sweep_that_is_stopped_begins_nothing_more(clock: Any) -> None:
    backend = a_backend(clock)
    for _ in range(3):
        backend.attend(create(backend))
    clock.now += 61
    attended: list[str] = []
    sweeper = Sweeper(backend, stopped=lambda: bool(attended))
    attend = sweeper._repair
    sweeper._repair = lambda key: attended.append(key) or attend(key)  # type: ignore[method-assign, func-returns-value]
    assert len(sweeper.attend_due(10)) == 1
    assert sweeper.attend_due(10) == sweeper.attend_held(10) == []


def test_many_executions_of_another_store_keep_none_of_ours_waiting(
    clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    backend = a_backend(clock)
    for number in range(5):
        backend.runner.dispatch(f"other#{number}", [DispatchJob(f"other#{number}", "a", {})])
    clock.now += 1
    key = create(backend)
    backend.attend(key)
    clock.now += 61
    assert Sweeper(backend).attend_held(2) == [key]
    assert caplog.messages == []


def test_of_several_sweeps_one_attends(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(backend)
    other = a_backend(clock, store=backend.store, runner=backend.runner)
    clock.now += 60
    backend.engine.attend(key, only_if_due=True)
    version = backend.load(key).version
    other.engine.attend(key, only_if_due=True)
    assert backend.load(key).version == version


def test_a_store_that_does_not_know_who_is_due_leaves_the_runners_word(clock: Any) -> None:
    class Plain:
        def __init__(self) -> None:
            self._inner = InMemoryStore()
            self.load, self.write = self._inner.load, self._inner.write

    backend = a_backend(clock, store=Plain())
    key = create(backend)
    clock.now += 61
    assert sweep(backend) == 0
    backend.attend(key)
    clock.now += 61
    assert sweep(backend) == 1


def test_over_a_process_local_runner_with_a_shared_store_nothing_is_swept(
    clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Shared(InMemoryStore):
        shared = True

    backend = a_backend(clock, store=Shared())
    key = create(backend)
    clock.now += 1_000
    assert sweep(backend) == 0
    assert backend.load(key).version == 1
    assert caplog.messages == ["sweep() does nothing: the store is shared, but the runner lives in this process only"]


def test_sweeps_alone_carry_an_execution_to_its_end(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(
        backend, {"steps": [{"op": "a"}, {"op": "b", "depends_on": "a"}], "outputs": {"x": {"var": "state.x"}}}
    )
    for _ in range(3):
        clock.now += 61
        sweep(backend)
        for job in backend.take_tasks():
            backend.submit_result(key, job.op, {"x": job.op}, job.run_id)
    assert backend.look(key) == Complete({"x": "b"})


def test_a_stale_result_in_the_runner_changes_nothing(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(backend, {"steps": [{"op": "a", "max_attempts": 2}]})
    backend.attend(key)
    backend.on_step_result(key, "a", {"ok": False}, 0)
    backend.settle(key, [StepResult("a", {"late": True}, 0)])
    assert backend.load(key).state == {"ok": False}
    assert backend.load(key).steps["a"].run_id == 1


def test_a_sweep_clears_what_the_runner_holds_of_runs_that_are_over(clock: Any) -> None:
    backend = a_backend(clock)
    key = create(backend, {"steps": [{"op": "a"}, {"op": "b", "max_attempts": 2}, {"op": "c"}]})
    backend.attend(key)
    backend.settle(key, [StepResult("a", {}, 0), StepResult("b", {"ok": False}, 0)])
    # A driver that was slow, or died before it could say that these are over.
    backend.runner.dispatch(key, [DispatchJob(key, "a", {}), DispatchJob(key, "b", {}), DispatchJob(key, "c", {})])
    clock.now += 61
    assert sweep(backend) == 1
    assert {(job.op, job.run_id) for job in backend.pending_tasks()} == {("b", 1), ("c", 0)}
    assert sweep(backend) == 0
