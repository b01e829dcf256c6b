"""A database file, with triggers that note every change."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Self

import audit
import hanging
from sqlite_deaths import POINTS, RARE

from runfox.backend import SqliteRunner, SqliteStore


class Place:
    """Where the processes of a run meet on SQLite."""

    backend = "sqlite"
    points = POINTS
    rare = RARE

    def __init__(self, folder: Path) -> None:
        self._database = folder / "chaos.db"

    def __enter__(self) -> Self:
        # Both open the file: which of them creates the tables makes no difference.
        SqliteStore(self._database).close()
        SqliteRunner(self._database).close()
        self._connection = sqlite3.connect(self._database, timeout=60.0, isolation_level=None)
        audit.install(self._connection)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def address(self) -> dict[str, str]:
        """Where the file is."""
        return {"database": str(self._database)}

    def alive(self) -> int:
        """How many executions have not ended."""
        return self._count("SELECT count(*) FROM executions WHERE wake_at IS NOT NULL")

    def is_clear(self) -> bool:
        """True if no job is left."""
        return self._count("SELECT count(*) FROM jobs") == 0

    def _count(self, sql: str) -> int:
        (number,) = self._connection.execute(sql).fetchone()
        return int(number)

    def who_hangs(self) -> Iterator[str]:
        """Executions that have not ended, and jobs that are left."""
        yield from hanging.executions(self._connection)
        yield from hanging.jobs(self._connection)

    def store(self) -> SqliteStore:
        """A store, in which nobody dies."""
        return SqliteStore(self._database)

    def findings(self) -> audit.Findings:
        """What the audit finds."""
        return audit.check(audit.read(self._connection))

    def problems(self, killed: Collection[int]) -> Iterator[str]:
        """The file is sound, and no job was left behind, whoever was killed."""
        (answer,) = self._connection.execute("PRAGMA integrity_check").fetchone()
        if answer != "ok":
            yield f"the file is damaged: {answer}"
        for key, op, run_id in self._connection.execute("SELECT workflow_execution_id, op, run_id FROM jobs"):
            yield f"{key.rpartition('#')[2]}: the job of run {run_id} of step {op} was left behind"
