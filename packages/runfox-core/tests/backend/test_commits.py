"""The commit loop, the snapshots it keeps, and what observers of the state are told."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest

from runfox import machine
from runfox.backend import Backend, InMemoryStore, InProcessRunner
from runfox.backend import commits as module
from runfox.backend.snapshots import Snapshots
from runfox.definition import parse_dict
from runfox.errors import ExpressionError, StorageUnavailable, UnknownStep, WorkflowNotFound, WriteConflict
from runfox.protocols import Store
from runfox.records import RecordPatch, WorkflowRecord
from runfox.results import Complete, Dispatch, Halt, Pending, StateChangeEvent, StepResult
from runfox.status import StepStatus, WorkflowStatus

CHAIN = {"steps": [{"op": "a"}, {"op": "b", "depends_on": "a"}]}


class PlainStore:
    """Has what every store must have, and nothing else. Counts what is asked of it."""

    def __init__(self) -> None:
        self._inner = InMemoryStore()
        self.loads = 0
        self.writes = 0

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        self.loads += 1
        return self._inner.load(workflow_execution_id)

    def write(self, record: WorkflowRecord) -> None:
        self.writes += 1
        self._inner.write(record)


class Disturbed(InMemoryStore):
    """Calls `before` before and `after` after the effect of every commit but the first write."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[RecordPatch], None] = lambda patch: None
        self.after: Callable[[RecordPatch], None] = lambda patch: None
        self.patches = 0

    def patch(self, patch: RecordPatch) -> None:
        self.patches += 1
        self.before(patch)
        super().patch(patch)
        self.after(patch)


def conflicts(count: int) -> Callable[[RecordPatch], None]:
    """Raises so many conflicts, then none."""
    left = [count]

    def before(patch: RecordPatch) -> None:
        if left[0]:
            left[0] -= 1
            raise WriteConflict(patch.workflow_execution_id, patch.version)

    return before


def create(backend: Backend, definition: dict[str, Any] = CHAIN) -> str:
    return backend.create(parse_dict(definition))


@pytest.fixture(params=[InMemoryStore, PlainStore])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.param()
    return made


# Commits against others


def test_a_store_with_the_required_methods_alone_carries_a_workflow() -> None:
    store = PlainStore()
    backend = Backend(lambda op, inputs: {"op": op}, store)
    key = create(backend, {**CHAIN, "outputs": {"x": {"var": "state.op"}}})
    backend.advance(key)
    backend.settle(key, [("a", {"op": "a"})])
    assert backend.settle(key, [("b", {"op": "b"})]) == Complete({"x": "b"})
    assert store.writes == 4


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_lost_race_is_run_again(count: int) -> None:
    store = Disturbed()
    backend = Backend(store=store)
    key = create(backend)
    store.before = conflicts(count)
    assert isinstance(backend.advance(key), Dispatch)
    assert store.patches == count + 1
    assert backend.load(key).version == 2


def test_who_always_loses_is_told_so_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 7)
    store = Disturbed()
    backend = Backend(store=store)
    key = create(backend)
    store.before = conflicts(1_000)
    before = backend.load(key)
    with pytest.raises(WriteConflict) as caught:
        backend.advance(key)
    assert (caught.value.workflow_execution_id, store.patches) == (key, 7)
    assert backend.load(key) == before


def test_the_pauses_between_attempts_grow_to_a_bound() -> None:
    pauses = list(module._pauses())
    assert len(pauses) == module.MAX_ATTEMPTS
    assert all(0 <= pause <= module._LONGEST_PAUSE for pause in pauses)
    assert all(pause <= 0.001 * 2**n for n, pause in enumerate(pauses[:6]))


