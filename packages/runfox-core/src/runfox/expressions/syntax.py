"""What makes a value an expression, and what its arguments are."""

from __future__ import annotations

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

ARITY = {"var": (1, 2), "vars": (1, 1), "?:": (3, 3), **SCOPED}
"""Fewest and most arguments, of the operators that are checked for it before they run."""


def is_expression(value: JSONValue) -> bool:
    """True for a mapping whose one key is an operator."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in OPERATORS


def arguments_of(given: JSONValue) -> list[JSONValue]:
    """An operator's arguments: a list is theirs, anything else the only one."""
    return given if isinstance(given, list) else [given]
