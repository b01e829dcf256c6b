"""Every error that runfox raises on purpose, under one root.

A leaf takes data, keeps it as attributes and writes its own message: what happened, where, and what to do.
Where users would catch a built-in, the leaf is that built-in, too. Errors travel between processes, so every
one of them survives pickling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runfox.results import DispatchJob, StepResult


class RunfoxError(Exception):
    """The root: ``except RunfoxError`` catches whatever runfox itself reports."""

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        # KeyError would show the repr of a message; ours are sentences.
        return Exception.__str__(self)


def _restore(kind: type[RunfoxError], args: tuple[object, ...], attributes: dict[str, object]) -> RunfoxError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


# Definitions and values


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a definition: where it is and what to do about it.

    `path` is as in ``steps[2].branch[0].action``, empty for the definition as a whole.
    `line` and `column` count from 1 and are known for text only.
    """

    path: str
    message: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        position = "" if self.line is None else f"line {self.line}, column {self.column}: "
        place = f"{self.path}: " if self.path else ""
        return f"{position}{place}{self.message}"


class DefinitionError(RunfoxError, ValueError):
    """A definition can't be used. `problems` holds all that is wrong with it, in the order of the text; where that is
    very much, what was found first, and `more` is the number of the others.
    """

    def __init__(self, problems: Sequence[Problem], more: int = 0) -> None:
        self.problems = tuple(problems)
        self.more = more
        number = len(self.problems) + more
        count = "a problem" if number == 1 else f"{number} problems"
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        rest = f"\n  and {more} more" if more else ""
        super().__init__(f"the workflow definition has {count}:{lines}{rest}")


class ExpressionError(RunfoxError, ValueError):
    """An expression failed while it was evaluated.

    `op` is the step (None for the workflow's outputs), `place` the path below it (``input.total``,
    ``branch[0].condition``), `expression` its JSON text, `cause` what went wrong.
    """

    def __init__(self, op: str | None, place: str, expression: str, cause: str) -> None:
        self.op = op
        self.place = place
        self.expression = expression
        self.cause = cause
        where = f"step {op!r}, {place}" if op is not None else place
        super().__init__(f"{where}: {expression} failed: {cause}")


class InvalidJSON(RunfoxError, ValueError):
    """A value is not JSON: `path` says where in `subject`, `reason` why."""

    def __init__(self, subject: str, path: str, reason: str) -> None:
        self.subject = subject
        self.path = path
        self.reason = reason
        super().__init__(f"{subject}{path}: {reason}")


class InvalidExecutionId(RunfoxError, ValueError):
    """An execution id has characters or a length that no store has to keep."""

    def __init__(self, execution_id: object) -> None:
        self.execution_id = execution_id
        super().__init__(
            f"{execution_id!r:.300} can't be an execution id: use 1 to 128 of the characters A-Z a-z 0-9 . _ : -"
        )


# Executions


class WorkflowNotFound(RunfoxError, KeyError):
    """The store holds no execution of this id."""

    def __init__(self, workflow_execution_id: str) -> None:
        self.workflow_execution_id = workflow_execution_id
        super().__init__(
            f"no execution {workflow_execution_id!r:.300} in this store: check the id, and that the store is the one "
            "it was created in"
        )


class UnknownStep(RunfoxError, KeyError):
    """The workflow has no step of this name."""

    def __init__(self, op: object, workflow_execution_id: str) -> None:
        self.op = op
        self.workflow_execution_id = workflow_execution_id
        super().__init__(f"execution {workflow_execution_id!r} has no step {op!r:.300}")


class ExecutionExists(RunfoxError, ValueError):
    """The execution id is taken by an execution with other inputs."""

    def __init__(self, workflow_execution_id: str) -> None:
        self.workflow_execution_id = workflow_execution_id
        super().__init__(
            f"execution {workflow_execution_id!r} exists with other inputs: choose another execution_id, or "
            "Workflow.resume() the one that is there"
        )


class ExecutionActive(RunfoxError, ValueError):
    """What was asked for needs an execution that has ended."""

    def __init__(self, workflow_execution_id: str) -> None:
        self.workflow_execution_id = workflow_execution_id
        super().__init__(f"execution {workflow_execution_id!r} has not ended: halt() it before deleting it")


class ExecutionEnded(RunfoxError, ValueError):
    """What was asked for would change an execution that has ended."""

    def __init__(self, workflow_execution_id: str) -> None:
        self.workflow_execution_id = workflow_execution_id
        super().__init__(f"execution {workflow_execution_id!r} has ended: nothing can change it any more")


class NotSupported(RunfoxError, TypeError):
    """A store or runner lacks an optional ability that a call needs."""

    def __init__(self, what: str, ability: str) -> None:
        self.what = what
        self.ability = ability
        super().__init__(f"{what} has no {ability}: choose one that implements runfox.protocols.{ability}")


