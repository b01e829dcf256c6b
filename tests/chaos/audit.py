"""The audit: what SQLite itself notes of every change, in the transaction that makes it, and what has to be true of it.

The triggers stand in the database under test, and are none of runfox's. A note exists if and only if the change was
committed, and the order of the notes is the order of the commits: SQLite has one writer at a time.

One commit to an execution is a note of the record, then those of its state and its steps, all with one version. A note
on a job stands by itself.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from itertools import groupby
from typing import Any

PENDING, TAKEN, SUBMITTED, GATHERED = range(4)
"""The states of a row of `jobs`."""

_TABLE = """
CREATE TABLE chaos_audit (
    seq INTEGER PRIMARY KEY, subject TEXT NOT NULL, execution, name, version INTEGER, status, run_id INTEGER, lease,
    leased_at REAL, leased_until REAL, delivery INTEGER, value
)
"""

_JOB = (
    "{0}.workflow_execution_id, {0}.op, {0}.submitted, {0}.state, {0}.run_id, "
    "{0}.lease, {0}.leased_at, {0}.leased_until, {0}.delivery"
)
_STEP = "NEW.execution, NEW.op, NEW.version, NEW.status, NEW.run_id, NULL, NULL, NULL, NEW.attempt, NEW.output"
_STATE = "NEW.execution, NEW.key, NEW.version, NULL, NULL, NULL, NULL, NULL, NULL, NEW.value"
_RECORD = "NEW.id, NULL, NEW.version, NEW.status, NULL, NULL, NULL, NULL, NULL, NEW.outcome"
_NOTES = {
    ("executions", "INSERT"): ("record", _RECORD),
    ("executions", "UPDATE"): ("record", _RECORD),
    ("steps", "INSERT"): ("step", _STEP),
    ("steps", "UPDATE"): ("step", _STEP),
    ("state", "INSERT"): ("state", _STATE),
    ("state", "UPDATE"): ("state", _STATE),
    ("jobs", "INSERT"): ("job", _JOB.format("NEW") + ", NEW.result"),
    ("jobs", "UPDATE"): ("job", _JOB.format("NEW") + ", NEW.result"),
    ("jobs", "DELETE"): ("forgotten job", _JOB.format("OLD") + ", NULL"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One change. `name` is the op, or the key of the state; `status` that of a step or record, or a job's number. A
    job's `version` is its result's place among those of the execution.
    """

    subject: str
    execution: str
    name: str = ""
    version: int = 0
    status: Any = None
    run_id: int = 0
    lease: str | None = None
    leased_at: float = 0.0
    leased_until: float = 0.0
    delivery: int = 0
    value: Any = None


def install(connection: sqlite3.Connection) -> None:
    """Make the table and the triggers, in a database that has runfox's tables."""
    connection.execute(_TABLE)
    for (table, event), (subject, values) in _NOTES.items():
        connection.execute(
            f"CREATE TRIGGER chaos_{table}_{event} AFTER {event} ON {table} BEGIN "
            f"INSERT INTO chaos_audit VALUES (NULL, '{subject}', {values}); END"
        )


def read(connection: sqlite3.Connection) -> list[Note]:
    """All notes, in their order."""
    cursor = connection.cursor()
    cursor.row_factory = lambda _, row: _note(**dict(zip(_COLUMNS, row, strict=True)))
    return cursor.execute("""
        SELECT subject, coalesce(executions.execution_id, chaos_audit.execution), name, chaos_audit.version,
            chaos_audit.status, run_id, lease, leased_at, leased_until, delivery, value
        FROM chaos_audit
        LEFT JOIN executions ON executions.id = chaos_audit.execution
        ORDER BY seq
    """).fetchall()


_COLUMNS = tuple(column.name for column in fields(Note))


def _note(**columns: Any) -> Note:
    present = {name: value for name, value in columns.items() if value is not None}
    if "value" in present:
        present["value"] = json.loads(present["value"])
    # Jobs know the whole id, of which the part behind the # is enough here.
    present["execution"] = present["execution"].rpartition("#")[2]
    return Note(**present)


@dataclass(slots=True)
class Findings:
    """What an audit found: the problems, and figures."""

    problems: list[str] = field(default_factory=list)
    applied: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    """execution → op → how many results were applied."""
    late: int = 0
    """Jobs that somebody slow handed in after they had been forgotten."""
    lapses: dict[str, float] = field(default_factory=dict)
    """Lease → until when it lived at most."""

    @property
    def results(self) -> int:
        """How many results were applied."""
        return sum(sum(counts.values()) for counts in self.applied.values())


def check(notes: Iterable[Note]) -> Findings:
    """Hold the notes against the laws of delivery."""
    findings = Findings()
    history: dict[str, list[Note]] = defaultdict(list)
    for note in notes:
        history[note.execution].append(note)
    for execution, of_execution in history.items():
        findings.problems += _ExecutionAudit(execution, findings).check(of_execution)
    return findings


_NEXT = {
    ("ready", "in_progress", 0),
    ("retry", "in_progress", 0),
    ("in_progress", "complete", 0),
    ("in_progress", "halted", 0),
    ("in_progress", "retry", 1),
    ("in_progress", "ready", 1),
    ("complete", "ready", 1),
    ("retry", "ready", 1),
    # Two in one commit: a reset or a retry, and the claim that follows.
    ("in_progress", "in_progress", 1),
    ("complete", "in_progress", 1),
    ("retry", "in_progress", 1),
}
"""Where a commit may bring a step: from a status to a status, and by how many runs."""


