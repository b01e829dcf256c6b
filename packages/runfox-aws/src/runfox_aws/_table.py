"""One DynamoDB table: single items, conditions, queries, and batches that come to their end.

Reads are consistent wherever DynamoDB has that (on tables and local indexes, not on global ones). Transactions are not
used: whatever has to be atomic is one item here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from runfox.errors import StorageUnavailable
from runfox_aws._attributes import attribute, from_attributes, size_of, to_attributes
from runfox_aws._clients import Client
from runfox_aws._errors import ConditionFailed, calling, family_of, was_retried
from runfox_aws._items import Key
from runfox_aws._parallel import in_parallel

Item: TypeAlias = "dict[str, Any]"
"""Names and values: text, integers, bytes and lists of them."""

MAX_ITEM = 400_000
"""Bytes; DynamoDB takes 400 KiB, names included."""

_PUTS_OF_A_BATCH = 25
_BYTES_OF_A_BATCH = 12_000_000
"""DynamoDB takes 16 MiB of JSON, in which bytes are a third longer."""

_KEYS_OF_A_BATCH = 100

_CONFLICTS = 8
_TRIES_IN_VAIN = 10
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 2.0


class Table:
    """A table by its name. Safe between threads. Every method raises `StorageError`."""

    def __init__(self, client: Client, name: str) -> None:
        self.name = name
        self._client = client

    def get(self, key: Key) -> Item | None:
        """The item as it is now."""
        with calling(f"reading the table {self.name!r}"):
            reply = self._client().get_item(TableName=self.name, Key=to_attributes(key), ConsistentRead=True)
        return _item_in(reply, "Item")

    def put(self, item: Item, condition: str | None = None, values: Mapping[str, object] | None = None) -> Item | None:
        """Write a whole item; gives the one it replaced. Raises `ConditionFailed`."""
        request: dict[str, Any] = {"Item": to_attributes(item), "ReturnValues": "ALL_OLD"}
        reply = self._change("put_item", {"PK": item["PK"], "SK": item["SK"]}, request, condition, values)
        return _item_in(reply, "Attributes")

    def update(  # the parts of DynamoDB's request
        self,
        key: Key,
        expression: str,
        values: Mapping[str, object],
        condition: str | None = None,
        *,
        returns: str = "NONE",
        names: Mapping[str, str] | None = None,
    ) -> Item:
        """Change an item; gives what `returns` asks for (``ALL_NEW``, ``UPDATED_OLD``, …). Raises `ConditionFailed`."""
        request: dict[str, Any] = {"Key": to_attributes(key), "UpdateExpression": expression, "ReturnValues": returns}
        if names:
            request["ExpressionAttributeNames"] = dict(names)
        return from_attributes(self._change("update_item", key, request, condition, values).get("Attributes", {}))

    def delete(self, key: Key, condition: str | None = None, values: Mapping[str, object] | None = None) -> Item | None:
        """Remove an item; gives what it was. Raises `ConditionFailed`."""
        request: dict[str, Any] = {"Key": to_attributes(key), "ReturnValues": "ALL_OLD"}
        reply = self._change("delete_item", key, request, condition, values)
        return _item_in(reply, "Attributes")

    def _change(
        self, call: str, key: Key, request: dict[str, Any], condition: str | None, values: Mapping[str, object] | None
    ) -> Mapping[str, Any]:
        request["TableName"] = self.name
        if condition is not None:
            request["ConditionExpression"] = condition
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if values:
            request["ExpressionAttributeValues"] = {name: attribute(value) for name, value in values.items()}
        retried = False
        with calling(f"writing to the table {self.name!r}"):
            for last in (False,) * (_CONFLICTS - 1) + (True,):
                try:
                    reply: Mapping[str, Any] = getattr(self._client(), call)(**request)
                except ClientError as error:
                    family = family_of(error)
                    retried = retried or was_retried(error)
                    if family == "ConditionalCheckFailedException":
                        raise self._refused(key, error, retried=retried) from None
                    if family != "TransactionConflictException" or last:
                        raise
                    # Somebody else's transaction has the item for a moment; botocore does not repeat this one.
                    _pause(_LONGEST_PAUSE / 10)
                else:
                    return reply
        raise AssertionError

    def _refused(self, key: Key, error: ClientError, *, retried: bool) -> ConditionFailed:
        found = error.response.get("Item")
        if found:
            return ConditionFailed(from_attributes(found), retried=retried)
        # Nothing is there, or the service is one that does not say what is.
        return ConditionFailed(self.get(key), retried=retried)

    def query(
        self,
        condition: str,
        values: Mapping[str, object],
        *,
        index: str | None = None,
        consistent: bool = True,
        **more: Any,
    ) -> Iterator[Item]:
        """The items of a partition, page by page as they are wanted. `more` are further parameters of DynamoDB's."""
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": {name: attribute(value) for name, value in values.items()},
            "ConsistentRead": consistent,
            **more,
        }
        if index is not None:
            request["IndexName"] = index
        while True:
            with calling(f"reading the table {self.name!r}"):
                reply = self._client().query(**request)
            yield from map(from_attributes, reply.get("Items", ()))
            if not reply.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]

    def get_many(self, keys: Iterable[Key], attributes: Sequence[str] = ()) -> dict[tuple[str, str], Item]:
        """The items of these keys that are there, by PK and SK; with `attributes` only those (and the keys)."""
        # DynamoDB refuses a batch with one key twice; a query of an index that moves may give it.
        wanted = [to_attributes({"PK": pk, "SK": sk}) for pk, sk in dict.fromkeys((k["PK"], k["SK"]) for k in keys)]
        pages = [wanted[first : first + _KEYS_OF_A_BATCH] for first in range(0, len(wanted), _KEYS_OF_A_BATCH)]
        projection: dict[str, Any] = {}
        if attributes:
            names = {f"#{number}": name for number, name in enumerate(("PK", "SK", *attributes))}
            projection = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        found = in_parallel(lambda page: self._get_page(page, projection), pages)
        return {(item["PK"], item["SK"]): item for page in found for item in page}

    def _get_page(self, keys: list[dict[str, Any]], projection: Mapping[str, Any]) -> list[Item]:
        found: list[Item] = []
        pauses = _pauses()
        while True:
            with calling(f"reading the table {self.name!r}"):
                asked = {self.name: {"Keys": keys, "ConsistentRead": True, **projection}}
                reply = self._client().batch_get_item(RequestItems=asked)
            found += map(from_attributes, reply.get("Responses", {}).get(self.name, []))
            left = reply.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            if not left:
                return found
            if len(left) < len(keys):
                pauses = _pauses()
            self._wait_for_batch("reading", pauses)
            keys = left

    def put_many(self, items: Iterable[Item]) -> None:
        """Write items, each by itself and with no condition; all of them when it returns."""
        self._write_many([{"PutRequest": {"Item": to_attributes(item)}} for item in items])

    def delete_many(self, keys: Iterable[Key]) -> None:
        """Remove items, each by itself; all of them when it returns."""
        self._write_many([{"DeleteRequest": {"Key": to_attributes(key)}} for key in keys])

    def _write_many(self, requests: list[dict[str, Any]]) -> None:
        pages: list[list[dict[str, Any]]] = []
        size = 0
        for request in requests:
            length = size_of(request.get("PutRequest", {}).get("Item", {}))
            if not pages or len(pages[-1]) == _PUTS_OF_A_BATCH or size + length > _BYTES_OF_A_BATCH:
                pages.append([])
                size = 0
            pages[-1].append(request)
            size += length
        in_parallel(self._write_page, pages)

    def _write_page(self, requests: list[dict[str, Any]]) -> None:
        pauses = _pauses()
        while True:
            with calling(f"writing to the table {self.name!r}"):
                reply = self._client().batch_write_item(RequestItems={self.name: requests})
            left = reply.get("UnprocessedItems", {}).get(self.name, [])
            if not left:
                return
            if len(left) < len(requests):
                pauses = _pauses()
            self._wait_for_batch("writing to", pauses)
            requests = left

    def _wait_for_batch(self, doing: str, pauses: Iterator[float]) -> None:
        """Wait before what is left of a batch is sent again. Raises `StorageUnavailable` after too many tries."""
        pause = next(pauses, None)
        if pause is None:
            raise StorageUnavailable(
                f"{doing} the table {self.name!r} failed: parts of a batch were put off again and again"
            )
        _pause(pause)


def _item_in(reply: Mapping[str, Any], name: str) -> Item | None:
    """The item of a reply; some services say that there is none by an empty one."""
    found = reply.get(name)
    return from_attributes(found) if found else None


def _pauses() -> Iterator[float]:
    """Seconds between the tries of a batch. They begin anew whenever a part of it is done."""
    for number in range(_TRIES_IN_VAIN):
        yield min(_FIRST_PAUSE * 2**number, _LONGEST_PAUSE)


def _pause(seconds: float) -> None:
    time.sleep(seconds * (0.5 + random.random() / 2))
