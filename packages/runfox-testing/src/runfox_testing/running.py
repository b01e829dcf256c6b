"""`run_workflow`: one workflow from its beginning to its end, in one thread, under faults, in no time."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from runfox.backend import Backend, InMemoryStore, InProcessRunner
from runfox.backend.job_handler import Executor, call_executor, checked_executor
from runfox.definition import Definition, parse_dict, parse_json, parse_yaml
from runfox.errors import InvalidJSON, PayloadTooLarge, RunfoxError, StorageError, UnknownStep, WriteConflict
from runfox.identity import execution_ids
from runfox.jsonvalue import JSONObject, JSONValue, copy_object
from runfox.machine import error_output
from runfox.protocols import Runner, Store
from runfox.records import StepRecord, WorkflowRecord
from runfox.results import Complete, Dispatch, DispatchJob, Halt, Pending, Result
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import to_seconds
from runfox_testing.clock import ManualClock
from runfox_testing.fakes import NO_ANSWER, Fake, MissingFake, fake_output
from runfox_testing.faults import Faults, Injected, Injector
from runfox_testing.faulty_runner import FaultyRunner
from runfox_testing.faulty_store import FaultyStore

logger = logging.getLogger("runfox")

MAX_ROUNDS = 10_000
"""How often `run_workflow` settles and executes before it gives up."""

MAX_FAULTS = 100
"""After how many faults those without a limit of their own stop."""

LEASE_SECONDS = 1.0
"""What a job costs, on the clock, that was taken by a call whose reply was lost."""

_FOR_EVER = 10 * 365 * 86_400.0

_Execute: TypeAlias = Callable[[DispatchJob], Any]


class WorkflowDidNotEnd(RunfoxError, TimeoutError):
    """Nothing can bring the workflow to its end, or it takes too long; `steps` says how those stand that are open."""

    def __init__(self, workflow_execution_id: str, why: str, steps: Mapping[str, str]) -> None:
        self.workflow_execution_id = workflow_execution_id
        self.why = why
        self.steps = dict(steps)
        lines = "".join(f"\n  step {op!r}: {state}" for op, state in self.steps.items())
        super().__init__(f"execution {workflow_execution_id!r} did not end: {why}{lines}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorCall:
    """One call of the executor. `delivery` is 1 the first time that a run is executed, and more when it is again."""

    op: str
    call: str
    inputs: JSONObject
    run_id: int
    delivery: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRun:
    """A workflow that has ended: `result` says how, `record` is what the store has, `calls` are all of the executor's
    in order, and `injected` the faults on the way.
    """

    result: Complete | Halt
    record: WorkflowRecord
    calls: tuple[ExecutorCall, ...]
    injected: tuple[Injected, ...]

    @property
    def outcome(self) -> JSONValue:
        """The resolved outputs, or what the workflow was halted with."""
        return self.record.outcome

    @property
    def status(self) -> WorkflowStatus:
        """``complete`` or ``halted``."""
        return self.record.status

    @property
    def steps(self) -> dict[str, StepRecord]:
        """The steps by op, in the definition's order."""
        return self.record.steps

    def calls_of(self, op: str) -> int:
        """How often the executor was called for a step, repeated deliveries included. Raises `UnknownStep`."""
        if op not in self.steps:
            raise UnknownStep(op, self.record.workflow_execution_id)
        return sum(call.op == op for call in self.calls)


