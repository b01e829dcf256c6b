"""Who is attended to, when, and what is left alone. Where a thread is waited for, it is for what it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runfox.backend import Backend, InMemoryStore, InProcessRunner
from runfox.backend.engine import Turn
from runfox.definition import parse_dict
from runfox.errors import StorageUnavailable, WorkflowNotFound
from runfox.results import Complete, DispatchJob, Pending, StepResult
from runfox.times import add_seconds
from runfox.worker.caretaker import Caretaker

PATIENCE = 60.0
NEVER = 1_000.0
ONE: dict[str, Any] = {"steps": [{"op": "a"}]}


class Runner(InProcessRunner):
    """Tells when a job is dispatched, or forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.dispatched = threading.Semaphore(0)
        self.forgotten = threading.Semaphore(0)

    def dispatch(self, key: str, jobs: Any) -> Any:
        results = super().dispatch(key, jobs)
        self.dispatched.release()
        return results

    def forget(self, key: str, runs: Any = None) -> None:
        super().forget(key, runs)
        self.forgotten.release()


class SharedStore(InMemoryStore):
    shared = True


class SleepyStore(InMemoryStore):
    due = None  # type: ignore[assignment]  # a store without SupportsWake

    def __getattribute__(self, name: str) -> Any:
        if name == "due":
            raise AttributeError(name)
        return super().__getattribute__(name)


def a_backend(store: Any = None, recover_after: float = NEVER) -> Backend:
    return Backend(store=store or InMemoryStore(), runner=Runner(), recover_after=recover_after)


def create(backend: Backend, definition: dict[str, Any] = ONE) -> str:
    return backend.create(parse_dict(definition))


def a_caretaker(backend: Backend, sweep_interval: float = NEVER) -> Caretaker:
    return Caretaker(backend, sweep_interval, lambda: None)


@pytest.fixture
def start() -> Iterator[Callable[[Caretaker], Caretaker]]:
    started: list[Caretaker] = []

    def begin(caretaker: Caretaker) -> Caretaker:
        started.append(caretaker)
        caretaker.start()
        return caretaker

    yield begin
    for caretaker in started:
        caretaker.stop()
        assert caretaker._thread is not None
        assert not caretaker._thread.is_alive()


def in_seconds(backend: Backend, seconds: float) -> Turn:
    return Turn(Pending(), add_seconds(backend.engine.now(), seconds), running=True)


def test_one_that_never_began_can_be_stopped() -> None:
    a_caretaker(a_backend()).stop()


# Visits


def test_a_timer_that_was_seen_to_start_is_attended_to_when_it_goes_off(start: Any) -> None:
    backend = a_backend()
    caretaker = start(a_caretaker(backend))
    key = create(backend, {"steps": [{"op": "a", "retry": {"max_attempts": 2, "delay": 0.05}}]})
    backend.engine.start(key)
    assert backend.runner.dispatched.acquire(timeout=PATIENCE)  # type: ignore[attr-defined]  # ours
    caretaker.settled(key, backend.engine.carry(key, [StepResult("a", {"ok": False}, 0)]))
    assert backend.runner.dispatched.acquire(timeout=PATIENCE)  # type: ignore[attr-defined]
    assert [job.run_id for job in backend.pending_tasks()] == [1]


def test_what_is_due_later_is_left_to_the_sweeps() -> None:
    backend = a_backend()
    caretaker = a_caretaker(backend, sweep_interval=5.0)
    caretaker.settled("w#1", in_seconds(backend, 4))
    caretaker.settled("w#2", in_seconds(backend, 6))
    assert list(caretaker._visits) == ["w#1"]
    assert caretaker._visits["w#1"].only_if_due  # somebody else may be quicker
    caretaker.settled("w#1", in_seconds(backend, 6))
    assert not caretaker._visits


@pytest.mark.parametrize("store", [SharedStore(), SleepyStore()])
def test_where_no_sweep_finds_an_execution_it_is_remembered_until_it_ends(store: Any) -> None:
    backend = a_backend(store)
    caretaker = a_caretaker(backend, sweep_interval=5.0)
    caretaker.met("w#1")
    assert caretaker._visits["w#1"].at <= time.monotonic()
    caretaker.settled("w#1", in_seconds(backend, 600))
    planned = caretaker._visits["w#1"]
    assert 500 < planned.at - time.monotonic() <= 600
    caretaker.met("w#1")
    assert caretaker._visits["w#1"] is planned
    caretaker.settled("w#1", Turn(Complete({}), None, running=False))
    assert not caretaker._visits