class NoWorker(RunfoxError, RuntimeError):
    """run() would wait for ever: the runner lives in this process and nothing executes its jobs."""

    def __init__(self, workflow_execution_id: str) -> None:
        self.workflow_execution_id = workflow_execution_id
        super().__init__(
            f"nothing executes the jobs of {workflow_execution_id!r}: pass run(worker=InProcessWorker(runner, "
            "execute)), give the Backend an executor=, or use a runner that other processes can reach"
        )


class NoCurrentJob(RunfoxError, LookupError):
    """current_job() was called where no job is being executed."""

    def __init__(self) -> None:
        super().__init__("no job is being executed here: call current_job() inside an executor that a worker runs")


class WaitTimeout(RunfoxError, TimeoutError):
    """The time that a caller allowed is up; the execution goes on and can be resumed."""

    def __init__(self, workflow_execution_id: str, seconds: float) -> None:
        self.workflow_execution_id = workflow_execution_id
        self.seconds = seconds
        super().__init__(
            f"execution {workflow_execution_id!r} had not ended after {seconds:g} s; resume it and run() or "
            "result() again"
        )


# Stores and runners


class WriteConflict(RunfoxError):
    """The stored version is not the one that the write was computed from. It had no effect and never will."""

    def __init__(self, workflow_execution_id: str, version: int) -> None:
        self.workflow_execution_id = workflow_execution_id
        self.version = version
        super().__init__(
            f"execution {workflow_execution_id!r} is no longer at version {version}: load it and decide again"
        )


class RecordTooLarge(RunfoxError, ValueError):
    """A record is over the store's limit; nothing of it was written."""

    def __init__(self, workflow_execution_id: str, detail: str) -> None:
        self.workflow_execution_id = workflow_execution_id
        self.detail = detail
        super().__init__(
            f"the record of {workflow_execution_id!r} is over the store's limit ({detail}): keep large data "
            "elsewhere and pass references"
        )


class _RefusedJobs(RunfoxError, ValueError):
    """Some jobs of a dispatch can never be queued; `jobs` are these, the others were dispatched.

    `results` are those of jobs that the runner had executed by then (RUN-LOCAL), so that none is lost.
    """

    why = ""

    def __init__(self, jobs: Sequence[DispatchJob], detail: str, results: Sequence[StepResult] = ()) -> None:
        self.jobs = tuple(jobs)
        self.detail = detail
        self.results = tuple(results)
        names = ", ".join(repr(job.op) for job in self.jobs)
        super().__init__(f"{self.why} ({detail}): {names}")


class PayloadTooLarge(_RefusedJobs):
    """A job's inputs or a result are over the runner's limit."""

    why = "over the runner's limit"


class UnknownRoute(_RefusedJobs):
    """No queue is known for a job."""

    why = "no queue is known for these jobs"


class StorageError(RunfoxError):
    """The storage below a store or runner failed; whether a write took effect is unknown unless a leaf says so."""


class StorageUnavailable(StorageError, OSError):
    """The storage can't be reached or written now: a missing folder, a lock held too long, a full or read-only disk."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class StorageCorrupt(StorageError, ValueError):
    """What the storage holds can't be read: no database, damaged, or not of runfox."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class SchemaTooNew(StorageError, RuntimeError):
    """The storage was written by a newer release than this one."""

    def __init__(self, package: str, found: int, known: int) -> None:
        self.package = package
        self.found = found
        self.known = known
        super().__init__(
            f"the schema has version {found}, this {package} knows versions up to {known}: "
            f"pip install --upgrade {package}"
        )


# Plugins


class MissingExtra(RunfoxError, ImportError):
    """A library or package that this call needs is not installed; the message has the pip command that brings it."""

    def __init__(self, purpose: str, requirement: str) -> None:
        self.purpose = purpose
        self.requirement = requirement
        super().__init__(f"{purpose} needs a package that is not installed: pip install '{requirement}'")


class UnknownScheme(RunfoxError, LookupError):
    """No installed plugin opens URLs of this scheme. `opens` is what it does open, where it is the other of the two."""

    def __init__(
        self, scheme: str, kind: str, known: Sequence[str], requirement: str | None, opens: str | None = None
    ) -> None:
        self.scheme = scheme
        self.kind = kind
        self.known = tuple(known)
        self.requirement = requirement
        self.opens = opens
        if opens:
            hint = f"it opens a {opens} only, so name both, as in open_backend('STORE-URL', runner='RUNNER-URL')"
        elif requirement:
            hint = f"pip install '{requirement}' brings it"
        else:
            hint = "a URL begins with one of them and a colon, as in 'memory:' or 'sqlite:///workflows.db'"
        super().__init__(f"no {kind} is known for {scheme!r} (known: {', '.join(self.known) or 'none'}); {hint}")


class DuplicateScheme(RunfoxError, RuntimeError):
    """Two installed distributions provide the same scheme or the same exported name."""

    def __init__(self, scheme: str, kind: str, distributions: Sequence[str]) -> None:
        self.scheme = scheme
        self.kind = kind
        self.distributions = tuple(distributions)
        super().__init__(
            f"the {kind} {scheme!r} is provided by {' and by '.join(self.distributions)}: uninstall one of them"
        )
