"""The store's statements, compiled from the tables once. The names after a statement are its parameters in order."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, delete, exists, select, tuple_, update
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.dialects.sqlite import insert as upsert

from runfox_sqlite._schema import FIRST, contents, definitions, executions, sql, state, steps

_e = executions.c

_READ_STEP = ("op", "status", "run_id", "attempt", "start_time", "end_time", "ready_at", "host", "output", "inputs")


def _inserted(table: Table, *left_out: str) -> tuple[Insert, tuple[str, ...]]:
    """An INSERT of a row, and its parameters: the table's columns in their order."""
    names = [column.name for column in table.c if column.name not in left_out]
    return upsert(table).values({name: bindparam(f"new_{name}") for name in names}), tuple(f"new_{n}" for n in names)


def _upserted(table: Table, *left_out: str) -> str:
    """An INSERT that changes the row if it is there, but for its key and the columns `left_out`."""
    statement, parameters = _inserted(table)
    names = [column.name for column in table.c if not column.primary_key and column.name not in left_out]
    changed = {name: statement.excluded[name] for name in names}
    return sql(statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed), *parameters)


FIND = sql(
    select(_e.id, _e.version, _e.definition).where(_e.workflow_execution_id == bindparam("key")),
    "key",
)
"""id, version, definition."""

LOAD = sql(
    select(
        _e.id,
        definitions.c.spec,
        contents.c.inputs,
        _e.explicit,
        _e.workflow_id,
        _e.execution_id,
        _e.version,
        _e.status,
        _e.created_at,
        _e.updated_at,
        _e.wake_at,
        _e.outcome,
    )
    .join_from(executions, definitions, _e.definition == definitions.c.id)
    .join(contents, contents.c.execution == _e.id)
    .where(_e.workflow_execution_id == bindparam("key")),
    "key",
)

_state = select(state.c.key, state.c.value).where(state.c.execution == bindparam("id")).order_by(state.c.position)
_steps = (
    select(*(steps.c[name] for name in _READ_STEP))
    .where(steps.c.execution == bindparam("id"))
    .order_by(steps.c.position)
)

LOAD_STATE = sql(_state, "id")
LOAD_STEPS = sql(_steps, "id")

REFRESH = sql(
    select(_e.id, _e.version, _e.rewritten, _e.created_at, _e.updated_at, _e.status, _e.wake_at, _e.outcome).where(
        _e.workflow_execution_id == bindparam("key")
    ),
    "key",
)
CHANGED_STATE = sql(_state.where(state.c.version > bindparam("since")), "id", "since")
CHANGED_STEPS = sql(_steps.where(steps.c.version > bindparam("since")), "id", "since")

FIND_DEFINITION = sql(select(definitions.c.id).where(definitions.c.digest == bindparam("known")), "known")
_definition, _parameters = _inserted(definitions, "id")
INSERT_DEFINITION = sql(_definition, *_parameters)
DROP_DEFINITION = sql(
    delete(definitions).where(
        definitions.c.id == bindparam("number"), ~exists().where(_e.definition == definitions.c.id)
    ),
    "number",
)

_execution, _parameters = _inserted(executions, "id")
INSERT = sql(_execution, *_parameters)
"""The columns of the table but `id`."""

_rewritten = [column.name for column in executions.c if column.name not in ("id", "workflow_execution_id")]
REWRITE = sql(
    update(executions)
    .ordered_values(*((_e[name], bindparam(f"new_{name}")) for name in _rewritten))
    .where(_e.id == bindparam("number")),
    *(f"new_{name}" for name in _rewritten),
    "number",
)
"""The columns of the table but `id` and `workflow_execution_id`, then `id`."""

_contents, _parameters = _inserted(contents)
INSERT_CONTENTS = sql(_contents, *_parameters)
REMOVE_CONTENTS = tuple(
    sql(delete(table).where(table.c.execution == bindparam("number")), "number") for table in (contents, state, steps)
)
DELETE = sql(delete(executions).where(_e.id == bindparam("number")), "number")

UPSERT_STATE = _upserted(state, "position")
UPSERT_STEP = _upserted(steps, "position")


def _patch(*changed: str) -> str:
    set_ = ("version", "updated_at", *changed)
    return sql(
        update(executions)
        .ordered_values(*((_e[name], bindparam(f"new_{name}")) for name in set_))
        .where(_e.workflow_execution_id == bindparam("key"), _e.version == bindparam("seen"))
        .returning(_e.id),
        *(f"new_{name}" for name in set_),
        "key",
        "seen",
    )


_OPTIONAL = ("status", "outcome", "wake_at")
PATCH = {changed: _patch(*changed) for count in range(4) for changed in combinations(_OPTIONAL, count)}
"""What a patch does to the row of its execution, by the columns that it changes besides version and `updated_at`.
Gives the `id` where the version is the one that the patch was computed from, and nothing where it is not."""

CREATED_AT = sql(select(_e.created_at).where(_e.workflow_execution_id == bindparam("key")), "key")


def _due(column: ColumnElement[Any]) -> str:
    page = select(column).where(_e.wake_at <= bindparam("now")).order_by(_e.wake_at, _e.id)
    return sql(page.limit(bindparam("most")).offset(FIRST), "now", "most")


DUE, DUE_NUMBERS = _due(_e.workflow_execution_id), _due(_e.id)
"""Who is due, by id; and by number, from an index alone, so that no damage of the table matters."""

KEY = sql(select(_e.workflow_execution_id).where(_e.id == bindparam("number")), "number")


@cache
def listing(conditions: tuple[str, ...]) -> str:
    """A page of summaries; `conditions` are some of the names below, in this order."""
    place = tuple_(bindparam("created_at"), bindparam("workflow_execution_id"))
    known = {
        "status": _e.status == bindparam("status"),
        "name": definitions.c.name == bindparam("name"),
        "since": _e.created_at >= bindparam("since"),
        "created_at": tuple_(_e.created_at, _e.workflow_execution_id) < place,
    }
    page: Select[Any] = (
        select(_e.workflow_execution_id, definitions.c.name, _e.status, _e.created_at, _e.updated_at)
        .join_from(executions, definitions, _e.definition == definitions.c.id)
        .where(*(condition for name, condition in known.items() if name in conditions))
        .order_by(_e.created_at.desc(), _e.workflow_execution_id.desc())
        .limit(bindparam("most"))
        .offset(FIRST)
    )
    return sql(page, *conditions, "most")