class _ExecutionAudit:
    """The notes on one execution, one after another."""

    def __init__(self, execution: str, findings: Findings) -> None:
        self._execution = execution
        self._findings = findings
        self._version = 0
        self._ended: str | None = None
        self._steps: dict[str, Note] = {}
        self._jobs: dict[str, Note] = {}
        self._submitted: dict[tuple[str, int], Any] = {}
        self._forgotten: set[tuple[str, int]] = set()

    def check(self, notes: list[Note]) -> Iterator[str]:
        """The problems."""
        for (is_job, version), group in groupby(notes, key=lambda note: ("job" in note.subject, note.version)):
            together = list(group)
            for problem in self._jobs_changed(together) if is_job else self._committed(version, together):
                yield f"{self._execution}: {problem}"

    # Commits

    def _committed(self, version: int, notes: list[Note]) -> Iterator[str]:
        records = [note for note in notes if note.subject == "record"]
        if len(records) != 1 or version != self._version + 1:
            yield f"version {version} was committed {len(records)} times, after version {self._version}"
        if self._ended is not None:
            yield f"version {version} was committed after the execution had ended ({self._ended})"
        self._version = version
        self._ended = next((note.status for note in records if note.status in ("complete", "halted")), None)
        merges = {note.name: note.value for note in notes if note.subject == "state"}
        steps = {note.name: note for note in notes if note.subject == "step"}
        for op, step in steps.items():
            before = self._steps.get(op, Note(subject="step", execution=self._execution, name=op, status="ready"))
            yield from self._step_changed(before, step)
            yield from self._applied(before, step, merges)
        for key in merges:
            if key.startswith("n_") and key.removeprefix("n_") not in steps:
                yield f"version {version} merged {key}, of a step that it did not settle"
        self._steps |= steps

    def _step_changed(self, before: Note, after: Note) -> Iterator[str]:
        if (before.status, after.status, after.run_id - before.run_id) not in _NEXT:
            yield (
                f"step {after.name} went from {before.status} (run {before.run_id}) to {after.status} "
                f"(run {after.run_id}) in version {after.version}"
            )

    def _applied(self, before: Note, after: Note, merges: dict[str, Any]) -> Iterator[str]:
        """A result was applied if its counter was merged: it has to be that of the run that was in progress."""
        op, run_id = after.name, before.run_id
        left = before.status == "in_progress" and (after.status, after.run_id) != ("in_progress", run_id)
        if f"n_{op}" not in merges:
            if left and after.status in ("complete", "halted", "retry"):
                yield f"run {run_id} of step {op} was settled without its merge in version {after.version}"
            return
        counts = self._findings.applied[self._execution]
        counts[op] += 1
        if not left:
            yield f"a result of step {op} was applied while it was {before.status} (run {run_id})"
        if (op, run_id) not in self._submitted:
            yield f"a result was applied to run {run_id} of step {op}, for which nobody had submitted one"
            return
        merged = {key: merges.get(key) for key in (op, f"n_{op}")}
        result = self._submitted[op, run_id]
        submitted = {key: result.get(key) for key in merged} if isinstance(result, dict) else result
        if merged != submitted:
            yield f"run {run_id} of step {op} was submitted as {submitted}, and merged as {merged}"
        if merges[f"n_{op}"] != counts[op]:
            yield (
                f"the result of run {run_id} of step {op} is that of application {merges[f'n_{op}']}, and was "
                f"applied as number {counts[op]}"
            )

    # Jobs

    def _jobs_changed(self, notes: Iterable[Note]) -> Iterator[str]:
        for note in notes:
            before = self._jobs.get(note.name)
            if note.subject == "forgotten job":
                self._jobs.pop(note.name, None)
                self._forgotten.add((note.name, note.run_id))
                continue
            self._jobs[note.name] = note
            if note.lease is not None:
                self._findings.lapses[note.lease] = note.leased_until
            if before is None:
                yield from self._dispatched(note)
            elif before.run_id != note.run_id:
                yield f"the job of run {before.run_id} of step {note.name} became one of run {note.run_id}"
            else:
                yield from self._job_moved(before, note)

    def _dispatched(self, job: Note) -> Iterator[str]:
        step = self._steps.get(job.name)
        if step is None or step.run_id < job.run_id or (step.run_id == job.run_id and step.status == "ready"):
            yield f"run {job.run_id} of step {job.name} was dispatched before it was claimed"
        if job.status != PENDING:
            yield f"run {job.run_id} of step {job.name} was dispatched as {job.status}"
        if (job.name, job.run_id) in self._forgotten:
            self._findings.late += 1

    def _job_moved(self, before: Note, after: Note) -> Iterator[str]:
        run = f"run {after.run_id} of step {after.name}"
        if before.status < SUBMITTED <= after.status:
            self._submitted.setdefault((after.name, after.run_id), after.value)
        if before.status >= SUBMITTED:
            if after.status < SUBMITTED:
                yield f"{run} was handed out again after its result had been submitted"
            elif after.version != before.version:
                yield f"a second result of {run} was kept"
            elif after.value != before.value:
                yield f"the result of {run} was replaced by another one"
        elif after.status == TAKEN:
            yield from self._leased(run, before, after)

    def _leased(self, run: str, before: Note, after: Note) -> Iterator[str]:
        """A take, or a renewal."""
        taken = after.lease != before.lease
        if after.delivery != before.delivery + taken:
            yield f"{run} was delivery {before.delivery}, and became {after.delivery}"
        alive = before.status == TAKEN and before.leased_at <= after.leased_at < before.leased_until
        at, until = f"at {after.leased_at:.3f}", f"{before.leased_until:.3f}"
        if taken and alive:
            yield f"{run} was leased again {at}, while a lease until {until} was alive"
        if not taken and not alive:
            yield f"a lease of {run} that was over at {until} was renewed {at}"
