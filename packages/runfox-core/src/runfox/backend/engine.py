"""The engine of a backend: commits what the machine decides, and hands on what follows to the runner.

It decides nothing. Whatever fails here leaves the execution to be attended to, by this process or another.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from runfox import machine
from runfox.backend.commits import Commits
from runfox.errors import PayloadTooLarge, RecordTooLarge, UnknownRoute
from runfox.jsonvalue import JSONObject, JSONValue, copy_json, copy_object
from runfox.machine import Decision, Snapshot
from runfox.protocols import Runner
from runfox.results import Complete, Dispatch, DispatchJob, Halt, Result, StepResult
from runfox.times import Clock, format_time

logger = logging.getLogger("runfox")

T = TypeVar("T")
Run: TypeAlias = tuple[str, int | None]
"""``(op, run_id)``; without a run_id the newest one."""

_FORGET_TOGETHER = 64
_RETIRED_EXECUTIONS = 1_000
_HOSTNAME = socket.gethostname()


@dataclass(frozen=True, slots=True)
class Turn:
    """Where an execution stands after a commit: the answer, when it wants attention, whether runs are under way."""

    answer: Result
    wake_at: str | None
    running: bool

    @property
    def ended(self) -> bool:
        """True once the execution is over."""
        return isinstance(self.answer, (Complete, Halt))


class Engine:
    """Works on the executions of one store with one runner. Safe between threads."""

    def __init__(self, commits: Commits, runner: Runner, clock: Clock, recover_after: float) -> None:
        self._commits = commits
        self._runner = runner
        self._clock = clock
        self._recover_after = recover_after
        self._lock = threading.Lock()
        self._retired: dict[str, list[tuple[str, int]]] = {}
        # A queue in this process costs nothing to tidy; one that is shared is tidied for many runs at once.
        self._forget_together = _FORGET_TOGETHER if getattr(runner, "shared", False) else 1

    def now(self) -> str:
        """The time, as UTC text."""
        return format_time(self._clock())

    def turn(self, workflow_execution_id: str, decide: Callable[[Snapshot], Decision], *, fresh: bool = False) -> Turn:
        """Commit a decision."""
        return self.commit(workflow_execution_id, decide, lambda _: None, fresh=fresh)[0]

    def commit(
        self,
        workflow_execution_id: str,
        decide: Callable[[Snapshot], Decision],
        read: Callable[[Decision], T],
        *,
        fresh: bool = False,
        answered: Callable[[], Collection[Run]] = frozenset,
    ) -> tuple[Turn, T]:
        """Commit a decision, and `read` from it what a turn does not tell. The runs that it retires are forgotten: at
        once where the runner has no result of one, for its job could still be taken. `answered` gives those with one.
        """
        retired: Sequence[tuple[str, int]] = ()

        def read_all(decision: Decision) -> tuple[Turn, T]:
            nonlocal retired
            retired = decision.retired
            return _turn(decision), read(decision)

        turn, extra = self._commits.commit(workflow_execution_id, decide, read_all, fresh=fresh)
        known = answered()
        at_once = turn.ended or any(run not in known for run in retired)
        self._forget(workflow_execution_id, retired, ended=turn.ended, at_once=at_once)
        return turn, extra

    def _forget(
        self, workflow_execution_id: str, runs: Sequence[tuple[str, int]], *, ended: bool, at_once: bool
    ) -> None:
        """Tell the runner what it need not keep: everything of an execution that has ended, else runs that are over,
        many at a time unless `at_once`. A crash before that leaves entries which the end of the execution clears.
        """
        with self._lock:
            collected = self._retired.pop(workflow_execution_id, [])
            collected.extend(runs)
            if not at_once and len(collected) < self._forget_together:
                if collected:
                    self._retired[workflow_execution_id] = collected
                if len(self._retired) > _RETIRED_EXECUTIONS:
                    # The one that was heard of last long ago may have ended elsewhere.
                    del self._retired[next(iter(self._retired))]
                return
        try:
            self._runner.forget(workflow_execution_id, None if ended else collected)
        except Exception:
            # Tidying up is no reason to hide what was committed; it comes again at the end, or when somebody looks.
            logger.warning("the runner could not forget what it holds for %s", workflow_execution_id, exc_info=True)

    def start(self, workflow_execution_id: str) -> Turn:
        """Claim what can run and hand it to the runner."""
        turn = self.turn(workflow_execution_id, lambda s: machine.advance(s, now=self.now(), host=host()))
        local = self._dispatch_of(workflow_execution_id, turn)
        return self.carry(workflow_execution_id, local) if local else turn

    def carry(
        self, workflow_execution_id: str, results: Sequence[StepResult], *, brought: Collection[Run] = ()
    ) -> Turn:
        """Settle results and hand what follows to the runner, until only others can bring the execution on."""
        turn, local = self.round(workflow_execution_id, results, brought=brought)
        while local:
            turn, local = self.round(workflow_execution_id, local)
        return turn

    def round(
        self, workflow_execution_id: str, results: Sequence[StepResult], *, brought: Collection[Run] = ()
    ) -> tuple[Turn, list[StepResult]]:
        """Settle results and hand what follows to the runner. Gives what the runner executed there and then."""
        turn = self.settle(workflow_execution_id, results, brought=brought)
        return turn, self._dispatch_of(workflow_execution_id, turn)

    def _dispatch_of(self, workflow_execution_id: str, turn: Turn) -> list[StepResult]:
        return self.dispatch(workflow_execution_id, turn.answer.jobs) if isinstance(turn.answer, Dispatch) else []

    # Settling

    def settle(
        self, workflow_execution_id: str, results: Sequence[StepResult], *, brought: Collection[Run] = ()
    ) -> Turn:
        """Apply results, then overdue timeouts, then advance, in one commit; in several where the store finds the
        record too large, so that only the output that is too large suffers. `brought` are the runs among them whose
        results did not come through the runner.

        Before a run is called overdue, its job is handed out again and the results that have come in are gathered: a
        result that is known comes first, also one that somebody gathered and never settled.
        """
        in_hand = list(results)
        gathered = False

        def decide(snapshot: Snapshot) -> Decision:
            nonlocal gathered
            now = self.now()
            overdue = [] if gathered else snapshot.overdue(now)
            if overdue:
                gathered = True
                in_hand.extend(self.dispatch(workflow_execution_id, machine.jobs_of(snapshot, overdue)))
                in_hand.extend(self.gather(workflow_execution_id))
            return machine.settle(snapshot, in_hand, now=now, random=random.random(), host=host())

        def answered() -> Collection[Run]:
            return {(result.op, result.run_id) for result in in_hand}.difference(brought)

        try:
            return self.commit(workflow_execution_id, decide, lambda _: None, answered=answered)[0]
        except RecordTooLarge as error:
            if len(in_hand) > 1:
                return [self.carry(workflow_execution_id, [result], brought=brought) for result in in_hand][-1]
            return self._settle_too_large(workflow_execution_id, in_hand, error, brought)

    def _settle_too_large(
        self,
        workflow_execution_id: str,
        results: Sequence[StepResult],
        error: RecordTooLarge,
        brought: Collection[Run] = (),
    ) -> Turn:
        """An output that the store can't keep becomes an error result; where that is no help, the workflow ends."""
        refused = machine.error_output(error)
        for result in results:
            if result.output != refused:
                substitute = StepResult(result.op, refused, result.run_id)
                return self.settle(workflow_execution_id, [substitute], brought=brought)
        op = results[0].op if results else None
        outcome: JSONObject = {"status": "error", "op": op, "error": str(error)}
        return self.turn(workflow_execution_id, lambda s: machine.halt(s, outcome, now=self.now()))

    # The runner's side

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        """Hand jobs to the runner. Gives results that need no waiting: of jobs that the runner executed itself, and an
        error result for each one that it refuses for good.
        """
        if not jobs:
            return []
        try:
            return as_results(self._runner.dispatch(workflow_execution_id, jobs))
        except (PayloadTooLarge, UnknownRoute) as error:
            output = machine.error_output(error)
            refused = [StepResult(job.op, output, job.run_id) for job in error.jobs]
            return [*as_results(error.results), *refused]

    def tidy(self, workflow_execution_id: str) -> None:
        """Tell the runner to forget every run that is over: what a crash kept from being forgotten, or one that was
        dispatched by somebody slow after it had been settled.
        """
        _, over = self.commit(workflow_execution_id, machine.look, Decision.runs_over, fresh=True)
        if over:
            self._runner.forget(workflow_execution_id, over)

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        """The results that have come in for an execution; never waits."""
        return as_results(self._runner.gather(workflow_execution_id))

    # Repair

    def attend(self, workflow_execution_id: str, *, only_if_due: bool = False) -> Turn:
        """Put `wake_at` off, hand out again what is in progress, settle what has come in, dispatch what follows."""
        turn, results = self.repair(workflow_execution_id, only_if_due=only_if_due)
        return turn if results is None else self.carry(workflow_execution_id, results)

    def repair(self, workflow_execution_id: str, *, only_if_due: bool = False) -> tuple[Turn, list[StepResult] | None]:
        """The first part of `attend`. Gives the results that are to be settled next, None where that is not needed.

        Whoever finds that `wake_at` was put off meanwhile, or with `only_if_due` is not over, leaves the work alone.
        """
        first: str | None = None
        lost = False

        def decide(snapshot: Snapshot) -> Decision:
            nonlocal first, lost
            wake_at, now = snapshot.record.wake_at, self.now()
            lost = wake_at is not None and ((first is not None and wake_at > first) or (only_if_due and wake_at > now))
            first = first or wake_at
            if lost:
                return machine.look(snapshot)
            return machine.attend(snapshot, now=now, recover_after=self._recover_after, host=host())

        try:
            turn, jobs = self.commit(workflow_execution_id, decide, Decision.running_jobs, fresh=True)
        except RecordTooLarge as error:
            # What was claimed does not fit, and never will.
            return self._settle_too_large(workflow_execution_id, [], error), None
        if lost or turn.ended:
            return turn, None
        results = [*self.dispatch(workflow_execution_id, jobs), *self.gather(workflow_execution_id)]
        claimed = len(turn.answer.jobs) if isinstance(turn.answer, Dispatch) else 0
        # Without a result, too, one of the runs that were under way may be overdue.
        return turn, results if results or len(jobs) > claimed else None


def _turn(decision: Decision) -> Turn:
    match decision.answer:
        case Complete(outcome):
            answer: Result = Complete(copy_object(outcome, "the outcome"))
        case Halt(result):
            answer = Halt(copy_json(result, "the outcome"))
        case other:
            answer = other
    return Turn(answer, decision.wake_at, decision.running)


def as_results(results: Iterable[StepResult | tuple[str, JSONValue]]) -> list[StepResult]:
    """Results as the engine takes them: plain ``(op, output)`` pairs have no run_id. Raises `TypeError`."""
    return [checked(result if isinstance(result, StepResult) else StepResult(*result)) for result in results]


def checked(result: StepResult) -> StepResult:
    """The result itself. Raises `TypeError` for a run_id that is no integer: text from a queue's message, perhaps."""
    run_id: object = result.run_id
    if run_id is not None and not isinstance(run_id, int):
        raise TypeError(f"the run_id of step {result.op!r} is {run_id!r}: pass on the integer that the job carries")
    return result


def host() -> str:
    """Who claims a step: ``hostname:pid``."""
    return f"{_HOSTNAME}:{os.getpid()}"
