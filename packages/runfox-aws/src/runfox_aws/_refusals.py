"""What AWS refuses and moto accepts: requests over a limit of DynamoDB or SQS, with the codes that AWS answers.

Limits are those of AWS's documentation. What moto refuses by itself is not repeated here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

Request: TypeAlias = "Mapping[str, Any]"
"""A request's JSON."""

MAX_ITEM = 400 * 1024
"""Bytes of a DynamoDB item, names included."""

_MAX_TRANSACTION = 4 * 1024 * 1024
_MAX_BATCH = 16 * 1024 * 1024
_MAX_EXPRESSION = 4096
_PUTS_OF_A_BATCH = 25

_MAX_MESSAGE = 1024 * 1024
"""Bytes of an SQS message, or of all messages of a batch, attributes included."""

_ENTRIES = 10
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What a message must not contain."""

_EXPRESSIONS = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)
_WORD = re.compile(r"(?<![#:\w])[A-Za-z_]\w*(?!\w*\s*\()")
"""A word of an expression, unless it is a function's name, or stands for a name or a value."""

_GRAMMAR = frozenset({"ADD", "AND", "BETWEEN", "DELETE", "IN", "NOT", "OR", "REMOVE", "SET"})
_RESERVED = frozenset(ReservedKeywords.get_reserved_keywords()) - _GRAMMAR


class Refusal(Exception):
    """AWS would refuse the request, with this code and about this message."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


def check(action: str, request: Request) -> None:
    """Raises `Refusal`. `action` is the request's ``X-Amz-Target``."""
    for law in _LAWS.get(action, ()):
        law(request)


def item_size(item: Mapping[str, Mapping[str, Any]]) -> int:
    """The bytes that DynamoDB counts for an item in its JSON form, in which binary data is base64 (or bytes)."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(tagged: Mapping[str, Any]) -> int:
    ((kind, value),) = tagged.items()
    match kind:
        case "S":
            return len(str(value).encode("utf-8", "surrogatepass"))
        case "B":
            return len(value) if isinstance(value, bytes) else _decoded(value)
        case "N":
            return len(value) // 2 + 1
        case "L":
            return 3 + sum(1 + _value_size(element) for element in value)
        case "M":
            return 3 + len(value) + item_size(value)
        case "SS" | "NS" | "BS":
            return sum(_value_size({kind[0]: element}) for element in value)
        case _:
            return 1


def _decoded(base64: str) -> int:
    return len(base64) * 3 // 4 - base64.count("=", -2)


# DynamoDB


def too_large() -> Refusal:
    """An update after which the item would be over 400 KB."""
    return Refusal("ValidationException", "Item size to update has exceeded the maximum allowed size")


def _refuse(holds: object, message: str) -> None:
    if not holds:
        raise Refusal("ValidationException", message)


def _batch_write(request: Request) -> None:
    writes = [write for of_table in request["RequestItems"].values() for write in of_table]
    _refuse(len(writes) <= _PUTS_OF_A_BATCH, "Too many items requested for the BatchWriteItem call")
    items = [write.get("PutRequest", {}).get("Item", {}) for write in writes]
    _refuse(sum(map(item_size, items)) <= _MAX_BATCH, "The batch write request exceeds 16 MB")


def _transact(request: Request) -> None:
    size = 0
    for entry in request["TransactItems"]:
        for write in entry.values():
            _expressions(write)
            size += item_size(write.get("Item", {})) + item_size(write.get("ExpressionAttributeValues", {}))
    _refuse(size <= _MAX_TRANSACTION, "Transaction request cannot exceed 4 MB")


def _batch_get(request: Request) -> None:
    for of_table in request["RequestItems"].values():
        _expressions(of_table)


def _expressions(request: Request) -> None:
    for name in _EXPRESSIONS:
        text = request.get(name) or ""
        long = len(text.encode()) > _MAX_EXPRESSION
        _refuse(not long, f"Invalid {name}: Expression size has exceeded the maximum allowed size")
        reserved = [word for word in _WORD.findall(text) if word.upper() in _RESERVED]
        # moto looks for these where something is changed or filtered by, not at keys.
        _refuse(
            not reserved,
            f"Invalid {name}: Attribute name is a reserved keyword; reserved keyword: {', '.join(reserved)}",
        )


# SQS


def _refuse_parameter(holds: object, message: str, code: str = "InvalidParameterValue") -> None:
    if not holds:
        raise Refusal(code, message)


def _send(request: Request) -> None:
    _is_text(request["MessageBody"])
    _refuse_parameter(
        _message_size(request) <= _MAX_MESSAGE,
        f"One or more parameters are invalid. Reason: Message must be shorter than {_MAX_MESSAGE} bytes.",
    )


def _send_batch(request: Request) -> None:
    _entries(request)
    for entry in request["Entries"]:
        _is_text(entry["MessageBody"])
    _refuse_parameter(
        sum(map(_message_size, request["Entries"])) <= _MAX_MESSAGE,
        f"Batch requests cannot be longer than {_MAX_MESSAGE} bytes.",
        "AWS.SimpleQueueService.BatchRequestTooLong",
    )


def _entries(request: Request) -> None:
    count = len(request.get("Entries", ()))
    family = "AWS.SimpleQueueService"
    _refuse_parameter(count, "There should be at least one entry in the request.", f"{family}.EmptyBatchRequest")
    _refuse_parameter(
        count <= _ENTRIES,
        f"Maximum number of entries per request are {_ENTRIES}. You have sent {count}.",
        f"{family}.TooManyEntriesInBatchRequest",
    )
    _refuse_parameter(
        len({entry["Id"] for entry in request["Entries"]}) == count,
        "Two or more batch entries in the request have the same Id.",
        f"{family}.BatchEntryIdsNotDistinct",
    )


def _is_text(body: str) -> None:
    _refuse_parameter(
        not _NOT_XML.search(body),
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to …",
        "InvalidMessageContents",
    )


def _message_size(message: Mapping[str, Any]) -> int:
    return len(message["MessageBody"].encode("utf-8", "surrogatepass")) + sum(_attribute_sizes(message))


def _attribute_sizes(message: Mapping[str, Any]) -> Iterator[int]:
    for name, attribute in message.get("MessageAttributes", {}).items():
        binary = attribute.get("BinaryValue", "")
        yield len(name.encode()) + len(attribute["DataType"]) + len(attribute.get("StringValue", "").encode())
        yield _decoded(binary)


_DYNAMODB = "DynamoDB_20120810."
_SQS = "AmazonSQS."

_LAWS: Mapping[str, tuple[Callable[[Request], None], ...]] = MappingProxyType(
    {
        f"{_DYNAMODB}PutItem": (_expressions,),
        f"{_DYNAMODB}UpdateItem": (_expressions,),
        f"{_DYNAMODB}DeleteItem": (_expressions,),
        f"{_DYNAMODB}GetItem": (_expressions,),
        f"{_DYNAMODB}Query": (_expressions,),
        f"{_DYNAMODB}BatchGetItem": (_batch_get,),
        f"{_DYNAMODB}BatchWriteItem": (_batch_write,),
        f"{_DYNAMODB}TransactWriteItems": (_transact,),
        f"{_SQS}SendMessage": (_send,),
        f"{_SQS}SendMessageBatch": (_send_batch,),
        f"{_SQS}DeleteMessageBatch": (_entries,),
        f"{_SQS}ChangeMessageVisibilityBatch": (_entries,),
    }
)
