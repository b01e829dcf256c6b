"""`InProcessWorker`: one result for every job it takes, and none lost with what it can't finish."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from runfox.backend import job_handler
from runfox.backend.crew import Crew
from runfox.backend.inprocess_runner import InProcessRunner
from runfox.backend.inprocess_worker import InProcessWorker
from runfox.backend.job_handler import MAX_DELIVERIES
from runfox.errors import PayloadTooLarge, StorageUnavailable
from runfox.results import DispatchJob, StepResult

KEY = "w#e"
PATIENCE = 60.0


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that can't be submitted is not kept."""
    monkeypatch.setattr("runfox.backend.inprocess_worker.PATIENCE", 0.0)


def a_runner(*ops: str, clock: Any = None, **options: Any) -> InProcessRunner:
    runner = InProcessRunner(**options) if clock is None else InProcessRunner(clock=clock, **options)
    runner.dispatch(KEY, [DispatchJob(KEY, op, {"n": n}) for n, op in enumerate(ops)])
    return runner


def gathered(runner: InProcessRunner) -> dict[str, Any]:
    return {result.op: result.output for result in runner.gather(KEY)}


def idle(op: str, inputs: Mapping[str, Any]) -> None:
    return None


class FailingRunner(InProcessRunner):
    """Fails in the methods named in `fails`, before (or with `late` after) the effect."""

    def __init__(self, *, late: bool = False) -> None:
        super().__init__()
        self.fails: set[str] = set()
        self._late = late

    def _call(self, name: str, call: Callable[[], Any]) -> Any:
        result = call() if self._late or name not in self.fails else None
        if name in self.fails:
            raise StorageUnavailable("gone")
        return result

    def take_pending_jobs(self, *args: Any, **options: Any) -> list[DispatchJob]:
        return self._call("take", lambda: super(FailingRunner, self).take_pending_jobs(*args, **options))  # type: ignore[no-any-return]

    def submit_work_result(self, *args: Any) -> None:
        self._call("submit", lambda: super(FailingRunner, self).submit_work_result(*args))

    def extend_lease(self, *args: Any) -> bool:
        return self._call("extend", lambda: super(FailingRunner, self).extend_lease(*args))  # type: ignore[no-any-return]


# Executing


def test_jobs_are_run_one_after_another_until_there_is_none() -> None:
    runner, seen = a_runner("a", "b", "c"), []

    def execute(op: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        seen.append((op, threading.current_thread()))
        return {"op": op, **inputs}

    assert InProcessWorker(runner, execute).work() == 3
    assert seen == [(op, threading.current_thread()) for op in "abc"]
    assert gathered(runner) == {op: {"op": op, "n": n} for n, op in enumerate("abc")}
    assert InProcessWorker(runner, execute).work() == 0


def test_the_executor_receives_the_call_and_the_result_has_the_op_and_the_run() -> None:
    runner, calls = InProcessRunner(), []
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {}, 4, call="f")])
    InProcessWorker(runner, lambda op, inputs: calls.append(op)).work()
    assert calls == ["f"]
    assert runner.gather(KEY) == [StepResult("a", None, 4)]


def test_at_most_so_many_jobs_are_run() -> None:
    runner = a_runner("a", "b", "c")
    worker = InProcessWorker(runner, idle)
    assert worker.work(0) == 0
    assert worker.work(2) == 2
    assert [job.op for job in runner.list_pending_jobs()] == ["c"]


def test_it_stops_when_it_is_told_to_and_tells_of_every_job() -> None:
    runner, events = a_runner("a", "b", "c"), []
    worker = InProcessWorker(runner, lambda op, inputs: events.append(op))
    done = worker.work(until=lambda: len(events) >= 3, on_job=lambda: events.append("job"))
    assert (done, events) == (2, ["job", "a", "job", "b"])


def test_only_its_queues_are_served() -> None:
    runner = InProcessRunner()
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {}), DispatchJob(KEY, "b", {}, queue="gpu")])
    assert InProcessWorker(runner, idle, queues=["gpu"]).work() == 1
    assert [job.op for job in runner.list_pending_jobs()] == ["a"]
    assert InProcessWorker(runner, idle, queues=[None]).work() == 1


