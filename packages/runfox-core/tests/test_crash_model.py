"""The recovery laws under every crash: engine, store and runner with faults between any two of their calls.

Several processes work on the same executions. Each is a `Backend` of its own over the same store and queue; a crash
takes the backend away and leaves what store and queue hold. A fault strikes at the n-th call that an action makes:
before its effect or after it, as a crash or as an error (a reply that was lost).

What must hold: no run is claimed twice, no run's result is applied twice, what was applied is what an executor gave for
that run, and once the faults cease, sweeping alone brings every execution to its end, with nothing left in the queue.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from runfox import Backend, InMemoryStore, InProcessRunner, Workflow, sweep
from runfox.definition import parse_dict
from runfox.errors import RunfoxError, StorageError
from runfox.records import UNSET, RecordPatch, StepRecord, WorkflowRecord
from runfox.results import DispatchJob, StepResult
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import format_time

RECOVER_AFTER = 60.0
LEASE = 30.0

DEFINITIONS: list[dict[str, Any]] = [
    {
        # A diamond whose last step sends everything round once more, and a step that fails twice.
        "steps": [
            {"op": "a"},
            {"op": "b", "depends_on": "a", "max_attempts": 3},
            {"op": "c", "depends_on": "a", "input": {"seen": {"var": "state.a"}}},
            {
                "op": "d",
                "depends_on": ["b", "c"],
                "branch": [
                    {"condition": {"<": [{"var": "run"}, 2]}, "action": {"set": "b"}},
                    {"condition": True, "action": "complete"},
                ],
            },
        ],
        "outputs": {"b": {"var": "steps.b.output.run"}, "d": {"var": "steps.d.output.run"}},
    },
    {
        # Timers: a timeout whose late result must not count, and a retry with a delay.
        "steps": [
            {"op": "a", "timeout": 45, "max_attempts": 3},
            {"op": "b", "retry": {"max_attempts": 3, "delay": 20, "jitter": 0.5}},
            {"op": "c", "depends_on": ["a", "b"]},
        ],
        "outputs": {"c": {"var": "steps.c.output.run"}},
    },
    {
        # An end that comes while other runs are in flight.
        "steps": [
            {"op": "a"},
            {"op": "b", "branch": [{"condition": True, "action": "halt", "result": {"by": "b"}}]},
            {"op": "c"},
        ],
    },
]


class Crash(BaseException):
    """The process is gone."""


class Lost(StorageError):
    """The reply, or the call itself, was lost."""


class Fault:
    """Strikes at the `countdown`-th call from now on; None for never."""

    def __init__(self) -> None:
        self.countdown: int | None = None
        self.after_effect = False
        self.kind: type[BaseException] = Crash

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(*args: Any, **kwargs: Any) -> Any:
            if self.countdown is None:
                return call(*args, **kwargs)
            self.countdown -= 1
            if self.countdown != 0:
                return call(*args, **kwargs)
            self.countdown = None
            if self.after_effect:
                call(*args, **kwargs)
            raise self.kind("injected")

        return faulty


class Faulty:
    """A store or runner whose methods may fail. It counts as shared: the processes of the model share it.

    Its methods are real attributes of a class of its own: from Python 3.12 on, abilities are found no other way.
    """

    shared = True
    durable = True

    def __new__(cls, inner: object, fault: Fault) -> Any:
        names = [name for name in dir(inner) if not name.startswith("_") and callable(getattr(inner, name))]
        methods = {name: staticmethod(fault.around(getattr(inner, name))) for name in names}
        return object.__new__(type("Faulty", (cls,), methods))


class JournalledStore(InMemoryStore):
    """Notes what every commit did to every step."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: Counter[tuple[str, str, int]] = Counter()
        self.applied: Counter[tuple[str, str, int]] = Counter()

    def write(self, record: WorkflowRecord) -> None:
        assert record.version == 0, "the engine writes whole records only when it creates them"
        super().write(record)

    def patch(self, patch: RecordPatch) -> None:
        before = self.load(patch.workflow_execution_id)
        super().patch(patch)
        assert not before.status.ended, "an execution that has ended was changed"
        for op, step in ({} if patch.steps is UNSET else patch.steps).items():
            self._note(patch.workflow_execution_id, before.steps[op], step)

    def _note(self, execution: str, was: StepRecord, step: StepRecord) -> None:
        assert step.run_id >= was.run_id
        if step.status is StepStatus.IN_PROGRESS:
            self.claims[execution, step.op, step.run_id] += 1
        if was.status is StepStatus.IN_PROGRESS and step.output is not None and step.output != was.output:
            self.applied[execution, step.op, was.run_id] += 1
            assert step.output.get("timeout") or step.output == output_of(step.op, was.run_id)