def run_workflow(
    definition: str | Mapping[str, Any] | Path,
    executor: Executor | Mapping[str, Fake],
    *,
    inputs: Mapping[str, JSONValue] | None = None,
    faults: Faults | None = None,
    clock: ManualClock | None = None,
    store: Store | None = None,
    runner: Runner | None = None,
    timeout: float | None = None,
) -> WorkflowRun:
    """Run a workflow to its end and tell what happened. The same arguments give the same run, but for ids and the
    jitter of retries.

    `definition` is YAML or JSON text (JSON if it begins with ``{``), a dict, or the `Path` of a ``.json`` or YAML
    file. `executor` is a function ``(op, inputs) -> output``, or a mapping: for each step, by its op or by what it
    calls, an output for every run, a function ``inputs -> output``, or a list with the output of run 0, of run 1, ….
    An output is a mapping (None for an empty one), an exception, which is raised, or `NO_ANSWER`. An exception becomes
    an error result, as in a worker.

    `clock` moves by itself, and only where nothing else can happen: to the end of a retry's delay or of a timeout. No
    time passes in an executor, unless it moves the clock. `timeout` is in the clock's seconds.

    Under `faults` the run goes on as a second process would. Those without a limit stop after `MAX_FAULTS`.
    `store` and `runner` are in memory where they are not given; a given runner goes by `clock`, holds nothing else,
    and both stay open.

    Raises `DefinitionError`; `MissingFake` where a mapping does not know a run; `WorkflowDidNotEnd` where nothing can
    happen any more (a step without a timeout that gives `NO_ANSWER`, a job that the runner gives nobody), where
    `timeout` is over, and after `MAX_ROUNDS` (a loop without an end); `TypeError` for parts that inject faults
    already; and what `store` and `runner` raise themselves.
    """
    if isinstance(store, FaultyStore) or isinstance(runner, FaultyRunner):
        raise TypeError("run_workflow() has to know when faults strike: give it the bare store and runner, and faults=")
    clock = ManualClock() if clock is None else clock
    store = InMemoryStore() if store is None else store
    runner = InProcessRunner(clock=clock) if runner is None else runner
    injector = Injector(_limited(Faults() if faults is None else faults))
    untouched = Backend(store=store, runner=runner, clock=clock)
    backend = untouched
    if faults is not None:
        backend = Backend(store=FaultyStore(store, injector), runner=FaultyRunner(runner, injector), clock=clock)
    run = _Run(_parse(definition), backend, untouched, _execute_with(executor), clock, injector)
    result = run.to_the_end(inputs, timeout)
    return WorkflowRun(result=result, record=untouched.load(run.id), calls=tuple(run.calls), injected=injector.injected)


def _limited(faults: Faults) -> Faults:
    return replace(faults, limit=MAX_FAULTS) if faults.limit is None else faults


def _execute_with(executor: Executor | Mapping[str, Fake]) -> _Execute:
    if isinstance(executor, Mapping):
        return lambda job: call_executor(lambda *_: fake_output(executor, job), job)
    function = checked_executor(executor)
    return lambda job: call_executor(function, job)


def _parse(definition: str | Mapping[str, Any] | Path) -> Definition:
    if isinstance(definition, Path):
        text = definition.read_text(encoding="utf-8")
        return parse_json(text) if definition.suffix.lower() == ".json" else parse_yaml(text)
    if isinstance(definition, str):
        return parse_json(definition) if definition.lstrip().startswith("{") else parse_yaml(definition)
    return parse_dict(definition)