def test_of_concurrent_callers_exactly_one_gets_each_job(store: Store, together: Callable[..., list[Any]]) -> None:
    backends = [Backend(store=store) for _ in range(2)]
    key = create(backends[0], {"steps": [{"op": f"s{n}"} for n in range(20)]})
    results = together(4, lambda n: backends[n % 2].advance(key))
    assert sum(isinstance(result, Dispatch) for result in results) == 1
    assert sum(isinstance(result, Pending) for result in results) == 3


def test_results_that_arrive_at_once_are_all_applied(store: Store, together: Callable[..., list[Any]]) -> None:
    backends = [Backend(store=store) for _ in range(2)]
    key = create(backends[0], {"steps": [{"op": f"s{n}"} for n in range(4)]})
    backends[0].advance(key)
    together(4, lambda n: backends[n % 2].settle(key, [StepResult(f"s{n}", {str(n): n}, 0)]))
    record = backends[0].load(key)
    assert record.status is WorkflowStatus.COMPLETE
    assert record.state == {str(n): n for n in range(4)}


def test_two_backends_on_one_store_take_turns_without_old_snapshots_doing_harm(store: Store) -> None:
    one, two = Backend(store=store), Backend(store=store)
    ops = [f"s{n}" for n in range(10)]
    steps = [{"op": op, "depends_on": ops[max(0, n - 1) : n]} for n, op in enumerate(ops)]
    key = create(one, {"steps": steps, "outputs": {"all": {"vars": "steps.*.output.n"}}})
    answer = one.advance(key)
    for n, op in enumerate(ops):
        backend, other = (one, two) if n % 2 else (two, one)
        assert isinstance(answer, Dispatch)
        assert [job.op for job in answer.jobs] == [op]
        answer = backend.settle(key, [StepResult(op, {"n": n}, 0)])
        assert other.settle(key, [StepResult(op, {"n": "late"}, 0)]) == (
            answer if isinstance(answer, Complete) else Pending()
        )
    assert answer == Complete({"all": list(range(10))})
    assert one.load(key).steps.keys() == dict.fromkeys(ops).keys()
    assert list(one.load(key).steps) == ops


def test_what_changes_nothing_is_said_of_a_fresh_record_only(store: Store) -> None:
    one, two = Backend(store=store), Backend(store=store)
    key = create(one)
    one.advance(key)
    two.settle(key, [("a", {})])
    assert one.advance(key) == Pending()
    assert one.look(key) == two.look(key) == Pending()
    two.settle(key, [("b", {})])
    assert one.on_step_result(key, "b", {"late": True}) is None
    assert one.advance(key) == Complete({})


BRANCHING = {
    "steps": [
        {"op": "a"},
        {"op": "b", "branch": [{"condition": {"+": [{"var": "state.x"}, {"var": "state.y"}]}, "action": "complete"}]},
    ]
}


def test_an_expression_that_fails_over_an_old_snapshot_is_tried_on_a_fresh_one(store: Store) -> None:
    one, two = Backend(store=store), Backend(store=store)
    key = create(one, BRANCHING)
    one.advance(key)
    one.merge_workflow_state(key, {"x": {}, "y": 1})
    with pytest.raises(ExpressionError):
        one.on_step_result(key, "b", {})
    two.merge_workflow_state(key, {"x": 1})
    assert one.on_step_result(key, "b", {}) is None
    assert one.load(key).steps["b"].status is StepStatus.COMPLETE


def test_an_expression_that_fails_commits_nothing_and_can_be_mended(store: Store) -> None:
    backend = Backend(store=store)
    key = create(backend, BRANCHING)
    backend.advance(key)
    backend.merge_workflow_state(key, {"x": {}, "y": 1})
    before = backend.load(key)
    for _ in range(2):
        with pytest.raises(ExpressionError) as caught:
            backend.on_step_result(key, "b", {})
        assert (caught.value.op, caught.value.place) == ("b", "branch[0].condition")
    assert backend.load(key) == before
    backend.merge_workflow_state(key, {"x": 1})
    assert backend.on_step_result(key, "b", {}) is None


