"""Threads that take jobs: who asks the queue, who is woken, what is given back. No test waits for time to pass."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runfox.backend import InProcessRunner
from runfox.backend import crew as module
from runfox.backend.crew import Crew, is_served
from runfox.backend.job_handler import JobHandler
from runfox.errors import StorageUnavailable
from runfox.results import DispatchJob

KEY = "w#e"
PATIENCE = 60.0
NEVER = 1_000.0


class Asked(InProcessRunner):
    """Notes what it is asked for; fails while `broken`; can be made to wait in a take."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.broken = False
        self.before_answer: Callable[[], object] = lambda: None
        self.given_back: list[str] = []

    def take_pending_jobs(self, limit: Any = None, queues: Any = None, lease_seconds: Any = None) -> list[DispatchJob]:
        self.questions.put(limit)
        if self.broken:
            raise StorageUnavailable("gone")
        jobs = super().take_pending_jobs(limit, queues, lease_seconds)
        self.before_answer()
        return jobs

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        if seconds == 0:
            self.given_back.append(job.op)
        return super().extend_lease(job, seconds)


@pytest.fixture
def runner() -> Asked:
    return Asked()


@pytest.fixture
def crews() -> Iterator[list[Crew]]:
    """Crews that are at rest, and gone, by the end of the test."""
    started: list[Crew] = []
    yield started
    for crew in started:
        while crew.serving:
            crew.stop()
        assert crew.join(PATIENCE)