def test_an_execution_that_sweeps_find_is_not_remembered_when_it_is_met() -> None:
    caretaker = a_caretaker(a_backend())
    caretaker.met("w#1")
    assert not caretaker._visits


def test_after_an_error_an_execution_is_attended_to_whether_it_is_due_or_not(
    start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    backend = a_backend()
    key = create(backend)
    backend.advance(key)  # claimed, and never dispatched
    start(a_caretaker(backend)).failed(key, StorageUnavailable("gone"))
    assert backend.runner.dispatched.acquire(timeout=PATIENCE)  # type: ignore[attr-defined]
    assert caplog.messages == [f"execution {key} could not be brought on, and is attended to"]


def test_what_fails_again_is_tried_later_and_later_and_at_last_left_to_the_sweeps() -> None:
    caretaker = a_caretaker(a_backend())
    pauses = []
    for _ in range(10):
        caretaker.failed("w#1", StorageUnavailable("gone"))
        pauses.append(caretaker._visits["w#1"].at - time.monotonic())
    assert pauses == sorted(pauses[:6]) + pauses[6:]
    assert 2 < max(pauses) <= 5
    caretaker.failed("w#1", StorageUnavailable("gone"))
    assert not caretaker._visits


def test_where_no_sweep_finds_it_an_execution_is_tried_for_as_long_as_it_takes() -> None:
    caretaker = a_caretaker(a_backend(SharedStore()))
    for _ in range(30):
        caretaker.failed("w#1", StorageUnavailable("gone"))
    assert caretaker._visits["w#1"].at - time.monotonic() <= 5


def test_trouble_is_told_of_once_for_as_long_as_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    backend = a_backend()
    caretaker = a_caretaker(backend)
    for number in range(5):
        caretaker.failed(f"w#{number}", StorageUnavailable("gone"))
    assert len(caplog.messages) == 1
    caretaker.settled("w#9", in_seconds(backend, 1))
    caretaker.failed("w#10", StorageUnavailable("gone again"))
    assert len(caplog.messages) == 2


def test_a_repair_that_is_due_is_not_given_up_for_a_commit_of_another_thread() -> None:
    backend = a_backend()
    caretaker = a_caretaker(backend)
    caretaker.failed("w#1", StorageUnavailable("gone"))
    planned = caretaker._visits["w#1"]
    caretaker.settled("w#1", in_seconds(backend, 1))
    caretaker.settled("w#1", Turn(Complete({}), None, running=False))
    assert caretaker._visits["w#1"] is planned


def visit_now(caretaker: Caretaker) -> None:
    caretaker._visits = {
        key: type(visit)(0.0, visit.only_if_due, visit.failures) for key, visit in caretaker._visits.items()
    }
    caretaker._visit()


def test_a_visit_that_fails_is_planned_again_and_one_that_succeeds_is_over() -> None:
    backend = a_backend()
    key = create(backend)
    caretaker = a_caretaker(backend)
    caretaker.failed(key, StorageUnavailable("gone"))
    attend = backend.engine.attend

    def fail(*_: Any, **__: Any) -> Any:
        raise StorageUnavailable("still")

    backend.engine.attend = fail  # type: ignore[method-assign]  # a stand-in
    visit_now(caretaker)
    assert caretaker._visits[key].failures == 2
    backend.engine.attend = attend  # type: ignore[method-assign]
    visit_now(caretaker)
    assert [visit.failures for visit in caretaker._visits.values()] == [0]  # the timer of the living execution


def test_what_is_planned_during_a_visit_stays() -> None:
    backend = a_backend()
    key = create(backend)
    caretaker = a_caretaker(backend)
    caretaker.failed(key, StorageUnavailable("gone"))
    attend = backend.engine.attend

    def fails_elsewhere(*arguments: Any, **options: Any) -> Any:
        turn = attend(*arguments, **options)
        caretaker.failed(key, StorageUnavailable("in another thread"))
        return turn

    backend.engine.attend = fails_elsewhere  # type: ignore[method-assign]
    visit_now(caretaker)
    assert caretaker._visits[key].failures == 2


def test_another_stores_execution_is_nothing_to_be_told_of(caplog: pytest.LogCaptureFixture) -> None:
    caretaker = a_caretaker(a_backend(SharedStore()))
    caretaker.met("w#1")
    caretaker.failed("w#1", WorkflowNotFound("w#1"))
    assert (caretaker._visits, caplog.messages) == ({}, [])


# Sweeps


def test_what_is_due_is_swept_up(start: Any) -> None:
    backend = a_backend(recover_after=0.01)
    keys = {create(backend) for _ in range(50)}
    start(a_caretaker(backend, sweep_interval=0.01))
    while {job.workflow_execution_id for job in backend.pending_tasks()} != keys:
        assert backend.runner.dispatched.acquire(timeout=PATIENCE)  # type: ignore[attr-defined]


def test_what_the_runner_has_held_for_long_is_swept_up(start: Any) -> None:
    backend = a_backend(recover_after=0.01)
    key = create(backend)
    backend.halt(key, None)
    backend.runner.dispatch(key, [DispatchJob(key, "a", {})])  # by somebody slow
    start(a_caretaker(backend, sweep_interval=0.01))
    while backend.pending_tasks():
        assert backend.runner.forgotten.acquire(timeout=PATIENCE)  # type: ignore[attr-defined]


def test_whoever_carries_on_is_told_that_something_was_dispatched(start: Any) -> None:
    backend = a_backend(recover_after=0.01)
    told = threading.Event()
    create(backend)
    start(Caretaker(backend, 0.01, told.set))
    assert told.wait(PATIENCE)


def test_whoever_carries_on_is_told_of_a_visit_too() -> None:
    backend, told = a_backend(), []
    caretaker = Caretaker(backend, NEVER, lambda: told.append("told"))
    caretaker.failed(create(backend), StorageUnavailable("gone"))
    visit_now(caretaker)
    assert told == ["told"]


def test_workers_that_sweep_at_the_same_moment_begin_at_different_ends() -> None:
    backend = a_backend(recover_after=0.0)
    keys = [create(backend) for _ in range(20)]
    caretaker = a_caretaker(backend)
    caretaker._sweep(caretaker._rounds()[0])
    order = [job.workflow_execution_id for job in backend.pending_tasks()]
    assert sorted(order) == sorted(keys)
    assert order != keys  # one in 20! times it is the same


def test_the_runner_is_not_asked_more_often_than_the_store() -> None:
    _, held = a_caretaker(a_backend(recover_after=0.0), sweep_interval=5.0)._rounds()
    assert held.interval == 5.0


def test_a_store_that_can_not_be_asked_is_told_of_once_and_asked_again(
    start: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runfox.worker.caretaker._FIRST_PAUSE_AFTER_ERROR", 0.001)

    class Broken(InMemoryStore):
        asked = 0

        def due(self, now: str, limit: int = 100) -> list[str]:
            self.asked += 1
            if self.asked < 4:
                raise StorageUnavailable("gone")
            return super().due(now, limit)

    backend = a_backend(Broken(), recover_after=0.01)
    create(backend)
    start(a_caretaker(backend, sweep_interval=0.01))
    assert backend.runner.dispatched.acquire(timeout=PATIENCE)  # type: ignore[attr-defined]
    assert caplog.messages.count("a worker can't ask who is to be attended to, and goes on asking") == 1


def test_a_full_sweep_is_followed_by_another_at_once_and_an_empty_one_by_a_pause() -> None:
    backend = a_backend(recover_after=0.0)
    for _ in range(21):
        create(backend)
    caretaker = a_caretaker(backend)
    due, held = caretaker._rounds()
    assert caretaker._sweep(due) is True
    assert due.pause(more=True) < 0.1
    assert held.pause(more=True) == NEVER
    due.attend = lambda limit: ["w#1"] * (limit - 1)
    assert caretaker._sweep(due) is False


def test_pauses_differ_between_those_who_began_together_and_grow_with_failures() -> None:
    due, held = a_caretaker(a_backend(recover_after=60.0), sweep_interval=1.0)._rounds()
    pauses = {held.pause(more=False) for _ in range(20)}
    assert len(pauses) == 20
    assert all(30 <= pause <= 90 for pause in pauses)
    due.failures = 100
    assert due.pause(more=False) == 5.0
    assert 0 <= due.at - time.monotonic() <= 1


def test_a_shared_store_with_a_local_runner_is_not_swept_and_that_is_told(
    start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    backend = a_backend(SharedStore(), recover_after=0.0)
    create(backend)
    caretaker = start(a_caretaker(backend, sweep_interval=0.01))
    assert caretaker._sweep(caretaker._rounds()[0]) is False
    assert backend.pending_tasks() == []
    assert "the store is shared but the runner lives in this process" in caplog.text


def test_a_store_that_can_not_say_who_is_due_is_told_of(start: Any, caplog: pytest.LogCaptureFixture) -> None:
    start(a_caretaker(a_backend(SleepyStore())))
    assert "SupportsWake" in caplog.text
