"""What DynamoDB and SQS bill for a request, as their documentation says: sizes, units and prices. Pure arithmetic.

Attributes are in DynamoDB's own form (``{"S": "text"}``). A KB is 1,024 bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Attributes: TypeAlias = "Mapping[str, Mapping[str, Any]]"

WRITE_UNIT = 1_024
READ_UNIT = 4_096
SQS_CHUNK = 65_536
LARGEST_ITEM = 409_600

# us-east-1 on-demand, check before you rely on it
USD_PER_MILLION_WRITE_UNITS = 0.625
USD_PER_MILLION_READ_UNITS = 0.125
USD_PER_MILLION_SQS_REQUESTS = 0.40


# Sizes


def item_size(item: Attributes | None) -> int:
    """Bytes of an item: names and values. An item that is not there has none."""
    return sum(len(name.encode()) + value_size(value) for name, value in (item or {}).items())


def value_size(tagged: Mapping[str, Any]) -> int:
    """Bytes of a value: text in UTF-8, numbers a byte for two digits and one more, lists and maps 3 bytes and one more
    for each element.
    """
    ((kind, value),) = tagged.items()
    match kind:
        case "S":
            return len(value.encode())
        case "B":
            return len(value)
        case "N":
            return _number_size(value)
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + value_size(element) for element in value)
        case "M":
            return 3 + len(value) + item_size(value)
    raise ValueError(f"the size of an attribute of type {kind} is not known here")


def _number_size(text: str) -> int:
    """Zeros before and after the digits are not kept; a sign takes a byte."""
    digits = text.lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")


# Units


def write_units(size: int) -> int:
    """Of one item of so many bytes."""
    return max(1, math.ceil(size / WRITE_UNIT))


def read_units(size: int, *, consistent: bool = True) -> float:
    """Of one item, or of all items of a page of a query; also where nothing is found."""
    return max(1, math.ceil(size / READ_UNIT)) * (1.0 if consistent else 0.5)


def units_of_change(before: Attributes | None, after: Attributes | None) -> int:
    """Of a put, an update or a delete: by the larger of the two, however little changes. A refused one changes nothing,
    and costs what stands there.
    """
    return write_units(max(item_size(before), item_size(after)))


@dataclass(frozen=True, kw_only=True)
class Index:
    """A secondary index. An item without all of `key` is not in it; `projected` are the names that an entry has."""

    key: tuple[str, str]
    projected: frozenset[str]

    def entry(self, item: Attributes | None) -> dict[str, Mapping[str, Any]] | None:
        """What the index has of an item."""
        if item is None or any(name not in item for name in self.key):
            return None
        return {name: value for name, value in item.items() if name in self.projected}

    def units_of_change(self, before: Attributes | None, after: Attributes | None) -> int:
        """What a change of an item costs here: nothing where its entry stays, two writes where its key changes."""
        old, new = self.entry(before), self.entry(after)
        if old == new:
            return 0
        if old is not None and new is not None and any(old[name] != new[name] for name in self.key):
            return write_units(item_size(old)) + write_units(item_size(new))
        return units_of_change(old, new)


def indexes_of(schema: Mapping[str, Any]) -> dict[str, Index]:
    """The indexes of a table, by name, from the parameters of ``CreateTable``."""
    keys = {part["AttributeName"] for part in schema["KeySchema"]}
    found = {}
    for index in (*schema.get("GlobalSecondaryIndexes", ()), *schema.get("LocalSecondaryIndexes", ())):
        partition, sort = (part["AttributeName"] for part in index["KeySchema"])
        included = index["Projection"].get("NonKeyAttributes", ())
        found[index["IndexName"]] = Index(
            key=(partition, sort), projected=frozenset({*keys, partition, sort, *included})
        )
    return found


def sqs_requests(payload: int) -> int:
    """As how many requests one with so many bytes, there or back, is billed."""
    return max(1, math.ceil(payload / SQS_CHUNK))


def message_size(message: Mapping[str, Any]) -> int:
    """Bytes of a message, sent (``MessageBody``) or received (``Body``)."""
    body = message.get("MessageBody", message.get("Body", ""))
    attributes: Iterable[tuple[str, Mapping[str, Any]]] = message.get("MessageAttributes", {}).items()
    return len(body.encode()) + sum(
        len(name) + len(value["DataType"]) + len(value["StringValue"].encode()) for name, value in attributes
    )


def dollars(*, write: float, read: float, sqs: float) -> float:
    """US dollars for so many units and requests."""
    return (
        write * USD_PER_MILLION_WRITE_UNITS + read * USD_PER_MILLION_READ_UNITS + sqs * USD_PER_MILLION_SQS_REQUESTS
    ) / 1e6
