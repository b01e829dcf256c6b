"""JSON values: their type, and the one pass that both checks and copies them at the boundaries.

What runfox keeps is exactly what JSON can say, so that every store gives back what it was given:
``None``, booleans, integers up to 4,000 digits, finite floats, strings, lists and string-keyed mappings,
at most 500 containers deep and 256 MiB large. Tuples become lists, and subclasses (enums, `OrderedDict`, NumPy floats)
what they stand for, as the standard library's encoder has it.

What comes in may be anything: it may contain itself, share its parts so that its text would never end, or run foreign
code when it is read. All of that ends in a copy or in an `InvalidJSON`.
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

MAX_SIZE = 1 << 28
"""Bytes that a value may take: 64 for a container, 32 for each item of a list, 64 for each entry of a mapping, and the
characters of texts and keys. That is about what Python needs for it, and no less than its JSON text has in ASCII.
"""

_INTEGER_LIMIT = 10**MAX_INTEGER_DIGITS
_UNCHANGED = frozenset((str, bool, type(None)))
_CONTAINER = 64
_ITEM = 32
_ENTRY = 64
_PATH_ENDS = 8
_NAME_LENGTH = 80


def copy_json(value: object, subject: str, max_size: int = MAX_SIZE) -> JSONValue:
    """A copy of `value` that shares no container with it.

    Raises `InvalidJSON` that starts with `subject` (``the output of step 'a'``) and names the place, where it is no
    JSON, or takes more than `max_size` bytes (counted as for `MAX_SIZE`).
    """
    if type(value) in _UNCHANGED:
        _check_size(len(value) if isinstance(value, str) else 0, subject, max_size)
        return value  # type: ignore[return-value]  # its type is JSON's
    # Containers wait in a list until they are filled. Recursion would make MAX_DEPTH depend on the caller's stack.
    waiting: list[_Waiting] = []
    place: _Place | None = None
    size = 0
    try:
        result = _copy(value, None, None, waiting)
        while waiting and size <= max_size:
            copy, source, place = waiting.pop()
            if type(copy) is dict:
                size += _fill_mapping(copy, source, place, waiting, max_size)
            else:
                size += _fill_list(copy, source, place, waiting, max_size)  # type: ignore[arg-type]  # no mapping, so a list
    except _NotJSON as problem:
        raise InvalidJSON(subject, problem.path, problem.reason) from None
    except Exception as error:  # a mapping of somebody else's class: whatever its methods raise, it is no JSON
        raise InvalidJSON(subject, _path(place), f"reading it raised {shown(type(error).__name__)}") from error
    _check_size(size, subject, max_size)
    return result


def copy_object(value: object, subject: str, max_size: int = MAX_SIZE) -> JSONObject:
    """As `copy_json`, for what must be a mapping."""
    if not issubclass(type(value), Mapping):
        raise InvalidJSON(subject, "", f"a mapping is wanted, not {shown(type(value).__name__)}")
    result = copy_json(value, subject, max_size)
    assert isinstance(result, dict)
    return result


def shown(text: str, limit: int = _NAME_LENGTH) -> str:
    """A text for a message, cut if it is long."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


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
        self.path = "" if place is None else _path((0, key, place))


def _path(place: _Place | None) -> str:
    """A place as people read it, without the middle of one that is very long."""
    keys: list[object] = []
    while place is not None:
        _, key, place = place
        keys.append(key)
    parts = [f"[{(shown(key) if isinstance(key, str) else key)!r}]" for key in keys[-2::-1]]  # the root has no key
    if len(parts) > 2 * _PATH_ENDS:
        parts[_PATH_ENDS:-_PATH_ENDS] = ["…"]
    return "".join(parts)


def _check_size(size: int, subject: str, max_size: int) -> None:
    if size > max_size:
        reason = f"larger than {max_size:,} bytes: keep large data elsewhere and pass references"
        raise InvalidJSON(subject, "", reason)


def _fill_mapping(copy: JSONObject, source: Any, place: _Place, waiting: list[_Waiting], max_size: int) -> int:
    """Fill the copy of a mapping, as far as `max_size` allows, and give its size without the containers in it."""
    size = _CONTAINER
    for key, item in source.items():
        name = key if type(key) is str else _plain_key(key, place)
        part = item if type(item) in _UNCHANGED else _copy(item, name, place, waiting)
        size += _ENTRY + len(name)
        if type(part) is str:
            size += len(part)
        if size > max_size:
            break
        copy[name] = part
    return size


def _fill_list(copy: list[JSONValue], source: Any, place: _Place, waiting: list[_Waiting], max_size: int) -> int:
    """Fill the copy of a list, as far as `max_size` allows, and give its size without the containers in it."""
    size = _CONTAINER
    append = copy.append
    for index, item in enumerate(source):
        part = item if type(item) in _UNCHANGED else _copy(item, index, place, waiting)
        size += _ITEM
        if type(part) is str:
            size += len(part)
        if size > max_size:
            break
        append(part)
    return size


def _copy(value: Any, key: object, place: _Place | None, waiting: list[_Waiting]) -> JSONValue:
    """The copy of what stands at `key` in the container at `place`; if it is a container, still empty and waiting."""
    kind = type(value)
    if kind is int and -_INTEGER_LIMIT < value < _INTEGER_LIMIT:
        return value  # type: ignore[no-any-return]  # `kind` is int
    if kind is float and isfinite(value):
        return value  # type: ignore[no-any-return]  # `kind` is float
    source: Any = value
    copy: list[JSONValue] | JSONObject
    if kind is dict:
        copy = {}
    elif kind is list:
        copy = []
    elif issubclass(kind, Mapping):
        copy = {}
    elif issubclass(kind, (list, tuple)):
        # As the standard library's encoder: the items, whatever a subclass makes of iterating.
        copy, source = [], list.__iter__(value) if issubclass(kind, list) else tuple.__iter__(value)
    else:
        return _plain(value, kind, key, place)
    depth = 0 if place is None else place[0] + 1
    if depth >= MAX_DEPTH:
        raise _NotJSON(f"nested more than {MAX_DEPTH} deep", key, place)
    waiting.append((copy, source, (depth, key, place)))
    return copy


def _plain(value: object, kind: type, key: object, place: _Place | None) -> JSONValue:
    """A scalar that is neither frequent nor wrong: subclasses of JSON's types as what they stand for.

    Asks for the type and calls the methods of Python's own, since an object may claim any `__class__`.
    """
    if issubclass(kind, int):
        number = int.__int__(value)  # type: ignore[arg-type]  # `kind` is its type
        if -_INTEGER_LIMIT < number < _INTEGER_LIMIT:
            return number
        raise _NotJSON(f"integers have at most {MAX_INTEGER_DIGITS} digits", key, place)
    if issubclass(kind, float):
        real = float.__float__(value)  # type: ignore[arg-type]  # `kind` is its type
        if isfinite(real):
            return real
        raise _NotJSON(f"{real} is no JSON number", key, place)
    if issubclass(kind, str):
        return str.__str__(value)
    raise _NotJSON(f"{shown(kind.__name__)} is no JSON type", key, place)


def _plain_key(key: object, place: _Place) -> str:
    if issubclass(type(key), str):
        return str.__str__(key)
    simple = key is None or type(key) in (bool, float) or (type(key) is int and -_SHORT < key < _SHORT)
    which = f"the key {key!r}" if simple else f"a key of type {shown(type(key).__name__)}"
    raise _NotJSON(f"{which} is no string", place[1], place[2])


_SHORT = 10**_NAME_LENGTH