@pytest.fixture
def no_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crew asks when it begins, and when it is told to."""
    monkeypatch.setattr("runfox.backend.crew._FIRST_PAUSE", NEVER)


def a_crew(
    runner: InProcessRunner, size: int, work: Callable[[DispatchJob], object] = lambda job: None, **options: Any
) -> Crew:
    options.setdefault("interrupted", lambda interrupt: None)
    return Crew(JobHandler(runner, lambda op, inputs: None), size, work, **options)


def dispatch(runner: InProcessRunner, *ops: str) -> None:
    runner.dispatch(KEY, [DispatchJob(KEY, op, {}) for op in ops])


@pytest.mark.parametrize("size", [0, -1])
def test_a_crew_of_nobody_is_refused(runner: Asked, size: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        a_crew(runner, size)


@pytest.mark.parametrize("size", [2.0, float("nan"), "2"])
def test_a_crew_of_parts_of_somebody_is_refused(runner: Asked, size: Any) -> None:
    with pytest.raises(TypeError, match="integer"):
        a_crew(runner, size)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_a_crew_that_never_pauses_is_refused(runner: Asked, seconds: float) -> None:
    with pytest.raises(ValueError, match="poll_interval must be more than 0"):
        a_crew(runner, 1, poll_interval=seconds)


@pytest.mark.usefixtures("no_polling")
def test_one_thread_asks_for_as_many_jobs_as_there_are_idle_threads(runner: Asked, crews: list[Crew]) -> None:
    barrier = threading.Barrier(4)
    crew = a_crew(runner, 3, lambda job: barrier.wait(PATIENCE), poll_interval=NEVER)
    idle = threading.Event()
    take = runner.take_pending_jobs

    def first_take(*arguments: Any) -> list[DispatchJob]:
        # The other two are waiting by then: they find that somebody asks.
        with crew._lock:
            waiting = crew._idle
        if waiting == 2:
            idle.set()
        return take(*arguments)

    runner.take_pending_jobs = first_take  # type: ignore[method-assign]  # a stand-in
    crews.append(crew)
    crew.start()
    while not idle.is_set():
        crew.kick()
    dispatch(runner, "a", "b", "c")
    crew.kick()
    barrier.wait(PATIENCE)
    questions = [runner.questions.get() for _ in range(runner.questions.qsize())]
    assert max(questions) == 3
    assert runner.list_pending_jobs() == []


def test_while_all_are_at_work_nobody_asks(runner: Asked, crews: list[Crew]) -> None:
    begun, free = threading.Semaphore(0), threading.Event()

    def work(job: DispatchJob) -> None:
        begun.release()
        assert free.wait(PATIENCE)

    dispatch(runner, *"abcd")
    crew = a_crew(runner, 2, work)
    crews.append(crew)
    crew.start()
    for _ in range(2):
        assert begun.acquire(timeout=PATIENCE)
    asked = runner.questions.qsize()
    crew.kick()
    assert (runner.questions.qsize(), len(runner.list_pending_jobs())) == (asked, 2)
    free.set()
    for _ in range(2):
        assert begun.acquire(timeout=PATIENCE)


def test_a_free_thread_asks_on_while_the_others_are_at_work(runner: Asked, crews: list[Crew]) -> None:
    begun: queue.SimpleQueue[str] = queue.SimpleQueue()
    free = threading.Event()

    def work(job: DispatchJob) -> None:
        begun.put(job.op)
        if job.op == "slow":
            assert free.wait(PATIENCE)

    crew = a_crew(runner, 2, work)
    crews.append(crew)
    crew.start()
    dispatch(runner, "slow")
    assert begun.get(timeout=PATIENCE) == "slow"
    earlier = runner.questions.qsize()
    for op in "abc":
        dispatch(runner, op)
        assert begun.get(timeout=PATIENCE) == op
    questions = [runner.questions.get() for _ in range(runner.questions.qsize())]
    assert set(questions[earlier:]) == {1}
    free.set()


def test_an_idle_crew_asks_less_and_less_often_until_there_is_a_job(runner: Asked) -> None:
    crew = a_crew(runner, 1, poll_interval=0.05)
    pauses = [crew._next_pause(failed=False) for _ in range(8)]
    assert pauses == [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.05, 0.05]
    assert [crew._next_pause(failed=True) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert crew._next_pause(failed=False) == 0.05


def test_a_crew_that_begins_asks_often_at_first_however_long_it_was_idle_before(
    runner: Asked, crews: list[Crew]
) -> None:
    worked = threading.Event()
    crew = a_crew(runner, 1, lambda job: worked.set(), poll_interval=NEVER)
    crew._pause = NEVER
    crews.append(crew)
    crew.start()
    assert runner.questions.get(timeout=PATIENCE)
    dispatch(runner, "a")
    assert worked.wait(PATIENCE)


def test_a_crew_that_found_a_job_asks_often_again(runner: Asked, crews: list[Crew]) -> None:
    worked = threading.Semaphore(0)
    crew = a_crew(runner, 1, lambda job: worked.release(), poll_interval=NEVER)

    def long_idle() -> None:
        runner.before_answer = lambda: None
        crew._pause = NEVER

    dispatch(runner, "a")
    runner.before_answer = long_idle
    crews.append(crew)
    crew.start()
    for op in "bcd":
        assert worked.acquire(timeout=PATIENCE)
        dispatch(runner, op)
    assert worked.acquire(timeout=PATIENCE)


@pytest.mark.usefixtures("no_polling")
def test_a_kick_during_a_question_is_not_lost(runner: Asked, crews: list[Crew]) -> None:
    worked = threading.Event()
    crew = a_crew(runner, 1, lambda job: worked.set(), poll_interval=NEVER)

    def late() -> None:
        # What comes after the look into the queue, and before the answer.
        runner.before_answer = lambda: None
        dispatch(runner, "a")
        crew.kick()

    runner.before_answer = late
    crews.append(crew)
    crew.start()
    assert worked.wait(PATIENCE)


def test_what_was_taken_and_not_begun_is_given_back_by_stop(runner: Asked, crews: list[Crew]) -> None:
    worked: list[str] = []
    crew = a_crew(runner, 2, lambda job: worked.append(job.op))
    asked, stop = threading.Event(), threading.Event()

    def wait() -> None:
        asked.set()
        assert stop.wait(PATIENCE)

    dispatch(runner, "a")
    runner.before_answer = wait
    crew.start()
    assert asked.wait(PATIENCE)
    stopper = threading.Thread(target=crew.stop)
    stopper.start()
    while crew.serving:
        pass
    assert stopper.is_alive()  # it may still be taken
    stop.set()
    stopper.join(PATIENCE)
    assert (worked, runner.given_back) == ([], ["a"])
    assert [job.op for job in runner.list_pending_jobs()] == ["a"]
    assert crew.join(PATIENCE)
    assert runner.given_back == ["a"]


@pytest.mark.usefixtures("no_polling")
def test_a_question_that_finds_nothing_is_the_last_one_after_stop(runner: Asked) -> None:
    crew = a_crew(runner, 1, poll_interval=NEVER)
    asked = threading.Event()

    def stop() -> None:
        asked.set()
        while crew.serving:
            pass

    runner.before_answer = stop
    crew.start()
    assert asked.wait(PATIENCE)
    crew.stop()
    assert crew.join(PATIENCE)
    assert runner.questions.qsize() == 1


def test_a_crew_that_serves_again_is_not_waited_for(runner: Asked, crews: list[Crew]) -> None:
    crew = a_crew(runner, 1)
    crews.append(crew)
    crew.start()
    assert crew.join(PATIENCE)
    assert crew.serving


def test_stop_does_not_wait_for_what_runs_and_join_does(runner: Asked, crews: list[Crew]) -> None:
    begun, free = threading.Event(), threading.Event()

    def work(job: DispatchJob) -> None:
        begun.set()
        assert free.wait(PATIENCE)

    dispatch(runner, "a", "b")
    crew = a_crew(runner, 1, work)
    crew.start()
    assert begun.wait(PATIENCE)
    crew.stop()
    assert not crew.join(0.0)
    free.set()
    assert crew.join(PATIENCE)
    assert [job.op for job in runner.list_pending_jobs()] == ["b"]


def test_a_queue_that_fails_is_told_of_once_and_asked_again(
    runner: Asked, crews: list[Crew], caplog: pytest.LogCaptureFixture
) -> None:
    worked = threading.Event()
    runner.broken = True
    crew = a_crew(runner, 2, lambda job: worked.set())
    crews.append(crew)
    crew.start()
    for _ in range(3):
        assert runner.questions.get(timeout=PATIENCE)
        crew.kick()
    dispatch(runner, "a")
    runner.broken = False
    crew.kick()
    assert worked.wait(PATIENCE)
    assert caplog.messages == ["a worker can't take jobs, and goes on asking", "a worker can take jobs again"]


def test_what_fails_in_the_work_stops_no_thread(
    runner: Asked, crews: list[Crew], caplog: pytest.LogCaptureFixture
) -> None:
    done, interrupts = threading.Event(), []

    def work(job: DispatchJob) -> None:
        if job.op == "a":
            raise StorageUnavailable("gone")
        if job.op == "b":
            raise KeyboardInterrupt
        done.set()

    dispatch(runner, "a", "b", "c")
    crew = a_crew(runner, 1, work, interrupted=interrupts.append)
    crews.append(crew)
    crew.start()
    assert done.wait(PATIENCE)
    assert caplog.messages == ["a worker could not submit a result; its job was given back"]
    assert [type(interrupt) for interrupt in interrupts] == [KeyboardInterrupt]


def test_an_interrupt_of_the_queue_leaves_a_crew_that_asks_on(runner: Asked, crews: list[Crew]) -> None:
    worked, interrupts = threading.Event(), []

    def interrupt() -> None:
        runner.before_answer = lambda: None
        raise SystemExit

    runner.before_answer = interrupt
    crew = a_crew(runner, 1, lambda job: worked.set(), interrupted=interrupts.append)
    crews.append(crew)
    crew.start()
    while not interrupts:
        pass
    dispatch(runner, "a")
    assert worked.wait(PATIENCE)
    assert [type(one) for one in interrupts] == [SystemExit]


def test_stop_does_not_wait_for_a_job_where_another_user_has_come(runner: Asked, crews: list[Crew]) -> None:
    begun, free, asked = threading.Semaphore(0), threading.Event(), threading.Event()

    def work(job: DispatchJob) -> None:
        begun.release()
        assert free.wait(PATIENCE)

    def wait() -> None:
        asked.set()
        while not crew.serving:
            pass

    dispatch(runner, "a")
    crew = a_crew(runner, 2, work)
    crews.append(crew)
    crew.start()
    assert begun.acquire(timeout=PATIENCE)
    runner.before_answer = wait
    dispatch(runner, "b")
    crew.kick()
    assert asked.wait(PATIENCE)
    stopper = threading.Thread(target=crew.stop)
    stopper.start()
    while crew.serving:
        pass
    crew.start()
    stopper.join(PATIENCE)
    assert not stopper.is_alive()
    free.set()


def test_when_the_process_ends_nothing_more_is_begun(runner: Asked) -> None:
    crew = a_crew(runner, 2)
    crew.start()
    crew.start()
    module._leave()
    assert not crew.serving
    assert crew.join(PATIENCE)


def test_a_stop_too_many_is_none(runner: Asked) -> None:
    crew = a_crew(runner, 1)
    crew.stop()
    crew.start()
    assert crew.serving
    crew.stop()
    crew.stop()
    assert crew.join(PATIENCE)


def test_should_a_thread_not_start_those_that_did_leave(runner: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def limited(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    crew = a_crew(runner, 3)
    with pytest.raises(RuntimeError, match="can't start"):
        crew.start()
    for thread in started:
        thread.join(PATIENCE)
    assert crew._threads == []
    assert not crew.serving


def test_a_runner_is_served_while_a_crew_of_this_process_takes_its_jobs(runner: Asked) -> None:
    crew = a_crew(runner, 1)
    assert not is_served(runner)
    crew.start()
    assert is_served(runner)
    assert not is_served(InProcessRunner())
    crew.stop()
    assert not is_served(runner)
    assert crew.join(PATIENCE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_the_child_of_a_fork_has_neither_the_threads_nor_the_jobs(runner: Asked) -> None:
    begun, free = threading.Event(), threading.Event()

    def execute(op: str, inputs: Any) -> None:
        begun.set()
        assert free.wait(PATIENCE)

    dispatch(runner, "a")
    handler = JobHandler(runner, execute)
    crew = Crew(handler, 1, handler.handle, lambda interrupt: None)
    crew.start()
    assert begun.wait(PATIENCE)
    child = os.fork()
    if child == 0:  # pragma: no cover  # coverage does not follow
        crew.stop()
        sound = crew.join(0.0) and handler.running == 0 and not is_served(runner)
        os._exit(0 if sound else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert handler.running == 1
    free.set()
    crew.stop()
    assert crew.join(PATIENCE)


class Polled(Asked):
    """Can wait for jobs: answers when `answer` is called, with what is there then. Notes the seconds asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.polls: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._answers = threading.Semaphore(0)

    def poll_pending_jobs(
        self, timeout: float, limit: Any = None, queues: Any = None, lease_seconds: Any = None
    ) -> list[DispatchJob]:
        self.polls.put(timeout)
        assert self._answers.acquire(timeout=PATIENCE)
        return self.take_pending_jobs(limit, queues, lease_seconds)

    def answer(self) -> None:
        self._answers.release()


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer comes late enough to have been waited for."""
    monkeypatch.setattr(Crew, "_has_waited", lambda crew, begun: True)


def test_a_crew_does_not_wait_in_the_queue_unless_it_is_to(crews: list[Crew]) -> None:
    runner, worked = Polled(), threading.Event()
    dispatch(runner, "a")
    crew = a_crew(runner, 1, lambda job: worked.set())
    crews.append(crew)
    crew.start()
    assert worked.wait(PATIENCE)
    assert runner.polls.empty()


def test_a_runner_that_cannot_wait_is_asked_as_ever(runner: Asked, crews: list[Crew]) -> None:
    worked = threading.Event()
    dispatch(runner, "a")
    crew = a_crew(runner, 1, lambda job: worked.set(), long_poll=NEVER)
    crews.append(crew)
    crew.start()
    assert worked.wait(PATIENCE)
    assert runner.questions.get(timeout=PATIENCE) == 1


@pytest.mark.usefixtures("no_polling", "waited")
def test_after_a_question_that_waited_the_next_one_follows_without_a_pause(crews: list[Crew]) -> None:
    runner, worked = Polled(), threading.Event()
    crew = a_crew(runner, 1, lambda job: worked.set(), poll_interval=NEVER, long_poll=7.0)
    crews.append(crew)
    crew.start()
    for _ in range(3):
        assert runner.polls.get(timeout=PATIENCE) == 7.0
        runner.answer()
    assert runner.polls.get(timeout=PATIENCE) == 7.0
    dispatch(runner, "a")
    runner.answer()
    assert worked.wait(PATIENCE)
    crew.stop(wait=False)
    runner.answer()


@pytest.mark.usefixtures("no_polling")
def test_after_an_empty_answer_that_came_too_early_a_crew_pauses(crews: list[Crew]) -> None:
    runner = Polled()
    crew = a_crew(runner, 1, poll_interval=NEVER, long_poll=NEVER)
    paused = threading.Event()
    next_pause = crew._next_pause

    def pausing(*, failed: bool) -> float:
        paused.set()
        return next_pause(failed=failed)

    crew._next_pause = pausing  # type: ignore[method-assign]  # a witness
    crews.append(crew)
    crew.start()
    runner.answer()
    assert paused.wait(PATIENCE)


def test_an_answer_was_waited_for_if_it_took_half_the_time(runner: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "monotonic", lambda: 101.0)
    crew = a_crew(Polled(), 1, long_poll=2.0)
    assert crew._has_waited(100.0)
    assert not crew._has_waited(100.5)
    assert not a_crew(runner, 1, long_poll=2.0)._has_waited(0.0)
    assert not a_crew(Polled(), 1)._has_waited(0.0)


@pytest.mark.usefixtures("waited")
def test_after_a_poll_that_failed_a_crew_pauses(crews: list[Crew], caplog: pytest.LogCaptureFixture) -> None:
    runner = Polled()
    runner.broken = True
    crew = a_crew(runner, 1, long_poll=7.0)
    pauses: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def pausing(*, failed: bool) -> float:
        pauses.put(failed)
        return NEVER

    crew._next_pause = pausing  # type: ignore[method-assign]  # a witness
    crews.append(crew)
    crew.start()
    runner.answer()
    assert pauses.get(timeout=PATIENCE) is True
    assert caplog.messages == ["a worker can't take jobs, and goes on asking"]


@pytest.mark.usefixtures("waited")
def test_what_a_poll_brings_after_stop_is_given_back_and_nothing_more_is_asked(crews: list[Crew]) -> None:
    runner = Polled()
    worked: list[str] = []
    crew = a_crew(runner, 2, lambda job: worked.append(job.op), long_poll=7.0)
    crew.start()
    assert runner.polls.get(timeout=PATIENCE)
    stopper = threading.Thread(target=crew.stop)
    stopper.start()
    while crew.serving:
        pass
    assert stopper.is_alive()  # the poll may still bring something
    dispatch(runner, "a")
    runner.answer()
    stopper.join(PATIENCE)
    assert not stopper.is_alive()
    assert (worked, runner.given_back) == ([], ["a"])
    assert [job.op for job in runner.list_pending_jobs()] == ["a"]
    assert crew.join(PATIENCE)
    assert runner.polls.empty()


@pytest.mark.usefixtures("no_polling")
def test_a_kick_during_a_poll_is_not_lost(crews: list[Crew]) -> None:
    # An answer that came too early: without the kick there would be a pause.
    runner = Polled()
    crew = a_crew(runner, 1, poll_interval=NEVER, long_poll=NEVER)
    crews.append(crew)
    crew.start()
    assert runner.polls.get(timeout=PATIENCE)
    crew.kick()
    runner.answer()
    assert runner.polls.get(timeout=PATIENCE)
    crew.stop(wait=False)
    runner.answer()
