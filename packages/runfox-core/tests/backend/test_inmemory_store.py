"""Every clause of the store contract on `InMemoryStore`, its reference."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runfox import protocols
from runfox.backend import inmemory_store
from runfox.backend.inmemory_store import InMemoryStore
from runfox.errors import InvalidJSON, WorkflowNotFound, WriteConflict
from runfox.jsonvalue import JSONObject, canonical_text
from runfox.records import RecordPatch, StepRecord, WorkflowRecord
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import format_time

KEY = "w#e"
NOW = format_time(1_700_000_000.0)


def a_record(execution_id: str = "e", **changes: Any) -> WorkflowRecord:
    record = WorkflowRecord(
        workflow_id="w",
        execution_id=execution_id,
        spec={"name": "demo", "steps": [{"op": "a"}, {"op": "b"}]},
        inputs={"list": [1, {"deep": []}]},
        steps={"a": StepRecord(op="a"), "b": StepRecord(op="b")},
        created_at=NOW,
        updated_at=NOW,
        wake_at=NOW,
    )
    return replace(record, **changes)


def a_patch(version: int, **changes: Any) -> RecordPatch:
    return RecordPatch(workflow_execution_id=KEY, version=version, updated_at=NOW, **changes)


def a_store(*records: WorkflowRecord) -> InMemoryStore:
    store = InMemoryStore()
    for record in records or (a_record(),):
        store.write(record)
    return store


def nested(depth: int) -> JSONObject:
    """`depth` containers, one in another."""
    value: JSONObject = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


# Reading and writing


def test_an_unknown_execution_is_not_found() -> None:
    with pytest.raises(WorkflowNotFound) as caught:
        InMemoryStore().load("w#nobody")
    assert isinstance(caught.value, KeyError)
    assert caught.value.workflow_execution_id == "w#nobody"


def test_a_written_record_comes_back_one_version_on() -> None:
    record = a_record()
    store = a_store(record)
    assert store.load(KEY) == replace(record, version=1)


def test_a_write_leaves_its_argument_as_it_is() -> None:
    record = a_record(state={"x": [1]})
    before = copy.deepcopy(record)
    a_store(record)
    assert record == before


def test_changing_what_was_written_changes_nothing_stored() -> None:
    record = a_record(outcome={"x": [1]}, steps={"a": StepRecord(op="a", output={"x": [1]}, inputs={"y": [1]})})
    store = a_store(record)
    before = store.load(KEY)
    record.state["new"] = 1
    record.inputs["list"].append(2)  # type: ignore[union-attr]  # a list, see a_record
    record.spec["name"] = "other"
    record.outcome["x"].append(2)  # type: ignore[call-overload,index,union-attr]
    record.steps["a"].output["x"].append(2)  # type: ignore[index,union-attr]
    record.steps["a"].inputs["y"].append(2)  # type: ignore[index,union-attr]
    record.steps["b"] = StepRecord(op="b")
    assert store.load(KEY) == before


def test_changing_what_was_loaded_changes_nothing_stored() -> None:
    store = a_store(a_record(state={"x": [1]}))
    before, loaded = store.load(KEY), store.load(KEY)
    loaded.state["x"].append(2)  # type: ignore[union-attr]
    loaded.inputs.clear()
    loaded.steps.clear()
    loaded.spec["steps"].clear()  # type: ignore[union-attr]
    assert store.load(KEY) == before


def test_changing_what_was_patched_changes_nothing_stored() -> None:
    store = a_store()
    seen = store.load(KEY)
    state: JSONObject = {"x": [1]}
    steps = {"a": StepRecord(op="a", status=StepStatus.COMPLETE, output={"y": [1]})}
    outcome: JSONObject = {"z": [1]}
    store.patch(a_patch(1, state=state, steps=steps, outcome=outcome))
    expected = store.load(KEY)
    for container in (state["x"], steps["a"].output["y"], outcome["z"]):  # type: ignore[index]
        container.append(2)  # type: ignore[union-attr]
    state["new"] = steps["b"] = 1  # type: ignore[assignment]
    assert store.load(KEY) == expected
    assert store.refresh(seen) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "\0 \ud800 \udfff \U0001f98a é",
        {"": {"": ""}},
        [],
        {},
        [[], {}, [None]],
        None,
        [None, {"a": None}],
        10**3999,
        -(10**3999),
        2**53 + 1,
        0.1 + 0.2,
        5e-324,
        1.7976931348623157e308,
        -0.0,
        [True, 1, 1.0, False, 0, 0.0],
        {"z": 1, "a": 2, "m": 3},
        nested(499),
    ],
    ids=repr,
)
def test_every_json_value_survives(value: Any) -> None:
    record = a_record(
        inputs={"v": value},
        state={"v": value},
        outcome=value,
        steps={"a": StepRecord(op="a", output={"v": value}, inputs={"v": value}), "b": StepRecord(op="b")},
    )
    store = a_store(record)
    store.patch(a_patch(1, state={"p": value}, outcome=value))
    loaded = store.load(KEY)
    for found in (loaded.inputs["v"], loaded.state["v"], loaded.state["p"], loaded.outcome):
        assert canonical_text(found) == canonical_text(value)
        assert repr(found) == repr(value)
    assert loaded.steps["a"] == record.steps["a"]


def test_the_order_of_keys_survives() -> None:
    store = a_store(a_record(state={"z": 1, "a": 2}))
    store.patch(a_patch(1, state={"z": 3, "b": 4}))
    assert list(store.load(KEY).state.items()) == [("z", 3), ("a", 2), ("b", 4)]


def test_none_is_not_absence() -> None:
    store = a_store(a_record(state={"x": None}, steps={"a": StepRecord(op="a", output={}), "b": StepRecord(op="b")}))
    loaded = store.load(KEY)
    assert loaded.state == {"x": None}
    assert (loaded.steps["a"].output, loaded.steps["b"].output) == ({}, None)


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**4000, b"", {1}, {1: 2}, object(), nested(501)], ids=str)
def test_what_can_not_be_kept_is_refused_and_the_old_record_stays(value: Any) -> None:
    store = a_store()
    before = store.load(KEY)
    with pytest.raises(InvalidJSON):
        store.write(a_record(version=1, state={"v": value}))
    with pytest.raises(InvalidJSON):
        store.patch(a_patch(1, state={"v": value}))
    with pytest.raises(InvalidJSON):
        store.patch(a_patch(1, steps={"a": StepRecord(op="a", output={"v": value})}))
    assert store.load(KEY) == before


# Compare-and-set


@pytest.mark.parametrize("version", [0, 1, 3, -1])
def test_a_write_from_another_version_conflicts_and_has_no_effect(version: int) -> None:
    store = a_store()
    store.write(a_record(version=1))
    before = store.load(KEY)
    with pytest.raises(WriteConflict) as caught:
        store.write(a_record(version=version, state={"lost": True}))
    assert (caught.value.workflow_execution_id, caught.value.version) == (KEY, version)
    assert store.load(KEY) == before


def test_a_first_write_has_version_zero() -> None:
    store = InMemoryStore()
    with pytest.raises(WriteConflict):
        store.write(a_record(version=1))
    with pytest.raises(WorkflowNotFound):
        store.load(KEY)


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_patch_from_another_version_conflicts_and_has_no_effect(version: int) -> None:
    store = a_store()
    store.write(a_record(version=1))
    before = store.load(KEY)
    with pytest.raises(WriteConflict):
        store.patch(a_patch(version, state={"lost": True}))
    assert store.load(KEY) == before


def test_a_patch_of_an_unknown_execution_conflicts() -> None:
    with pytest.raises(WriteConflict):
        InMemoryStore().patch(a_patch(0))


def test_of_concurrent_writers_of_one_version_exactly_one_succeeds(together: Callable[..., list[object]]) -> None:
    store = a_store()
    for version in range(1, 30):
        results = together(
            4,
            lambda n, v=version: (
                store.patch(a_patch(v, state={"n": n})) if n % 2 else store.write(a_record(version=v, state={"n": n}))
            ),
        )
        won = [n for n, result in enumerate(results) if result is None]
        assert len(won) == 1
        assert all(isinstance(r, WriteConflict) for n, r in enumerate(results) if n not in won)
        loaded = store.load(KEY)
        assert (loaded.version, loaded.state) == (version + 1, {"n": won[0]})


def test_no_update_is_lost_between_threads(together: Callable[..., list[object]]) -> None:
    store = a_store(a_record(state={"count": 0}))

    def count_up(_: int) -> None:
        done = 0
        while done < 50:
            record = store.load(KEY)
            record.state["count"] += 1  # type: ignore[operator]
            try:
                store.write(record)
            except WriteConflict:
                continue
            done += 1

    together(4, count_up)
    loaded = store.load(KEY)
    assert (loaded.state["count"], loaded.version) == (200, 201)


# Patches and refreshes


CHANGES: list[dict[str, Any]] = [
    {},
    {"status": WorkflowStatus.IN_PROGRESS},
    {"wake_at": None},
    {"outcome": None},
    {"outcome": [1]},
    {"state": {"y": 2}},
    {"state": {}},
    {"steps": {"b": StepRecord(op="b", status=StepStatus.COMPLETE, output={"x": 1}, run_id=3)}},
    {"status": WorkflowStatus.COMPLETE, "outcome": {}, "wake_at": None, "state": {"x": None}},
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_a_patch_equals_load_apply_write(changes: dict[str, Any]) -> None:
    patched, written = (a_store(a_record(state={"x": 1}, outcome={"old": 1})) for _ in range(2))
    patch = replace(a_patch(1, **changes), updated_at=format_time(1_700_000_001.0))
    patched.patch(patch)
    record = written.load(KEY)
    patch.apply_to(record)
    written.write(record)
    assert patched.load(KEY) == written.load(KEY)


@pytest.mark.parametrize("missed", range(len(CHANGES) + 1))
def test_a_refresh_equals_a_load_however_much_was_missed(missed: int) -> None:
    store = a_store(a_record(state={"x": 1}))
    seen = [store.load(KEY)]
    for version, changes in enumerate(CHANGES, start=1):
        store.patch(a_patch(version, **changes))
        seen.append(store.load(KEY))
    old = seen[len(CHANGES) - missed]
    before = copy.deepcopy(old)
    fresh = store.refresh(old)
    assert fresh == store.load(KEY)
    assert old == before
    assert (fresh is old) is (missed == 0)


def test_a_refresh_over_a_whole_write_equals_a_load() -> None:
    store = a_store()
    seen = store.load(KEY)
    store.write(replace(store.load(KEY), state={"x": 1}))
    store.patch(a_patch(2, state={"y": 2}))
    assert store.refresh(seen) == store.load(KEY)


def test_a_refresh_over_more_patches_than_are_remembered_equals_a_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inmemory_store, "_REMEMBERED_CHANGES", 3)
    store = a_store()
    seen = store.load(KEY)
    for version in range(1, 6):
        store.patch(a_patch(version, state={str(version): version}))
    assert store.refresh(seen) == store.load(KEY)


def test_a_refresh_of_a_record_from_the_future_equals_a_load() -> None:
    store = a_store()
    assert store.refresh(a_record(version=9)) == store.load(KEY)


def test_a_refresh_of_an_unknown_execution_is_not_found() -> None:
    with pytest.raises(WorkflowNotFound):
        InMemoryStore().refresh(a_record())


def test_what_a_refresh_gave_shares_nothing_with_the_store() -> None:
    store = a_store()
    seen = store.load(KEY)
    store.patch(a_patch(1, state={"x": [1]}, steps={"a": StepRecord(op="a", output={"x": [1]})}))
    before = store.load(KEY)
    fresh = store.refresh(seen)
    fresh.state["x"].append(2)  # type: ignore[union-attr]
    fresh.steps["a"].output["x"].append(2)  # type: ignore[index,union-attr]
    fresh.steps.clear()
    assert store.load(KEY) == before
    assert store.refresh(seen) == before


# Listing


def some(count: int, **changes: Any) -> list[WorkflowRecord]:
    return [a_record(f"e{n}", created_at=format_time(1_700_000_000.0 + n), **changes) for n in range(count)]


def ids(store: InMemoryStore, **options: Any) -> list[str]:
    return [summary.workflow_execution_id for summary in store.list_executions(**options)]


def test_a_listing_is_newest_first() -> None:
    assert ids(a_store(*some(3))) == ["w#e2", "w#e1", "w#e0"]


def test_executions_created_at_one_moment_have_an_order_too() -> None:
    store = a_store(*[a_record(name) for name in "bca"])
    assert ids(store) == ["w#c", "w#b", "w#a"]


def test_a_summary_tells_what_a_line_needs() -> None:
    store = a_store()
    store.patch(replace(a_patch(1, status=WorkflowStatus.HALTED), updated_at="2030-01-01T00:00:00.000000Z"))
    (summary,) = store.list_executions()
    assert (summary.name, summary.status, summary.created_at) == ("demo", WorkflowStatus.HALTED, NOW)
    assert summary.updated_at == "2030-01-01T00:00:00.000000Z"


def test_a_listing_is_filtered_by_status_name_and_time() -> None:
    store = a_store(
        a_record("old", created_at=format_time(1.0)),
        a_record("halted", status=WorkflowStatus.HALTED),
        a_record("other", spec={"name": "other", "steps": []}),
        a_record("nameless", spec={"steps": []}),
    )
    assert ids(store, status=WorkflowStatus.HALTED) == ["w#halted"]
    assert ids(store, name="other") == ["w#other"]
    assert ids(store, name="workflow") == ["w#nameless"]
    assert "w#old" not in ids(store, since=NOW)
    assert len(ids(store, since=NOW)) == 3
    assert ids(store, status=WorkflowStatus.PENDING, name="demo", since=NOW) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_pages_show_each_execution_once(size: int) -> None:
    store = a_store(*some(7))
    found: list[str] = []
    after = None
    while page := store.list_executions(limit=size, after=after):
        assert len(page) <= size
        found += [summary.workflow_execution_id for summary in page]
        after = page[-1].cursor
    assert found == ids(store)


def test_a_page_goes_on_where_the_last_one_ended_even_if_that_execution_is_gone() -> None:
    store = a_store(*some(4))
    last = store.list_executions(limit=2)[-1]
    store.delete(last.workflow_execution_id)
    store.write(a_record("new", created_at=format_time(1_800_000_000.0)))
    assert ids(store, after=last.cursor) == ["w#e1", "w#e0"]


def test_a_page_goes_on_where_the_last_one_ended_even_if_that_execution_fits_no_more() -> None:
    store = a_store(*some(4))
    last = store.list_executions(limit=2, status=WorkflowStatus.PENDING)[-1]
    store.patch(replace(a_patch(1, status=WorkflowStatus.HALTED), workflow_execution_id=last.workflow_execution_id))
    assert ids(store, status=WorkflowStatus.PENDING, after=last.cursor) == ["w#e1", "w#e0"]


def test_an_id_serves_as_a_cursor_while_its_execution_exists() -> None:
    store = a_store(*some(3))
    assert ids(store, after="w#e1") == ["w#e0"]
    store.delete("w#e1")
    with pytest.raises(WorkflowNotFound):
        store.list_executions(after="w#e1")


def test_after_the_last_execution_and_of_an_empty_store_there_is_nothing() -> None:
    store = a_store(*some(2))
    assert ids(store, after="w#e0") == []
    assert ids(store, limit=0) == []
    assert ids(InMemoryStore()) == []


# Deleting and waking


def test_a_deleted_execution_is_gone() -> None:
    store = a_store()
    store.delete(KEY)
    with pytest.raises(WorkflowNotFound):
        store.load(KEY)
    assert (ids(store), store.due(NOW)) == ([], [])


def test_an_unknown_execution_can_not_be_deleted() -> None:
    with pytest.raises(WorkflowNotFound):
        InMemoryStore().delete(KEY)


def test_an_execution_is_due_at_its_time_and_not_before() -> None:
    store = a_store(a_record(wake_at=format_time(100.0)))
    assert store.due(format_time(99.999_999)) == []
    assert store.due(format_time(100.0)) == [KEY]


def test_who_is_due_comes_earliest_first_and_at_most_so_many() -> None:
    times = {"b": 20.0, "a": 30.0, "c": 10.0, "never": None, "later": 99.0}
    store = a_store(*[a_record(k, wake_at=None if at is None else format_time(at)) for k, at in times.items()])
    assert store.due(format_time(50.0)) == ["w#c", "w#b", "w#a"]
    assert store.due(format_time(50.0), limit=2) == ["w#c", "w#b"]
    assert store.due(format_time(50.0), 0) == []


# What it says of itself


def test_it_has_every_optional_ability_and_is_neither_durable_nor_shared() -> None:
    store = InMemoryStore()
    abilities = (
        protocols.SupportsPatch,
        protocols.SupportsRefresh,
        protocols.SupportsListing,
        protocols.SupportsDelete,
        protocols.SupportsWake,
    )
    assert all(isinstance(store, ability) for ability in abilities)
    assert (store.durable, store.shared) == (False, False)


def test_two_stores_know_nothing_of_each_other() -> None:
    a_store()
    with pytest.raises(WorkflowNotFound):
        InMemoryStore().load(KEY)


def test_executions_are_independent() -> None:
    store = a_store(*some(3))
    for name, value in itertools.product(("w#e0", "w#e1"), (1, 2)):
        store.patch(replace(a_patch(value, state={"v": value}), workflow_execution_id=name))
    assert [store.load(f"w#e{n}").version for n in range(3)] == [3, 3, 1]
    assert store.load("w#e2").state == {}
