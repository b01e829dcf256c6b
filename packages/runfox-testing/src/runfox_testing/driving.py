"""One execution, driven event by event in one thread: what happened can be played again on other parts and compared.

An event is a name and its arguments, as JSON has them (``["pass", 5]``); the README of the corpus lists them. After
each event a `Scene` holds everything that can be seen: the answer, the jobs that were handed out, what the runner has
pending, and the whole record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from runfox.backend import Backend, InMemoryStore, InProcessRunner
from runfox.definition import parse_dict
from runfox.errors import InvalidJSON, RunfoxError
from runfox.jsonvalue import JSONObject, JSONValue
from runfox.records import StepRecord, WorkflowRecord
from runfox.results import Dispatch, DispatchJob, Pending, StepResult
from runfox.status import StepStatus
from runfox.times import seconds_between
from runfox_testing.clock import ManualClock
from runfox_testing.comparing import difference, record_difference

T = TypeVar("T")

Event: TypeAlias = Sequence[Any]
"""A name and its arguments: JSON."""

Awaited: TypeAlias = "Callable[[Callable[[], Any], Callable[[Any], bool]], Any]"
"""As `Case.awaited`."""

NOT_JSON = "$not_json"
"""The key of an output that stands for one that is not JSON."""

LEASE_SECONDS = 3_600.0
"""For how long the driver takes jobs: longer than all the time that passes in one execution."""

LATE_SECONDS = 45.0
"""What the move ``late`` lets pass."""

MOVES = ("all", "reversed", "first", "last", "twice", "late", "attend", "lost", "undispatched")
"""What a round may do with the jobs in hand: ``all`` gives the results of all of them, ``reversed`` does so in the
opposite order, ``first`` and ``last`` give one only, ``twice`` gives each a second time after it was settled, ``late``
lets time pass before that. ``attend`` looks after the execution instead, ``lost`` ends between gather and settle,
``undispatched`` between settle and dispatch; both are attended to.
"""

_MOST_ROUNDS = 300
_REFUSED: JSONObject = {"ok": False, "error": "the output is not JSON"}


@dataclass(frozen=True, slots=True)
class Script:
    """What the executor gives, by op and run: the last output of a step stands for all its further runs, ``{}`` for
    a step that is not named.
    """

    outputs: Mapping[str, Sequence[JSONValue]] = field(default_factory=dict)

    def output(self, op: str, run_id: int) -> Any:
        """The output of a run; something that is not JSON where the script says so."""
        given = self.outputs.get(op) or [{}]
        output = given[min(run_id, len(given) - 1)]
        return {"set": {1, 2}} if isinstance(output, dict) and NOT_JSON in output else output


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A definition with everything that decides how it goes. `events` come first, then rounds until it has ended, the
    n-th of them by the n-th of `moves`.
    """

    definition: JSONObject
    inputs: JSONObject = field(default_factory=dict)
    script: Script = field(default_factory=Script)
    events: Sequence[Event] = (("start",),)
    moves: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What can be seen after an event. `jobs` are those that it handed out, `pending` those of living runs."""

    event: Event
    answer: str | None
    jobs: tuple[DispatchJob, ...]
    pending: tuple[DispatchJob, ...]
    record: WorkflowRecord


class Driving:
    """An execution on a backend that goes by `clock`, with a runner that queues jobs. `hand` has the jobs in hand."""

    def __init__(
        self,
        story: Story,
        backend: Backend,
        clock: ManualClock,
        *,
        execution_id: str = "driven",
        awaited: Awaited = lambda ask, _: ask(),
    ) -> None:
        self._story = story
        self._backend = backend
        self._clock = clock
        self._awaited = awaited
        self.id = backend.create(parse_dict(story.definition), story.inputs, execution_id)
        self.hand: dict[tuple[str, int], DispatchJob] = {}

    @property
    def ended(self) -> bool:
        """True once the execution is over."""
        return self._backend.load(self.id).status.ended

    @property
    def wake_at(self) -> str | None:
        """The next timer, as `Pending` has it."""
        answer = self._backend.look(self.id)
        return answer.wake_at if isinstance(answer, Pending) else None

    def seconds_until(self, moment: str) -> float:
        """How long it is from now to a point in time."""
        return seconds_between(self._backend.engine.now(), moment)

    def apply(self, event: Event, wanted: Scene | None = None) -> Scene:
        """Make an event happen. Where `wanted` is known, takes and lists are awaited that show as much as it has."""
        name, *arguments = event
        before = set(self.hand)
        answer: object = None
        try:
            if name == "take":
                self._take(*arguments, count=None if wanted is None else len(wanted.jobs))
            else:
                answer = getattr(self, f"_on_{name}")(*arguments)
        except RunfoxError as error:
            # What the API refuses on purpose is an answer like others.
            answer = f"raised {type(error).__name__}"
        jobs = [job for key, job in self.hand.items() if key not in before]
        if isinstance(answer, Dispatch):
            jobs = answer.jobs
        record = self._backend.load(self.id)
        count = None if wanted is None else len(wanted.pending)
        pending = self._awaited(
            lambda: _living(self._backend.pending_tasks(), record), lambda jobs: count is None or len(jobs) == count
        )
        return Scene(
            event=event,
            answer=None if answer is None else answer if isinstance(answer, str) else repr(answer),
            jobs=tuple(_in_order(jobs, record)),
            pending=tuple(_in_order(pending, record)),
            record=record,
        )

    # Events

    def _on_start(self) -> object:
        return self._handed_on(self._backend.advance(self.id))

    def _on_advance(self) -> object:
        """Claim, and end before the jobs are dispatched."""
        return self._backend.advance(self.id)

    def _take(self, queues: Sequence[str | None] | None = None, *, count: int | None) -> None:
        record = self._backend.load(self.id)
        taken: list[DispatchJob] = []

        def more() -> int:
            found = self._backend.take_tasks(None, queues, LEASE_SECONDS)
            taken.extend(_living(found, record))
            return len(taken)

        self._awaited(more, lambda held: count is None or held >= count)
        self.hand.update(((job.op, job.run_id), job) for job in _in_order(taken, record))

    def _on_give(self, op: str, output: Any = ...) -> None:
        """Submit the result of the oldest job of this step that is in hand."""
        job = next(job for job in self.hand.values() if job.op == op)
        del self.hand[job.op, job.run_id]
        self._submit(job, self._story.script.output(op, job.run_id) if output is ... else output)

    def _on_again(self, op: str, run_id: int, output: JSONValue) -> None:
        """Submit a result that nobody waits for."""
        self._backend.submit_result(self.id, op, output, run_id)

    def _submit(self, job: DispatchJob, output: Any) -> None:
        try:
            self._backend.submit_result(self.id, job.op, output, job.run_id)
        except InvalidJSON:
            # As a worker does it; but how an implementation puts it is its own affair.
            self._backend.submit_result(self.id, job.op, _REFUSED, job.run_id)

    def _on_settle(self) -> object:
        return self._handed_on(self._backend.settle(self.id, self._backend.gather(self.id)))

    def _on_settle_alone(self) -> object:
        """Settle, and end before what was claimed is dispatched."""
        return self._backend.settle(self.id, self._backend.gather(self.id))

    def _on_lose(self) -> None:
        """Gather, and end before anything is settled."""
        self._backend.gather(self.id)

    def _on_result(self, op: str, output: JSONValue, run_id: int | None = None) -> object:
        """A result that comes past the queue, as an event handler brings it."""
        return self._backend.on_step_result(self.id, op, output, run_id)

    def _on_settle_with(self, results: Sequence[Sequence[Any]]) -> object:
        """Results that come past the queue, settled together."""
        return self._handed_on(self._backend.settle(self.id, [StepResult(*result) for result in results]))

    def _on_attend(self) -> object:
        return self._backend.attend(self.id)

    def _on_pass(self, seconds: float) -> None:
        self._clock.advance(seconds)

    def _on_halt(self, result: JSONValue) -> object:
        return self._backend.halt(self.id, result)

    def _on_merge(self, updates: JSONObject) -> None:
        self._backend.merge_workflow_state(self.id, updates)

    def _handed_on(self, answer: object) -> object:
        if isinstance(answer, Dispatch):
            self._backend.dispatch(self.id, answer.jobs)
        return answer


def in_memory(story: Story, now: float, execution_id: str = "driven") -> Driving:
    """The execution on the parts in memory, with a clock that begins at `now`."""
    clock = ManualClock(now)
    backend = Backend(store=InMemoryStore(), runner=InProcessRunner(clock=clock), clock=clock)
    return Driving(story, backend, clock, execution_id=execution_id)


def play(driving: Driving, story: Story) -> list[Scene]:
    """Drive an execution to its end; the scenes on the way."""
    scenes = [driving.apply(event) for event in story.events]
    moves = iter(story.moves)
    for _ in range(_MOST_ROUNDS):
        if driving.ended:
            return scenes
        scenes += [driving.apply(event) for event in _round(driving, scenes[-1], next(moves, "all"))]
    raise AssertionError(f"not at an end after {_MOST_ROUNDS} rounds: {scenes[-1].record}")


def _round(driving: Driving, scene: Scene, move: str) -> Iterator[Event]:
    """One round. Each event is applied before the next one is asked for."""
    if scene.pending:
        yield ("take",)
    if not driving.hand:
        yield from _wait(driving)
    elif move == "attend":
        yield ("attend",)
    else:
        if move == "late":
            yield ("pass", LATE_SECONDS)
            yield ("settle",)
        jobs = _CHOICES.get(move, list)(list(driving.hand.values()))
        for job in jobs:
            yield ("give", job.op)
        yield from _ENDS.get(move, [("settle",)])
        if move == "twice":
            for job in jobs:
                yield ("again", job.op, job.run_id, {"n": -1, "again": True})
            yield ("settle",)


_CHOICES: Mapping[str, Callable[[list[DispatchJob]], list[DispatchJob]]] = {
    "reversed": lambda jobs: jobs[::-1],
    "first": lambda jobs: jobs[:1],
    "last": lambda jobs: jobs[-1:],
}
_ENDS: Mapping[str, Sequence[Event]] = {
    "lost": [("lose",), ("attend",)],
    "undispatched": [("settle_alone",), ("attend",)],
}


def _wait(driving: Driving) -> Iterator[Event]:
    """Nobody has a job: it is a timer's turn, or what was claimed was never dispatched."""
    wake_at = driving.wake_at
    if wake_at is not None:
        yield ("pass", max(0.0, driving.seconds_until(wake_at)))
        yield ("settle",)
    else:
        yield ("attend",)


