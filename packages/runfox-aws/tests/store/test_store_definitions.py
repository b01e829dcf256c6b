"""Definitions are kept once for all executions, whole before anything names them."""

from __future__ import annotations

from typing import Any

import pytest
from store_lines import KEY, TABLE, Line, Send, record_of, reply_lost

from runfox.errors import StorageCorrupt, StorageUnavailable
from runfox_aws import DynamoDBStore

pytestmark = pytest.mark.usefixtures("_no_pauses")

LARGE = {"name": "large", "steps": [{"op": f"s{number}", "note": "x" * 10_000} for number in range(100)]}


def parts(line: Line) -> list[Any]:
    found = line.client.scan(TableName=TABLE, ProjectionExpression="PK, SK")["Items"]
    return [item for item in found if item["PK"]["S"].startswith("DEFINITION#")]


def test_executions_of_one_definition_share_it(store: DynamoDBStore, other: DynamoDBStore, line: Line) -> None:
    store.write(record_of("a#1", spec=LARGE, steps={}))
    count = len(parts(line))
    assert count > 1
    other.write(record_of("b#1", spec=LARGE, steps={}))
    assert len(parts(line)) == count
    assert other.load("a#1").spec == store.load("b#1").spec == LARGE


def test_a_definition_that_is_known_costs_no_request(store: DynamoDBStore, line: Line) -> None:
    store.write(record_of("a#1"))
    line.calls.clear()
    store.write(record_of("b#1"))
    assert line.names() == ["put_item"]


def test_a_definition_of_which_a_writer_died_is_written_again(
    store: DynamoDBStore, other: DynamoDBStore, line: Line
) -> None:
    def dies(name: str, request: dict[str, Any], send: Send) -> Any:
        if name == "put_item":
            raise reply_lost()
        return send()

    with line.hooked(dies), pytest.raises(StorageUnavailable):
        store.write(record_of(spec=LARGE, steps={}))
    for item in parts(line)[1:]:  # it got no further
        line.client.delete_item(TableName=TABLE, Key=item)
    other.write(record_of(spec=LARGE, steps={}))
    assert store.load(KEY).spec == LARGE


def test_what_load_gives_is_not_what_is_remembered(store: DynamoDBStore) -> None:
    store.write(record_of(spec=LARGE, steps={}))
    store.load(KEY).spec["name"] = "changed"
    assert store.load(KEY).spec == LARGE


def test_a_definition_that_is_missing_is_told(store: DynamoDBStore, other: DynamoDBStore, line: Line) -> None:
    store.write(record_of())
    for item in parts(line):
        line.client.delete_item(TableName=TABLE, Key=item)
    with pytest.raises(StorageCorrupt, match="missing"):
        other.load(KEY)
