"""The runner's statements, compiled from the tables once. The names after a statement are its parameters in order."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from runfox_sqlite._schema import DONE, FIRST, GATHERED, OPEN, PENDING, SUBMITTED, TAKEN, jobs, sql

_j = jobs.c


def _state(value: int) -> ColumnElement[bool]:
    # A literal, so that SQLite can tell which partial index has these rows.
    return _j.state == literal_column(str(value))


_run = and_(_j.workflow_execution_id == bindparam("key"), _j.op == bindparam("step"))
_this_run = and_(_run, _j.run_id == bindparam("run"))
_lapsed = and_(OPEN, _state(TAKEN), or_(_j.leased_until <= bindparam("now"), _j.leased_at > bindparam("clock")))
_pending = and_(OPEN, _state(PENDING))
_gatherable = and_(_j.workflow_execution_id == bindparam("key"), DONE, _state(SUBMITTED))

_NEW = ("workflow_execution_id", "op", "run_id", "state", "touched_at", "delivery", "queue", "call", "inputs")

KNOWN = sql(select(_j.run_id, _j.state).where(_run), "key", "step")
SUPERSEDE = sql(delete(jobs).where(_run, _j.run_id < bindparam("run")), "key", "step", "run")
ENQUEUE = sql(
    insert(jobs).prefix_with("OR IGNORE").values({name: bindparam(f"new_{name}") for name in _NEW}),
    *(f"new_{name}" for name in _NEW),
)

TOUCH = sql(
    update(jobs).ordered_values((_j.touched_at, bindparam("touched"))).where(_this_run), "touched", "key", "step", "run"
)


def _moved(before: int, after: int, *more: tuple[ColumnElement[Any], ColumnElement[Any]]) -> Update:
    """From one state to another; the first parameter is the time."""
    changed = (_j.state, literal_column(str(after))), (_j.touched_at, bindparam("touched")), *more
    return update(jobs).ordered_values(*changed).where(_state(before))


GATHER_AGAIN = sql(_moved(GATHERED, SUBMITTED).where(_this_run), "touched", "key", "step", "run")
GATHERABLE = sql(select(literal_column("1")).where(_gatherable).limit(literal_column("1")).offset(FIRST), "key")
RESULTS = sql(
    select(_j.id, _j.op, _j.run_id, _j.result).where(_gatherable).order_by(_j.submitted, _j.id),
    "key",
)
GATHER = sql(_moved(SUBMITTED, GATHERED).where(_j.id == bindparam("number")), "touched", "number")

_JOB = (_j.id, _j.workflow_execution_id, _j.op, _j.inputs, _j.run_id, _j.call, _j.queue, _j.delivery)

LIST_PENDING = sql(select(*_JOB).where(_pending).order_by(_j.id))
LIST_LAPSED = sql(select(*_JOB).where(_lapsed).order_by(_j.id), "now", "clock")


@cache
def take(*, lapsed: bool, queues: int | None = None, without: bool = False) -> str:
    """The oldest jobs that can be taken: pending ones, or those whose lease has lapsed. All of them, or those of so
    many `queues` and, if `without`, those that have no queue.

    Parameters: the time twice where `lapsed`, the queues, how many jobs.
    """
    page = select(*_JOB).where(_lapsed if lapsed else _pending)
    names = [f"queue{number}" for number in range(queues or 0)]
    if queues is not None:
        page = page.where(or_(*(_j.queue == bindparam(name) for name in names), *[_j.queue.is_(None)] * without))
    page = page.order_by(_j.id).limit(bindparam("most")).offset(FIRST)
    return sql(page, *(("now", "clock") if lapsed else ()), *names, "most")


def _numbers(*, lapsed: bool) -> str:
    # From an index alone, so that no damage of the table matters.
    numbers = select(_j.id).where(_lapsed if lapsed else _pending).order_by(_j.id)
    return sql(numbers, *(("now", "clock") if lapsed else ()))


OPEN_JOBS, LAPSED_JOBS = _numbers(lapsed=False), _numbers(lapsed=True)
JOB = sql(select(*_JOB).where(_j.id == bindparam("number"), or_(_pending, _lapsed)), "number", "now", "clock")
"""A job if it can be taken."""

DROP_JOB = sql(delete(jobs).where(_j.id == bindparam("number")), "number")

_LEASED = ("touched_at", "lease", "lease_seconds", "leased_at", "leased_until")

TAKE = sql(
    update(jobs)
    .ordered_values(
        (_j.state, literal_column(str(TAKEN))),
        (_j.delivery, _j.delivery + literal_column("1")),
        *((_j[name], bindparam(f"new_{name}")) for name in _LEASED),
    )
    .where(_j.id == bindparam("number")),
    *(f"new_{name}" for name in _LEASED),
    "number",
)

LEASE = sql(
    select(_j.id, _j.lease_seconds, _j.leased_at, _j.leased_until).where(
        _this_run, _state(TAKEN), _j.lease == bindparam("token")
    ),
    "key",
    "step",
    "run",
    "token",
)
EXTEND = sql(
    update(jobs)
    .ordered_values(*((_j[name], bindparam(f"new_{name}")) for name in _LEASED if name != "lease"))
    .where(_j.id == bindparam("number")),
    *(f"new_{name}" for name in _LEASED if name != "lease"),
    "number",
)

_FREE: tuple[tuple[ColumnElement[Any], ColumnElement[Any]], ...] = tuple(
    (_j[name], literal_column("NULL")) for name in _LEASED[1:]
)

GIVE_BACK_LEASE = sql(_moved(TAKEN, PENDING, *_FREE).where(_j.lease == bindparam("token")), "touched", "token")
GIVE_BACK = sql(_moved(TAKEN, PENDING, *_FREE).where(_j.id == bindparam("number")), "touched", "number")


def _newest(state: int) -> Select[tuple[int | None]]:
    # Apart for each state, and so a look at the end of an index.
    return select(func.max(_j.submitted).label("last")).where(
        _j.workflow_execution_id == bindparam("key"), DONE, _state(state)
    )


_last = union_all(_newest(SUBMITTED), _newest(GATHERED)).subquery()
NEXT = sql(select(func.coalesce(func.max(_last.c.last), literal_column("0")) + literal_column("1")), "key", "key")
"""The number of the next result of an execution."""

_submitted = (
    update(jobs)
    .ordered_values(
        (_j.state, literal_column(str(SUBMITTED))),
        (_j.touched_at, bindparam("touched")),
        (_j.submitted, bindparam("order")),
        (_j.result, bindparam("output")),
        *_FREE,
    )
    .where(_run, OPEN)
)
SUBMIT_NEWEST = sql(_submitted, "touched", "order", "output", "key", "step")
SUBMIT = sql(_submitted.where(_j.run_id == bindparam("run")), "touched", "order", "output", "key", "step", "run")

HELD_ANY = sql(
    select(literal_column("1"))
    .select_from(jobs)
    .where(_j.workflow_execution_id == bindparam("key"))
    .limit(literal_column("1"))
    .offset(FIRST),
    "key",
)
FORGET_ALL = sql(delete(jobs).where(_j.workflow_execution_id == bindparam("key")), "key")
FORGET = sql(delete(jobs).where(_this_run), "key", "step", "run")
HELD = sql(
    select(_j.workflow_execution_id)
    .where(_j.touched_at < bindparam("before"))
    .group_by(_j.workflow_execution_id)
    .order_by(func.min(_j.touched_at)),
    "before",
)

ALL_JOBS = tuple(sql(select(_j.id).where(rows)) for rows in (OPEN, DONE))
"""The numbers of all rows, from two indexes alone, so that no damage of the table matters."""

TOUCHED = sql(select(_j.touched_at, _j.workflow_execution_id).where(_j.id == bindparam("number")), "number")
