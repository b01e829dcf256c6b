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
from typing import Any, TypeAlias

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
    # Containers wait in a list until they are filled. Recursion would make MAX_DEPTH depend on the caller's stack.
    waiting: list[_Waiting] = []
    given: Any = value
    try:
        result: JSONValue = given if type(given) in _UNCHANGED else _copy(given, None, None, waiting)
        while waiting:
            copy, source, place = waiting.pop()
            if type(copy) is dict:
                for key, item in source.items():
                    name = key if type(key) is str else _plain_key(key, place)
                    copy[name] = item if type(item) in _UNCHANGED else _copy(item, name, place, waiting)
            else:
                append = copy.append  # type: ignore[union-attr]  # what is no mapping is a list
                for index, item in enumerate(source):
                    append(item if type(item) in _UNCHANGED else _copy(item, index, place, waiting))
    except _NotJSON as problem:
        raise InvalidJSON(subject, problem.path, problem.reason) from None
    return result


def copy_object(value: object, subject: str) -> JSONObject:
    """As `copy_json`, for what must be a mapping."""
    if not isinstance(value, Mapping):
        raise InvalidJSON(subject, "", f"a mapping is wanted, not {type(value).__name__}")
    result = copy_json(value, subject)
    assert isinstance(result, dict)
    return result


def same_json(one: JSONValue, other: JSONValue) -> bool:
    """True if both have the same JSON text but for the order of keys: 1, 1.0 and true are three values."""
    pairs = [(one, other)]
    while pairs:
        one, other = pairs.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            pairs += [(item, other[key]) for key, item in one.items()]
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            pairs += zip(one, other, strict=True)
        elif repr(one) != repr(other):  # 0.0 equals -0.0, and is written otherwise
            return False
    return True


def canonical_text(value: JSONValue) -> str:
    """The one JSON text of a value: ASCII, keys sorted, no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


# Where a container stands: the number of containers around it, its key in the innermost of them, that one's place.
_Place: TypeAlias = "tuple[int, object, _Place | None]"
# A container whose copy is still empty: the copy, what it is copied from (anything may come in here), its place.
_Waiting: TypeAlias = "tuple[list[JSONValue] | JSONObject, Any, _Place]"


class _NotJSON(Exception):
    """What stands at `key` in the container at `place` can't be copied."""

    def __init__(self, reason: str, key: object, place: _Place | None) -> None:
        self.reason = reason
        parts: list[str] = []
        while place is not None:
            parts.append(f"[{key!r}]")
            _, key, place = place
        self.path = "".join(reversed(parts))


def _copy(value: Any, key: object, place: _Place | None, waiting: list[_Waiting]) -> JSONValue:
    """The copy of what stands at `key` in the container at `place`; if it is a container, still empty and waiting."""
    kind = type(value)
    if kind is int and -_INTEGER_LIMIT < value < _INTEGER_LIMIT:
        return value  # type: ignore[no-any-return]  # `kind` is int
    if kind is float and isfinite(value):
        return value  # type: ignore[no-any-return]  # `kind` is float
    copy = {} if kind is dict else [] if kind is list else _copy_unusual(value, key, place)
    if type(copy) is not dict and type(copy) is not list:
        return copy
    depth = 0 if place is None else place[0] + 1
    if depth >= MAX_DEPTH:
        raise _NotJSON(f"nested more than {MAX_DEPTH} deep", key, place)
    waiting.append((copy, value, (depth, key, place)))
    return copy


def _copy_unusual(value: object, key: object, place: _Place | None) -> JSONValue:
    """What is neither frequent nor wrong: subclasses of JSON's types as their plain counterparts, containers empty."""
    if isinstance(value, int):
        if -_INTEGER_LIMIT < value < _INTEGER_LIMIT:
            return int.__int__(value)
        raise _NotJSON(f"integers have at most {MAX_INTEGER_DIGITS} digits", key, place)
    if isinstance(value, float):
        if isfinite(value):
            return float.__float__(value)
        raise _NotJSON(f"{float.__repr__(value)} is no JSON number", key, place)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (list, tuple)):
        return []
    if isinstance(value, Mapping):
        return {}
    raise _NotJSON(f"{type(value).__name__} is no JSON type", key, place)


def _plain_key(key: object, place: _Place) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    raise _NotJSON(f"the key {key!r} is no string", place[1], place[2])