def replay_difference(scene: Scene, wanted: Scene) -> str | None:
    """What a scene first differs in from the same one elsewhere."""
    if scene.answer != wanted.answer:
        return f"the answer is {scene.answer}, not {wanted.answer}"
    for what, found, others in (
        ("handed out", scene.jobs, wanted.jobs),
        ("pending", scene.pending, wanted.pending),
    ):
        names, other_names = [_run(job) for job in found], [_run(job) for job in others]
        if names != other_names:
            return f"{what}: {', '.join(names) or 'nothing'}, not {', '.join(other_names) or 'nothing'}"
        for job, other in zip(found, others, strict=True):
            problem = difference(job, other, f"{what}: the job {_run(job)}")
            if problem is not None:
                return problem
    return record_difference(scene.record, wanted.record)


def told(scenes: Sequence[Scene]) -> list[str]:
    """The trace of an execution: a line for each event that changed a step or the status, or let time pass.

    ``settle: a=complete/0 b=in_progress/0`` names the steps that changed, each with its status and its run_id.
    """
    lines = []
    was: WorkflowRecord | None = None
    for scene in scenes:
        record = scene.record
        changes = [
            f"{op}={step.status.value}/{step.run_id}"
            for op, step in record.steps.items()
            if _seen(step) != (StepStatus.READY, 0)
            if was is None or _seen(was.steps[op]) != _seen(step)
        ]
        if was is not None and was.status is not record.status and record.status.ended:
            changes.append(record.status.value)
        name = f"pass {scene.event[1]:g}" if scene.event[0] == "pass" else str(scene.event[0])
        if scene.answer is not None and scene.answer.startswith("raised"):
            changes.append(scene.answer)
        if changes:
            lines.append(f"{name}: {' '.join(changes)}")
        elif name.startswith("pass"):
            lines.append(name)
        was = record
    return lines


def _seen(step: StepRecord) -> tuple[StepStatus, int]:
    return step.status, step.run_id


def _living(jobs: Sequence[DispatchJob], record: WorkflowRecord) -> list[DispatchJob]:
    """The jobs whose runs are under way: when a runner forgets others is not settled."""
    return [
        job
        for job in jobs
        if job.workflow_execution_id == record.workflow_execution_id
        and record.steps[job.op].status is StepStatus.IN_PROGRESS
        and record.steps[job.op].run_id == job.run_id
    ]


def _in_order(jobs: Sequence[DispatchJob], record: WorkflowRecord) -> list[DispatchJob]:
    places = {op: place for place, op in enumerate(record.steps)}
    return sorted(jobs, key=lambda job: places[job.op])


def _run(job: DispatchJob) -> str:
    return f"{job.op}/{job.run_id}"
