"""Counts what clients of boto3 send, and what it is billed, with hooks of botocore.

Sizes are those of the items as they stand in moto's tables before and after a request, so nothing that the code under
test believes about sizes is believed here. Requests are let through one at a time: moto is not made for threads.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from aws.capacity import (
    Attributes,
    Index,
    item_size,
    message_size,
    read_units,
    sqs_requests,
    units_of_change,
)
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models.dynamo_type import DynamoType

_TRANSACTIONAL = 2
_KINDS = {
    "HEAD": "head",
    "#LOG#": "log",
    "#BLOB#": "blob",
    "PART#": "definition",
    "TASK#": "row",
    "PAYLOAD#": "payload",
    "ROUTE#": "route",
}


@dataclass(kw_only=True)
class Count:
    """Requests, as billed, and units. `index_units` are write units, too, and not in `write_units`."""

    requests: int = 0
    write_units: int = 0
    index_units: int = 0
    read_units: float = 0.0

    def __iadd__(self, other: Count) -> Self:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        return self


class Meter:
    """Counts by table (or ``SQS``) and kind of call (``UpdateItem head``). `tables` has the indexes of each table."""

    def __init__(self, region: str, tables: Mapping[str, Mapping[str, Index]]) -> None:
        self.counts: dict[tuple[str, str], Count] = {}
        self._region = region
        self._indexes = tables
        self._lock = threading.RLock()

    def watch(self, client: Any) -> None:
        """Count what this client sends from now on."""
        service = client.meta.service_model.service_name
        events = client.meta.events
        events.register(f"before-parameter-build.{service}", self._note)
        events.register(f"before-call.{service}", self._enter)
        events.register(f"after-call.{service}", self._leave)
        events.register(f"after-call-error.{service}", lambda **_: self._lock.release())

    def of(self, service: str) -> Count:
        """The sum of one table, or of SQS."""
        total = Count()
        for (where, _), count in self.counts.items():
            if where == service:
                total += count
        return total

    # The hooks

    def _note(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["meter_params"] = dict(params)

    def _enter(self, context: dict[str, Any], model: Any, **_: Any) -> None:
        self._lock.acquire()
        keys = _WRITTEN.get(model.name, _none)(context["meter_params"])
        context["meter_before"] = [(table, key, self._item(table, key)) for table, key in keys]

    def _leave(self, context: dict[str, Any], model: Any, parsed: Mapping[str, Any], **_: Any) -> None:
        try:
            params, before = context["meter_params"], context["meter_before"]
            if model.service_model.service_name == "sqs":
                self._count_sqs(model.name, params, parsed)
            elif before:
                self._count_changes(model.name, before)
            else:
                self._count_reads(model.name, params, parsed)
        finally:
            self._lock.release()

    # What they count

    def _count_sqs(self, operation: str, params: Mapping[str, Any], reply: Mapping[str, Any]) -> None:
        messages = [*params.get("Entries", ()), *reply.get("Messages", ())]
        label = operation if operation != "ReceiveMessage" or messages else "ReceiveMessage, empty"
        self._add("SQS", label, Count(requests=sqs_requests(sum(map(message_size, messages)))))

    def _count_changes(self, operation: str, changes: Iterable[tuple[str, Attributes, Attributes | None]]) -> None:
        times = _TRANSACTIONAL if operation.startswith("Transact") else 1
        requests = 1
        for table, key, before in changes:
            after = self._item(table, key)
            indexes = self._indexes.get(table, {}).values()
            count = Count(
                requests=requests,
                write_units=times * units_of_change(before, after),
                index_units=times * sum(index.units_of_change(before, after) for index in indexes),
            )
            self._add(table, f"{operation} {_kind(key)}", count)
            requests = 0

    def _count_reads(self, operation: str, params: Mapping[str, Any], reply: Mapping[str, Any]) -> None:
        if operation == "GetItem":
            table, key = params["TableName"], params["Key"]
            units = read_units(item_size(self._item(table, key)), consistent=params.get("ConsistentRead", False))
            self._add(table, f"{operation} {_kind(key)}", Count(requests=1, read_units=units))
        elif operation == "BatchGetItem":
            requests = 1
            for table, asked in params["RequestItems"].items():
                for key in asked["Keys"]:
                    size = item_size(self._item(table, key))
                    units = read_units(size, consistent=asked.get("ConsistentRead", False))
                    self._add(table, f"{operation} {_kind(key)}", Count(requests=requests, read_units=units))
                    requests = 0
        elif operation == "Query":
            self._count_query(params, reply)
        else:
            raise NotImplementedError(f"nobody has said what {operation} costs")

    def _count_query(self, params: Mapping[str, Any], reply: Mapping[str, Any]) -> None:
        if reply["ScannedCount"] != reply["Count"]:
            raise NotImplementedError("what a filter drops is billed, and can't be seen in the reply")
        table, name = params["TableName"], params.get("IndexName")
        items = [self._item(table, item) for item in reply["Items"]]
        if name is not None:
            items = [self._indexes[table][name].entry(item) for item in items]
        units = read_units(sum(map(item_size, items)), consistent=params.get("ConsistentRead", False))
        kind = name or (_kind(reply["Items"][0]) if reply["Items"] else "nothing")
        self._add(table, f"Query {kind}", Count(requests=1, read_units=units))

    def _add(self, where: str, label: str, count: Count) -> None:
        self.counts.setdefault((where, label), Count()).__iadd__(count)

    def _item(self, table: str, key: Attributes) -> dict[str, Any] | None:
        """An item as it stands in moto."""
        stored = get_backend("dynamodb")[DEFAULT_ACCOUNT_ID][self._region].get_table(table)
        found = stored.get_item(DynamoType(dict(key["PK"])), DynamoType(dict(key["SK"])))
        return None if found is None else {name: _raw(value.to_json()) for name, value in found.attrs.items()}


def _raw(tagged: Mapping[str, Any]) -> dict[str, Any]:
    """A value of moto's, which keeps bytes as Base64."""
    ((kind, value),) = tagged.items()
    if kind == "B":
        return {"B": base64.b64decode(value)}
    if kind == "L":
        return {"L": [_raw(getattr(element, "to_json", lambda element=element: element)()) for element in value]}
    return {kind: value}


def _kind(key: Attributes) -> str:
    sort: str = key["SK"]["S"]
    return next((kind for mark, kind in _KINDS.items() if mark in sort), "item")


# The keys that a request writes

_Keys = Iterator[tuple[str, "dict[str, Any]"]]


def _none(_: Mapping[str, Any]) -> _Keys:
    return iter(())


def _of_put(params: Mapping[str, Any]) -> _Keys:
    yield params["TableName"], _key(params["Item"])


def _of_change(params: Mapping[str, Any]) -> _Keys:
    yield params["TableName"], _key(params["Key"])


def _of_batch(params: Mapping[str, Any]) -> _Keys:
    for table, requests in params["RequestItems"].items():
        for request in requests:
            ((_, body),) = request.items()
            yield table, _key(body.get("Item") or body["Key"])


def _of_transaction(params: Mapping[str, Any]) -> _Keys:
    for request in params["TransactItems"]:
        ((_, body),) = request.items()
        yield body["TableName"], _key(body.get("Item") or body["Key"])


def _key(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"PK": attributes["PK"], "SK": attributes["SK"]}


_WRITTEN: Mapping[str, Callable[[Mapping[str, Any]], _Keys]] = {
    "PutItem": _of_put,
    "UpdateItem": _of_change,
    "DeleteItem": _of_change,
    "BatchWriteItem": _of_batch,
    "TransactWriteItems": _of_transaction,
}