def test_the_lease_is_asked_for_with_every_take(clock: Any) -> None:
    runner = a_runner("a", clock=clock)

    seen: list[int] = []

    def execute(op: str, inputs: Mapping[str, Any]) -> None:
        clock.now += 5
        seen.append(len(runner.list_pending_jobs()))

    InProcessWorker(runner, execute, lease_seconds=5).work()
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {}, 1)])
    InProcessWorker(runner, execute, lease_seconds=6).work()
    assert seen == [1, 0]


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_worker_without_threads_is_refused(concurrency: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        InProcessWorker(InProcessRunner(), idle, concurrency)


def test_what_the_executor_does_to_its_inputs_reaches_no_one() -> None:
    runner = InProcessRunner()
    inputs: dict[str, Any] = {"x": [1]}
    runner.dispatch(KEY, [DispatchJob(KEY, "a", inputs)])

    def execute(op: str, inputs: Any) -> None:
        inputs["x"].append(2)
        inputs["y"] = 1
        raise SystemExit

    with pytest.raises(SystemExit):
        InProcessWorker(runner, execute).work()
    assert inputs == runner.list_pending_jobs()[0].inputs == {"x": [1]}


# What the executor may give


def test_an_exception_is_an_error_result_and_stops_no_other_job(caplog: pytest.LogCaptureFixture) -> None:
    runner = a_runner("a", "b")

    def execute(op: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if op == "a":
            raise LookupError("no such thing")
        return {}

    assert InProcessWorker(runner, execute).work() == 2
    error = {"ok": False, "error": "no such thing", "error_type": "LookupError"}
    assert gathered(runner) == {"a": error, "b": {}}
    (record,) = caplog.records
    assert record.getMessage() == "the executor raised in step 'a' of w#e"
    assert record.exc_info is not None


def test_an_exception_without_a_message_is_known_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    def execute(op: str, inputs: Mapping[str, Any]) -> None:
        raise TimeoutError

    runner = a_runner("a")
    InProcessWorker(runner, execute).work()
    assert gathered(runner)["a"] == {"ok": False, "error": "TimeoutError", "error_type": "TimeoutError"}


@pytest.mark.parametrize("output", [math.nan, {"x": math.inf}, {"x": object()}, b"bytes", {1: 2}, {"x": {1}}], ids=str)
def test_an_output_that_is_not_json_is_an_error_result(output: Any) -> None:
    runner = a_runner("a", "b")
    InProcessWorker(runner, lambda op, inputs: output if op == "a" else {}).work()
    results = gathered(runner)
    assert results["b"] == {}
    assert (results["a"]["ok"], results["a"]["error_type"]) == (False, "InvalidJSON")
    assert results["a"]["error"].startswith("the output of step 'a'")


@pytest.mark.parametrize("output", [None, [], "text", 3])
def test_what_is_json_but_no_mapping_is_left_to_the_machine(output: Any) -> None:
    runner = a_runner("a")
    InProcessWorker(runner, lambda op, inputs: output).work()
    assert gathered(runner) == {"a": output}


def test_an_output_over_the_runners_limit_is_an_error_result() -> None:
    class SmallRunner(InProcessRunner):
        def submit_work_result(self, key: str, op: str, output: Any, run_id: int | None = None) -> None:
            if len(str(output)) > 500:
                raise PayloadTooLarge([DispatchJob(key, op, {})], "500 bytes")
            super().submit_work_result(key, op, output, run_id)

    runner = SmallRunner()
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    assert InProcessWorker(runner, lambda op, inputs: {"x": "y" * 1_000}).work() == 1
    assert gathered(runner)["a"]["error_type"] == "PayloadTooLarge"


# Deliveries


def test_a_job_begun_too_often_gets_an_error_result_instead(clock: Any) -> None:
    runner, begun = a_runner("a", "b", clock=clock), []
    for _ in range(MAX_DELIVERIES):
        runner.take_pending_jobs(1, lease_seconds=1)  # whoever took it is dead
        clock.now += 1
    worker = InProcessWorker(runner, lambda op, inputs: begun.append(op))
    assert worker.work() == 2
    assert begun == ["b"]
    output = gathered(runner)["a"]
    assert (output["ok"], output["error_type"]) == (False, "TooManyDeliveries")
    assert "5 deliveries" in output["error"]


@pytest.mark.parametrize(("deliveries", "runs"), [(1, 1), (2, 2), (7, 7)])
def test_the_number_of_deliveries_can_be_chosen(deliveries: int, runs: int) -> None:
    runner, begun = a_runner("a"), []

    def execute(op: str, inputs: Mapping[str, Any]) -> None:
        begun.append(op)
        raise KeyboardInterrupt

    worker = InProcessWorker(runner, execute, max_deliveries=deliveries)
    for _ in range(runs):
        with pytest.raises(KeyboardInterrupt):
            worker.work()
    assert worker.work() == 1
    assert len(begun) == runs
    assert gathered(runner)["a"]["ok"] is False


# Interrupts, lapses and failures


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_gives_the_job_back_and_goes_on_to_the_caller(interrupt: type[BaseException]) -> None:
    runner = a_runner("a", "b")

    def execute(op: str, inputs: Mapping[str, Any]) -> None:
        raise interrupt

    worker = InProcessWorker(runner, execute)
    with pytest.raises(interrupt):
        worker.work()
    assert not worker.busy
    assert [job.op for job in runner.take_pending_jobs()] == ["a", "b"]


def test_an_interrupt_is_raised_even_if_the_job_can_not_be_given_back(caplog: pytest.LogCaptureFixture) -> None:
    runner = FailingRunner()
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    runner.fails = {"extend"}

    def execute(op: str, inputs: Mapping[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        InProcessWorker(runner, execute).work()
    assert [record.getMessage() for record in caplog.records] == ["the job of step 'a' could not be given back"]


def test_a_job_whose_lease_lapsed_may_run_twice_in_one_worker(clock: Any) -> None:
    runner, runs = a_runner("a", clock=clock), []

    def execute(op: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        runs.append(op)
        mine = len(runs)
        if mine == 1:
            clock.now += 1_000
            inner.extend((worker.work(), worker.busy))
        return {"run": mine}

    inner: list[object] = []

    worker = InProcessWorker(runner, execute)
    assert worker.work() == 1
    assert (len(runs), inner) == (2, [1, True])
    assert not worker.busy
    assert gathered(runner) == {"a": {"run": 2}}


@pytest.mark.usefixtures("no_patience")
def test_a_job_whose_result_could_not_be_submitted_is_given_back() -> None:
    runner = FailingRunner()
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    runner.fails = {"submit"}
    worker = InProcessWorker(runner, idle)
    with pytest.raises(StorageUnavailable):
        worker.work()
    runner.fails = set()
    assert [job.op for job in runner.list_pending_jobs()] == ["a"]
    assert worker.work() == 1
    assert gathered(runner) == {"a": None}


@pytest.mark.usefixtures("no_patience")
def test_a_job_whose_result_has_arrived_is_not_given_back_although_its_reply_was_lost() -> None:
    runner = FailingRunner(late=True)
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    runner.fails = {"submit"}
    with pytest.raises(StorageUnavailable):
        InProcessWorker(runner, idle).work()
    assert runner.list_pending_jobs() == []
    assert gathered(runner) == {"a": None}


def test_leases_are_renewed_while_a_job_runs() -> None:
    class Renewed(InProcessRunner):
        renewed = threading.Event()

        def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
            extended = super().extend_lease(job, seconds)
            if extended:
                self.renewed.set()
            return extended

    runner = Renewed(lease_seconds=0.3)
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    InProcessWorker(runner, lambda op, inputs: {"renewed": runner.renewed.wait(PATIENCE)}).work()
    assert gathered(runner) == {"a": {"renewed": True}}


def test_a_minute_is_asked_for_where_the_runner_says_nothing() -> None:
    class Silent(InProcessRunner):
        def __init__(self) -> None:
            super().__init__()
            del self.lease_seconds

        def take_pending_jobs(self, limit: Any = None, queues: Any = None, lease_seconds: Any = None) -> Any:
            assert lease_seconds == 60
            return super().take_pending_jobs(limit, queues, lease_seconds)

    runner = Silent()
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    assert InProcessWorker(runner, idle).work() == 1


def test_what_the_runner_says_of_its_leases_is_asked_for_and_renewed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = InProcessRunner(lease_seconds=7)
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    watched: list[float] = []

    def watch(_runner: Any, _job: DispatchJob, seconds: float) -> int:
        watched.append(seconds)
        return 0

    monkeypatch.setattr(job_handler.heartbeats.of(runner), "watch", watch)
    assert InProcessWorker(runner, idle).work() == 1
    assert watched == [7]


def test_an_exception_that_cannot_say_what_it_is_counts_by_its_name() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def execute(op: str, inputs: Any) -> Any:
        raise Mute

    runner = InProcessRunner()
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    logging.disable(logging.CRITICAL)
    try:
        InProcessWorker(runner, execute).work()
    finally:
        logging.disable(logging.NOTSET)
    assert [result.output for result in runner.gather(KEY)] == [{"ok": False, "error": "Mute", "error_type": "Mute"}]


def test_a_result_is_kept_while_the_runner_fails_for_a_moment() -> None:
    class Moody(FailingRunner):
        failures = 3

        def submit_work_result(self, *args: Any) -> None:
            self.failures -= 1
            self.fails = {"submit"} if self.failures >= 0 else set()
            super().submit_work_result(*args)

    runner, calls = Moody(), []
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    assert InProcessWorker(runner, lambda op, inputs: calls.append(op)).work() == 1
    assert (calls, gathered(runner)) == (["a"], {"a": None})


# Threads


@pytest.fixture
def threads() -> Any:
    """Workers with threads, started here and stopped at the end."""
    started: list[InProcessWorker] = []

    def start(worker: InProcessWorker) -> InProcessWorker:
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.stop()
        assert worker._crew.join(PATIENCE)


def await_results(runner: InProcessRunner, count: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while len(found) < count:
        assert runner.wait(KEY, PATIENCE)
        found.update(gathered(runner))
    return found


def test_as_many_jobs_run_at_a_time_as_it_has_threads(threads: Any) -> None:
    barrier = threading.Barrier(3)

    def execute(op: str, inputs: Mapping[str, Any]) -> None:
        barrier.wait(PATIENCE)

    runner = a_runner(*"abcdef")
    worker = threads(InProcessWorker(runner, execute, 3))
    assert await_results(runner, 6) == dict.fromkeys("abcdef")
    assert worker.concurrency == 3


def test_idle_threads_look_at_once_when_they_are_told_to(threads: Any) -> None:
    runner = InProcessRunner()
    worker = InProcessWorker(runner, idle, 2)
    worker._crew._poll_interval = 1_000
    threads(worker)
    done = threading.Event()

    def kick() -> None:
        while not done.wait(0.001):
            worker.kick()

    helper = threading.Thread(target=kick)
    helper.start()
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    await_results(runner, 1)
    done.set()
    helper.join()


def test_idle_threads_find_a_new_job_by_themselves(threads: Any) -> None:
    runner = InProcessRunner()
    threads(InProcessWorker(runner, idle, 2))
    for run_id in range(3):
        runner.dispatch(KEY, [DispatchJob(KEY, "a", {}, run_id)])
        await_results(runner, 1)


def test_its_threads_live_as_long_as_one_of_its_users(threads: Any) -> None:
    runner = InProcessRunner()
    worker = threads(InProcessWorker(runner, idle, 2))
    worker.start()
    assert len(worker._crew._threads) == 2
    worker.stop()
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    await_results(runner, 1)


def test_a_thread_that_is_about_to_end_does_not_count_as_one_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, linger = threading.Semaphore(0), threading.Event()
    loop = Crew._loop

    def lingering(crew: Crew) -> None:
        loop(crew)
        ended.release()
        linger.wait(PATIENCE)

    monkeypatch.setattr(Crew, "_loop", lingering)
    runner = InProcessRunner()
    worker = InProcessWorker(runner, idle, 2)
    worker.start()
    worker.stop()
    for _ in range(2):
        assert ended.acquire(timeout=PATIENCE)
    worker.start()
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    assert await_results(runner, 1) == {"a": None}
    worker.stop()
    linger.set()


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_thread_leaves_the_thread_to_give_the_job_up(
    threads: Any, interrupt: type[BaseException]
) -> None:
    begun = []

    def execute(op: str, inputs: Mapping[str, Any]) -> None:
        begun.append(op)
        if op == "a":
            raise interrupt

    runner = a_runner("a", "b")
    threads(InProcessWorker(runner, execute, 2))
    results = await_results(runner, 2)
    assert results["b"] is None
    assert results["a"]["error_type"] == "TooManyDeliveries"
    assert begun.count("a") == MAX_DELIVERIES


def test_a_failure_after_the_last_user_has_gone_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def execute(op: str, inputs: Mapping[str, Any]) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    runner = FailingRunner()
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    worker = InProcessWorker(runner, execute, 2)
    worker.start()
    assert begun.wait(PATIENCE)
    worker.stop()
    runner.fails = {"submit"}
    go_on.set()
    assert worker._crew.join(PATIENCE)
    assert caplog.messages == []
    assert [job.op for job in runner.list_pending_jobs()] == ["a"]


def test_what_runs_can_be_given_back_from_another_thread(threads: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()
    first: list[str] = []

    def execute(op: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if not first:
            first.append(op)
            begun.set()
            assert go_on.wait(PATIENCE)
            return {"first": True}
        return {"first": False}

    runner = a_runner("a")
    worker = threads(InProcessWorker(runner, execute, 2))
    assert begun.wait(PATIENCE)
    assert worker.busy
    worker.release()
    assert await_results(runner, 1) == {"a": {"first": False}}
    go_on.set()
