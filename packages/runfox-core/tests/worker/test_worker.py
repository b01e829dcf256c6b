"""`Worker`: carries workflows with no driver, ends as it is told to, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from runfox import (
    Backend,
    Complete,
    DispatchJob,
    Halt,
    InMemoryStore,
    InProcessRunner,
    InProcessWorker,
    Worker,
    Workflow,
)
from runfox.errors import NoWorker, StorageUnavailable

PATIENCE = 60.0
KEY = "w#e"

WIDE: dict[str, Any] = {
    "steps": [
        {"op": "root"},
        *({"op": f"leaf{n}", "depends_on": "root", "input": {"n": n}} for n in range(12)),
        {"op": "join", "depends_on": [f"leaf{n}" for n in range(12)], "input": {"all": {"vars": "steps[*].output.n"}}},
    ],
    "outputs": {"all": {"var": "steps.join.output.all"}},
}
LOOP: dict[str, Any] = {
    "steps": [
        {
            "op": "count",
            "input": {"n": {"var": ["state.n", 0]}},
            "branch": [
                {"condition": {"<": [{"var": "n"}, 20]}, "action": {"set": "count"}},
                {"condition": True, "action": "halt", "result": {"n": {"var": "n"}}},
            ],
        }
    ]
}


def echo(op: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"n": inputs["n"] + 1} if op == "count" else dict(inputs)


class Blocking:
    """An executor that waits; `begun` tells of each job, `free` lets all go on."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.free = threading.Event()

    def __call__(self, op: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        self.begun.release()
        assert self.free.wait(PATIENCE)
        return {"op": op}

    def await_jobs(self, count: int) -> None:
        for _ in range(count):
            assert self.begun.acquire(timeout=PATIENCE)


def queued(*ops: str, queue: str | None = None) -> InProcessRunner:
    runner = InProcessRunner()
    runner.dispatch(KEY, [DispatchJob(KEY, op, {}, queue=queue) for op in ops])
    return runner


def pending(runner: InProcessRunner) -> list[str]:
    return [job.op for job in runner.list_pending_jobs()]


def gather(runner: InProcessRunner, count: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while len(found) < count:
        assert runner.wait(KEY, PATIENCE)
        found.update((result.op, result.output) for result in runner.gather(KEY))
    return found


# Carrying


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_worker_with_a_backend_carries_workflows_to_their_end_without_a_driver(concurrency: int) -> None:
    backend = Backend()
    wide = [Workflow.from_dict(WIDE, backend) for _ in range(3)]
    loop = Workflow.from_dict(LOOP, backend)
    with Worker(backend, echo, concurrency=concurrency):
        for workflow in (*wide, loop):
            workflow.start()
        for workflow in wide:
            assert workflow.result(PATIENCE) == Complete({"all": list(range(12))})
        assert loop.result(PATIENCE) == Halt({"n": 20})
    assert backend.pending_tasks() == backend.runner.held("9999") == []


def test_several_workers_of_one_backend_share_the_work() -> None:
    store, runner = InMemoryStore(), InProcessRunner()
    backends = [Backend(store=store, runner=runner) for _ in range(3)]
    merges: list[str] = []
    backends += [Backend(store=store, runner=runner, on_state_change=lambda *change: merges.append(change[3].op))]
    workers = [Worker(backend, echo, concurrency=2) for backend in backends]
    workflows = [Workflow.from_dict(WIDE, backends[0]) for _ in range(10)]
    for worker in workers:
        worker.start()
    for workflow in workflows:
        workflow.start()
    assert all(workflow.result(PATIENCE) == Complete({"all": list(range(12))}) for workflow in workflows)
    for worker in workers:
        assert worker.stop(PATIENCE)
    assert all(step.run_id == 0 for workflow in workflows for step in backends[0].load(workflow.id).steps.values())
    assert runner.held("9999") == []


def test_a_worker_with_a_runner_executes_and_submits_and_leaves_the_rest_to_a_driver() -> None:
    backend = Backend()
    assert isinstance(backend.runner, InProcessRunner)
    workflow = Workflow.from_dict(WIDE, backend)
    with Worker(backend.runner, echo):
        workflow.start()
        assert backend.runner.wait(workflow.id, PATIENCE)
        assert backend.pending_tasks() == []
        assert workflow.run(timeout=PATIENCE) == Complete({"all": list(range(12))})


def test_the_backends_own_executor_is_the_workers_where_it_is_given_none() -> None:
    backend = Backend(executor=echo)
    workflow = Workflow.from_dict(WIDE, backend)
    with Worker(backend):
        workflow.start()
        assert isinstance(workflow.result(PATIENCE), Complete)


def test_what_a_worker_can_not_work_with_is_refused() -> None:
    with pytest.raises(TypeError, match="a Backend or a runner is wanted, not InMemoryStore"):
        Worker(InMemoryStore(), echo)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TypeError, match="an executor is wanted"):
        Worker(Backend())
    with pytest.raises(TypeError, match="an executor is wanted"):
        Worker(InProcessRunner())
    for seconds in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="sweep_interval must be more than 0"):
            Worker(Backend(), echo, sweep_interval=seconds)
    with pytest.raises(ValueError, match="concurrency must be 1 or more"):
        Worker(Backend(), echo, concurrency=0)


