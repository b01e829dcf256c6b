"""Who is due: the index is never later than the time itself, whoever corrects it, whatever a client remembers."""

from __future__ import annotations

import pytest
from store_lines import KEY, patch_of, record_of, running

from runfox_aws import DynamoDBStore

pytestmark = pytest.mark.usefixtures("_no_pauses")


def at(second: int) -> str:
    return f"2026-01-01T00:{second // 60:02}:{second % 60:02}.000000Z"


def test_a_hint_that_somebody_corrected_is_set_back_when_the_time_comes_forward(
    store: DynamoDBStore, other: DynamoDBStore
) -> None:
    store.write(record_of(**running(wake_at=at(10))))
    store.patch(patch_of(1, wake_at=at(100)))  # the hint stays, at 10
    assert other.due(at(20)) == []  # and is corrected now, which `store` does not know
    store.patch(patch_of(2, wake_at=at(30)))
    assert other.due(at(30)) == [KEY]
    assert other.due(at(29)) == []


def test_a_whole_write_sets_the_hint_whoever_corrected_it_meanwhile(store: DynamoDBStore, other: DynamoDBStore) -> None:
    store.write(record_of(**running(wake_at=at(10))))
    store.patch(patch_of(1, wake_at=at(100)))
    record = store.load(KEY)
    record.wake_at = at(10)
    line = store._client()

    def corrects(name: str, request: object, send: object) -> object:
        if name == "update_item":
            line.hook = None
            assert other.due(at(20)) == []
        return send()  # type: ignore[operator]

    with line.hooked(corrects):
        store.write(record)
    assert other.due(at(10)) == [KEY]
