"""The tables, their version, and how older versions become the present one.

Store and runner share a file and its version, so one database has all tables. What a patch or a lease changes often
is apart from what never changes. The column `version` of a row is the version of the record that wrote it.

A new file gets the tables below. An older one goes through `MIGRATIONS`, one version at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import (
    Column,
    ColumnClause,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.elements import ClauseElement

SCHEMA_VERSION = 1
"""What this release reads and writes; kept in ``PRAGMA user_version``."""

APPLICATION_ID = int.from_bytes(b"rnfx")
"""Marks a file as runfox's; kept in ``PRAGMA application_id``."""

MIGRATIONS: Mapping[int, tuple[str, ...]] = MappingProxyType({})
"""Version → the statements that bring a database from the version before to it. Literal SQL: what is released never
changes, whatever the tables below become."""

# Texts that are not plain ASCII may be BLOBs (see runfox.packed): Text is the affinity, which leaves a BLOB as it is.
_TEXT = Text()
_metadata = MetaData()

definitions = Table(
    "definitions",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("name", _TEXT, nullable=False),
    Column("spec", _TEXT, nullable=False),
)
"""Each definition once. `digest` is the SHA-256 of the text of `spec`: two that differ in nothing but order are two."""

executions = Table(
    "executions",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("workflow_execution_id", _TEXT, nullable=False, unique=True),
    Column("workflow_id", _TEXT, nullable=False),
    Column("execution_id", _TEXT, nullable=False),
    Column("definition", ForeignKey("definitions.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("rewritten", Integer, nullable=False),
    Column("explicit", Integer, nullable=False),
    Column("status", _TEXT, nullable=False),
    Column("created_at", _TEXT, nullable=False),
    Column("updated_at", _TEXT, nullable=False),
    Column("wake_at", _TEXT),
    Column("outcome", _TEXT, nullable=False),
)
"""One row an execution. `rewritten` is the version of the last write of the whole record. `explicit` is 1 where the
steps are not those of the definition in its order, and the rows of `steps` therefore all there is."""

contents = Table(
    "contents",
    _metadata,
    Column("execution", ForeignKey("executions.id"), primary_key=True),
    Column("inputs", _TEXT, nullable=False),
)
"""What of an execution only a write of the whole record changes: apart, so that a patch does not write it again."""

state = Table(
    "state",
    _metadata,
    Column("execution", ForeignKey("executions.id"), primary_key=True),
    Column("key", _TEXT, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("value", _TEXT, nullable=False),
    Index("state_version", "execution", "version"),
    sqlite_with_rowid=False,
)
"""One row a key. `position` is where the key came in, and gives the order."""

steps = Table(
    "steps",
    _metadata,
    Column("execution", ForeignKey("executions.id"), primary_key=True),
    Column("op", _TEXT, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", _TEXT, nullable=False),
    Column("run_id", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("start_time", _TEXT),
    Column("end_time", _TEXT),
    Column("ready_at", _TEXT),
    Column("host", _TEXT),
    Column("output", _TEXT),
    Column("inputs", _TEXT),
    Index("steps_version", "execution", "version"),
    sqlite_with_rowid=False,
)
"""One row for each step that was touched. `position` is as in `state`, for steps that the definition does not have."""

jobs = Table(
    "jobs",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("workflow_execution_id", _TEXT, nullable=False),
    Column("op", _TEXT, nullable=False),
    Column("run_id", Integer, nullable=False),
    Column("state", Integer, nullable=False),
    Column("touched_at", _TEXT, nullable=False),
    Column("delivery", Integer, nullable=False),
    Column("lease", _TEXT),
    Column("lease_seconds", Double),
    Column("leased_at", Double),
    Column("leased_until", Double),
    Column("submitted", Integer),
    Column("queue", _TEXT),
    Column("call", _TEXT, nullable=False),
    Column("inputs", _TEXT, nullable=False),
    Column("result", _TEXT),
    UniqueConstraint("workflow_execution_id", "op"),
)
"""One row for the newest run of a step. `id` is the order of dispatch, `submitted` that of the results of an execution.
`state` is one of `PENDING`, `TAKEN`, `SUBMITTED`, `GATHERED`."""

PENDING, TAKEN, SUBMITTED, GATHERED = range(4)

OPEN = text("submitted IS NULL")
"""The rows that have no result, PENDING or TAKEN. A partial index has them: a query has to say it to the letter."""

DONE = text("submitted IS NOT NULL")
"""The rows that have one, SUBMITTED or GATHERED, likewise."""

FIRST: ColumnClause[int] = literal_column("0", Integer)
"""The offset of every page: without one, SQLAlchemy writes a 0 that wants a parameter of its own."""

Index("executions_wake_at", executions.c.wake_at, sqlite_where=executions.c.wake_at.is_not(None))
Index("executions_created_at", executions.c.created_at, executions.c.workflow_execution_id)
Index("jobs_open", *(jobs.c[name] for name in ("state", "id", "queue", "leased_until", "leased_at")), sqlite_where=OPEN)
Index("jobs_done", *(jobs.c[name] for name in ("workflow_execution_id", "state", "submitted")), sqlite_where=DONE)

_DIALECT = sqlite.dialect(paramstyle="qmark")


def sql(statement: ClauseElement, *parameters: str) -> str:
    """The text of `statement`, compiled once, with `parameters` as the names of its question marks in their order."""
    compiled = statement.compile(dialect=_DIALECT)
    names = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]  # SQLCompiler's, ClauseElement says Compiled
    assert names == parameters, f"the parameters are {names}"
    return str(compiled)


def create_statements() -> tuple[str, ...]:
    """What makes the tables and indexes of a new database."""
    statements: list[str] = []
    for table in _metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=_DIALECT)))
        statements += (str(CreateIndex(index).compile(dialect=_DIALECT)) for index in sorted(table.indexes, key=str))
    return tuple(statements)