class _Run:
    """Drives one execution: driver, worker and, after an error, the second process that attends to it, in turns."""

    def __init__(
        self,
        definition: Definition,
        backend: Backend,
        untouched: Backend,
        execute: _Execute,
        clock: ManualClock,
        injector: Injector,
    ) -> None:
        # The id is chosen here, so that a creation whose reply was lost can be made again.
        self._execution_id = execution_ids.new()
        self.id = f"{definition.workflow_id}#{self._execution_id}"
        self.calls: list[ExecutorCall] = []
        self._definition = definition
        self._backend = backend
        self._untouched = untouched
        self._execute = execute
        self._clock = clock
        self._injector = injector
        self._created = False
        self._in_doubt = True
        self._in_hand: deque[DispatchJob] = deque()
        # Ends of the leases of jobs that a call may have taken whose reply was lost.
        self._lapses: list[float] = []
        self._unanswered: set[str] = set()

    def to_the_end(self, inputs: Mapping[str, JSONValue] | None, timeout: float | None) -> Complete | Halt:
        """Create the execution and drive it. Raises `WorkflowDidNotEnd` and `MissingFake`."""
        ends_at = math.inf if timeout is None else self._clock() + timeout
        for _ in range(MAX_ROUNDS):
            if self._clock() > ends_at:
                raise self._did_not_end(f"{timeout:g} s on the clock were not enough")
            faults = len(self._injector.injected)
            try:
                answer, worked = self._round(inputs)
            except (StorageError, WriteConflict):
                if len(self._injector.injected) == faults:
                    raise
                self._in_doubt = True
                continue
            if isinstance(answer, (Complete, Halt)):
                return answer
            # A fault may have hidden what there is to do; as long as faults strike, no time passes.
            if not worked and isinstance(answer, Pending) and len(self._injector.injected) == faults:
                self._let_time_pass(answer)
        raise self._did_not_end(
            f"{MAX_ROUNDS} rounds were not enough: does a loop never end, or do the faults never stop?"
        )

    def _round(self, inputs: Mapping[str, JSONValue] | None) -> tuple[Result, bool]:
        """Settle, then execute. Gives how the workflow stood in between, and whether anything was executed."""
        if not self._created:
            self._backend.create(self._definition, inputs, self._execution_id)
            self._created = True
        answer = self._settle()
        return answer, not isinstance(answer, (Complete, Halt)) and self._work()

    # Driver

    def _settle(self) -> Result:
        """Settle what has come in and dispatch what follows; repair, where nobody knows what took effect."""
        if self._in_doubt:
            answer = self._backend.attend(self.id)
            self._in_doubt = False
            return answer
        results = self._backend.gather(self.id)
        answer = self._backend.settle(self.id, results)
        while isinstance(answer, Dispatch) and (results := self._backend.dispatch(self.id, answer.jobs)):
            answer = self._backend.settle(self.id, results)
        return answer

    # Worker

    def _work(self) -> bool:
        """Execute all jobs that can be taken. False if there was none."""
        if not self._in_hand:
            self._in_hand.extend(self._take())
        worked = bool(self._in_hand)
        while self._in_hand:
            self._run(self._in_hand.popleft())
        return worked

    def _take(self) -> list[DispatchJob]:
        try:
            return self._backend.take_tasks(lease_seconds=LEASE_SECONDS)
        except Exception:
            self._jobs_may_be_lost()
            raise

    def _jobs_may_be_lost(self) -> None:
        self._lapses.append(self._clock() + LEASE_SECONDS)

    def _run(self, job: DispatchJob) -> None:
        inputs = copy_object(job.inputs, "the inputs")
        call = ExecutorCall(op=job.op, call=job.call, inputs=inputs, run_id=job.run_id, delivery=job.delivery)
        self.calls.append(call)
        output = self._output_of(job)
        if output is NO_ANSWER:
            self._unanswered.add(job.key)
            self._extend(job, _FOR_EVER)
            return
        try:
            self._submit(job, output)
        except Exception:
            # As a worker does it: the job is given back, and executed again unless its result has arrived.
            self._extend(job, 0)
            raise

    def _output_of(self, job: DispatchJob) -> Any:
        try:
            return self._execute(job)
        except MissingFake:
            raise
        except Exception as error:
            logger.exception("the executor raised in step %r of %s", job.op, job.workflow_execution_id)
            return error_output(error)

    def _submit(self, job: DispatchJob, output: JSONValue) -> None:
        submit = self._backend.submit_result
        try:
            submit(job.workflow_execution_id, job.op, output, job.run_id)
        except (InvalidJSON, PayloadTooLarge) as error:
            submit(job.workflow_execution_id, job.op, error_output(error), job.run_id)

    def _extend(self, job: DispatchJob, seconds: float) -> None:
        try:
            self._backend.runner.extend_lease(job, seconds)
        except StorageError:
            self._jobs_may_be_lost()

    # Time

    def _let_time_pass(self, answer: Pending) -> None:
        now = self._clock()
        self._lapses = [end for end in self._lapses if end > now]
        ends = self._lapses if answer.wake_at is None else [*self._lapses, to_seconds(answer.wake_at)]
        if not ends:
            raise self._did_not_end("nothing can happen any more")
        # A step at least: far in the future two points in time may be one and the same float.
        self._clock.now = max(min(ends), math.nextafter(now, math.inf))

    def _did_not_end(self, why: str) -> WorkflowDidNotEnd:
        steps = self._untouched.load(self.id).steps.values() if self._created else ()
        open_steps = {step.op: self._state_of(step) for step in steps if step.status is not StepStatus.COMPLETE}
        return WorkflowDidNotEnd(self.id, why, open_steps)

    def _state_of(self, step: StepRecord) -> str:
        state = f"{step.status.value}, run {step.run_id}"
        if step.status is not StepStatus.IN_PROGRESS:
            return state
        if f"{self.id}#{step.op}#{step.run_id}" in self._unanswered:
            return f"{state}, which gave NO_ANSWER"
        return f"{state}, which the runner gives nobody (who serves all queues, by this clock)"
