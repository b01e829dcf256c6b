"""What can't be kept is refused before any request; what is sent is within DynamoDB's limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from store_lines import KEY, Line, Send, grow, patch_of, record_of

from runfox.errors import InvalidJSON, RecordTooLarge, StorageUnavailable
from runfox.records import StepRecord
from runfox_aws import DynamoDBStore
from runfox_aws._attributes import size_of

pytestmark = pytest.mark.usefixtures("_no_pauses")

NO_JSON = [b"bytes", float("nan"), float("inf"), {1: 2}, {"a": {1, 2}}, object()]


@pytest.mark.parametrize("value", NO_JSON, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("place", ["inputs", "outcome", "state", "spec", "output"])
def test_a_record_that_is_no_json_is_refused_without_a_request(
    store: DynamoDBStore, line: Line, value: object, place: str
) -> None:
    record = record_of()
    if place == "outcome":
        record.outcome = value  # type: ignore[assignment]  # no JSON
    elif place == "output":
        record.steps["a"] = StepRecord(op="a", output={"v": value})  # type: ignore[dict-item]  # no JSON
    else:
        getattr(record, place)["v"] = value
    with pytest.raises(InvalidJSON):
        store.write(record)
    assert line.calls == []


@pytest.mark.parametrize("value", NO_JSON, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("place", ["outcome", "state", "steps"])
def test_a_patch_that_is_no_json_is_refused_without_a_request(
    store: DynamoDBStore, line: Line, value: Any, place: str
) -> None:
    changes: dict[str, Any] = {
        "outcome": value,
        "state": {"v": value},
        "steps": {"a": StepRecord(op="a", output={"v": value})},
    }
    with pytest.raises(InvalidJSON):
        store.patch(patch_of(1, **{place: changes[place]}))
    assert line.calls == []


def test_a_name_that_no_item_holds_is_refused_without_a_request(store: DynamoDBStore, line: Line) -> None:
    with pytest.raises(RecordTooLarge):
        store.write(record_of(spec={"name": "n" * 410_000, "steps": []}, steps={}))
    assert line.calls == []


def within_limits(name: str, request: dict[str, Any], send: Send) -> Any:
    batch = [item for items in request.get("RequestItems", {}).values() if name == "batch_write_item" for item in items]
    assert len(batch) <= 25
    puts = [entry["PutRequest"]["Item"] for entry in batch if "PutRequest" in entry]
    puts += [request["Item"]] if "Item" in request else []
    assert all(size_of(item) <= 400 * 1024 for item in puts)
    assert sum(map(size_of, puts)) <= 12_000_000  # 16 MiB as JSON
    for item in puts:
        assert len(item["PK"]["S"].encode()) <= 2_048
        assert len(item["SK"]["S"].encode()) <= 1_024
        assert len(item.get("listed", item["SK"])["S"].encode()) <= 1_024
    if name == "batch_get_item":
        assert all(len(asked["Keys"]) <= 100 for asked in request["RequestItems"].values())
    return send()


@pytest.mark.parametrize("key", ["#", "\ud800#\0", "é" * 300 + "#1", "w" * 3_000 + "#" + "e" * 3_000, "a b#c d", "*#%"])
def test_ids_of_any_kind_are_kept(store: DynamoDBStore, line: Line, key: str) -> None:
    record = record_of(key, state={"large": "x" * 5_000})
    with line.hooked(within_limits):
        store.write(record)
        grow(store, 3, key)
        (summary,) = store.list_executions()
    assert summary.workflow_execution_id == key
    assert store.load(key).workflow_execution_id == key


def test_values_of_any_size_go_in_items_and_batches_that_dynamodb_takes(store: DynamoDBStore, line: Line) -> None:
    large = {f"k{number}": "x" * 700_000 for number in range(20)}
    with line.hooked(within_limits):
        store.write(record_of(state=large))
        store.patch(patch_of(1, state=large, outcome="y" * 399_990))
        record = store.load(KEY)
    assert (record.state, record.outcome) == (large, "y" * 399_990)


def test_a_head_stays_small_whatever_is_patched(store: DynamoDBStore, line: Line) -> None:
    store.write(record_of())
    sizes = []
    for version in range(1, 60):
        store.patch(patch_of(version, state={f"k{version}.{number}": "x" * 990 for number in range(version % 7)}))
        head = line.client.get_item(
            TableName=store._table.name, Key={"PK": {"S": "EXECUTION#orders%231"}, "SK": {"S": "HEAD"}}
        )["Item"]
        sizes.append(size_of(head))
    assert max(sizes) < 8_000


def unprocessed(name: str, key: str, times: int) -> Callable[[str, dict[str, Any], Send], Any]:
    """Nothing of a batch is processed for some `times`."""
    left = [times]

    def hook(called: str, request: dict[str, Any], send: Send) -> Any:
        if called != name or left[0] == 0:
            return send()
        left[0] -= 1
        return {key: request["RequestItems"], "Responses": {}}

    return hook


@pytest.mark.parametrize(
    ("name", "key"), [("batch_write_item", "UnprocessedItems"), ("batch_get_item", "UnprocessedKeys")]
)
def test_a_batch_that_is_put_off_is_sent_again(store: DynamoDBStore, line: Line, name: str, key: str) -> None:
    with line.hooked(unprocessed(name, key, 3)):
        store.write(record_of(state={"large": "x" * 5_000}))
        assert store.load(KEY).state == {"large": "x" * 5_000}


def one_at_a_time(name: str, request: dict[str, Any], send: Send) -> Any:
    """Of each batch the first request is processed, the others are left."""
    if name not in ("batch_write_item", "batch_get_item"):
        return send()
    ((table, asked),) = request["RequestItems"].items()
    if name == "batch_write_item":
        request["RequestItems"] = {table: asked[:1]}
        return {**send(), "UnprocessedItems": {table: asked[1:]} if asked[1:] else {}}
    keys = asked["Keys"]
    request["RequestItems"] = {table: {**asked, "Keys": keys[:1]}}
    return {**send(), "UnprocessedKeys": {table: {**asked, "Keys": keys[1:]}} if keys[1:] else {}}


def test_a_batch_that_is_done_bit_by_bit_comes_to_its_end(store: DynamoDBStore, line: Line) -> None:
    large = {f"k{number}": f"{number} " + "x" * 350_000 for number in range(25)}
    with line.hooked(one_at_a_time):
        store.write(record_of(state=large))
        assert store.load(KEY).state == large
    assert line.names().count("batch_write_item") == line.names().count("batch_get_item") > 20


def test_a_batch_that_is_put_off_for_ever_writes_nothing(store: DynamoDBStore, line: Line) -> None:
    store.write(record_of())
    with (
        line.hooked(unprocessed("batch_write_item", "UnprocessedItems", -1)),
        pytest.raises(StorageUnavailable, match="again and again"),
    ):
        store.patch(patch_of(1, state={"large": "x" * 5_000}))
    assert store.load(KEY).version == 1


def test_a_load_that_is_put_off_for_ever_says_so(store: DynamoDBStore, line: Line) -> None:
    store.write(record_of(state={"large": "x" * 5_000}))
    with (
        line.hooked(unprocessed("batch_get_item", "UnprocessedKeys", -1)),
        pytest.raises(StorageUnavailable, match="again and again"),
    ):
        store.load(KEY)
