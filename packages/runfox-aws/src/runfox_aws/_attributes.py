"""Values as DynamoDB writes them (``{"S": "text"}``) and back. Only the types that the items have: no floats, which
DynamoDB rounds, and no Decimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Value: TypeAlias = "str | int | bytes | list[Value]"
Attributes: TypeAlias = "dict[str, Any]"


def to_attributes(values: Mapping[str, object]) -> Attributes:
    """The attributes of an item. What is None is left out: an item without an index's key is not in that index."""
    return {name: attribute(value) for name, value in values.items() if value is not None}


def attribute(value: object) -> dict[str, Any]:
    """One value. Raises `TypeError` for other types."""
    if type(value) is str:
        return {"S": value}
    if type(value) is int:
        return {"N": str(value)}
    if type(value) is bytes:
        return {"B": value}
    if isinstance(value, (list, tuple)):
        return {"L": [attribute(item) for item in value]}
    raise TypeError(f"an attribute can't be a {type(value).__name__}")


def from_attributes(attributes: Mapping[str, Any]) -> dict[str, Value]:
    """The values of an item; without those that are of no type that ours have, which somebody else has set."""
    return {name: _value(tagged) for name, tagged in attributes.items() if _is_ours(tagged)}


def _is_ours(tagged: Mapping[str, Any]) -> bool:
    ((kind, value),) = tagged.items()
    if kind == "N":
        return str(value).lstrip("-").isdecimal()
    return kind in {"S", "B"} or (kind == "L" and all(map(_is_ours, value)))


def _value(tagged: Mapping[str, Any]) -> Value:
    ((kind, value),) = tagged.items()
    if kind == "N":
        return int(value)
    if kind == "L":
        return [_value(item) for item in value]
    return value  # type: ignore[no-any-return]  # text, or bytes


def size_of(attributes: Mapping[str, Any]) -> int:
    """About the bytes that DynamoDB counts for an item: names and values."""
    return sum(len(name) + _size(tagged) for name, tagged in attributes.items())


def _size(tagged: Mapping[str, Any]) -> int:
    ((kind, value),) = tagged.items()
    if kind == "L":
        return 3 + sum(1 + _size(item) for item in value)
    if kind == "N":
        return len(value) // 2 + 2
    return len(value.encode()) if kind == "S" else len(value)
