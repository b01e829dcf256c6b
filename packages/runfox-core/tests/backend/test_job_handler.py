"""One job: what its executor sees and may do, what is submitted, and what becomes of it when that fails."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

import runfox
from runfox.backend import InProcessRunner, job_handler
from runfox.backend.job_handler import JobHandler
from runfox.errors import InvalidJSON, NoCurrentJob, PayloadTooLarge, StorageUnavailable
from runfox.results import DispatchJob

KEY = "w#e"
PATIENCE = 60.0


class Failing(InProcessRunner):
    """Refuses the first `failures` submissions."""

    def __init__(self, failures: int = 0, lease_seconds: float = 600.0) -> None:
        super().__init__(lease_seconds=lease_seconds)
        self.failures = failures
        self.submitted: list[Any] = []
        self.tried = threading.Event()

    def submit_work_result(self, key: str, op: str, output: Any, run_id: int | None = None) -> None:
        if self.failures:
            self.failures -= 1
            self.tried.set()
            raise StorageUnavailable("gone")
        self.submitted.append(output)
        super().submit_work_result(key, op, output, run_id)


def handle(runner: InProcessRunner, execute: Any, **options: Any) -> Any:
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {"n": 1}, 2)])
    handler = JobHandler(runner, execute, **options)
    (job,) = handler.take(1)
    return handler.handle(job)


def test_what_can_not_be_called_is_no_executor() -> None:
    wrong: Any = {"a": 1}
    for employ in (runfox.Backend, lambda given: JobHandler(InProcessRunner(), given)):
        with pytest.raises(TypeError, match=r"an executor is a function \(op, inputs\) -> dict, not dict"):
            employ(wrong)


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan])
def test_a_lease_that_can_not_be_renewed_in_time_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="a lease of"):
        JobHandler(InProcessRunner(), print, lease_seconds=seconds)


def test_a_runner_that_says_nothing_of_its_leases_gets_a_minute() -> None:
    runner = InProcessRunner()
    runner.lease_seconds = None  # type: ignore[assignment]  # a stranger's
    assert JobHandler(runner, print).lease_seconds == 60


@pytest.mark.parametrize("text", ["gpu", b"gpu"])
def test_one_text_is_no_list_of_queues(text: Any) -> None:
    with pytest.raises(TypeError, match="give a list of names"):
        JobHandler(InProcessRunner(), print, queues=text)


@pytest.mark.parametrize("queues", [[], [5], ["gpu", b"cpu"]])
def test_queues_that_no_job_can_have_are_refused(queues: Any) -> None:
    with pytest.raises(ValueError, match="None for jobs without one, or nothing for all"):
        JobHandler(InProcessRunner(), print, queues=queues)


def test_queues_may_be_given_in_any_form_and_are_kept() -> None:
    runner = InProcessRunner()
    handler = JobHandler(runner, print, queues=(name for name in ("gpu", None)))  # type: ignore[arg-type]  # on purpose
    for run_id in range(2):
        runner.dispatch(KEY, [DispatchJob(KEY, "a", {}, run_id, queue="gpu")])
        assert len(handler.take(1)) == 1


def test_jobs_that_are_never_given_up_or_never_begun_are_refused() -> None:
    with pytest.raises(ValueError, match="max_deliveries must be 1 or more"):
        JobHandler(InProcessRunner(), print, max_deliveries=0)


def test_what_was_submitted_is_what_is_given_whatever_the_executor_does_with_it_later() -> None:
    output: dict[str, Any] = {"list": [1]}
    runner = Failing()
    given = handle(runner, lambda op, inputs: output)
    output["list"].append(2)
    assert given == {"list": [1]}
    assert runner.submitted == [given]


def test_an_output_that_changes_while_it_is_read_is_an_error_result() -> None:
    class Changing(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise KeyError(key)

        def __len__(self) -> int:
            return 1

        def __iter__(self) -> Any:
            raise RuntimeError("changed size during iteration")

    given = handle(InProcessRunner(), lambda op, inputs: Changing())
    says = "the output of step 'a': reading it raised RuntimeError"
    assert given == {"ok": False, "error": says, "error_type": "InvalidJSON"}


def test_a_refused_output_is_given_as_the_error_that_was_submitted() -> None:
    class Small(InProcessRunner):
        def submit_work_result(self, key: str, op: str, output: Any, run_id: int | None = None) -> None:
            if "large" in output:
                raise PayloadTooLarge([DispatchJob(key, op, {})], "too much")
            super().submit_work_result(key, op, output, run_id)

    runner = Small()
    given = handle(runner, lambda op, inputs: {"large": True})
    assert given["error_type"] == "PayloadTooLarge"
    assert [result.output for result in runner.gather(KEY)] == [given]


# Coroutines, and the job in hand


def executors() -> list[Any]:
    async def function(op: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        await asyncio.sleep(0)
        return {"op": op, **inputs}

    class Object:
        async def __call__(self, op: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
            return await function(op, inputs)

    def wrapper(op: str, inputs: Mapping[str, Any]) -> Any:
        return function(op, inputs)

    return [function, Object(), wrapper]


@pytest.mark.parametrize("execute", executors(), ids=["function", "object", "wrapper"])
def test_a_coroutine_is_awaited(execute: Any) -> None:
    assert handle(InProcessRunner(), execute) == {"op": "a", "n": 1}


def test_what_a_coroutine_raises_is_an_error_result_and_an_interrupt_gives_the_job_back() -> None:
    async def fails(op: str, inputs: Any) -> None:
        raise LookupError("nothing")

    async def interrupts(op: str, inputs: Any) -> None:
        raise KeyboardInterrupt

    assert handle(InProcessRunner(), fails)["error"] == "nothing"
    runner = InProcessRunner()
    with pytest.raises(KeyboardInterrupt):
        handle(runner, interrupts)
    assert [job.op for job in runner.list_pending_jobs()] == ["a"]


def test_an_executor_can_ask_for_its_job_and_so_can_a_coroutine() -> None:
    async def coroutine(op: str, inputs: Any) -> Mapping[str, Any]:
        await asyncio.sleep(0)
        return {"key": runfox.current_job().key}

    expected = {"key": "w#e#a#2"}
    assert handle(InProcessRunner(), coroutine) == expected
    assert handle(InProcessRunner(), lambda op, inputs: {"key": runfox.current_job().key}) == expected
    with pytest.raises(NoCurrentJob):
        runfox.current_job()


# Results that can't be submitted


def test_a_result_that_can_not_be_submitted_is_kept_and_submitted_again(caplog: pytest.LogCaptureFixture) -> None:
    runner = Failing(failures=3)
    assert handle(runner, lambda op, inputs: {"x": 1}) == {"x": 1}
    assert runner.submitted == [{"x": 1}]
    assert caplog.messages == ["a result of step 'a' could not be submitted, and is kept until it can"]


def test_a_result_is_kept_for_the_length_of_a_lease_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            now[0] += 3.0
            return now[0]

    monkeypatch.setattr(job_handler, "time", Clock)
    runner = Failing(failures=1_000)
    with pytest.raises(StorageUnavailable):
        handle(runner, lambda op, inputs: {}, lease_seconds=10)
    assert runner.failures == 1_000 - 4
    assert [job.op for job in runner.list_pending_jobs()] == ["a"]


def test_who_is_in_a_hurry_keeps_no_result() -> None:
    runner = Failing(failures=1_000_000)
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    handler = JobHandler(runner, lambda op, inputs: {})
    (job,) = handler.take(1)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            handler.handle(job)
        except StorageUnavailable as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert runner.tried.wait(PATIENCE)
    handler.hurry()
    thread.join(PATIENCE)
    assert len(raised) == 1
    runner.failures = 1
    handler.take_time()
    (job,) = handler.take(1)
    assert handler.handle(job) == {}


def test_a_runner_that_refuses_even_the_error_gives_the_job_back() -> None:
    class Refusing(InProcessRunner):
        def submit_work_result(self, key: str, op: str, output: Any, run_id: int | None = None) -> None:
            raise InvalidJSON("the output", "", "never")

    runner = Refusing()
    with pytest.raises(InvalidJSON):
        handle(runner, lambda op, inputs: {}, patience=0.0)
    assert [job.op for job in runner.list_pending_jobs()] == ["a"]


def test_a_job_whose_lease_can_not_be_watched_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> int:
        raise RuntimeError("can't start new thread")

    runner = InProcessRunner()
    monkeypatch.setattr(job_handler.heartbeats.of(runner), "watch", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        handle(runner, lambda op, inputs: {})
    assert [job.op for job in runner.list_pending_jobs()] == ["a"]


def test_a_lease_is_renewed_no_longer_than_its_job_runs() -> None:
    runner, watched = InProcessRunner(), []

    def execute(op: str, inputs: Any) -> None:
        watched.append(len(job_handler.heartbeats.of(runner)._watched))

    handle(runner, execute)
    assert watched == [1]
    assert not job_handler.heartbeats.of(runner)._watched


# The end of the process


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, type("Odd", (BaseException,), {})])
def test_what_is_no_interrupt_is_an_error_result(error: type[BaseException]) -> None:
    def execute(op: str, inputs: Any) -> None:
        raise error

    assert handle(InProcessRunner(), execute)["error_type"] == error.__name__


def test_an_error_after_the_process_has_begun_to_leave_gives_the_job_back() -> None:
    runner = InProcessRunner()
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])

    def execute(op: str, inputs: Any) -> None:
        handler.hurry()
        raise RuntimeError("cannot schedule new futures after shutdown")

    handler = JobHandler(runner, execute)
    with pytest.raises(RuntimeError):
        handler.handle(handler.take(1)[0])
    assert [job.op for job in runner.list_pending_jobs()] == ["a"]


def test_when_python_lets_nobody_begin_threads_any_more_the_job_goes_back_and_none_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner, errors = InProcessRunner(), ["no luck", "cannot schedule new futures after interpreter shutdown"]
    runner.dispatch(KEY, [DispatchJob(KEY, op, {}) for op in "ab"])

    def execute(op: str, inputs: Any) -> None:
        raise RuntimeError(errors.pop(0))

    handler = JobHandler(runner, execute)
    monkeypatch.setattr(threading, "_SHUTTING_DOWN", True, raising=False)
    first, second = handler.take(2)
    assert handler.handle(first)["error"] == "no luck"  # type: ignore[call-overload, index]  # an error result
    with pytest.raises(RuntimeError, match="new futures"):
        handler.handle(second)
    assert [job.op for job in runner.list_pending_jobs()] == ["b"]
    assert handler.take(1) == []


AT_EXIT = """
import sys, threading, time

