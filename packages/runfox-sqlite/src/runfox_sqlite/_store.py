"""The store: one row for each execution, state key and touched step, so that a patch writes what it holds.

Every write of a record begins with a statement that names the version it was computed from; how many rows that
statement finds decides the compare-and-set, inside SQLite's own write lock. Rows carry the version that wrote them, so
a refresh reads what changed since.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from dataclasses import replace

from runfox.errors import StorageCorrupt, WorkflowNotFound, WriteConflict
from runfox.packed import pack, unpack, unpack_json, unpack_optional
from runfox.records import ExecutionSummary, RecordPatch, WorkflowRecord
from runfox.status import WorkflowStatus
from runfox.times import Clock
from runfox_sqlite import _store_sql as sql
from runfox_sqlite._database import Row
from runfox_sqlite._errors import DAMAGE, damaged
from runfox_sqlite._rows import RecordRows, patch_rows, read_record, read_state, read_steps, record_rows
from runfox_sqlite._sharing import DatabaseUser

logger = logging.getLogger("runfox")


class SqliteStore(DatabaseUser):
    """Executions in an SQLite file, or in memory.

    `path` is the file, created where it is missing, in a folder that exists; ``":memory:"`` is a database of this
    instance alone, for the threads of one process. `synchronous` is SQLite's: with ``FULL`` a commit survives the
    loss of power, with ``NORMAL`` that of the process. `busy_timeout` is for how many seconds a lock of another
    process is waited for. The store reads no clock; it takes one so that it is made like a `SqliteRunner`.

    Raises `StorageUnavailable`, `StorageCorrupt` and `SchemaTooNew` here and in every call.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: str = "FULL",
        busy_timeout: float = 30.0,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(path, synchronous, busy_timeout, clock)

    # Store

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        """The record as last written. Raises `WorkflowNotFound`."""
        key = pack(workflow_execution_id)

        def work(cursor: sqlite3.Cursor) -> WorkflowRecord:
            header = cursor.execute(sql.LOAD, (key,)).fetchall()
            if not header:
                raise WorkflowNotFound(workflow_execution_id)
            execution, *rest = header[0]
            state = cursor.execute(sql.LOAD_STATE, (execution,)).fetchall()
            steps = cursor.execute(sql.LOAD_STEPS, (execution,)).fetchall()
            try:
                return read_record(tuple(rest), state, steps)
            except DAMAGE as error:
                raise self._damaged(workflow_execution_id, error) from error

        return self._database.read(work)

    def write(self, record: WorkflowRecord) -> None:
        """Persist the whole record. Raises `WriteConflict`, `InvalidJSON`, `RecordTooLarge`."""
        rows = record_rows(record)

        def work(cursor: sqlite3.Cursor) -> None:
            found = cursor.execute(sql.FIND, rows.identity[:1]).fetchall()
            execution, version, definition = found[0] if found else (None, 0, None)
            if version != record.version:
                raise WriteConflict(record.workflow_execution_id, record.version)
            kept = _keep_definition(cursor, rows)
            if execution is None:
                execution = cursor.execute(sql.INSERT, (*rows.identity, kept, *rows.header)).lastrowid
            else:
                cursor.execute(sql.REWRITE, (*rows.identity[1:], kept, *rows.header, execution))
                _remove_contents(cursor, execution)
                if definition != kept:
                    cursor.execute(sql.DROP_DEFINITION, (definition,))
            cursor.execute(sql.INSERT_CONTENTS, (execution, rows.inputs))
            _upsert(cursor, execution, rows.state, rows.steps)

        self._database.write(work)

    # SupportsPatch

    def patch(self, patch: RecordPatch) -> None:
        """Write what the patch holds. Raises `WriteConflict`, `InvalidJSON`, `RecordTooLarge`."""
        rows = patch_rows(patch)
        statement = sql.PATCH[rows.changed]

        def work(cursor: sqlite3.Cursor) -> None:
            found = cursor.execute(statement, rows.header).fetchall()
            if not found:
                raise WriteConflict(patch.workflow_execution_id, patch.version)
            _upsert(cursor, found[0][0], rows.state, rows.steps)

        self._database.write(work)

    # SupportsRefresh

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        """The record as `load` gives it, `record` itself where nothing changed. Raises `WorkflowNotFound`."""
        key = pack(record.workflow_execution_id)
        found = self._database.query(sql.REFRESH, (key,))
        if not found:
            raise WorkflowNotFound(record.workflow_execution_id)
        try:
            if _is_current(record, found[0]):
                return record
        except DAMAGE as error:
            raise self._damaged(record.workflow_execution_id, error) from error

        def work(cursor: sqlite3.Cursor) -> WorkflowRecord | None:
            found = cursor.execute(sql.REFRESH, (key,)).fetchall()
            if not found or not _is_descendant(record, found[0]):
                return None
            execution = found[0][0]
            state = cursor.execute(sql.CHANGED_STATE, (execution, record.version)).fetchall()
            steps = cursor.execute(sql.CHANGED_STEPS, (execution, record.version)).fetchall()
            try:
                return _refreshed(record, found[0], state, steps)
            except DAMAGE as error:
                raise self._damaged(record.workflow_execution_id, error) from error

        return self._database.read(work) or self.load(record.workflow_execution_id)

    # SupportsListing

    def list_executions(
        self,
        *,
        status: WorkflowStatus | None = None,
        name: str | None = None,
        since: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        """Summaries, newest first; those created in the same microsecond by descending id. One that can't be read is
        logged and left out.
        """
        wanted: dict[str, object] = {}
        if status is not None:
            wanted["status"] = WorkflowStatus(status).value
        if name is not None:
            wanted["name"] = pack(name)
        if since is not None:
            wanted["since"] = pack(since)
        if after is not None:
            wanted["created_at"], wanted["workflow_execution_id"] = self._place(after)
        while True:
            rows = self._database.query(sql.listing(tuple(wanted)), (*wanted.values(), max(limit, 0)))
            summaries = [summary for row in rows if (summary := self._summary(row)) is not None]
            if summaries or not rows:
                return summaries
            # None of this page can be read; an empty one would tell that there are no more.
            wanted["created_at"], wanted["workflow_execution_id"] = rows[-1][3], rows[-1][0]

    def _summary(self, row: Row) -> ExecutionSummary | None:
        key, name, status, created_at, updated_at = row
        try:
            return ExecutionSummary(
                workflow_execution_id=unpack(key),
                name=unpack(name),
                status=WorkflowStatus(status),
                created_at=unpack(created_at),
                updated_at=unpack(updated_at),
            )
        except DAMAGE as error:
            logger.error("execution %r is left out of a list: %s", key, type(error).__name__)
            return None

    def _place(self, after: str) -> tuple[object, object]:
        """Where in the listing an id or a cursor stands."""
        found = self._database.query(sql.CREATED_AT, (pack(after),))
        if found:
            return found[0][0], pack(after)
        created_at, space, key = after.partition(" ")
        if not space:
            raise WorkflowNotFound(after)
        return pack(created_at), pack(key)

    # SupportsDelete

    def delete(self, workflow_execution_id: str) -> None:
        """Remove the execution, and its definition if no other has it. Raises `WorkflowNotFound`."""
        key = pack(workflow_execution_id)

        def work(cursor: sqlite3.Cursor) -> None:
            found = cursor.execute(sql.FIND, (key,)).fetchall()
            if not found:
                raise WorkflowNotFound(workflow_execution_id)
            execution, _, definition = found[0]
            _remove_contents(cursor, execution)
            cursor.execute(sql.DELETE, (execution,))
            cursor.execute(sql.DROP_DEFINITION, (definition,))

        self._database.write(work)

    # SupportsWake

    def due(self, now: str, limit: int = 100) -> list[str]:
        """The ids of records whose `wake_at` is `now` or earlier, earliest first."""
        page = (pack(now), max(limit, 0))
        try:
            rows = self._database.query(sql.DUE, page)
        except StorageCorrupt:
            rows = self._apart(self._database.query(sql.DUE_NUMBERS, page), sql.KEY)
        return self._names(rows)

    def _damaged(self, key: object, error: Exception) -> StorageCorrupt:
        return damaged(f"the record of {key!r}", self.path, error, "restore it from a backup, or delete() it")


def _keep_definition(cursor: sqlite3.Cursor, rows: RecordRows) -> int | None:
    """The number of the record's definition, which is stored if it is new."""
    found = cursor.execute(sql.FIND_DEFINITION, (rows.digest,)).fetchall()
    if found:
        number: int = found[0][0]
        return number
    return cursor.execute(sql.INSERT_DEFINITION, (rows.digest, *rows.definition)).lastrowid


def _remove_contents(cursor: sqlite3.Cursor, execution: int) -> None:
    for statement in sql.REMOVE_CONTENTS:
        cursor.execute(statement, (execution,))


def _upsert(cursor: sqlite3.Cursor, execution: int | None, state: list[Row], steps: list[Row]) -> None:
    if state:
        cursor.executemany(sql.UPSERT_STATE, [(execution, *row) for row in state])
    if steps:
        cursor.executemany(sql.UPSERT_STEP, [(execution, *row) for row in steps])


def _is_current(record: WorkflowRecord, header: Row) -> bool:
    """True if the stored record is the one that the caller has."""
    _, version, _, created_at, updated_at, status, _, _ = header
    seen = (record.version, record.created_at, record.updated_at, record.status)
    return seen == (version, unpack(created_at), unpack(updated_at), status)


def _is_descendant(record: WorkflowRecord, header: Row) -> bool:
    """True if only patches lie between what the caller has and what is stored.

    No write of the whole record, that is, and no deletion followed by another execution of the same id.
    """
    _, version, rewritten, created_at, *_ = header
    same: bool = rewritten <= record.version < version and unpack(created_at) == record.created_at
    return same


def _refreshed(record: WorkflowRecord, header: Row, state: list[Row], steps: list[Row]) -> WorkflowRecord | None:
    """`record` with the rows that changed; None where the order of its steps could not be told from them."""
    _, version, _, _, updated_at, status, wake_at, outcome = header
    changed = read_steps(steps)
    if not changed.keys() <= record.steps.keys():
        return None
    return replace(
        record,
        state={**record.state, **read_state(state)},
        steps={**record.steps, **changed},
        status=WorkflowStatus(status),
        outcome=unpack_json(outcome),
        version=version,
        updated_at=unpack(updated_at),
        wake_at=unpack_optional(wake_at),
    )
