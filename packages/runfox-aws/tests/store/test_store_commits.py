"""Commits whose replies are lost, and what others do meanwhile: an effect is told exactly, or said to be unknown."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from store_lines import (
    KEY,
    Line,
    Send,
    botocore_repeats_first,
    error_of,
    grow,
    is_head,
    loses_first,
    patch_of,
    record_of,
    reply_lost,
)

from runfox.errors import StorageUnavailable, WorkflowNotFound, WriteConflict
from runfox_aws import DynamoDBStore

pytestmark = pytest.mark.usefixtures("_no_pauses")

Items = Callable[[], list[dict[str, Any]]]


def rewrite(store: DynamoDBStore) -> None:
    record = store.load(KEY)
    record.state["rewritten"] = True
    store.write(record)


def patch_once(store: DynamoDBStore, **state: Any) -> None:
    store.patch(patch_of(store.load(KEY).version, state=state or {"other": 1}))


def recreate(store: DynamoDBStore) -> None:
    store.delete(KEY)
    store.write(record_of(state={"new": True}))


def test_a_commit_is_one_request(store: DynamoDBStore, line: Line) -> None:
    store.write(record_of())
    line.calls.clear()
    store.patch(patch_of(1, state={"a": 1}))
    assert line.names() == ["update_item"]


@pytest.mark.parametrize("then", [lambda other: None, patch_once, rewrite], ids=["nothing", "patch", "write"])
def test_a_first_write_whose_reply_is_lost_is_never_called_a_conflict(
    store: DynamoDBStore, other: DynamoDBStore, line: Line, then: Callable[[DynamoDBStore], None]
) -> None:
    with line.hooked(loses_first("put_item", lambda: then(other))):
        if then is rewrite:  # nothing is left of the first write
            with pytest.raises(StorageUnavailable, match="can't be told"):
                store.write(record_of())
        else:
            store.write(record_of())


def test_a_first_write_that_was_deleted_before_its_reply_takes_effect_again(
    store: DynamoDBStore, other: DynamoDBStore, line: Line
) -> None:
    with line.hooked(loses_first("put_item", lambda: other.delete(KEY))):
        store.write(record_of())
    assert store.load(KEY).version == 1


def test_a_first_write_that_was_replaced_before_its_reply_is_unknown(
    store: DynamoDBStore, other: DynamoDBStore, line: Line
) -> None:
    with (
        line.hooked(loses_first("put_item", lambda: recreate(other))),
        pytest.raises(StorageUnavailable, match="can't be told"),
    ):
        store.write(record_of())


@pytest.mark.parametrize("commits", [0, 1, 30])
def test_a_patch_whose_reply_is_lost_is_found_in_what_others_have_built_on_it(
    store: DynamoDBStore, other: DynamoDBStore, line: Line, commits: int
) -> None:
    store.write(record_of())
    with line.hooked(loses_first("update_item", lambda: grow(other, commits))):
        store.patch(patch_of(1, state={"mine": 1}))
    assert store.load(KEY).state["mine"] == 1
    assert store.load(KEY).version == 2 + commits


@pytest.mark.usefixtures("_small_sizes")
@pytest.mark.parametrize(
    "then", [lambda other: grow(other, 30), rewrite, recreate, lambda other: other.delete(KEY)],
    ids=["merged twice", "written", "recreated", "deleted"],
)  # fmt: skip
def test_a_patch_of_which_nothing_is_left_to_tell_is_unknown(
    store: DynamoDBStore, other: DynamoDBStore, line: Line, then: Callable[[DynamoDBStore], None]
) -> None:
    store.write(record_of())
    with (
        line.hooked(loses_first("update_item", lambda: then(other))),
        pytest.raises(StorageUnavailable, match="can't be told"),
    ):
        store.patch(patch_of(1, state={"mine": 1}))


def test_a_request_that_botocore_repeats_is_no_conflict_with_itself(
    store: DynamoDBStore, other: DynamoDBStore, line: Line
) -> None:
    store.write(record_of())
    with botocore_repeats_first(line, "UpdateItem", lambda: patch_once(other)):
        store.patch(patch_of(1, state={"mine": 1}))
    assert store.load(KEY).state == {"mine": 1, "other": 1}


def test_a_conflict_in_passing_does_not_hide_that_the_request_was_repeated(
    store: DynamoDBStore, other: DynamoDBStore, line: Line
) -> None:
    store.write(record_of())

    def conflicts(name: str, request: dict[str, Any], send: Send) -> Any:
        if name != "update_item":
            return send()
        line.hook = None
        send()  # its reply was lost, botocore repeated it, and somebody's transaction was in the way
        patch_once(other)
        raise error_of("TransactionConflictException", retries=1)

    with line.hooked(conflicts):
        store.patch(patch_of(1, state={"mine": 1}))
    assert store.load(KEY).state == {"mine": 1, "other": 1}


def test_a_request_that_never_took_effect_is_sent_until_it_does(store: DynamoDBStore, line: Line) -> None:
    store.write(record_of())
    line.calls.clear()

    def fails_twice(name: str, request: dict[str, Any], send: Send) -> Any:
        if line.names().count("update_item") <= 2:
            raise reply_lost()
        return send()

    with line.hooked(fails_twice):
        store.patch(patch_of(1, state={"mine": 1}))
    assert store.load(KEY).state == {"mine": 1}


def test_a_request_that_is_lost_again_and_again_is_unknown(store: DynamoDBStore, line: Line) -> None:
    store.write(record_of())

    def fails(name: str, request: dict[str, Any], send: Send) -> Any:
        raise reply_lost()

    with line.hooked(fails), pytest.raises(StorageUnavailable):
        store.patch(patch_of(1, state={"mine": 1}))
    store.patch(patch_of(1, state={"mine": 2}))
    assert store.load(KEY).state == {"mine": 2}


def test_a_remembered_head_of_an_execution_that_was_deleted_is_not_built_on(
    store: DynamoDBStore, other: DynamoDBStore
) -> None:
    store.write(record_of(state={"old": True}))
    recreate(other)
    store.patch(patch_of(1, state={"mine": 1}))  # of the same version, and as good as any patch of it
    assert store.load(KEY).state == {"new": True, "mine": 1}
    assert other.load(KEY) == store.load(KEY)


@pytest.mark.usefixtures("_small_sizes")
def test_a_slow_client_that_would_merge_what_others_have_merged_has_a_conflict(
    store: DynamoDBStore, other: DynamoDBStore
) -> None:
    store.write(record_of())
    while store._heads.at(KEY, version := grow(store, 1).version).log_size <= 400:
        pass
    grow(other, 30)
    with pytest.raises(WriteConflict):
        store.patch(patch_of(version, state={"mine": 1}))


@pytest.mark.usefixtures("_small_sizes")
def test_a_slow_client_leaves_nothing_in_an_execution_that_was_deleted(
    store: DynamoDBStore, other: DynamoDBStore, line: Line, items: Items
) -> None:
    store.write(record_of())
    grow(store, 2)
    other.delete(KEY)
    line.calls.clear()
    with pytest.raises(WriteConflict):
        store.patch(patch_of(3, state={"mine": "x" * 300}))
    puts = [put for name, sent in line.calls if name == "batch_write_item" for put in sent["RequestItems"].popitem()[1]]
    assert any("#LOG#" in put["PutRequest"]["Item"]["SK"]["S"] for put in puts if "PutRequest" in put)
    assert items() == []


def test_a_delete_whose_reply_is_lost_has_removed_everything(store: DynamoDBStore, line: Line, items: Items) -> None:
    store.write(record_of(state={"large": "x" * 5_000}))
    with line.hooked(loses_first("delete_item")):
        store.delete(KEY)
    assert items() == []


def test_a_delete_that_botocore_repeats_has_removed_everything(store: DynamoDBStore, line: Line, items: Items) -> None:
    store.write(record_of(state={"large": "x" * 5_000}))
    with botocore_repeats_first(line, "DeleteItem"):
        store.delete(KEY)
    assert items() == []


def test_a_delete_whose_reply_is_lost_does_not_remove_what_was_created_since(
    store: DynamoDBStore, other: DynamoDBStore, line: Line
) -> None:
    store.write(record_of(state={"large": "x" * 5_000}))
    new = record_of(state={"new": "y" * 5_000})
    with line.hooked(loses_first("delete_item", lambda: other.write(new))):
        store.delete(KEY)
    assert store.load(KEY).state == new.state


def test_a_delete_goes_on_when_the_record_is_written_meanwhile(
    store: DynamoDBStore, other: DynamoDBStore, line: Line, items: Items
) -> None:
    store.write(record_of(state={"large": "x" * 5_000}))

    def writes(name: str, request: dict[str, Any], send: Send) -> Any:
        if name == "delete_item" and is_head(request):
            line.hook = None
            rewrite(other)
        return send()

    with line.hooked(writes):
        store.delete(KEY)
    assert items() == []
    with pytest.raises(WorkflowNotFound):
        store.delete(KEY)


def left_by_a_process_that_died(
    store: DynamoDBStore, line: Line, monkeypatch: pytest.MonkeyPatch, begun: float
) -> None:
    """A first write at `begun` that got as far as its blob."""

    def dies(name: str, request: dict[str, Any], send: Send) -> Any:
        if is_head(request):
            raise KeyboardInterrupt
        return send()

    with monkeypatch.context() as clock, line.hooked(dies):
        clock.setattr("runfox_aws._store.time", SimpleNamespace(time=lambda: begun))
        with pytest.raises(KeyboardInterrupt):
            store.write(record_of(state={"large": "x" * 5_000}))


@pytest.mark.parametrize("is_there", [True, False])
def test_a_delete_removes_what_a_process_that_died_long_ago_has_left(
    store: DynamoDBStore, line: Line, items: Items, monkeypatch: pytest.MonkeyPatch, *, is_there: bool
) -> None:
    left_by_a_process_that_died(store, line, monkeypatch, time.time() - 2 * 86_400)
    assert items() != []
    if is_there:
        store.write(record_of())
        store.delete(KEY)
    else:
        with pytest.raises(WorkflowNotFound):
            store.delete(KEY)
    assert items() == []


def test_a_delete_leaves_what_somebody_may_be_about_to_put_a_head_over(
    store: DynamoDBStore, line: Line, items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by_a_process_that_died(store, line, monkeypatch, time.time() - 60)
    left = items()
    store.write(record_of())
    store.delete(KEY)
    assert items() == left
