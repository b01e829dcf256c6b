"""`Workflow.run`: to the end, past conflicts and failures, with nothing held up and nothing applied twice."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import pytest

from runfox import Workflow
from runfox.backend import Backend, InMemoryStore, InProcessRunner, InProcessWorker
from runfox.backend import commits as commits_module
from runfox.backend import driver as driver_module
from runfox.errors import NoWorker, PayloadTooLarge, RecordTooLarge, StorageUnavailable, WaitTimeout, WriteConflict
from runfox.records import UNSET, RecordPatch, WorkflowRecord
from runfox.results import Complete, DispatchJob, Halt, StateChangeEvent, StepResult
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import format_time

PATIENCE = 60.0
CHAIN: dict[str, Any] = {
    "steps": [
        {"op": "a"},
        {"op": "b", "depends_on": "a", "input": {"x": {"var": "steps.a.output.n"}}},
        {"op": "c", "depends_on": ["a"]},
        {"op": "d", "depends_on": ["b", "c"]},
    ],
    "outputs": {"all": {"vars": "steps.*.output.n"}},
}
EXPECTED = Complete({"all": ["a", "b", "c", "d"]})


def named(op: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"n": op}


def until(condition: Callable[[], bool]) -> None:
    """Return as soon as it is true."""
    pause, limit = threading.Event(), int(PATIENCE / 0.002)
    for _ in range(limit):
        if condition():
            return
        pause.wait(0.002)
    raise AssertionError("it did not become true")


def strict(steps: list[Any]) -> dict[str, Any]:
    """A definition in which no exception of an executor, such as a failed assertion, goes unnoticed."""
    return {"steps": steps, "defaults": {"on_error": "halt"}}


class Plain:
    """A runner with the required methods alone: nobody can wait for it."""

    def __init__(self, **options: Any) -> None:
        inner = InProcessRunner(**options)
        self.dispatch, self.gather = inner.dispatch, inner.gather
        self.list_pending_jobs, self.take_pending_jobs = inner.list_pending_jobs, inner.take_pending_jobs
        self.extend_lease, self.submit_work_result = inner.extend_lease, inner.submit_work_result
        self.forget, self.held = inner.forget, inner.held


class Shared(InProcessRunner):
    """Says of itself that other processes use it."""

    shared = True


class Local:
    """Executes within `dispatch` (RUN-LOCAL)."""

    def __init__(self, execute: Callable[[str, Any], Any]) -> None:
        self._execute = execute
        self.dispatched: list[str] = []

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        self.dispatched += [job.op for job in jobs]
        return [StepResult(job.op, self._execute(job.call, job.inputs), job.run_id) for job in jobs]

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        return []

    def list_pending_jobs(self) -> list[DispatchJob]:
        return []

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        return []

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return False

    def submit_work_result(self, workflow_execution_id: str, op: str, output: Any, run_id: int | None = None) -> None:
        return

    def forget(self, workflow_execution_id: str, runs: Any = None) -> None:
        return

    def held(self, before: str) -> list[str]:
        return []


# Who executes


@pytest.mark.parametrize("runner", [InProcessRunner, Plain, Shared])
@pytest.mark.parametrize("concurrency", [None, 1, 4])
def test_a_workflow_runs_to_its_end(runner: Any, concurrency: int | None) -> None:
    backend = Backend(named if concurrency is None else None, runner=runner())
    worker = None if concurrency is None else InProcessWorker(backend.runner, named, concurrency)
    workflow = Workflow.from_dict(CHAIN, backend)
    assert workflow.run(worker) == EXPECTED
    assert workflow.status is WorkflowStatus.COMPLETE
    assert workflow.run(worker) == EXPECTED
    assert backend.runner.held(format_time(4e9)) == []


@pytest.mark.parametrize("concurrency", [1, 4])
def test_one_worker_serves_many_runs(concurrency: int) -> None:
    backend = Backend()
    worker = InProcessWorker(backend.runner, named, concurrency)
    for _ in range(20):
        assert Workflow.from_dict(CHAIN, backend).run(worker) == EXPECTED


def test_a_runner_may_execute_jobs_itself() -> None:
    runner = Local(named)
    workflow = Workflow.from_dict(CHAIN, Backend(runner=runner))
    assert workflow.run() == EXPECTED
    assert sorted(runner.dispatched) == list("abcd")
    assert isinstance(Workflow.from_dict(CHAIN, workflow.backend).start(), Complete)


def test_thousands_of_steps_in_a_chain_that_a_runner_executes_itself_are_no_matter_of_recursion() -> None:
    count = 3_000
    steps = [{"op": f"s{n}", **({"depends_on": f"s{n - 1}"} if n else {})} for n in range(count)]
    workflow = Workflow.from_dict({"steps": steps}, Backend(runner=Local(lambda op, inputs: {"last": op})))
    assert workflow.run() == Complete({})
    assert workflow.progress == 1.0
    assert workflow.backend.load(workflow.id).state == {"last": f"s{count - 1}"}


def test_with_nobody_to_execute_it_says_so_instead_of_waiting_for_ever() -> None:
    workflow = Workflow.from_dict(CHAIN, Backend())
    with pytest.raises(NoWorker) as caught:
        workflow.run()
    assert isinstance(caught.value, RuntimeError)
    assert workflow.run(InProcessWorker(workflow.backend.runner, named)) == EXPECTED


def test_a_worker_of_another_runner_is_nobody() -> None:
    workflow = Workflow.from_dict(CHAIN, Backend())
    with pytest.raises(NoWorker):
        workflow.run(InProcessWorker(InProcessRunner(), named))


def test_with_a_shared_runner_the_jobs_are_left_to_others() -> None:
    backend, outcomes = Backend(runner=Shared()), []
    workflow = Workflow.from_dict(CHAIN, backend)
    driver = threading.Thread(target=lambda: outcomes.append(workflow.run()))
    driver.start()
    worker = InProcessWorker(backend.runner, named, 2)
    worker.start()
    driver.join(PATIENCE)
    worker.stop()
    assert outcomes == [EXPECTED]


def test_an_execution_that_has_ended_needs_nobody() -> None:
    workflow = Workflow.from_dict(CHAIN, Backend())
    workflow.halt("no")
    assert workflow.run() == Halt("no")


# What the executor gives


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize(
    ("output", "error"),
    [
        (None, None),
        ({}, None),
        ([], "InvalidJSON"),
        ("text", "InvalidJSON"),
        ({"x": math.nan}, "InvalidJSON"),
        ({"x": object()}, "InvalidJSON"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError"),
    ],
    ids=repr,
)
def test_what_is_no_mapping_of_json_is_an_error_result(concurrency: int, output: Any, error: str | None) -> None:
    def execute(op: str, inputs: Any) -> Any:
        if isinstance(output, Exception):
            raise output
        return output

    backend = Backend()
    definition = {"steps": [{"op": "a", "on_error": "halt"}, {"op": "b", "depends_on": "a"}]}
    workflow = Workflow.from_dict(definition, backend)
    answer = workflow.run(InProcessWorker(backend.runner, execute, concurrency))
    stored = backend.load(workflow.id).steps["a"].output
    if error is None:
        assert (answer, stored) == (Complete({}), {})
    else:
        assert isinstance(answer, Halt)
        assert stored is not None
        assert (stored["ok"], stored["error_type"]) == (False, error)


def test_what_an_executor_does_to_its_inputs_does_not_reach_the_record() -> None:
    def execute(op: str, inputs: Any) -> Any:
        inputs["x"].append("intruder")
        inputs["y"] = 1
        return {"kept": inputs}

    backend = Backend(execute)
    steps = [{"op": op, "input": {"x": {"var": "input.x"}, "s": {"var": "state"}}} for op in "ab"]
    workflow = Workflow.from_dict({"steps": steps}, backend, {"x": []})
    workflow.run()
    record = backend.load(workflow.id)
    assert record.inputs == {"x": []}
    assert {op: step.output for op, step in record.steps.items()} == {
        op: {"kept": {"x": ["intruder"], "s": {}, "y": 1}} for op in "ab"
    }


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_the_executor_propagates_and_the_next_run_goes_on_at_once(
    interrupt: type[BaseException],
) -> None:
    interrupts = [interrupt]

    def execute(op: str, inputs: Any) -> Any:
        if op == "b" and interrupts:
            raise interrupts.pop()
        return {"n": op}

    workflow = Workflow.from_dict(CHAIN, Backend(execute))
    with pytest.raises(interrupt):
        workflow.run()
    assert workflow.status is WorkflowStatus.IN_PROGRESS
    assert workflow.run() == EXPECTED


def test_an_interrupt_of_the_driving_thread_gives_back_what_its_workers_run(clock: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def execute(op: str, inputs: Any) -> Any:
        begun.set()
        assert go_on.wait(PATIENCE)
        return {"n": op}

    class Interrupted(InProcessRunner):
        def wait(self, workflow_execution_id: str, timeout: float) -> bool:
            assert begun.wait(PATIENCE)
            raise KeyboardInterrupt

    backend = Backend(runner=Interrupted())
    workflow = Workflow.from_dict({"steps": [{"op": "a"}]}, backend)
    with pytest.raises(KeyboardInterrupt):
        workflow.run(InProcessWorker(backend.runner, execute, 2))
    until(lambda: bool(backend.pending_tasks()) or begun.is_set())
    go_on.set()
    until(lambda: bool(backend.gather(workflow.id)))


# Slow and fast


def test_a_slow_job_does_not_hold_up_what_a_fast_one_has_finished() -> None:
    def execute(op: str, inputs: Any) -> Any:
        if op == "slow":
            until(lambda: workflow.step_statuses["fast"] is StepStatus.COMPLETE)
            until(lambda: workflow.step_statuses["next"] is StepStatus.IN_PROGRESS)
            until(lambda: [job.op for job in backend.pending_tasks()] == ["next"])
        return {"n": op}

    backend = Backend(execute)
    steps: list[Any] = [{"op": "fast"}, {"op": "slow"}, {"op": "next", "depends_on": "fast"}]
    workflow = Workflow.from_dict(strict(steps), backend)
    assert workflow.run() == Complete({})


def test_a_slow_job_does_not_hold_up_the_dependents_of_a_fast_one() -> None:
    done = threading.Event()

    def execute(op: str, inputs: Any) -> Any:
        if op == "slow":
            assert done.wait(PATIENCE)
        if op == "last":
            done.set()
        return {"n": op}

    backend = Backend()
    steps: list[Any] = [
        {"op": "slow"},
        {"op": "fast"},
        {"op": "next", "depends_on": "fast"},
        {"op": "last", "depends_on": "next"},
    ]
    workflow = Workflow.from_dict(strict(steps), backend)
    assert workflow.run(InProcessWorker(backend.runner, execute, 2)) == Complete({})


def test_what_the_companion_can_not_settle_is_left_to_the_driving_thread(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(InMemoryStore):
        failing = False
        failed = threading.Event()

        def patch(self, patch: RecordPatch) -> None:
            if self.failing:
                self.failed.set()
                raise StorageUnavailable("gone")
            super().patch(patch)

    def execute(op: str, inputs: Any) -> Any:
        if op == "fast":
            store.failing = True
        else:
            assert store.failed.wait(PATIENCE)
            until(lambda: any("beside a running job" in message for message in caplog.messages))
            store.failing = False
        return {"n": op}

    store = Failing()
    backend = Backend(execute, store, recover_after=0.05)
    workflow = Workflow.from_dict(strict([{"op": "fast"}, {"op": "slow"}]), backend)
    assert workflow.run() == Complete({})
    assert workflow.progress == 1.0


def test_the_companion_goes_on_looking_while_a_job_runs() -> None:
    class Counting(InProcessRunner):
        empty = 0

        def gather(self, workflow_execution_id: str) -> list[StepResult]:
            results = super().gather(workflow_execution_id)
            self.empty += not results
            return results

    def execute(op: str, inputs: Any) -> Any:
        if op == "slow":
            until(lambda: workflow.step_statuses["fast"] is StepStatus.COMPLETE)
            before = runner.empty
            until(lambda: runner.empty >= before + 3)
        return {"n": op}

    runner = Counting()
    workflow = Workflow.from_dict(strict([{"op": "fast"}, {"op": "slow"}]), Backend(execute, runner=runner))
    assert workflow.run() == Complete({})


def test_results_of_quick_jobs_are_settled_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "_COMPANY_SECONDS", 1_000)
    store = Disturbed({})
    workflow = Workflow.from_dict({"steps": [{"op": op} for op in "abcde"]}, Backend(named, store))
    assert workflow.run() == Complete({})
    assert store.commits == 2  # the attend that claims, and one for all results


# Conflicts and failures


class Disturbed(InMemoryStore):
    """Its n-th commit (patches; from 1) fails as `failures[n]` says, before or after its effect."""

    def __init__(self, failures: Mapping[int, tuple[str, Exception]]) -> None:
        super().__init__()
        self.failures = failures
        self.commits = 0

    def patch(self, patch: RecordPatch) -> None:
        self.commits += 1
        when, error = self.failures.get(self.commits, ("", None))
        if when == "before" and error is not None:
            raise error
        super().patch(patch)
        if when == "after" and error is not None:
            raise error


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("error", [StorageUnavailable("no reply"), OSError("no reply")], ids=repr)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_a_commit_of_which_nobody_knows_is_repaired_at_once_and_nothing_is_applied_twice(
    number: int, when: str, error: Exception, concurrency: int
) -> None:
    merges: list[str] = []
    executed: Counter[str] = Counter()

    def execute(op: str, inputs: Any) -> Any:
        executed[op] += 1
        return {"n": op}

    def observe(key: str, previous: Any, new: Any, event: StateChangeEvent | None) -> None:
        assert event is not None
        merges.append(event.op)

    store = Disturbed({number: (when, error)})
    backend = Backend(store=store, on_state_change=observe)
    workflow = Workflow.from_dict(CHAIN, backend)
    assert workflow.run(InProcessWorker(backend.runner, execute, concurrency)) == EXPECTED
    assert max(Counter(merges).values()) == 1
    assert executed == Counter("abcd")
    assert [step.run_id for step in backend.load(workflow.id).steps.values()] == [0, 0, 0, 0]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_failure_at_every_third_commit_changes_no_outcome(when: str) -> None:
    failures = {n: (when, StorageUnavailable("no reply")) for n in range(1, 400, 3)}
    backend = Backend(named, Disturbed(failures))
    assert Workflow.from_dict(CHAIN, backend).run() == EXPECTED


def test_a_storage_that_stays_away_is_raised_and_the_execution_left_to_be_resumed() -> None:
    store = Disturbed({n: ("before", StorageUnavailable("gone")) for n in range(2, 1_000)})
    workflow = Workflow.from_dict(CHAIN, Backend(named, store))
    with pytest.raises(StorageUnavailable):
        workflow.run()
    assert store.commits == 2 + driver_module._REPAIRS
    store.failures = {}
    assert workflow.run() == EXPECTED


def test_conflict_storms_change_no_outcome() -> None:
    failures = {n: ("before", WriteConflict("w#e", 0)) for n in range(1, 60) if n % 4}
    store = Disturbed(failures)
    assert Workflow.from_dict(CHAIN, Backend(named, store)).run() == EXPECTED


def test_a_conflict_without_end_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits_module, "MAX_ATTEMPTS", 3)
    store = Disturbed({n: ("before", WriteConflict("w#e", 0)) for n in range(3, 10_000)})
    workflow = Workflow.from_dict(CHAIN, Backend(named, store))
    with pytest.raises(WriteConflict):
        workflow.run()
    store.failures = {}
    assert workflow.run() == EXPECTED


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_dispatch_of_which_nobody_knows_is_repaired(late: bool, number: int) -> None:
    class Failing(InProcessRunner):
        calls = 0

        def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
            Failing.calls += 1
            fails = Failing.calls == number
            results = super().dispatch(workflow_execution_id, jobs) if late or not fails else []
            if fails:
                raise StorageUnavailable("no reply")
            return results

    executed: Counter[str] = Counter()

    def execute(op: str, inputs: Any) -> Any:
        executed[op] += 1
        return {"n": op}

    assert Workflow.from_dict(CHAIN, Backend(execute, runner=Failing())).run() == EXPECTED
    assert executed == Counter("abcd")


def test_what_runfox_says_on_purpose_is_not_repaired() -> None:
    class Gone(InMemoryStore):
        gone = False

        def load(self, workflow_execution_id: str) -> WorkflowRecord:
            return super().load("w#nobody" if self.gone else workflow_execution_id)

    store = Gone()
    workflow = Workflow.from_dict(CHAIN, Backend(named, store))
    store.gone = True
    with pytest.raises(KeyError):
        Workflow(workflow.id, Backend(named, store)).run()


def test_jobs_that_the_runner_refuses_for_good_are_error_results_and_the_others_go_on() -> None:
    class Choosy(InProcessRunner):
        def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
            refused = [job for job in jobs if job.op == "b"]
            super().dispatch(workflow_execution_id, [job for job in jobs if job.op != "b"])
            if refused:
                raise PayloadTooLarge(refused, "10 bytes")
            return []

    backend = Backend(named, runner=Choosy())
    workflow = Workflow.from_dict(CHAIN, backend)
    assert workflow.run() == Complete({"all": ["a", "c", "d"]})
    output = backend.load(workflow.id).steps["b"].output
    assert output is not None
    assert output["error_type"] == "PayloadTooLarge"


# Time


def test_a_retry_waits_for_its_delay(clock: Any) -> None:
    begun: list[float] = []

    def execute(op: str, inputs: Any) -> Any:
        begun.append(clock.now)
        return {"ok": len(begun) == 3}

    class Moving(InProcessRunner):
        def wait(self, workflow_execution_id: str, timeout: float) -> bool:
            clock.now += 1
            return super().wait(workflow_execution_id, 0)

    start = clock.now
    backend = Backend(execute, runner=Moving(clock=clock), clock=clock)
    retry = {"max_attempts": 3, "delay": 5, "backoff": 3}
    assert Workflow.from_dict({"steps": [{"op": "a", "retry": retry}]}, backend).run() == Complete({})
    assert begun == [start, start + 5, start + 20]


@pytest.mark.parametrize("runner", [InProcessRunner, Plain])
def test_a_run_that_takes_too_long_is_over_for_a_driver_that_waits(clock: Any, runner: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def execute(op: str, inputs: Any) -> Any:
        begun.set()
        assert go_on.wait(PATIENCE)
        return {"late": True}

    def pass_time() -> None:
        assert begun.wait(PATIENCE)
        clock.now += 10

    backend = Backend(runner=runner(), clock=clock)
    workflow = Workflow.from_dict({"steps": [{"op": "a", "timeout": 10}]}, backend)
    helper = threading.Thread(target=pass_time)
    helper.start()
    assert workflow.run(InProcessWorker(backend.runner, execute, 2)) == Complete({})
    output = backend.load(workflow.id).steps["a"].output
    assert output is not None
    assert output["timeout"] is True
    go_on.set()
    helper.join()


def test_when_time_is_up_the_execution_is_left_to_be_resumed() -> None:
    workflow = Workflow.from_dict(CHAIN, Backend(named))
    with pytest.raises(WaitTimeout) as caught:
        workflow.run(timeout=0)
    assert isinstance(caught.value, TimeoutError)
    assert (caught.value.workflow_execution_id, caught.value.seconds) == (workflow.id, 0)
    assert workflow.run(timeout=1_000) == EXPECTED
    assert workflow.run(timeout=0) == EXPECTED


@pytest.mark.parametrize("runner", [Shared, type("PlainShared", (Plain,), {"shared": True})])
def test_when_time_is_up_a_wait_for_others_ends(runner: Any) -> None:
    backend = Backend(runner=runner())
    workflow = Workflow.from_dict(CHAIN, backend)
    with pytest.raises(WaitTimeout):
        workflow.run(timeout=0.05)
    assert workflow.run(InProcessWorker(backend.runner, named)) == EXPECTED


def test_a_driver_repairs_what_nobody_has_brought_on_for_long(clock: Any) -> None:
    class Losing(InProcessRunner):
        """Loses the first job, as a queue without durability might; lets time pass while somebody waits."""

        lost = False

        def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
            lost, self.lost = self.lost, True
            return super().dispatch(workflow_execution_id, jobs) if lost else []

        def wait(self, workflow_execution_id: str, timeout: float) -> bool:
            clock.now += 30
            return super().wait(workflow_execution_id, 0)

    start = clock.now
    backend = Backend(named, runner=Losing(clock=clock), clock=clock)
    assert Workflow.from_dict(CHAIN, backend).run() == EXPECTED
    assert clock.now == start + 60


def test_an_executor_that_never_comes_back_is_given_up_after_its_last_delivery() -> None:
    begun = []

    def execute(op: str, inputs: Any) -> Any:
        begun.append(op)
        raise SystemExit

    backend = Backend()
    worker = InProcessWorker(backend.runner, execute, max_deliveries=2)
    workflow = Workflow.from_dict({"steps": [{"op": "a", "on_error": "halt"}]}, backend)
    for _ in range(2):
        with pytest.raises(SystemExit):
            workflow.run(worker)
    assert isinstance(workflow.run(worker), Halt)
    assert begun == ["a", "a"]


def test_workers_serve_the_queues_they_are_for() -> None:
    served: list[tuple[str, str]] = []

    def serve(name: str) -> Callable[[str, Any], Any]:
        return lambda op, inputs: served.append((name, op))

    backend = Backend(runner=Shared())
    steps = [
        {"op": "a", "queue": "gpu"},
        {"op": "b", "depends_on": "a"},
        {"op": "c", "depends_on": "b", "queue": "gpu"},
    ]
    workflow = Workflow.from_dict({"steps": steps}, backend)
    gpu = InProcessWorker(backend.runner, serve("gpu"), 2, queues=["gpu"])
    gpu.start()
    assert workflow.run(InProcessWorker(backend.runner, serve("plain"), queues=[None])) == Complete({})
    gpu.stop()
    assert served == [("gpu", "a"), ("plain", "b"), ("gpu", "c")]


# Several drivers


@pytest.mark.parametrize("concurrency", [1, 2])
def test_concurrent_runs_of_one_execution_give_the_same_outcome_and_apply_each_run_once(
    concurrency: int, together: Callable[..., list[Any]]
) -> None:
    # Executed it may be twice: a driver that attends while another one settles hands out again what is over by then.
    merges: list[str] = []

    def observe(key: str, previous: Any, new: Any, event: StateChangeEvent | None) -> None:
        assert event is not None
        merges.append(event.op)

    for _ in range(10):
        merges.clear()
        store, runner = InMemoryStore(), InProcessRunner()
        backends = [Backend(store=store, runner=runner, on_state_change=observe) for _ in range(2)]
        key = Workflow.from_dict(CHAIN, backends[0]).id
        results = together(
            3, lambda n, k=key, b=backends, r=runner: Workflow(k, b[n % 2]).run(InProcessWorker(r, named, concurrency))
        )
        assert results == [EXPECTED] * 3
        assert sorted(merges) == list("abcd")


def test_a_run_ends_when_the_execution_is_halted_from_outside() -> None:
    def execute(op: str, inputs: Any) -> Any:
        Workflow.resume(workflow.id, Backend(store=backend.store, runner=backend.runner)).halt({"by": op})
        return {"n": op}

    backend = Backend(execute)
    workflow = Workflow.from_dict(CHAIN, backend)
    assert workflow.run() == Halt({"by": "a"})
    assert backend.load(workflow.id).state == {}


def test_jobs_of_other_executions_in_the_same_runner_are_executed_but_left_to_their_drivers() -> None:
    backend = Backend(named)
    first, second = (Workflow.from_dict({"steps": [{"op": "a"}]}, backend) for _ in range(2))
    first.start()
    assert second.run() == Complete({})
    assert first.status is WorkflowStatus.IN_PROGRESS
    assert first.run() == Complete({})


def test_a_shared_store_with_a_local_runner_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    class SharedStore(InMemoryStore):
        shared = True

    workflow = Workflow.from_dict(CHAIN, Backend(named, SharedStore()))
    workflow.run()
    workflow.run()
    assert [message[:19] for message in caplog.messages] == ["the store is shared"]


@pytest.fixture(autouse=True)
def _no_thread_is_left_in_a_run() -> Iterator[None]:
    yield
    until(lambda: not any(thread.name == "runfox-companion" for thread in threading.enumerate()))


# Time, timeouts and failures of the runner


def test_time_is_up_also_where_the_runner_executes_by_itself(clock: Any) -> None:
    class Local(InProcessRunner):
        def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[Any]:
            return [(job.op, {"n": 1}) for job in jobs]

    loop = [{"condition": True, "action": {"set": "a"}}, {"condition": True, "action": "complete"}]
    workflow = Workflow.from_dict({"steps": [{"op": "a", "branch": loop}]}, Backend(runner=Local()))
    with pytest.raises(WaitTimeout):
        workflow.run(timeout=0.05)
    assert workflow.status is WorkflowStatus.IN_PROGRESS


def test_results_that_have_come_in_come_before_timeouts(clock: Any) -> None:
    backend = Backend(runner=InProcessRunner(clock=clock), clock=clock)
    workflow = Workflow.from_dict({"steps": [{"op": "a", "timeout": 5}, {"op": "b"}]}, backend)
    workflow.start()
    clock.now += 5
    backend.submit_result(workflow.id, "a", {"done": 1}, 0)
    assert isinstance(workflow.settle([("b", {})]), Complete)
    assert backend.load(workflow.id).steps["a"].output == {"done": 1}


@pytest.mark.parametrize("method", ["take_pending_jobs", "submit_work_result", "gather", "wait"])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_call_to_the_runner_that_fails_once_does_not_end_a_run(method: str, late: bool, concurrency: int) -> None:
    failing = [True]

    class Shaky(InProcessRunner):
        pass

    def shaky(self: InProcessRunner, *args: Any, **kwargs: Any) -> Any:
        original = getattr(InProcessRunner, method)
        result = original(self, *args, **kwargs) if late or not failing else None
        if failing:
            failing.clear()
            raise StorageUnavailable("a reply was lost")
        return result

    setattr(Shaky, method, shaky)
    runner = Shaky(lease_seconds=0.2)
    workflow = Workflow.from_dict(CHAIN, Backend(runner=runner))
    assert workflow.run(worker=InProcessWorker(runner, named, concurrency), timeout=PATIENCE) == EXPECTED


def test_what_fails_again_and_again_is_raised() -> None:
    class Down(InProcessRunner):
        def gather(self, workflow_execution_id: str) -> list[StepResult]:
            raise StorageUnavailable("down")

    with pytest.raises(StorageUnavailable, match="down"):
        Workflow.from_dict(CHAIN, Backend(named, runner=Down())).run()


def test_a_runner_that_cannot_forget_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Elephant(InProcessRunner):
        def forget(self, *args: Any) -> None:
            raise StorageUnavailable("never")

    workflow = Workflow.from_dict(CHAIN, Backend(named, runner=Elephant()))
    assert workflow.run() == EXPECTED
    assert Workflow.resume(workflow.id, workflow.backend).result() == EXPECTED
    assert "could not forget" in caplog.text


def test_what_is_settled_from_outside_leaves_a_shared_queue_at_once() -> None:
    backend = Backend(named, runner=Shared())
    for bring in (
        lambda workflow: workflow.settle([StepResult("a", {}, 0)]),
        lambda workflow: workflow.settle([("a", {})]),
        lambda workflow: workflow.on_step_result("a", {}, 0),
    ):
        workflow = Workflow.from_dict(CHAIN, backend)
        workflow.start()
        assert [job.op for job in backend.pending_tasks()] == ["a"]
        bring(workflow)
        assert backend.pending_tasks() == []
        workflow.halt()


def test_a_result_from_outside_that_is_too_large_leaves_a_shared_queue_with_the_others_at_once() -> None:
    class Small(InMemoryStore):
        def patch(self, patch: RecordPatch) -> None:
            if patch.steps is not UNSET and len(str(patch.steps)) > 5_000:
                raise RecordTooLarge(patch.workflow_execution_id, "5,000 characters")
            super().patch(patch)

    backend = Backend(store=Small(), runner=Shared())
    workflow = Workflow.from_dict({"steps": [{"op": "a"}, {"op": "b"}, {"op": "c"}]}, backend)
    workflow.start()
    workflow.settle([StepResult("a", {}, 0), StepResult("b", {"x": "y" * 10_000}, 0)])
    assert [job.op for job in backend.pending_tasks()] == ["c"]
    assert backend.load(workflow.id).steps["b"].output["error_type"] == "RecordTooLarge"


def test_what_has_timed_out_or_was_reset_leaves_a_shared_queue_at_once(clock: Any) -> None:
    definition = {
        "steps": [
            {"op": "slow", "timeout": 5},
            {"op": "beside"},
            {
                "op": "again",
                "branch": [
                    {"condition": {"var": "more"}, "action": {"set": "beside"}},
                    {"condition": {"var": "enough"}, "action": "complete"},
                ],
            },
            {"op": "last"},
        ]
    }
    backend = Backend(runner=Shared(), clock=clock)
    workflow = Workflow.from_dict(definition, backend)
    workflow.start()
    backend.submit_result(workflow.id, "again", {"more": True}, 0)
    workflow.settle(backend.gather(workflow.id))
    assert {(job.op, job.run_id) for job in backend.pending_tasks()} == {("slow", 0), ("last", 0)}
    clock.now += 5
    workflow.settle([])
    assert [job.op for job in backend.pending_tasks()] == ["last"]


def test_the_result_of_another_worker_is_settled_beside_a_slow_job(clock: Any) -> None:
    class Shared(InProcessRunner):
        shared = True

    backend = Backend(runner=Shared())
    definition = strict([{"op": "slow"}, {"op": "fast"}, {"op": "next", "depends_on": "fast"}])
    workflow = Workflow.from_dict(definition, backend)

    def execute(op: str, inputs: Any) -> Any:
        if op == "slow":
            backend.submit_result(workflow.id, "fast", {}, 0)
            until(lambda: backend.load(workflow.id).steps["next"].status is StepStatus.IN_PROGRESS)
        return {}

    assert isinstance(workflow.run(worker=InProcessWorker(backend.runner, execute)), Complete)


def test_a_failure_of_the_companion_is_attended_to_by_the_driver() -> None:
    class Shared(InProcessRunner):
        shared = True
        companion_failed = threading.Event()

        def gather(self, workflow_execution_id: str) -> list[StepResult]:
            results = super().gather(workflow_execution_id)
            if threading.current_thread().name == "runfox-companion" and not self.companion_failed.is_set():
                self.companion_failed.set()
                raise StorageUnavailable("lost with what it had")
            return results

    runner = Shared()

    def execute(op: str, inputs: Any) -> Any:
        if op == "b":
            assert runner.companion_failed.wait(PATIENCE)
        return {"n": op}

    definition = strict([{"op": "a"}, {"op": "b"}])
    result = Workflow.from_dict(definition, Backend(runner=runner)).run(worker=InProcessWorker(runner, execute))
    assert isinstance(result, Complete)


def test_always_due_is_no_reason_to_do_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shared(InProcessRunner):
        shared = True

    pauses: list[float] = []
    monkeypatch.setattr(driver_module.time, "sleep", pauses.append)
    backend = Backend(runner=Shared(), recover_after=0, poll_interval=0.5)
    workflow = Workflow.from_dict({"steps": [{"op": "a"}]}, backend)
    with pytest.raises(WaitTimeout):
        workflow.run(timeout=0.01)
    assert set(pauses) == {0.5}


def test_a_result_that_somebody_gathered_and_never_settled_comes_before_a_timeout(clock: Any) -> None:
    backend = Backend(runner=InProcessRunner(clock=clock), clock=clock)
    workflow = Workflow.from_dict({"steps": [{"op": "a", "timeout": 5}]}, backend)
    workflow.start()
    backend.submit_result(workflow.id, "a", {"done": 1}, 0)
    assert len(backend.gather(workflow.id)) == 1  # by a driver that ends here
    clock.now += 5
    assert workflow.settle([]) == Complete({})
    assert backend.load(workflow.id).steps["a"].output == {"done": 1}


def test_what_still_runs_when_a_backend_is_closed_is_given_back() -> None:
    begun, free = threading.Event(), threading.Event()

    def execute(op: str, inputs: Any) -> Any:
        if op == "slow":
            begun.set()
            free.wait(PATIENCE)
        else:
            assert begun.wait(PATIENCE)
        return {}

    runner = InProcessRunner()
    try:
        with Backend(runner=runner) as backend:
            Workflow.from_dict({"steps": [{"op": "slow"}]}, backend).start()
            workflow = Workflow.from_dict(strict([{"op": "fast"}]), backend)
            assert isinstance(workflow.run(worker=InProcessWorker(runner, execute, concurrency=2)), Complete)
            assert runner.list_pending_jobs() == []
        assert [job.op for job in runner.list_pending_jobs()] == ["slow"]
    finally:
        free.set()