def test_an_unknown_step_is_an_error_and_an_unknown_execution_another(store: Store) -> None:
    backend = Backend(store=store)
    key = create(backend)
    with pytest.raises(UnknownStep):
        backend.on_step_result(key, "nobody", {})
    with pytest.raises(UnknownStep):
        backend.settle(key, [("nobody", {})])
    for call in (backend.advance, backend.look, backend.attend, backend.load):
        with pytest.raises(WorkflowNotFound):
            call("w#nobody")


def test_an_execution_that_was_deleted_meanwhile_is_not_found() -> None:
    store = InMemoryStore()
    backend = Backend(store=store)
    key = create(backend)
    store.delete(key)
    with pytest.raises(WorkflowNotFound):
        backend.advance(key)


def test_a_failure_of_unknown_effect_goes_on_to_the_caller_who_can_ask_again() -> None:
    store = Disturbed()
    backend = Backend(store=store)

    def fail(patch: RecordPatch) -> None:
        store.after = lambda patch: None
        raise StorageUnavailable("the reply was lost")

    key = create(backend)
    store.after = fail
    with pytest.raises(StorageUnavailable):
        backend.advance(key)
    assert backend.advance(key) == Pending()
    assert backend.load(key).version == 2


def test_a_record_written_past_the_machine_is_what_the_next_event_sees(store: Store) -> None:
    backend = Backend(store=store)
    key = create(backend)
    record = backend.load(key)
    record.state["x"] = 1
    backend.write(record)
    backend.merge_workflow_state(key, {"y": 2})
    assert backend.load(key).state == {"x": 1, "y": 2}
    with pytest.raises(WriteConflict):
        backend.write(record)


# The cache


def a_snapshot(store: Store, execution_id: str, steps: int = 2) -> machine.Snapshot:
    definition = parse_dict({"steps": [{"op": f"s{n}"} for n in range(steps)]})
    return Snapshots(store).load(Backend(store=store).create(definition, execution_id=execution_id))


def key_of(snapshot: machine.Snapshot) -> str:
    return snapshot.record.workflow_execution_id


def test_a_snapshot_is_one_callers_at_a_time() -> None:
    store = InMemoryStore()
    kept, snapshot = Snapshots(store), a_snapshot(store, "e")
    kept.put(snapshot)
    assert kept.take(key_of(snapshot)) is snapshot
    assert kept.take(key_of(snapshot)) is None


def test_the_newer_snapshot_is_kept() -> None:
    store = InMemoryStore()
    kept, older = Snapshots(store), a_snapshot(store, "e")
    newer = kept.load(key_of(older))
    newer.record.version += 1
    for first, second in ((older, newer), (newer, older)):
        kept.put(first)
        kept.put(second)
        assert kept.take(key_of(older)) is newer


def test_an_execution_that_has_ended_is_not_kept() -> None:
    store = InMemoryStore()
    kept, snapshot = Snapshots(store), a_snapshot(store, "e")
    snapshot.record.status = WorkflowStatus.HALTED
    kept.put(snapshot)
    assert kept.take(key_of(snapshot)) is None


def test_the_kept_snapshots_have_so_many_steps_together_and_the_least_used_go_first() -> None:
    store = InMemoryStore()
    kept = Snapshots(store, max_steps=10)
    snapshots = {name: a_snapshot(store, name, 4) for name in "abc"}
    kept.put(snapshots["a"])
    kept.put(snapshots["b"])
    first = kept.take(key_of(snapshots["a"]))
    assert first is not None
    kept.put(first)
    kept.put(snapshots["c"])
    assert [name for name in "abc" if kept.take(key_of(snapshots[name]))] == ["a", "c"]
    for snapshot in snapshots.values():
        kept.put(snapshot)
    assert [name for name in "abc" if kept.take(key_of(snapshots[name]))] == ["b", "c"]


