"""JSON values: their type, and the one pass that both checks and copies them at the boundaries.

What runfox keeps is exactly what JSON can say, so that every store gives back what it was given:
``None``, booleans, integers up to 4,000 digits, finite floats, strings, lists and string-keyed mappings,
at most 500 containers deep. Tuples become lists, and subclasses (enums, `OrderedDict`, NumPy floats) what they
stand for, as the standard library's encoder has it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import TypeAlias

from runfox.errors import InvalidJSON

JSONValue: TypeAlias = "None | bool | int | float | str | list[JSONValue] | dict[str, JSONValue]"
JSONObject: TypeAlias = "dict[str, JSONValue]"

MAX_DEPTH = 500
"""Containers inside one another that every store must keep (contract STORE-JSON)."""

MAX_INTEGER_DIGITS = 4_000
"""Decimal digits that every store must keep (STORE-JSON); Python itself reads back no more than 4,300."""

_INTEGER_LIMIT = 10**MAX_INTEGER_DIGITS
_UNCHANGED = frozenset((str, bool, type(None)))


def copy_json(value: object, subject: str) -> JSONValue:
    """A copy of `value` that shares no container with it.

    Raises `InvalidJSON` that starts with `subject` (``the output of step 'a'``) and names the place.
    """
    try:
        return _copy(value, 0)
    except _NotJSON as problem:
        path = "".join(f"[{part!r}]" for part in reversed(problem.path))
        raise InvalidJSON(subject, path, problem.reason) from None


def copy_object(value: object, subject: str) -> JSONObject:
    """As `copy_json`, for what must be a mapping."""
    if not isinstance(value, Mapping):
        raise InvalidJSON(subject, "", f"a mapping is wanted, not {type(value).__name__}")
    result = copy_json(value, subject)
    assert isinstance(result, dict)
    return result


def same_json(one: JSONValue, other: JSONValue) -> bool:
    """True if both have the same JSON text but for the order of keys: 1, 1.0 and true are three values."""
    return canonical_text(one) == canonical_text(other)


def canonical_text(value: JSONValue) -> str:
    """The one JSON text of a value: ASCII, keys sorted, no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


class _NotJSON(Exception):
    """Carries the path up from the place of the problem, innermost part first."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.path: list[object] = []


def _copy(value: object, depth: int) -> JSONValue:
    kind = type(value)
    if kind in _UNCHANGED:
        return value  # type: ignore[return-value]  # the set holds JSON's own immutable types
    if kind is dict:
        return _copy_mapping(value, depth)  # type: ignore[arg-type]  # `kind` is dict
    if kind is int:
        if -_INTEGER_LIMIT < value < _INTEGER_LIMIT:  # type: ignore[operator]  # `kind` is int
            return value  # type: ignore[return-value]  # `kind` is int
        raise _NotJSON(f"integers have at most {MAX_INTEGER_DIGITS} digits")
    if kind is float:
        if isfinite(value):  # type: ignore[arg-type]  # `kind` is float
            return value  # type: ignore[return-value]  # `kind` is float
        raise _NotJSON(f"{value} is no JSON number")
    if isinstance(value, (list, tuple)):
        return _copy_sequence(value, depth)
    return _copy_unusual(value, depth)


def _copy_mapping(value: Mapping[object, object], depth: int) -> JSONObject:
    if depth >= MAX_DEPTH:
        raise _NotJSON(f"nested more than {MAX_DEPTH} deep")
    result: JSONObject = {}
    for given, item in value.items():
        key = given if type(given) is str else _plain_key(given)
        if type(item) in _UNCHANGED:
            result[key] = item  # type: ignore[assignment]  # as in _copy
            continue
        try:
            result[key] = _copy(item, depth + 1)
        except _NotJSON as problem:
            problem.path.append(key)
            raise
    return result


def _copy_sequence(value: list[object] | tuple[object, ...], depth: int) -> list[JSONValue]:
    if depth >= MAX_DEPTH:
        raise _NotJSON(f"nested more than {MAX_DEPTH} deep")
    result: list[JSONValue] = []
    for index, item in enumerate(value):
        try:
            result.append(_copy(item, depth + 1))
        except _NotJSON as problem:
            problem.path.append(index)
            raise
    return result


def _copy_unusual(value: object, depth: int) -> JSONValue:
    """Subclasses of JSON's types, as their plain counterparts."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return _copy(int.__int__(value), depth)
    if isinstance(value, float):
        return _copy(float.__float__(value), depth)
    if isinstance(value, Mapping):
        return _copy_mapping(value, depth)
    raise _NotJSON(f"{type(value).__name__} is no JSON type")


def _plain_key(key: object) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    raise _NotJSON(f"the key {key!r} is no string")
