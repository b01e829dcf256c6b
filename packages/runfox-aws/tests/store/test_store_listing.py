"""Listing: the indexes say where to look, the heads what is; what DynamoDB would refuse is never asked."""

from __future__ import annotations

from typing import Any

import pytest
from store_lines import KEY, Line, Send, done, patch_of, record_of, running

from runfox.status import WorkflowStatus
from runfox_aws import DynamoDBStore

pytestmark = pytest.mark.usefixtures("_no_pauses")


def ids(store: DynamoDBStore, **wanted: Any) -> list[str]:
    return [summary.workflow_execution_id for summary in store.list_executions(**wanted)]


def test_a_range_that_is_empty_is_not_asked_for(store: DynamoDBStore, line: Line) -> None:
    store.write(record_of())
    (summary,) = store.list_executions()
    line.calls.clear()
    assert ids(store, since="2027-01-01T00:00:00.000000Z", after=summary.cursor) == []
    assert line.calls == []  # BETWEEN wants its bounds in order


def test_what_an_index_gives_twice_is_asked_for_and_told_once(store: DynamoDBStore, line: Line) -> None:
    store.write(record_of(**running(wake_at="2026-01-01T00:00:01.000000Z")))

    def twice(name: str, request: dict[str, Any], send: Send) -> Any:
        reply = send()
        if name == "query":
            reply["Items"] *= 2
        return reply

    with line.hooked(twice):
        assert ids(store) == [KEY]
        assert store.due("2026-01-01T00:00:02.000000Z") == [KEY]


def test_what_an_index_still_has_is_told_as_its_head_is_now(
    store: DynamoDBStore, other: DynamoDBStore, line: Line
) -> None:
    store.write(record_of("a#1"))
    store.write(record_of("b#1"))

    def late(name: str, request: dict[str, Any], send: Send) -> Any:
        reply = send()
        if name == "query" and line.names().count("query") == 4:  # all partitions of the index have answered
            other.patch(patch_of(1, "a#1", status=WorkflowStatus.COMPLETE))
            other.delete("b#1")
        return reply

    line.calls.clear()
    with line.hooked(late):
        (summary,) = store.list_executions()
    assert (summary.workflow_execution_id, summary.status) == ("a#1", WorkflowStatus.COMPLETE)


@pytest.mark.parametrize("time", ["", "\ud800", "é", "x" * 2_000, "2026-01-01 00:00:00/1"])
def test_a_time_that_is_none_is_kept_and_listed(store: DynamoDBStore, time: str) -> None:
    store.write(record_of(**running(created_at=time, wake_at=time)))
    record = store.load(KEY)
    assert (record.created_at, record.wake_at) == (time, time)
    (summary,) = store.list_executions(limit=1)
    assert summary.created_at == time
    assert ids(store, since=time, after=None) == [KEY]
    assert store.due(time) == [KEY]


def test_pages_meet_at_a_place_that_is_not_there_any_more(store: DynamoDBStore) -> None:
    for number in range(5):
        store.write(record_of(f"a#{number}"))
    first = store.list_executions(limit=2)
    store.delete(first[-1].workflow_execution_id)
    rest = store.list_executions(after=first[-1].cursor)
    assert [summary.workflow_execution_id for summary in first + rest] == [f"a#{number}" for number in (4, 3, 2, 1, 0)]


def test_names_that_are_no_utf8_are_found(store: DynamoDBStore) -> None:
    store.write(record_of(spec={"name": "\ud800", "steps": []}, steps={}))
    store.write(record_of("other#1"))
    assert ids(store, name="\ud800") == [KEY]


def test_attributes_that_somebody_else_set_are_left_alone(store: DynamoDBStore, line: Line) -> None:
    store.write(record_of())
    line.client.update_item(
        TableName=store._table.name,
        Key={"PK": {"S": "EXECUTION#orders%231"}, "SK": {"S": "HEAD"}},
        UpdateExpression="SET flag = :flag, stamp = :stamp",
        ExpressionAttributeValues={":flag": {"BOOL": True}, ":stamp": {"N": "1.5"}},
    )
    store.patch(patch_of(1, steps={"a": done("a")}))
    assert store.load(KEY).steps["a"] == done("a")
