"""The runner: one row for the newest run of each step that was dispatched, from pending to gathered.

What finds nothing to do only reads. What changes a row says in the same statement, or under the same write lock, what
the row must be like, so that any number of workers and drivers may come at once.

A result waits for the disk, and so does the end of an execution, whose record may be gone next. Everything else that
changes here may come undone with the loss of power: the record still says which jobs there are, they are dispatched
again, and what was taken, gathered or forgotten twice does no harm.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence

from runfox.errors import PayloadTooLarge, StorageCorrupt
from runfox.jsonvalue import JSONValue
from runfox.packed import Packed, pack, pack_optional, unpack, unpack_json, unpack_optional
from runfox.results import DispatchJob, StepResult
from runfox.times import Clock, format_time
from runfox_sqlite import _runner_sql as sql
from runfox_sqlite._database import Row
from runfox_sqlite._errors import DAMAGE, damaged
from runfox_sqlite._json import TextTooLong, encode
from runfox_sqlite._rows import read_object
from runfox_sqlite._schema import PENDING, SUBMITTED
from runfox_sqlite._sharing import DatabaseUser

logger = logging.getLogger("runfox")

_FIRST_POLL = 0.001
_MAX_POLL = 0.004
_EVERYTHING = -1
"""SQLite's LIMIT for no limit."""