given_back = threading.Event()
# What is registered first runs last: the process waits until somebody has found out that there are no more futures.
threading._register_atexit(lambda: given_back.wait(30))

import asyncio
import concurrent.futures.thread as futures
import runfox

async def coroutine(op, inputs):
    begun.set()
    while not futures._shutdown:
        await asyncio.sleep(0.001)
    await asyncio.to_thread(print, "too late")

def function(op, inputs):
    begun.set()
    while not futures._shutdown:
        time.sleep(0.001)
    futures.ThreadPoolExecutor().submit(print, "too late")

class Runner(runfox.InProcessRunner):
    def extend_lease(self, job, seconds=None):
        if seconds == 0 and not given_back.is_set():
            print("given back", flush=True)
            given_back.set()
        return super().extend_lease(job, seconds)

    def submit_work_result(self, *arguments):
        print("submitted", *arguments, flush=True)

begun = threading.Event()
runner = Runner()
runner.dispatch("w#e", [runfox.DispatchJob("w#e", "a", {})])
runfox.Worker(runner, globals()[sys.argv[1]]).start()
begun.wait()
"""


@pytest.mark.parametrize("executor", ["coroutine", "function"])
def test_what_an_executor_loses_by_the_end_of_the_process_is_no_result(executor: str) -> None:
    command = [sys.executable, "-c", AT_EXIT, executor]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout.startswith("given back\n")
    assert "submitted" not in done.stdout


def blocked(runner: InProcessRunner) -> tuple[JobHandler, threading.Thread, Callable[[], None]]:
    """A handler with a job that runs in a thread until it is told not to."""
    begun, free = threading.Event(), threading.Event()

    def execute(op: str, inputs: Any) -> None:
        begun.set()
        assert free.wait(PATIENCE)

    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    handler = JobHandler(runner, execute)
    (job,) = handler.take(1)
    thread = threading.Thread(target=handler.handle, args=(job,))
    thread.start()
    assert begun.wait(PATIENCE)
    return handler, thread, free.set


def test_what_runs_is_given_back_once_however_often_its_process_leaves() -> None:
    class Counting(InProcessRunner):
        given_back = 0

        def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
            self.given_back += seconds == 0
            return super().extend_lease(job, seconds)

    runner = Counting()

    def execute(op: str, inputs: Any) -> dict[str, Any]:
        handler.release()
        handler.release()
        return {}

    handler = JobHandler(runner, execute)
    for run_id in range(3):
        # Taken one after another, each may get the place in memory of the one before.
        runner.dispatch(KEY, [DispatchJob(KEY, "a", {}, run_id)])
        handler.handle(handler.take(1)[0])
    assert runner.given_back == 3


def test_what_could_not_be_given_back_is_tried_again_when_its_process_leaves_again() -> None:
    class Busy(InProcessRunner):
        calls = 0

        def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
            self.calls += 1
            if self.calls == 1:
                raise StorageUnavailable("busy")
            return super().extend_lease(job, seconds)

    runner = Busy()
    pending: list[list[str]] = []

    def execute(op: str, inputs: Any) -> dict[str, Any]:
        for _ in range(2):
            handler.release()
            pending.append([job.op for job in runner.list_pending_jobs()])
        return {}

    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    handler = JobHandler(runner, execute)
    handler.handle(handler.take(1)[0])
    assert pending == [[], ["a"]]


def test_what_still_runs_when_the_process_ends_is_given_back() -> None:
    runner = InProcessRunner()
    handler, thread, free = blocked(runner)
    assert handler.running == 1
    job_handler._leave()
    assert [job.op for job in runner.list_pending_jobs()] == ["a"]
    free()
    thread.join(PATIENCE)
    assert handler.running == 0