def test_one_snapshot_is_kept_however_large() -> None:
    store = InMemoryStore()
    kept = Snapshots(store, max_steps=3)
    large, small = a_snapshot(store, "large", 4), a_snapshot(store, "small", 1)
    kept.put(large)
    assert kept.take(key_of(large)) is large
    kept.put(large)
    kept.put(small)
    assert kept.take(key_of(large)) is None
    assert kept.take(key_of(small)) is small


# Observers


Call = tuple[str, dict[str, Any], dict[str, Any], StateChangeEvent | None]


class Observer:
    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self, key: str, previous: Any, new: Any, event: StateChangeEvent | None) -> str:
        self.calls.append(copy.deepcopy((key, previous, new, event)))
        for state in (previous, new):
            for value in state.values():
                if isinstance(value, list):
                    value.append("intruder")
            state["intruder"] = True
        return "ignored"


def test_an_observer_hears_of_each_merge_once_with_the_state_before_and_after(store: Store) -> None:
    observer = Observer()
    backend = Backend(store=store, on_state_change=observer)
    key = create(backend, {"steps": [{"op": "a"}, {"op": "b"}]})
    backend.advance(key)
    backend.settle(key, [("a", {"x": 1, "l": []}), ("b", {"x": 2})])
    assert observer.calls == [
        (key, {}, {"x": 1, "l": []}, StateChangeEvent("a")),
        (key, {"x": 1, "l": []}, {"x": 2, "l": []}, StateChangeEvent("b")),
    ]
    assert backend.load(key).state == {"x": 2, "l": []}
    assert backend.settle(key, [("a", {"x": 3})]) == Complete({})
    assert len(observer.calls) == 2


def test_an_observer_hears_of_merges_from_outside(store: Store) -> None:
    observer = Observer()
    backend = Backend(store=store, on_state_change=observer)
    key = create(backend)
    updates: dict[str, Any] = {"x": [1]}
    backend.merge_workflow_state(key, updates)
    updates["x"].append(2)
    backend.merge_workflow_state(key, {"y": 2}, StateChangeEvent("a"))
    assert observer.calls == [
        (key, {}, {"x": [1]}, None),
        (key, {"x": [1]}, {"x": [1], "y": 2}, StateChangeEvent("a")),
    ]
    assert backend.load(key).state == {"x": [1], "y": 2}


def test_an_observer_does_not_hear_of_what_was_not_merged(store: Store) -> None:
    observer = Observer()
    backend = Backend(store=store, on_state_change=observer)
    key = create(backend)
    backend.advance(key)
    backend.on_step_result(key, "b", {"x": 1})
    backend.on_step_result(key, "a", {"x": 1}, 7)
    backend.halt(key, "enough")
    assert isinstance(backend.on_step_result(key, "a", {"x": 1}), Halt)
    assert observer.calls == []


def test_an_observer_hears_once_of_a_merge_that_lost_races() -> None:
    observer, store = Observer(), Disturbed()
    backend = Backend(store=store, on_state_change=observer)
    key = create(backend)
    backend.advance(key)
    store.before = conflicts(3)
    backend.on_step_result(key, "a", {"x": 1})
    assert observer.calls == [(key, {}, {"x": 1}, StateChangeEvent("a"))]


@pytest.mark.parametrize("late", [False, True])
def test_an_observer_does_not_hear_of_a_commit_that_failed(late: bool) -> None:
    def fail(patch: RecordPatch) -> None:
        raise StorageUnavailable("gone")

    observer, store = Observer(), Disturbed()
    backend = Backend(store=store, on_state_change=observer)
    key = create(backend)
    backend.advance(key)
    setattr(store, "after" if late else "before", fail)
    with pytest.raises(StorageUnavailable):
        backend.on_step_result(key, "a", {"x": 1})
    assert observer.calls == []