class SqliteRunner(DatabaseUser):
    """A job queue in an SQLite file, or in memory.

    `path`, `synchronous` and `busy_timeout` are as in `SqliteStore`, and the file may be the same. `lease_seconds` is
    for how long a taken job is its taker's, `clock` what leases are measured by: it has to be about the same for all
    processes that share the file. A job that was given back counts as delivered when it is taken again.

    Raises `StorageUnavailable`, `StorageCorrupt` and `SchemaTooNew` here and in every call.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: str = "FULL",
        busy_timeout: float = 30.0,
        lease_seconds: float = 600.0,
        clock: Clock = time.time,
    ) -> None:
        self.lease_seconds = _seconds(lease_seconds)
        self._unreadable: set[int] = set()
        super().__init__(path, synchronous, busy_timeout, clock, lease_seconds=lease_seconds)

    # Drivers: dispatch, gather, wait, forget

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        """Enqueue jobs; nothing is executed here, so the list is empty. Raises `InvalidJSON`, `PayloadTooLarge`."""
        key = pack(workflow_execution_id)
        rows, refused, detail = _job_rows(workflow_execution_id, jobs)
        present = [row for row in rows.values() if not self._is_superseded(key, row)]
        if present:
            self._enqueue(key, present)
        if refused:
            raise PayloadTooLarge(refused, detail)
        return []

    def _is_superseded(self, key: Packed, row: Row) -> bool:
        """True if a newer run of its step is known."""
        op, run_id, *_ = row
        return any(run_id < known for known, _ in self._database.query(sql.KNOWN, (key, op)))

    def _enqueue(self, key: Packed, rows: list[Row]) -> None:
        touched = format_time(self._clock())

        def work(cursor: sqlite3.Cursor) -> int:
            cursor.executemany(sql.SUPERSEDE, [(key, op, run_id) for op, run_id, *_ in rows])
            cursor.executemany(
                sql.ENQUEUE, [(key, op, run_id, PENDING, touched, 0, *rest) for op, run_id, *rest in rows]
            )
            cursor.executemany(sql.TOUCH, [(touched, key, op, run_id) for op, run_id, *_ in rows])
            cursor.executemany(sql.GATHER_AGAIN, [(touched, key, op, run_id) for op, run_id, *_ in rows])
            return cursor.rowcount

        if self._database.write(work, synced=False):
            self._submitted.send()

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        """The results that were not gathered since the last dispatch of their run, in the order submitted."""
        key = pack(workflow_execution_id)
        if not self._database.query(sql.GATHERABLE, (key,)):
            return []
        touched = format_time(self._clock())

        def work(cursor: sqlite3.Cursor) -> list[StepResult]:
            rows = cursor.execute(sql.RESULTS, (key,)).fetchall()
            cursor.executemany(sql.GATHER, [(touched, number) for number, *_ in rows])
            return [self._result(workflow_execution_id, *row) for row in rows]

        return self._database.write(work, synced=False)

    def _result(self, workflow_execution_id: str, _: int, op: Packed, run_id: int, result: Packed) -> StepResult:
        try:
            return StepResult(unpack(op), unpack_json(result), run_id)
        except DAMAGE as error:
            what = f"the result of step {op!r} (run {run_id}) of {workflow_execution_id!r}"
            advice = f"restore it from a backup, or forget() the pair ({op!r}, {run_id}) and the step runs again"
            raise damaged(what, self.path, error, advice) from error

    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        """True as soon as something can be gathered, False after `timeout` seconds.

        What this process submits wakes it at once; what other processes submit is asked for every 4 ms.
        """
        key = pack(workflow_execution_id)
        deadline = time.monotonic() + timeout
        poll = _FIRST_POLL
        while True:
            seen = self._submitted.count
            if self._database.query(sql.GATHERABLE, (key,)):
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._submitted.wait(seen, min(left, poll))
            poll = min(poll * 1.5, _MAX_POLL)

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        """Remove what is held for the execution, or for the given (op, run_id) pairs."""
        key = pack(workflow_execution_id)
        pairs = None if runs is None else [(key, pack(op), run_id) for op, run_id in runs]
        if pairs == [] or not self._database.query(sql.HELD_ANY, (key,)):
            return
        if pairs is None:
            self._database.write(lambda cursor: cursor.execute(sql.FORGET_ALL, (key,)))
        else:
            self._database.write(lambda cursor: cursor.executemany(sql.FORGET, pairs), synced=False)

    def held(self, before: str) -> list[str]:
        """The executions of which any entry was last touched before `before`, longest untouched first."""
        try:
            return self._names(self._database.query(sql.HELD, (pack(before),)))
        except StorageCorrupt:
            numbers = [row for statement in sql.ALL_JOBS for row in self._database.query(statement)]
            rows = sorted((row for row in self._apart(numbers, sql.TOUCHED) if str(row[0]) < before), key=str)
            return self._names([(key,) for key in dict.fromkeys(key for _, key in rows)])

    # Workers: list, take, extend, submit

    def list_pending_jobs(self) -> list[DispatchJob]:
        """All pending jobs of all executions, oldest first; changes nothing."""
        now = self._clock()

        def work(cursor: sqlite3.Cursor) -> list[Row]:
            pending = cursor.execute(sql.LIST_PENDING).fetchall()
            return pending + cursor.execute(sql.LIST_LAPSED, (now, now)).fetchall()

        try:
            return [_job(row) for row in sorted(self._database.read(work))]
        except DAMAGE:
            return [job for _, job in self._sound_jobs()]

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """Jobs that are the caller's for `lease_seconds`, oldest first."""
        seconds = self.lease_seconds if lease_seconds is None else _seconds(lease_seconds)
        most = _EVERYTHING if limit is None else max(limit, 0)
        wanted = None if queues is None else {queue if queue is None else pack(queue) for queue in queues}
        if most == 0 or wanted == set():
            return []
        try:
            return self._take_all(most, wanted, seconds) if self._is_takeable(wanted) else []
        except DAMAGE:
            return self._take_sound(most, queues, seconds)

    def _take_all(self, most: int, wanted: set[Packed | None] | None, seconds: float) -> list[DispatchJob]:
        leases: list[str] = []
        try:
            return self._database.write(lambda cursor: self._take(cursor, most, wanted, seconds, leases), synced=False)
        except (KeyboardInterrupt, SystemExit):
            # Nobody will ever hear of these jobs, whether the commit took effect or not.
            self._database.write(lambda cursor: self._give_back(cursor, leases), synced=False)
            raise

    # Damage: one job that can't be read keeps nobody from the others

    def _sound_jobs(self) -> Iterator[tuple[int, DispatchJob]]:
        """Each job that can be taken and read, with its number, one by one. The others are logged, and dropped where
        that can be done: they are queued again, from the record, when their execution is attended to.
        """
        now = self._clock()
        numbers = self._database.query(sql.OPEN_JOBS) + self._database.query(sql.LAPSED_JOBS, (now, now))
        for (number,) in sorted(numbers):
            row: Row = ()
            try:
                for row in self._database.query(sql.JOB, (number, now, now)):
                    yield number, _job(row)
            except DAMAGE as error:
                self._drop(number, row, error)

    def _drop(self, number: int, row: Row, error: Exception) -> None:
        if number in self._unreadable:
            return
        self._unreadable.add(number)
        _, key, op, *_ = row or (None, None, None)
        advice = "others are served; restore the file from a backup"
        if row:
            self._database.write(lambda cursor: cursor.execute(sql.DROP_JOB, (number,)), synced=False)
            advice = "it is dropped, and queued again when its execution is attended to"
        logger.error("job %d (step %r of %r) can't be read (%s): %s", number, op, key, type(error).__name__, advice)

    def _take_sound(self, most: int, queues: Collection[str | None] | None, seconds: float) -> list[DispatchJob]:
        taken: list[DispatchJob] = []
        for number, job in self._sound_jobs():
            if len(taken) == most:
                break
            if queues is None or job.queue in queues:
                taken += self._take_one(number, seconds)
        return taken

    def _take_one(self, number: int, seconds: float) -> list[DispatchJob]:
        def work(cursor: sqlite3.Cursor) -> list[DispatchJob]:
            now, lease = self._clock(), secrets.token_hex(16)
            rows = cursor.execute(sql.JOB, (number, now, now)).fetchall()
            for _ in rows:
                cursor.execute(sql.TAKE, (format_time(now), lease, seconds, now, now + seconds, number))
            return [_job(row, lease) for row in rows]

        try:
            return self._database.write(work, synced=False)
        except StorageCorrupt as error:
            self._drop(number, (), error)
            return []

    def _give_back(self, cursor: sqlite3.Cursor, leases: Sequence[str]) -> None:
        touched = format_time(self._clock())
        cursor.executemany(sql.GIVE_BACK_LEASE, [(touched, lease) for lease in leases])

    def _is_takeable(self, queues: set[Packed | None] | None) -> bool:
        now = self._clock()
        return any(self._database.query(*question) for question in _questions(queues, now, 1))

    def _take(
        self, cursor: sqlite3.Cursor, most: int, queues: set[Packed | None] | None, seconds: float, leases: list[str]
    ) -> list[DispatchJob]:
        """Take jobs, and note the leases in `leases`, whose content is that of the last try."""
        now = self._clock()
        rows = sorted(row for question in _questions(queues, now, most) for row in cursor.execute(*question).fetchall())
        if most != _EVERYTHING:
            del rows[most:]
        leases[:] = [secrets.token_hex(16) for _ in rows]
        touched = format_time(now)
        cursor.executemany(
            sql.TAKE,
            [(touched, lease, seconds, now, now + seconds, row[0]) for lease, row in zip(leases, rows, strict=True)],
        )
        return [_job(row, lease) for lease, row in zip(leases, rows, strict=True)]

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        """Renew the lease of a job that was taken, for its present length where `seconds` is None; 0 gives it back."""
        if seconds is not None:
            _seconds(seconds)
        lease = (pack(job.workflow_execution_id), pack(job.op), job.run_id, pack_optional(job.lease))
        if not self._database.query(sql.LEASE, lease):
            return False

        def work(cursor: sqlite3.Cursor) -> bool:
            now = self._clock()
            for number, length, start, end in cursor.execute(sql.LEASE, lease).fetchall():
                if start <= now < end:
                    self._renew(cursor, number, now, length if seconds is None else seconds)
                    return True
            return False

        return self._database.write(work, synced=False)

    def _renew(self, cursor: sqlite3.Cursor, number: int, now: float, seconds: float) -> None:
        if seconds:
            cursor.execute(sql.EXTEND, (format_time(now), seconds, now, now + seconds, number))
        else:
            cursor.execute(sql.GIVE_BACK, (format_time(now), number))

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        """Keep the first result of a run. Raises `InvalidJSON` and `PayloadTooLarge`."""
        try:
            result = encode(output, f"the output of step {op!r}")
        except TextTooLong as problem:
            job = DispatchJob(workflow_execution_id, op, {}, run_id or 0)
            raise PayloadTooLarge([job], str(problem)) from None
        run = (pack(workflow_execution_id), pack(op))
        if not any(
            state < SUBMITTED and run_id in (None, known) for known, state in self._database.query(sql.KNOWN, run)
        ):
            return

        def work(cursor: sqlite3.Cursor) -> int:
            ((order,),) = cursor.execute(sql.NEXT, (run[0], run[0])).fetchall()
            values = (format_time(self._clock()), order, result, *run)
            if run_id is None:
                return cursor.execute(sql.SUBMIT_NEWEST, values).rowcount
            return cursor.execute(sql.SUBMIT, (*values, run_id)).rowcount

        if self._database.write(work):
            self._submitted.send()