def test_a_driver_beside_a_worker_needs_no_worker_of_its_own() -> None:
    backend = Backend()
    with Worker(backend, echo, concurrency=2):
        assert Workflow.from_dict(WIDE, backend).run(timeout=PATIENCE) == Complete({"all": list(range(12))})


def test_a_slow_step_holds_up_nobody_but_its_dependents() -> None:
    slow = Blocking()
    definition = {"steps": [{"op": "slow"}, {"op": "fast"}, {"op": "after", "depends_on": "fast"}]}
    done = threading.Event()

    def execute(op: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if op == "after":
            done.set()
        return slow(op, inputs) if op == "slow" else {}

    backend = Backend()
    workflow = Workflow.from_dict(definition, backend)
    with Worker(backend, execute, concurrency=2):
        workflow.start()
        assert done.wait(PATIENCE)
        slow.free.set()
        assert isinstance(workflow.result(PATIENCE), Complete)


def test_coroutine_executors_run_at_the_same_time() -> None:
    arrived: set[str] = set()

    async def execute(op: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        arrived.add(op)
        while op.startswith("leaf") and len(arrived) < 13:
            await asyncio.sleep(0)
        return dict(inputs)

    backend = Backend()
    workflow = Workflow.from_dict(WIDE, backend)
    with Worker(backend, execute, concurrency=12):
        workflow.start()
        assert isinstance(workflow.result(PATIENCE), Complete)


def test_only_its_queues_are_served() -> None:
    runner = queued("a", queue="gpu")
    runner.dispatch("w#f", [DispatchJob("w#f", "b", {})])
    with Worker(runner, echo, queues=["gpu"]):
        assert gather(runner, 1) == {"a": {}}
    assert pending(runner) == ["b"]


def test_a_job_delivered_too_often_gets_an_error_result_and_its_workflow_goes_on() -> None:
    backend = Backend()
    workflow = Workflow.from_dict({"steps": [{"op": "a", "on_error": "halt"}]}, backend)
    workflow.start()
    for _ in range(2):
        (job,) = backend.take_tasks()
        backend.runner.extend_lease(job, 0)  # its worker died
    with Worker(backend, echo, max_deliveries=2):
        answer = workflow.result(PATIENCE)
    assert isinstance(answer, Halt)
    assert "after 2 deliveries" in answer.result["error"]  # type: ignore[index, operator]  # the shape of an error


def test_a_timer_goes_off_without_a_driver_also_where_nobody_sweeps() -> None:
    class Shared(InMemoryStore):
        shared = True

    retried = {"steps": [{"op": "a", "retry": {"max_attempts": 2, "delay": 0.02}}]}
    overdue = {"steps": [{"op": "a", "timeout": 0.02}]}
    for store in (InMemoryStore(), Shared()):
        backend = Backend(store=store)
        blocking = Blocking()
        with Worker(backend, lambda op, inputs: {"ok": False}):
            workflow = Workflow.from_dict(retried, backend)
            workflow.start()
            assert isinstance(workflow.result(PATIENCE), Complete)
            assert backend.load(workflow.id).steps["a"].run_id == 1
        with Worker(backend, blocking):
            workflow = Workflow.from_dict(overdue, backend)
            workflow.start()
            blocking.await_jobs(1)
            assert isinstance(workflow.result(PATIENCE), Complete)
            output = backend.load(workflow.id).steps["a"].output
            assert output is not None
            assert output["timeout"] is True
            blocking.free.set()


def test_another_stores_jobs_are_executed_and_left_to_it(caplog: pytest.LogCaptureFixture) -> None:
    runner = InProcessRunner()
    other = Workflow.from_dict(WIDE, Backend(runner=runner))
    other.start()
    with Worker(Backend(runner=runner), echo):
        assert runner.wait(other.id, PATIENCE)
    assert caplog.messages == []
    with Worker(other.backend, echo):
        assert other.run(timeout=PATIENCE) == Complete({"all": list(range(12))})


def test_a_commit_whose_reply_was_lost_is_repaired_at_once() -> None:
    class Lossy(InMemoryStore):
        losses = 0

        def patch(self, patch: Any) -> None:
            super().patch(patch)
            if patch.steps and self.losses:
                self.losses -= 1
                raise StorageUnavailable("the reply was lost")

    store = Lossy()
    backend = Backend(store=store)
    workflow = Workflow.from_dict(WIDE, backend)
    workflow.start()
    store.losses = 3
    with Worker(backend, echo, concurrency=2):
        assert workflow.result(PATIENCE) == Complete({"all": list(range(12))})
    assert store.losses == 0


def test_a_late_result_is_not_taken_for_that_of_the_next_run() -> None:
    second, first_is_over = threading.Event(), threading.Event()
    calls: list[str] = []

    class Runner(InProcessRunner):
        def submit_work_result(self, key: str, op: str, output: Any, run_id: int | None = None) -> None:
            super().submit_work_result(key, op, output, run_id)
            if run_id == 0:
                first_is_over.set()

    def execute(op: str, inputs: Any) -> Mapping[str, Any]:
        calls.append(op)
        if len(calls) == 1:
            assert second.wait(PATIENCE)
            return {"run": 1}
        second.set()
        assert first_is_over.wait(PATIENCE)
        return {"run": 2}

    backend = Backend(runner=Runner())
    step = {"op": "a", "timeout": 0.05, "retry": {"max_attempts": 2}}
    workflow = Workflow.from_dict({"steps": [step], "outputs": {"run": {"var": "steps.a.output.run"}}}, backend)
    workflow.start()
    with Worker(backend, execute, concurrency=2):
        answer = workflow.result(PATIENCE)
    # The second run may be overdue, too, on a slow machine; then there is no result.
    assert answer in (Complete({"run": 2}), Complete({"run": None}))


# Ending


def test_stop_finishes_what_runs_and_takes_nothing_more() -> None:
    backend, blocking = Backend(), Blocking()
    workflows = [Workflow.from_dict({"steps": [{"op": "a"}, {"op": "b", "depends_on": "a"}]}, backend) for _ in "123"]
    for workflow in workflows:
        workflow.start()
    worker = Worker(backend, blocking, concurrency=2).start()
    blocking.await_jobs(2)
    assert worker.busy
    stopped: list[bool] = []
    stopper = threading.Thread(target=lambda: stopped.append(worker.stop()))
    stopper.start()
    while worker._crew.serving:
        pass
    blocking.free.set()
    stopper.join(PATIENCE)
    assert stopped == [True]
    assert worker._settling is not None
    assert worker._settling.caretaker._thread is not None
    assert not worker._settling.caretaker._thread.is_alive()
    assert not worker.busy
    # What was finished was settled, and what follows dispatched for others.
    assert sorted(job.op for job in backend.pending_tasks()) == ["a", "b", "b"]
    assert worker.stop() is True


def test_what_still_runs_when_stop_has_waited_long_enough_is_given_back() -> None:
    runner, blocking = queued("a"), Blocking()
    worker = Worker(runner, blocking).start()
    blocking.await_jobs(1)
    assert worker.stop(timeout=0.0) is False
    assert pending(runner) == ["a"]
    blocking.free.set()
    assert worker.stop(PATIENCE) is True
    assert gather(runner, 1) == {"a": {"op": "a"}}  # whoever brings it first


def test_a_worker_that_is_left_keeps_no_result_and_one_that_starts_again_does() -> None:
    class Failing(InProcessRunner):
        failures = 1_000_000
        tried = threading.Event()

        def submit_work_result(self, *arguments: Any) -> None:
            if self.failures:
                self.failures -= 1
                self.tried.set()
                raise StorageUnavailable("gone")
            super().submit_work_result(*arguments)

    runner, calls = Failing(), []
    runner.dispatch(KEY, [DispatchJob(KEY, "a", {})])
    worker = Worker(runner, lambda op, inputs: calls.append(op), lease_seconds=100_000).start()
    assert runner.tried.wait(PATIENCE)
    assert worker.stop(timeout=0.0) is False
    assert worker.stop(PATIENCE) is True
    assert pending(runner) == ["a"]
    runner.failures = 3
    with worker:
        assert gather(runner, 1) == {"a": None}
    assert calls == ["a", "a"]


def test_an_executor_may_stop_its_worker() -> None:
    runner = queued("a", "b")
    stopped: list[bool] = []
    worker = Worker(runner, lambda op, inputs: stopped.append(worker.stop()))
    worker.run()
    assert stopped == [False]
    assert gather(runner, 1) == {"a": None}
    assert pending(runner) == ["b"]


def test_a_stopped_worker_can_start_again() -> None:
    runner = queued("a")
    worker = Worker(runner, echo)
    for run_id in range(3):
        runner.dispatch(KEY, [DispatchJob(KEY, "a", {}, run_id)])
        assert worker.start() is worker.start()
        gather(runner, 1)
        assert worker.stop(PATIENCE)


def test_a_worker_can_run_again() -> None:
    runner = queued()
    worker = Worker(runner, echo)
    for run_id in range(3):
        thread = threading.Thread(target=worker.run)
        thread.start()
        runner.dispatch(KEY, [DispatchJob(KEY, "a", {}, run_id)])
        gather(runner, 1)
        assert worker._crew.serving
        assert worker.stop(PATIENCE)
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_the_handler_of_sigterm_is_put_back() -> None:
    def mine(*_: object) -> None:
        raise AssertionError

    before = signal.signal(signal.SIGTERM, mine)
    try:
        runner = queued("a")
        worker = Worker(runner, lambda op, inputs: worker.stop() and None)
        worker.run()
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_run_ends_when_another_thread_stops_it() -> None:
    runner, blocking = queued("a"), Blocking()
    worker = Worker(runner, blocking)
    thread = threading.Thread(target=worker.run)
    thread.start()
    blocking.await_jobs(1)
    blocking.free.set()
    assert worker.stop(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert gather(runner, 1) == {"a": {"op": "a"}}


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_executors_interrupt_is_not_swallowed(
    interrupt: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def execute(op: str, inputs: Any) -> None:
        raise interrupt

    runner = queued("a", "b")
    with pytest.raises(interrupt):
        Worker(runner, execute).run()
    assert pending(runner) == ["a", "b"]
    assert caplog.messages == [f"the executor raised {interrupt.__name__}: its job was given back, and the worker ends"]
    ended = Worker(runner, execute).start()
    while ended._crew.serving:
        pass
    with pytest.raises(interrupt):
        ended.stop()
    assert ended.stop() is True
    again = Worker(runner, execute).start()
    while again._crew.serving:
        pass
    again.start()
    assert again._interrupt is None
    while again._crew.serving:
        pass
    with pytest.raises(interrupt):
        again.stop()


def test_an_interrupt_while_it_waits_finishes_what_runs_and_is_raised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runner, blocking = queued("a"), Blocking()
    worker = Worker(runner, blocking)
    wait, told = worker._wait, []

    def interrupted() -> None:
        signal.raise_signal(signal.SIGINT)
        wait()
        blocking.await_jobs(1)
        blocking.free.set()

    monkeypatch.setattr(worker, "_wait", interrupted)
    monkeypatch.setattr(
        "runfox.worker.worker.logger.filters", [lambda record: told.append(worker._crew.serving) or True]
    )
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        worker.run()
    assert gather(runner, 1) == {"a": {"op": "a"}}
    assert caplog.messages == ["interrupted: what runs is finished first, interrupt again to leave it"]
    assert told == [False]  # whoever reads it can rely on it
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_interrupt_is_raised_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runner, blocking = queued("a"), Blocking()
    worker = Worker(runner, blocking)

    def interrupted() -> None:
        blocking.await_jobs(1)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(worker, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        worker.run()
    assert pending(runner) == ["a"]
    blocking.free.set()
    assert worker.stop(PATIENCE)


def test_a_programs_own_handler_of_interrupts_is_left_in_its_place() -> None:
    def mine(*_: object) -> None:
        raise AssertionError

    before = signal.signal(signal.SIGINT, mine)
    try:
        worker = Worker(
            queued("a"), lambda op, inputs: handlers.append(signal.getsignal(signal.SIGINT)) or worker.stop()
        )
        handlers: list[object] = []
        worker.run()
        assert handlers == [mine]
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_start_that_fails_leaves_a_worker_that_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        if thread.name == "runfox-worker":
            raise RuntimeError("can't start new thread")
        start(thread)

    start = threading.Thread.start
    backend = Backend()
    worker = Worker(backend, echo)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        worker.start()
    assert worker.stop() is True
    monkeypatch.setattr(threading.Thread, "start", start)
    with worker:
        workflow = Workflow.from_dict(WIDE, backend)
        workflow.start()
        assert isinstance(workflow.result(PATIENCE), Complete)


def test_a_coroutine_may_stop_its_worker() -> None:
    runner, stopped = queued("a", "b"), []

    async def execute(op: str, inputs: Any) -> None:
        stopped.append(worker.stop())

    worker = Worker(runner, execute)
    worker.run()
    assert stopped == [False]
    assert pending(runner) == ["b"]


def test_a_workflow_that_waits_for_the_only_thread_which_is_its_own_says_so() -> None:
    backend = Backend()

    def execute(op: str, inputs: Any) -> Mapping[str, Any]:
        with pytest.raises(NoWorker):
            Workflow.from_dict({"steps": [{"op": "inner"}]}, backend).run()
        return {"op": op}

    workflow = Workflow.from_dict({"steps": [{"op": "outer"}], "outputs": {"op": {"var": "state.op"}}}, backend)
    workflow.start()
    with Worker(backend, execute):
        assert workflow.result(PATIENCE) == Complete({"op": "outer"})


def test_a_backend_that_is_closed_gets_the_jobs_back_and_loses_no_more() -> None:
    backend, blocking = Backend(), Blocking()
    assert isinstance(backend.runner, InProcessRunner)
    backend.runner.dispatch(KEY, [DispatchJob(KEY, op, {}) for op in "ab"])
    worker = Worker(backend, blocking).start()
    blocking.await_jobs(1)
    backend.close()
    assert pending(backend.runner) == ["a", "b"]
    blocking.free.set()
    assert worker.stop(PATIENCE)
    assert pending(backend.runner) == ["b"]


SCRIPT = """
import signal, sys, threading, time
import runfox

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it

class Runner(runfox.InProcessRunner):
    def extend_lease(self, job, seconds=None):
        if seconds == 0:
            print("given back", job.op, flush=True)
        return super().extend_lease(job, seconds)

def execute(op, inputs):
    print("begun", op, flush=True)
    if not sys.stdin.readline():
        return
    while worker._crew.serving:
        time.sleep(0.001)
    print("finished", op, flush=True)

runner = Runner()
runner.dispatch("w#e", [runfox.DispatchJob("w#e", op, {}) for op in "ab"])
worker = runfox.Worker(runner, execute)
try:
    worker.run()
    print("returned")
except KeyboardInterrupt:
    print("interrupted")
print(*[job.op for job in runner.list_pending_jobs()], flush=True)
"""


@pytest.fixture
def process() -> Any:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        # Should it hang, its end lets the test fail.
        guard = threading.Timer(PATIENCE, started.kill)
        guard.start()
        yield started
        guard.cancel()
        started.kill()


def lines(process: Any, count: int) -> list[str]:
    return [process.stdout.readline().strip() for _ in range(count)]


def test_sigterm_finishes_what_runs_and_the_process_ends_well(process: Any) -> None:
    assert lines(process, 1) == ["begun a"]
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate("\n", PATIENCE)
    assert out.split("\n") == ["finished a", "returned", "b", ""]
    assert (process.returncode, err) == (0, "")


def test_an_interrupt_finishes_what_runs_and_is_raised(process: Any) -> None:
    assert lines(process, 1) == ["begun a"]
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == "interrupted: what runs is finished first, interrupt again to leave it\n"
    out, _ = process.communicate("\n", PATIENCE)
    assert out.split("\n") == ["finished a", "interrupted", "b", ""]


def test_a_second_interrupt_leaves_what_runs_and_gives_it_back(process: Any) -> None:
    assert lines(process, 1) == ["begun a"]
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == "interrupted: what runs is finished first, interrupt again to leave it\n"
    process.send_signal(signal.SIGINT)
    assert lines(process, 3) == ["given back a", "interrupted", "a b"]


class Polled(InProcessRunner):
    """Can wait for jobs, which it does not: it notes the seconds, and says when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float] = []

    def poll_pending_jobs(
        self, timeout: float, limit: Any = None, queues: Any = None, lease_seconds: Any = None
    ) -> list[DispatchJob]:
        self.timeouts.append(timeout)
        return self.take_pending_jobs(limit, queues, lease_seconds)


def test_a_worker_waits_in_a_queue_that_lets_it_for_two_seconds_at_a_time() -> None:
    runner = Polled()
    backend = Backend(store=InMemoryStore(), runner=runner, executor=echo)
    workflow = Workflow.from_dict(LOOP, backend)
    with Worker(backend, concurrency=2):
        workflow.start()
        assert workflow.result(timeout=PATIENCE) == Halt({"n": 20})
    assert set(runner.timeouts) == {2.0}


def test_a_driver_and_its_threads_never_wait_in_the_queue() -> None:
    for concurrency in (1, 2):
        runner = Polled()
        worker = InProcessWorker(runner, echo, concurrency)
        workflow = Workflow.from_dict(LOOP, Backend(store=InMemoryStore(), runner=runner))
        assert workflow.run(worker) == Halt({"n": 20})
        assert runner.timeouts == []
