"""The work of an evaluation, counted: whatever is wrong with an expression or its data, it ends.

The body of a loop costs its parts times the items, an operator what it looks into, a JSONPath the places that it
visits. Each is paid before it is done, in units of which a million come to a second or two at most.
"""

from __future__ import annotations

from contextvars import ContextVar

from runfox.expressions.syntax import is_expression
from runfox.jsonvalue import MAX_INTEGER_DIGITS, JSONValue

_INTEGER_LIMIT = 10**MAX_INTEGER_DIGITS
_CHARACTERS = 10
"""Characters of a text that are read for one unit."""


class TooMuchWork(ValueError):  # becomes the cause of an ExpressionError
    """An evaluation is over its limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"more than {limit:,} steps of work: do this in a step, or allow more with Backend(limits=Limits("
            "expression_work=…))"
        )


class Meter:
    """What the evaluation of one value may still cost."""

    __slots__ = ("_left", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    def spend(self, units: int) -> None:
        """Pay for what comes next. Raises `TooMuchWork`."""
        self._left -= units
        if self._left < 0:
            raise TooMuchWork(self._limit)

    def look_into(self, value: JSONValue) -> None:
        """Pay for all that is in `value`, also where it stands more than once. Raises `TooMuchWork`."""
        pending = [value]
        while pending:
            value = pending.pop()
            if isinstance(value, str):
                self.spend(len(value) // _CHARACTERS)
            elif isinstance(value, list):
                self.spend(len(value))
                pending += value
            elif isinstance(value, dict):
                self.spend(2 * len(value) + sum(map(len, value)) // _CHARACTERS)
                pending += value.values()


METER: ContextVar[Meter] = ContextVar("METER")
"""The meter of the evaluation under way. JSONPath's own code stands between those who set it and those who pay."""


def spend(units: int) -> None:
    """Pay for what comes next. Raises `TooMuchWork`."""
    METER.get().spend(units)


def look_into(*values: JSONValue) -> None:
    """Pay for all that is in these. Raises `TooMuchWork`."""
    for value in values:
        if isinstance(value, (str, list, dict)):
            METER.get().look_into(value)


def checked_number(value: JSONValue) -> JSONValue:
    """The value. Raises `ValueError` for an integer that JSON values can't have, before it grows further."""
    if isinstance(value, int) and not -_INTEGER_LIMIT < value < _INTEGER_LIMIT:
        raise ValueError(f"the result is an integer of more than {MAX_INTEGER_DIGITS:,} digits")
    return value


def parts_of(value: JSONValue) -> int:
    """How many parts a value with expressions has: what it costs to evaluate it once, without its loops."""
    if isinstance(value, list):
        return 1 + sum(map(parts_of, value))
    if isinstance(value, dict):
        if is_expression(value) and "literal" in value:
            return 1
        return 1 + sum(map(parts_of, value.values()))
    return 1 + value.count(".") if isinstance(value, str) else 1