def _job_rows(workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> tuple[dict[str, Row], list[DispatchJob], str]:
    """The newest run of each step as a row (op, run_id, …), the jobs that are too large, and why the first one is."""
    rows: dict[str, Row] = {}
    refused: list[DispatchJob] = []
    detail = ""
    for job in jobs:
        if job.workflow_execution_id != workflow_execution_id:
            raise ValueError(f"the job {job.key!r} is not of the execution {workflow_execution_id!r}")
        if job.op in rows and rows[job.op][1] >= job.run_id:
            continue
        try:
            inputs = encode(job.inputs, f"the inputs of step {job.op!r}")
        except TextTooLong as problem:
            detail = detail or str(problem)
            refused.append(job)
            continue
        # A newer run goes last: its place is its own, not that of the run before it.
        rows.pop(job.op, None)
        rows[job.op] = (pack(job.op), job.run_id, pack_optional(job.queue), pack(job.call), inputs)
    return rows, refused, detail


def _questions(queues: set[Packed | None] | None, now: float, most: int) -> list[tuple[str, Row]]:
    """What finds the oldest jobs that can be taken: the pending, and those whose lease has lapsed."""
    if queues is None:
        return [(sql.take(lapsed=False), (most,)), (sql.take(lapsed=True), (now, now, most))]
    named = [queue for queue in queues if queue is not None]
    without = None in queues
    return [
        (sql.take(lapsed=False, queues=len(named), without=without), (*named, most)),
        (sql.take(lapsed=True, queues=len(named), without=without), (now, now, *named, most)),
    ]


def _job(row: Row, lease: str | None = None) -> DispatchJob:
    """The job of a row; the one that a taker gets has a `lease`."""
    _, key, op, inputs, run_id, call, queue, delivery = row
    return DispatchJob(
        workflow_execution_id=unpack(key),
        op=unpack(op),
        inputs=read_object(inputs),
        run_id=run_id,
        call=unpack(call),
        queue=unpack_optional(queue),
        lease=lease,
        delivery=delivery if lease is None else delivery + 1,
    )


def _seconds(seconds: float) -> float:
    if not seconds >= 0:
        raise ValueError(f"a lease of {seconds!r} s: use 0 or more")
    return float(seconds)
