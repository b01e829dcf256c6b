"""Exact comparison: what two values first differ in, and where.

1, 1.0 and True are three values here, 0.0 and -0.0 are two, and the order of keys counts: what a store or runner gives
back has to have the same JSON text as what it was given.
"""

from __future__ import annotations

import reprlib
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

from runfox.records import StepRecord, WorkflowRecord, defined_ops

_Path: TypeAlias = "tuple[_Path | None, str]"
"""The path of the container, and what is added to it."""


def difference(found: Any, wanted: Any, place: str = "") -> str | None:
    """The first difference as a sentence that begins with where it is (``state['a'][3]: …``), None where there is none.

    `place` is what the values are called. Takes JSON, and dataclasses, lists and tuples of it. Of a dataclass the
    fields count that its ``==`` compares.
    """
    waiting: list[tuple[_Path | None, Any, Any]] = [((None, place), found, wanted)]
    while waiting:
        path, found, wanted = waiting.pop()
        if type(found) is not type(wanted):
            return _at(path, f"{short(found)} ({type(found).__name__}), not {short(wanted)} ({type(wanted).__name__})")
        if isinstance(wanted, dict):
            if list(found) != list(wanted):
                return _at(path, _keys(list(found), list(wanted)))
            # The first pair has to be on top.
            waiting += [((path, f"[{short(key)}]"), found[key], wanted[key]) for key in reversed(wanted)]
        elif isinstance(wanted, (list, tuple)):
            if len(found) != len(wanted):
                return _at(path, f"{len(found)} items, not the {len(wanted)} that were wanted: {short(found)}")
            waiting += [((path, f"[{index}]"), found[index], wanted[index]) for index in reversed(range(len(wanted)))]
        elif is_dataclass(wanted):
            names = [field.name for field in fields(wanted) if field.compare]
            waiting += [((path, f".{name}"), getattr(found, name), getattr(wanted, name)) for name in reversed(names)]
        elif found != wanted or (isinstance(wanted, float) and repr(found) != repr(wanted)):
            return _at(path, _scalars(found, wanted))
    return None


def record_difference(found: object, wanted: WorkflowRecord) -> str | None:
    """As `difference`, for records: an untouched step may be left out of either."""
    if not isinstance(found, WorkflowRecord):
        return f"{short(found)} is no WorkflowRecord"
    for name in (field.name for field in fields(WorkflowRecord)):
        if name == "steps" and type(found.steps) is dict:
            problem = _steps_difference(found, wanted)
        else:
            problem = difference(getattr(found, name), getattr(wanted, name), name)
        if problem is not None:
            return problem
    return None


def short(value: object) -> str:
    """A value in at most some 100 characters, whatever it is."""
    try:
        return _shortener.repr(value)
    except Exception:  # noqa: BLE001  # an integer with more digits than Python prints
        return f"a {type(value).__name__} that can't be shown"


def _steps_difference(found: WorkflowRecord, wanted: WorkflowRecord) -> str | None:
    known = {*wanted.steps, *defined_ops(wanted.spec)}
    for op in found.steps:
        if op not in known:
            return f"steps: there is a step {short(op)} that nobody wrote"
    # Two that are wanted and not found, or the other way round, are as if they were there untouched.
    order = [op for op in wanted.steps if op in found.steps]
    if [op for op in found.steps if op in wanted.steps] != order:
        return f"steps: {_keys([op for op in found.steps if op in wanted.steps], order)}"
    for op in dict.fromkeys([*wanted.steps, *found.steps]):
        untouched = StepRecord(op=op)
        missing = "" if op in found.steps else " (which is missing)"
        place = f"steps[{short(op)}]{missing}"
        problem = difference(found.steps.get(op, untouched), wanted.steps.get(op, untouched), place)
        if problem is not None:
            return problem
    return None


class _Shortener(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 60
        self.maxlevel = 3


_shortener = _Shortener()


def _keys(found: list[Any], wanted: list[Any]) -> str:
    """What two lists of keys that are not equal differ in."""
    missing = [key for key in wanted if key not in set(found)]
    added = [key for key in found if key not in set(wanted)]
    if missing:
        return f"the key {short(missing[0])} is missing (of {len(wanted)}, {len(missing)} are)"
    if added:
        return f"the key {short(added[0])} is there, which nobody wrote (one of {len(added)})"
    place = next(index for index, pair in enumerate(zip(found, wanted, strict=True)) if pair[0] != pair[1])
    return f"another order of keys: {short(found[place])} is number {place + 1} instead of {short(wanted[place])}"


def _scalars(found: object, wanted: object) -> str:
    if isinstance(found, str) and isinstance(wanted, str):
        return _texts(found, wanted)
    return f"{short(found)}, not {short(wanted)}"


def _texts(found: str, wanted: str) -> str:
    if len(found) <= _shortener.maxstring and len(wanted) <= _shortener.maxstring:
        return f"{found!a}, not {wanted!a}"
    pairs = zip(found, wanted, strict=False)
    place = next((index for index, pair in enumerate(pairs) if pair[0] != pair[1]), min(len(found), len(wanted)))
    return (
        f"a text of {len(found)} characters, not of {len(wanted)}; from character {place} on it is "
        f"{found[place : place + 20]!a}, not {wanted[place : place + 20]!a}"
    )


def _at(path: _Path | None, what: str) -> str:
    parts: list[str] = []
    while path is not None:
        path, part = path
        parts.append(part)
    place = "".join(reversed(parts))
    if len(place) > 200:
        place = f"{place[:90]}…{place[-90:]}"
    return f"{place}: {what}" if place else what
