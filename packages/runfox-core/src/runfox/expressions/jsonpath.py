"""A parsed JSONPath whose every node pays for what it does (`metering`), and whose evaluation can't get out of hand.

jsonpath-ng evaluates by calling `find` of one node from another. Each node of a parsed path gets a `find` of its own
that pays and goes on to the one of its class; so nothing of the evaluation itself is written here a second time. Nodes
are known by the names of their classes, and those that are not known are taken to look into everything.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from runfox.expressions.metering import METER, checked_number, look_into, spend
from runfox.jsonvalue import JSONValue

MAX_NODES_DEEP = 100
"""Segments and brackets of a path inside one another; every one takes a few frames of Python's stack."""

VISIT = 10
"""Units of work for each place that a node visits."""

_SHALLOW = frozenset(
    [
        "And", "Child", "Descendants", "Fields", "Filter", "Index", "Intersect", "Keys", "Len", "Or", "Parent", "Path",
        "Root", "Slice", "Split", "This", "Union", "Where", "WhereNot", "Wildcard", "_Intersect", "_Union",
    ]
)  # fmt: skip

Node: TypeAlias = Any  # jsonpath-ng ships no types for its nodes that all its versions share


def metered(path: Node) -> Node:
    """The path itself. Raises `ValueError` for what can't be bounded: regular expressions, very deep paths."""
    _meter(path, 1)
    return path


def _meter(node: Node, depth: int) -> int:
    """Put the meter into a node and those below it, and give their number."""
    if depth > MAX_NODES_DEEP:
        raise ValueError(f"it is nested more than {MAX_NODES_DEEP} deep")
    kind = type(node).__name__
    if kind == "Sub" or getattr(node, "op", None) == "=~":
        raise ValueError("regular expressions ('=~', 'sub') can take for ever: match in a step instead")
    below = sum(_meter(child, depth + 1) for child in _children(vars(node).values()))
    if kind == "Operation":
        node.op = _checked(node.op)
    # A filter looks through its own expression at every visit.
    node.find = _paying(node.find, VISIT + below if kind == "Filter" else VISIT, deep=kind not in _SHALLOW)
    return below + 1


def _children(values: Iterable[object]) -> Iterator[Node]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _children(value)
        elif hasattr(value, "find") and not isinstance(value, str):
            yield value


def _paying(find: Callable[[Any], Any], units: int, *, deep: bool) -> Callable[[Any], Any]:
    def paid(datum: Any) -> Any:
        value = getattr(datum, "value", datum)
        METER.get().spend(units + len(value) if isinstance(value, (list, dict)) else units)
        if deep or isinstance(value, str):
            look_into(value)
        return find(datum)

    return paid


def _checked(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], JSONValue]:
    """Arithmetic: what would repeat a text or a list finds nothing, as all that has the wrong type."""

    def calculate(one: JSONValue, other: JSONValue) -> JSONValue:
        if operation is operator.mul and not (isinstance(one, (int, float)) and isinstance(other, (int, float))):
            raise TypeError("'*' takes two numbers")
        spend(sum(len(part) for part in (one, other) if isinstance(part, (str, list))))
        return checked_number(operation(one, other))

    return calculate
