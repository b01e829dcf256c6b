"""Replies that lack something: a load is whole, or is made again, or says that parts are missing."""

from __future__ import annotations

from typing import Any

import pytest
from store_lines import KEY, Line, Send, grow, patch_of, record_of

from runfox.errors import StorageCorrupt
from runfox.records import RecordPatch, WorkflowRecord
from runfox_aws import DynamoDBStore

pytestmark = pytest.mark.usefixtures("_no_pauses", "_small_sizes")


@pytest.fixture
def record(other: DynamoDBStore) -> WorkflowRecord:
    """One with a base, a log and a tail."""
    other.write(record_of(state={"large": "x" * 5_000}))
    record = grow(other, 1)
    while other._heads.at(KEY, record.version).log_size == 0:
        record = grow(other, 1)
    return record


def lacks(name: str, times: int) -> Any:
    """So many replies of these calls lack their items."""
    left = [times]

    def hook(called: str, request: dict[str, Any], send: Send) -> Any:
        reply = send()
        if called == name and left[0]:
            left[0] -= 1
            reply["Items"] = []
            reply["Responses"] = {table: [] for table in reply.get("Responses", {})}
        return reply

    return hook


@pytest.mark.parametrize("name", ["query", "batch_get_item"])
def test_a_read_that_lacks_items_is_made_again(
    store: DynamoDBStore, line: Line, record: WorkflowRecord, name: str
) -> None:
    with line.hooked(lacks(name, 3)):
        assert store.load(KEY) == record


@pytest.mark.parametrize("name", ["query", "batch_get_item"])
def test_parts_that_stay_away_are_told(store: DynamoDBStore, line: Line, record: WorkflowRecord, name: str) -> None:
    with line.hooked(lacks(name, -1)), pytest.raises(StorageCorrupt, match="missing"):
        store.load(KEY)


def test_a_query_of_many_pages_is_read_to_its_end(
    store: DynamoDBStore, line: Line, record: WorkflowRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runfox_aws._commit.TAIL_SIZE", 0)
    for _ in range(3):
        store.patch(RecordPatch(workflow_execution_id=KEY, version=record.version, updated_at=record.updated_at))
        record = store.load(KEY)

    def pages(name: str, request: dict[str, Any], send: Send) -> Any:
        if name == "query":
            request["Limit"] = 1
        return send()

    with line.hooked(pages):
        assert store.load(KEY) == record
        assert line.names().count("query") > 1
        assert len(store.list_executions()) == 1


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_load_during_which_others_replace_everything_is_of_one_version(
    store: DynamoDBStore, other: DynamoDBStore, line: Line, record: WorkflowRecord, call: int
) -> None:
    line.calls.clear()

    def replaces(name: str, request: dict[str, Any], send: Send) -> Any:
        reply = send()
        if len(line.calls) == call:
            fresh = other.load(KEY)
            fresh.state = {"large": "z" * 5_000}
            other.write(fresh)
            grow(other, 20)
        return reply

    with line.hooked(replaces):
        loaded = store.load(KEY)
    assert loaded in (record, other.load(KEY))


def test_a_refresh_reads_what_changed_and_equals_a_load(
    store: DynamoDBStore, other: DynamoDBStore, line: Line, record: WorkflowRecord
) -> None:
    known = store.load(KEY)
    other.patch(patch_of(record.version, state={"k": 1}))
    line.calls.clear()
    fresh = store.refresh(known)
    assert line.names() == ["get_item"]
    assert fresh == other.load(KEY)
    assert store.refresh(fresh) is fresh
    for _ in range(30):
        grow(other, 1)
        fresh = store.refresh(fresh)
        assert fresh == other.load(KEY)
    assert store.refresh(known) == other.load(KEY)
