"""Checks of single fields: each gives the value if it is right, or reports what is wrong and gives None.

A message says what is wanted, what is there, and how to put it right.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Collection

from runfox.definition.source import Found, Path, Problems
from runfox.jsonvalue import JSONObject, JSONValue, shown

MAX_SECONDS = 3_153_600_000
"""The longest time that a definition can name: a hundred years, which every clock and calendar can add."""

MAX_NUMBER = sys.float_info.max

MAX_OP_LENGTH = 255

MAX_COMPARISONS = 20_000
"""Names that are looked at for suggestions in one definition, so that a thousand wrong names take no minutes."""

_OP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)


class Report:
    """The problems found so far, and what is left of the effort that may go into suggestions."""

    def __init__(self) -> None:
        self.found = Problems()
        self._comparisons = MAX_COMPARISONS

    def add(self, path: Path, message: str, *, at_key: bool = False) -> None:
        """Note a problem at `path`, or at its key."""
        self.found.add(Found(path, message, at_key))

    def suggest(self, name: str, known: Collection[str], *, otherwise: str) -> str:
        """The advice for a name that nothing has: the nearest that something has, else `otherwise`."""
        self._comparisons -= len(known)
        if self._comparisons < 0:
            return otherwise
        nearest = difflib.get_close_matches(name[:MAX_OP_LENGTH], known, n=1)
        return f"did you mean {shown(nearest[0])!r}?" if nearest else otherwise


def kind(value: JSONValue) -> str:
    """What a value is, for a message."""
    names = {dict: "a mapping", list: "a list", str: "a string", bool: "a boolean", int: "an integer", float: "a float"}
    return "null" if value is None else names[type(value)]


def check_keys(value: JSONObject, known: Collection[str], path: Path, report: Report, *, extensible: bool) -> None:
    """Every key is known; where `extensible`, those that begin with ``x-`` are the author's own."""
    for key in value:
        if key not in known and not (extensible and key.startswith("x-")):
            advice = report.suggest(key, known, otherwise=f"use one of {', '.join(known)}")
            if extensible:
                advice += " (keys of your own begin with 'x-')"
            report.add((*path, key), f"unknown key {shown(key)!r}: {advice}", at_key=True)


def wanted(what: str, value: JSONValue, path: Path, report: Report) -> None:
    """Report a value of the wrong type."""
    advice = "leave the key out for the default, or write one" if value is None else "write it as one"
    report.add(path, f"{what} is wanted here, not {kind(value)}: {advice}")


def mapping(parent: JSONObject, key: str, path: Path, report: Report) -> JSONObject | None:
    """The mapping under `key`; an empty one where there is none."""
    value = parent.get(key, {})
    if isinstance(value, dict):
        return value
    wanted("a mapping", value, (*path, key), report)
    return None


def string(parent: JSONObject, key: str, path: Path, report: Report, *, empty: bool = True) -> str | None:
    """The string under `key`, if there is one; not an empty one unless `empty`."""
    if key not in parent:
        return None
    value = parent[key]
    if not isinstance(value, str):
        wanted("a string", value, (*path, key), report)
        return None
    if not value and not empty:
        report.add((*path, key), f"{key!r} is empty: write a name, or leave the key out")
        return None
    return value


def number(
    parent: JSONObject,
    key: str,
    path: Path,
    report: Report,
    *,
    low: float,
    high: float = MAX_NUMBER,
    above: bool = False,
) -> float | None:
    """The number under `key`, if there is one: from `low` (or `above` it) to `high`."""
    if key not in parent:
        return None
    value = parent[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        wanted("a number", value, (*path, key), report)
        return None
    if value < low or (above and value == low) or value > high:
        lower = f"more than {low}" if above else f"at least {low}"
        upper = "" if high == MAX_NUMBER and value <= high else f" and at most {high}"
        report.add((*path, key), f"{key!r} is out of range: write a number that is {lower}{upper}")
        return None
    return float(value)


def count(parent: JSONObject, key: str, path: Path, report: Report) -> int | None:
    """The integer from 1 under `key`, if there is one."""
    if key not in parent:
        return None
    value = parent[key]
    if isinstance(value, bool) or not isinstance(value, int):
        wanted("an integer", value, (*path, key), report)
        return None
    if value < 1:
        report.add((*path, key), f"{key!r} is out of range: write an integer that is at least 1")
        return None
    return value


def is_op(value: JSONValue) -> bool:
    """Whether a step can have this name."""
    return isinstance(value, str) and len(value) <= MAX_OP_LENGTH and _OP.fullmatch(value) is not None


def check_op(value: JSONValue, path: Path, report: Report) -> str | None:
    """A step's name: letters, digits, ``_`` and ``-``, first a letter or ``_``, at most 255 characters."""
    if not isinstance(value, str):
        wanted("a string", value, path, report)
        return None
    if not is_op(value):
        report.add(
            path,
            f"{shown(value)!r} can't be an op: use letters, digits, '_' and '-', first a letter or '_', "
            f"at most {MAX_OP_LENGTH} characters",
        )
        return None
    return value