def output_of(op: str, run_id: int) -> dict[str, Any]:
    """What the executor gives: the same for every delivery of a run, and an error for the first run of `b`."""
    return {"ok": not (op == "b" and run_id == 0), "run": run_id, op: run_id}


class Process:
    """One process of the model; `restart` is what a crash leaves of it."""

    def __init__(self, model: CrashModel) -> None:
        self.model = model
        self.fault = Fault()
        self.jobs: list[DispatchJob] = []
        self.restart()

    def restart(self) -> None:
        self.fault.countdown = None
        self.jobs = []
        self.backend = Backend(
            store=Faulty(self.model.store, self.fault),
            runner=Faulty(self.model.runner, self.fault),
            recover_after=RECOVER_AFTER,
            clock=self.model.clock,
        )

    def do(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Crash:
            self.restart()
        except RunfoxError:
            pass
        finally:
            self.fault.countdown = None

    def take(self) -> None:
        jobs = self.backend.take_tasks(2, None, LEASE)
        self.jobs.extend(jobs)
        self.model.taken.extend(jobs)

    def submit(self, *, keep: bool) -> None:
        if self.jobs:
            job = self.jobs[0] if keep else self.jobs.pop(0)
            output = output_of(job.op, job.run_id)
            self.backend.submit_result(job.workflow_execution_id, job.op, output, job.run_id)

    def carry(self, execution: str) -> None:
        results = self.backend.gather(execution)
        before = self.model.store.load(execution)
        self.backend.engine.carry(execution, results)
        after = self.model.store.load(execution)
        for result in results:
            was, step = before.steps[result.op], after.steps[result.op]
            if was.status is StepStatus.IN_PROGRESS and was.run_id == result.run_id and not before.status.ended:
                assert after.status.ended or (step.run_id, step.output) != (was.run_id, was.output)

    def late_event(self, job: DispatchJob) -> None:
        """A handler brings a result past the queue, and nobody knows how old it is."""
        output = output_of(job.op, job.run_id)
        self.backend.engine.carry(job.workflow_execution_id, [StepResult(job.op, output, job.run_id)])


class CrashModel(RuleBasedStateMachine):
    """Rules are what processes, the clock and bad luck do."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 1_700_000_000.0
        self.store = JournalledStore()
        self.runner = InProcessRunner(lease_seconds=LEASE, clock=self.clock)
        self.processes = [Process(self) for _ in range(3)]
        self.executions: list[str] = []
        self.taken: list[DispatchJob] = []

    def clock(self) -> float:
        return self.seconds

    @initialize(number=st.integers(0, len(DEFINITIONS) - 1))
    def first(self, number: int) -> None:
        self._create(self.processes[0], number)

    def _create(self, process: Process, number: int) -> None:
        name = f"x{len(self.executions)}"
        definition = parse_dict(DEFINITIONS[number])
        execution = f"{definition.workflow_id}#{name}"
        process.do(lambda: process.backend.create(definition, {}, name))
        if execution in self.store._entries:
            self.executions.append(execution)

    @precondition(lambda self: len(self.executions) < 3)
    @rule(who=st.integers(0, 2), number=st.integers(0, len(DEFINITIONS) - 1))
    def create(self, who: int, number: int) -> None:
        self._create(self.processes[who], number)

    @rule(
        who=st.integers(0, 2),
        call=st.integers(1, 8),
        after_effect=st.booleans(),
        kind=st.sampled_from([Crash, Lost]),
    )
    def bad_luck(self, who: int, call: int, after_effect: bool, kind: type[BaseException]) -> None:
        """The next action of a process goes wrong."""
        fault = self.processes[who].fault
        fault.countdown, fault.after_effect, fault.kind = call, after_effect, kind

    @rule(who=st.integers(0, 2), data=st.data())
    def attend(self, who: int, data: st.DataObject) -> None:
        self._on(who, data, lambda process, execution: process.backend.attend(execution))

    @rule(who=st.integers(0, 2), data=st.data())
    def carry(self, who: int, data: st.DataObject) -> None:
        self._on(who, data, Process.carry)

    @rule(who=st.integers(0, 2), data=st.data())
    def advance_without_dispatch(self, who: int, data: st.DataObject) -> None:
        self._on(who, data, lambda process, execution: process.backend.advance(execution))

    @rule(who=st.integers(0, 2), data=st.data())
    def gather_and_forget_it(self, who: int, data: st.DataObject) -> None:
        self._on(who, data, lambda process, execution: process.backend.gather(execution))

    def _on(self, who: int, data: st.DataObject, action: Callable[[Process, str], object]) -> None:
        if self.executions:
            execution = data.draw(st.sampled_from(self.executions))
            process = self.processes[who]
            process.do(lambda: action(process, execution))

    @rule(who=st.integers(0, 2))
    def work(self, who: int) -> None:
        """A worker's whole round, so that executions get far."""
        process = self.processes[who]

        def round_() -> None:
            for execution in self.executions:
                process.backend.engine.start(execution)
            process.take()
            while process.jobs:
                process.submit(keep=False)
            for execution in self.executions:
                process.carry(execution)

        process.do(round_)

    @rule(who=st.integers(0, 2))
    def take(self, who: int) -> None:
        self.processes[who].do(self.processes[who].take)

    @rule(who=st.integers(0, 2), keep=st.booleans())
    def submit(self, who: int, keep: bool) -> None:
        """A result is brought; kept, it is brought a second time some day, perhaps late."""
        process = self.processes[who]
        process.do(lambda: process.submit(keep=keep))

    @precondition(lambda self: self.taken)
    @rule(who=st.integers(0, 2), data=st.data())
    def late_event(self, who: int, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.taken))
        process = self.processes[who]
        process.do(lambda: process.late_event(job))

    @rule(who=st.integers(0, 2))
    def sweep(self, who: int) -> None:
        process = self.processes[who]
        process.do(lambda: sweep(process.backend))

    @rule(who=st.integers(0, 2))
    def crash(self, who: int) -> None:
        self.processes[who].restart()

    @rule(seconds=st.sampled_from([0.5, 10.0, 31.0, 61.0, -5.0, -100.0]))
    def time_passes(self, seconds: float) -> None:
        self.seconds += seconds

    @invariant()
    def no_run_is_claimed_or_applied_twice(self) -> None:
        assert set(self.store.claims.values()) <= {1}
        assert set(self.store.applied.values()) <= {1}

    def teardown(self) -> None:
        """The faults cease; one new process sweeps and works."""
        process = Process(self)
        for _ in range(60):
            self.seconds += RECOVER_AFTER + 1
            sweep(process.backend)
            process.take()
            while process.jobs:
                process.submit(keep=False)
        self.no_run_is_claimed_or_applied_twice()
        assert self.store.due("9999") == []
        for execution in self.executions:
            self._check_end(self.store.load(execution))
        assert self.runner.held(format_time(self.seconds + 1)) == []

    def _check_end(self, record: WorkflowRecord) -> None:
        assert record.status.ended, f"{record.workflow_execution_id} hangs: {record}"
        if record.status is WorkflowStatus.HALTED:
            assert record.outcome == {"by": "b"}
            return
        for op, step in record.steps.items():
            assert step.status is StepStatus.COMPLETE
            assert step.output is not None
            assert step.output.get("timeout") or step.output == output_of(op, step.run_id)
            for run_id in range(step.run_id + 1):
                claims = self.store.claims[record.workflow_execution_id, op, run_id]
                assert claims <= 1


CrashModel.TestCase.settings = settings(
    max_examples=int(os.environ.get("RUNFOX_CRASH_EXAMPLES", "150")), stateful_step_count=40, deadline=None
)
TestCrashModel = CrashModel.TestCase


def test_the_undisturbed_model_ends_as_it_should() -> None:
    backend = Backend(lambda op, _: output_of(op, 2), recover_after=RECOVER_AFTER)
    assert Workflow.from_dict(DEFINITIONS[0], backend).run().outcome == {"b": 2, "d": 2}  # type: ignore[union-attr]
