"""What makes a value an expression, and what its arguments are."""

from __future__ import annotations

from collections.abc import Mapping

from runfox.jsonvalue import JSONValue

# fmt: off
OPERATORS = frozenset([
    "literal", "var", "vars", "missing", "missing_some",
    "if", "?:", "and", "or", "!", "!!",
    "==", "===", "!=", "!==", "<", "<=", ">", ">=",
    "+", "-", "*", "/", "%", "min", "max",
    "cat", "in", "merge", "count", "map", "filter", "reduce", "log",
])
# fmt: on
"""The keys that make a one-key mapping an expression. Fixed: data written today means the same tomorrow."""

SCOPED = {"map": (2, 2), "filter": (2, 2), "reduce": (2, 3)}
"""The operators whose second argument is a body with a scope of its own, and how many arguments each takes."""

# fmt: off
ARITY: Mapping[str, tuple[int, int | None]] = {
    "var": (1, 2), "vars": (1, 1), "missing_some": (2, 2),
    "?:": (3, 3), "!": (1, 1), "!!": (1, 1),
    "==": (2, 2), "===": (2, 2), "!=": (2, 2), "!==": (2, 2), "<": (2, None), "<=": (2, None),
    ">": (2, 2), ">=": (2, 2),
    "-": (1, 2), "/": (1, 2), "%": (2, 2), "min": (1, None), "max": (1, None),
    "in": (2, 2), "log": (1, 1), **SCOPED,
}
# fmt: on
"""Fewest and most arguments; None for any number. The operators that are not here take what they are given."""


def is_expression(value: JSONValue) -> bool:
    """True for a mapping whose one key is an operator."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in OPERATORS


def arguments_of(given: JSONValue) -> list[JSONValue]:
    """An operator's arguments: a list is theirs, anything else the only one."""
    return given if isinstance(given, list) else [given]