def test_what_an_observer_raises_is_logged_and_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    def observer(*_: object) -> None:
        raise RuntimeError("broken")

    backend = Backend(on_state_change=observer)
    key = create(backend)
    backend.advance(key)
    assert backend.on_step_result(key, "a", {"x": 1}) is None
    assert caplog.messages == [f"on_state_change raised for {key}"]
    assert backend.load(key).state == {"x": 1}


def test_an_observer_is_called_after_the_commit_and_may_look() -> None:
    seen: list[Any] = []

    def observer(key: str, previous: Any, new: Any, event: Any) -> None:
        seen.append((backend.load(key).state, new, backend.look(key)))

    backend = Backend(on_state_change=observer)
    key = create(backend)
    backend.advance(key)
    backend.settle(key, [("a", {"x": 1})])
    assert seen == [({"x": 1}, {"x": 1}, Pending())]


# What the runner need not keep


class Forgetful(InProcessRunner):
    def __init__(self, *, shared: bool) -> None:
        super().__init__()
        self.shared = shared
        self.forgotten: list[tuple[str, Any]] = []

    def forget(self, workflow_execution_id: str, runs: Any = None) -> None:
        runs = None if runs is None else sorted(runs)
        self.forgotten.append((workflow_execution_id, runs))
        super().forget(workflow_execution_id, runs)


def test_settled_runs_are_forgotten_and_at_the_end_everything() -> None:
    runner = Forgetful(shared=False)
    backend = Backend(runner=runner)
    key = create(backend)
    backend.advance(key)
    backend.settle(key, [("a", {})])
    assert runner.forgotten == [(key, [("a", 0)])]
    backend.settle(key, [("b", {})])
    assert runner.forgotten[1:] == [(key, None)]


def test_a_shared_runner_is_tidied_for_many_runs_at_once() -> None:
    runner = Forgetful(shared=True)
    backend = Backend(runner=runner)
    ops = [f"s{n:03}" for n in range(150)]
    key = create(backend, {"steps": [{"op": op} for op in ops]})
    answer = backend.advance(key)
    assert isinstance(answer, Dispatch)
    backend.dispatch(key, answer.jobs)
    for op in ops:
        backend.submit_result(key, op, {}, 0)
        backend.settle(key, backend.gather(key))
    runs = [(op, 0) for op in ops]
    assert runner.forgotten == [(key, runs[:64]), (key, runs[64:128]), (key, None)]


def test_an_ended_execution_is_forgotten_again_whenever_somebody_looks() -> None:
    runner = Forgetful(shared=True)
    backend = Backend(runner=runner)
    key = create(backend)
    assert isinstance(backend.halt(key, None), Halt)
    backend.look(key)
    backend.advance(key)
    assert runner.forgotten == [(key, None)] * 3


def test_results_of_runs_that_are_over_are_forgotten_too() -> None:
    runner = Forgetful(shared=False)
    backend = Backend(runner=runner)
    key = create(backend, {"steps": [{"op": "a", "max_attempts": 2}, {"op": "b"}]})
    backend.advance(key)
    backend.on_step_result(key, "a", {"ok": False}, 0)
    runner.forgotten.clear()
    backend.settle(key, [StepResult("a", {}, 0)])
    assert runner.forgotten == [(key, [("a", 0)])]


def test_threads_share_a_backend(together: Callable[..., list[Any]]) -> None:
    backend = Backend()
    keys = [create(backend) for _ in range(20)]
    lock, jobs = threading.Lock(), []

    def work(_: int) -> None:
        for key in keys:
            answer = backend.advance(key)
            while isinstance(answer, Dispatch):
                with lock:
                    jobs.extend(answer.jobs)
                answer = backend.settle(key, [StepResult(job.op, {}, job.run_id) for job in answer.jobs])

    assert together(4, work) == [None] * 4
    assert sorted(job.key for job in jobs) == sorted(f"{key}#{op}#0" for key in keys for op in "ab")
    assert {backend.load(key).status for key in keys} == {WorkflowStatus.COMPLETE}
