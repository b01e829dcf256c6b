"""Merging the log into a new base, and what is removed then: nothing that a head names, and all the rest in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from store_lines import KEY, done, grow, patch_of, record_of

from runfox_aws import DynamoDBStore

pytestmark = pytest.mark.usefixtures("_no_pauses")

Items = Callable[[], list[dict[str, Any]]]


def test_a_base_that_has_become_small_stands_by_itself(store: DynamoDBStore) -> None:
    store.write(record_of(state={f"k{number}": "x" * 900 for number in range(10)}))
    for number in range(10):
        store.patch(patch_of(number + 1, state={f"k{number}": 1}))
    # The blob of the first base is gone after the first merge, whose base needs none.
    assert grow(store, 120).state["k3"] == 1


@pytest.mark.usefixtures("_small_sizes")
@pytest.mark.parametrize("size", [10, 1_000])
def test_a_loop_keeps_a_bounded_number_of_items(store: DynamoDBStore, items: Items, size: int) -> None:
    store.write(record_of())
    counts = []
    for _ in range(12):
        grow(store, 10, size=size)
        counts.append(len(items()))
    assert max(counts[6:]) <= 1.5 * max(counts[:6])


def test_documents_that_stand_elsewhere_count_as_log(store: DynamoDBStore) -> None:
    steps = {f"s{number}": done(f"s{number}", note="x" * 80) for number in range(100)}
    store.write(record_of(spec={"steps": [{"op": op} for op in steps]}, steps=steps))
    base = store._heads.at(KEY, 1).base_size
    for version in range(1, 80):
        store.patch(patch_of(version, steps=steps))
        head = store._heads.at(KEY, version + 1)
        # The entries are references of a hundred bytes; a load reads what they refer to.
        assert len(head.tail) + version - head.base_version < 60 or head.log_size < base
    assert head.base_version > 1


@pytest.mark.usefixtures("_small_sizes")
def test_after_a_delete_nothing_of_the_execution_is_left(store: DynamoDBStore, items: Items) -> None:
    store.write(record_of(state={"large": "x" * 400_000}))
    grow(store, 25, size=1_000)
    store.write(store.load(KEY))
    grow(store, 7, size=1_000)
    assert len(items()) > 3
    store.delete(KEY)
    assert items() == []
