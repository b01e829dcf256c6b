"""The store's contract, clause by clause, on a file and in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runfox.errors import InvalidJSON, RecordTooLarge, WorkflowNotFound, WriteConflict
from runfox.protocols import SupportsDelete, SupportsListing, SupportsPatch, SupportsRefresh, SupportsWake
from runfox.records import RecordPatch, StepRecord, WorkflowRecord
from runfox.status import StepStatus, WorkflowStatus
from runfox_sqlite import SqliteStore, _json
from runfox_sqlite import _store_sql as sql

NOON = "2026-01-31T12:00:00.000000Z"
SPEC: Any = {"name": "demo", "steps": [{"op": "b"}, {"op": "a"}, {"op": "c"}]}


def record(execution_id: str = "e", **changes: Any) -> WorkflowRecord:
    steps = {op: StepRecord(op=op) for op in ("b", "a", "c")}
    base = WorkflowRecord(
        workflow_id="w", execution_id=execution_id, spec=SPEC, steps=steps, created_at=NOON, updated_at=NOON
    )
    return replace(base, **changes)


def patch(version: int, key: str = "w#e", **changes: Any) -> RecordPatch:
    return RecordPatch(workflow_execution_id=key, version=version, updated_at=NOON, **changes)


def stored(store: SqliteStore, given: WorkflowRecord) -> WorkflowRecord:
    store.write(given)
    return store.load(given.workflow_execution_id)


def deep(levels: int) -> Any:
    value: Any = {}
    for level in range(levels - 1):
        value = [value] if level % 2 else {"a": value}
    return value


def depth(value: Any) -> int:
    levels = 0
    while isinstance(value, (list, dict)):
        levels += 1
        value = next(iter(value.values() if isinstance(value, dict) else value), None)
    return levels


def called_from(frames: int, function: Any) -> Any:
    return function() if frames == 0 else called_from(frames - 1, function)


FULL_STEP = StepRecord(
    op="a",
    status=StepStatus.RETRY,
    output={"z": 1, "a": [None]},
    run_id=3,
    attempt=2,
    start_time="s",
    end_time="e",
    ready_at="r",
    host="hóst \ud800",
    inputs={"i": {}},
)


def test_a_store_has_every_ability(store: SqliteStore) -> None:
    for ability in (SupportsPatch, SupportsRefresh, SupportsListing, SupportsDelete, SupportsWake):
        assert isinstance(store, ability)


def test_an_unknown_id_is_not_found(store: SqliteStore) -> None:
    for unknown in ("w#nobody", "", "\ud800", "a\0b"):
        with pytest.raises(WorkflowNotFound):
            store.load(unknown)
        with pytest.raises(WorkflowNotFound):
            store.delete(unknown)
    with pytest.raises(WorkflowNotFound):
        store.refresh(record())


def test_a_record_comes_back_as_it_was_written(store: SqliteStore) -> None:
    given = record(
        inputs={"z": 1, "a": 2},
        state={"z": None, "a": False, "": [], "\ud800": 1, "\0": 2},
        steps={"b": StepRecord(op="b"), "a": FULL_STEP, "c": StepRecord(op="c")},
        status=WorkflowStatus.HALTED,
        outcome={"status": "error"},
        wake_at=NOON,
    )
    found = stored(store, given)
    assert found == replace(given, version=1)
    assert list(found.state) == list(given.state)
    assert list(found.steps) == ["b", "a", "c"]
    assert list(found.inputs) == ["z", "a"]
    assert list(found.spec) == ["name", "steps"]


def test_the_argument_of_write_is_left_as_it_is(store: SqliteStore) -> None:
    given = record(state={"a": []})
    store.write(given)
    assert given == record(state={"a": []})


def test_nothing_is_shared_with_the_store(store: SqliteStore) -> None:
    given = record(state={"a": []})
    found = stored(store, given)
    given.state["a"].append(1)  # type: ignore[union-attr]  # a list, as above
    found.state["a"].append(2)  # type: ignore[union-attr]  # likewise
    found.spec["steps"].clear()  # type: ignore[union-attr]  # likewise
    assert store.load("w#e").state == {"a": []}
    assert store.load("w#e").spec == SPEC


@pytest.mark.parametrize(
    ("spec", "ops"),
    [
        ({}, ["x", "y"]),
        (SPEC, ["a", "b", "c"]),
        (SPEC, ["b", "a", "c", "more", "yet more"]),
        (SPEC, ["b"]),
        (SPEC, []),
        ({"steps": "none"}, ["x"]),
        ({"steps": [{"op": "x"}, {"op": "x"}, 5]}, ["x"]),
    ],
)
def test_steps_that_are_not_those_of_the_definition_come_back_in_their_order(
    store: SqliteStore, spec: Any, ops: list[str]
) -> None:
    given = record(spec=spec, steps={op: StepRecord(op=op) for op in ops})
    found = stored(store, given)
    assert list(found.steps) == ops
    change = patch(1, steps={op: StepRecord(op=op, run_id=1) for op in ("last", "c", "x")})
    store.patch(change)
    change.apply_to(found)
    assert list(store.load("w#e").steps) == list(found.steps)
    assert store.load("w#e") == replace(found, version=2)


def test_an_untouched_step_has_no_row(store: SqliteStore) -> None:
    store.write(record(steps={"b": StepRecord(op="b"), "a": FULL_STEP, "c": StepRecord(op="c")}))
    assert store._database.query("SELECT op FROM steps") == [("a",)]


def test_a_step_under_another_steps_name_is_refused(store: SqliteStore) -> None:
    with pytest.raises(ValueError, match=r"steps\['b'\]"):
        store.write(record(steps={"b": FULL_STEP}))


def test_two_definitions_under_one_workflow_id_both_survive(store: SqliteStore) -> None:
    first = stored(store, record("1"))
    second = stored(store, record("2", spec={"steps": SPEC["steps"], "name": "demo"}))
    assert list(first.spec) != list(second.spec)
    assert list(store.load("w#1").spec) == ["name", "steps"]


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, 1, -1, 2**63, -(2**64), 10**3999, 0.1, -0.0, 5e-324, 1.7976931348623157e308, "", "\0", "\ud800",
        "\ud83d\ude00", "😀", chr(0xDC00) + chr(0xD800), "\\ud83d", [], {}, {"": ""}, {"\ud83d\ude00": {"😀": 1}},
    ],
)  # fmt: skip
def test_every_json_value_survives(store: SqliteStore, value: Any) -> None:
    given = record(state={"v": value}, inputs={"v": value}, outcome=value)
    found = stored(store, given)
    for kept in (found.state["v"], found.inputs["v"], found.outcome):
        assert repr(kept) == repr(value)


@pytest.mark.parametrize("frames", [0, 300, 600, 850])
def test_500_levels_survive_at_any_depth_of_the_callers_stack(store: SqliteStore, frames: int) -> None:
    given = record(state={"v": deep(500)}, outcome=deep(500))
    called_from(frames, lambda: store.write(given))
    found = called_from(frames, lambda: store.load("w#e"))
    assert depth(found.state["v"]) == depth(found.outcome) == 500


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "no JSON number"),
        (10**4000, "4000 digits"),
        (object(), "object is no JSON type"),
        ({1: 2}, "no string"),
        (deep(501), "500 deep"),
        ([deep(501)], "500 deep"),
        ({"a": deep(700), "b": 1}, "500 deep"),
    ],
)
def test_what_is_not_json_is_refused_and_the_old_record_stays(store: SqliteStore, value: Any, message: str) -> None:
    before = stored(store, record())
    with pytest.raises(InvalidJSON, match=message):
        store.write(replace(before, outcome=value))
    with pytest.raises(InvalidJSON, match=message):
        store.patch(patch(1, state={"fine": 1, "k": value}))
    with pytest.raises(InvalidJSON, match=message):
        store.patch(patch(1, steps={"a": replace(FULL_STEP, output={"k": value})}))
    assert store.load("w#e") == before


def test_a_state_key_that_is_no_string_is_refused(store: SqliteStore) -> None:
    store.write(record())
    with pytest.raises(InvalidJSON, match="no string"):
        store.patch(patch(1, state={5: 1}))


def test_subclasses_are_kept_as_what_they_stand_for(store: SqliteStore) -> None:
    found = stored(store, record(state={StepStatus.READY: (StepStatus.READY, 1)}))
    assert found.state == {"ready": ["ready", 1]}
    assert type(next(iter(found.state))) is str


def test_a_record_over_the_limit_is_refused_whole(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = stored(store, record())
    monkeypatch.setattr(_json, "MAX_TEXT", 1000)
    with pytest.raises(RecordTooLarge, match="at most 1,000"):
        store.write(replace(before, outcome="x" * 1000))
    with pytest.raises(RecordTooLarge, match="state"):
        store.patch(patch(1, state={"k": "x" * 999}))
    assert store.load("w#e") == before


@pytest.mark.parametrize("version", [-1, 0, 2, 7])
def test_a_write_from_another_version_conflicts_and_changes_nothing(store: SqliteStore, version: int) -> None:
    before = stored(store, record())
    with pytest.raises(WriteConflict):
        store.write(replace(before, version=version, outcome="new"))
    with pytest.raises(WriteConflict):
        store.patch(patch(version, outcome="new", state={"new": 1}, steps={"a": FULL_STEP}))
    assert store.load("w#e") == before


def test_a_write_or_patch_of_what_is_not_stored_conflicts(store: SqliteStore) -> None:
    with pytest.raises(WriteConflict):
        store.write(record(version=1))
    for version in (0, 1):
        with pytest.raises(WriteConflict):
            store.patch(patch(version))
    with pytest.raises(WorkflowNotFound):
        store.load("w#e")


def test_versions_count_the_writes(store: SqliteStore) -> None:
    store.write(record())
    store.patch(patch(1))
    store.write(store.load("w#e"))
    assert store.load("w#e").version == 3


def test_a_write_of_the_whole_record_removes_what_it_does_not_have(store: SqliteStore) -> None:
    old = stored(store, record(state={"a": 1, "b": 2}, steps={"b": StepRecord(op="b"), "a": FULL_STEP}))
    new = replace(old, state={"b": 2}, steps={}, spec={}, inputs={"i": 1})
    store.write(new)
    assert store.load("w#e") == replace(new, version=2)
    assert store.refresh(old) == replace(new, version=2)
    assert store._database.query("SELECT count(*) FROM definitions") == [(1,)]


def test_a_patch_writes_what_it_holds_and_not_the_record(file: str) -> None:
    with SqliteStore(file, synchronous="OFF") as store:
        store.write(record(inputs={"big": "x" * 3_000_000}, state={"big": "x" * 3_000_000}))
        store._database.query("PRAGMA wal_checkpoint(TRUNCATE)")
        store.patch(patch(1, state={"k": 1}, steps={"a": FULL_STEP}, wake_at=NOON))
        ((_, pages, _),) = store._database.query("PRAGMA wal_checkpoint(PASSIVE)")
        assert pages < 20


PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(WorkflowStatus),
        "outcome": st.none() | st.integers(),
        "wake_at": st.none() | st.just(NOON),
        "state": st.dictionaries(st.sampled_from("uvwxyz\ud800"), st.integers()),
        "steps": st.lists(st.sampled_from(["a", "b", "c", "new", "newer"]), unique=True).map(
            lambda ops: {op: replace(FULL_STEP, op=op) for op in ops}
        ),
    },
)
PLACES = st.integers(0, 20)


@given(changes=st.lists(st.tuples(PATCHES, st.booleans(), PLACES), max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_patch_equals_apply_and_write_and_refresh_equals_load(changes: list[Any]) -> None:
    with SqliteStore(":memory:") as store:
        expected = record()
        store.write(expected)
        seen = [store.load("w#e")]
        for fields, whole, back in changes:
            version = len(seen)
            change = patch(version, **fields)
            expected = replace(change.applied(expected), version=version)
            if whole:
                expected.state.pop("v", None)
                expected.steps.pop("b", None)
                store.write(expected)
            else:
                store.patch(change)
            found = store.load("w#e")
            assert found == replace(expected, version=version + 1)
            assert list(found.state) == list(expected.state)
            assert list(found.steps) == list(expected.steps)
            earlier = seen[min(back, len(seen) - 1)]
            copy = replace(earlier, state=dict(earlier.state), steps=dict(earlier.steps))
            fresh = store.refresh(earlier)
            assert fresh == found
            assert list(fresh.state) == list(found.state)
            assert list(fresh.steps) == list(found.steps)
            assert earlier == copy
            seen.append(found)


def test_refresh_gives_the_argument_where_nothing_changed(store: SqliteStore) -> None:
    found = stored(store, record())
    assert store.refresh(found) is found


def test_refresh_notices_another_execution_of_the_same_id(store: SqliteStore) -> None:
    old = stored(store, record(state={"old": 1}))
    store.delete("w#e")
    new = stored(store, record(state={"new": 1}, created_at="2027"))
    assert store.refresh(old) == new
    store.patch(patch(1))
    assert store.refresh(old) == store.load("w#e")


def test_refresh_of_a_record_without_the_steps_that_changed_loads_it(store: SqliteStore) -> None:
    found = stored(store, record())
    store.patch(patch(1, steps={"a": FULL_STEP}))
    assert store.refresh(replace(found, steps={})) == store.load("w#e")


def test_refresh_of_a_record_that_is_deleted_meanwhile_is_not_found(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = stored(store, record())
    store.patch(patch(1))
    read = store._database.read

    def deleted_before(work: Any) -> Any:
        monkeypatch.undo()
        store.delete("w#e")
        return read(work)

    monkeypatch.setattr(store._database, "read", deleted_before)
    with pytest.raises(WorkflowNotFound):
        store.refresh(found)


def test_delete_removes_all_of_it(store: SqliteStore) -> None:
    store.write(record("1", state={"a": 1}, steps={"b": StepRecord(op="b"), "a": FULL_STEP}))
    store.write(record("2"))
    store.delete("w#1")
    with pytest.raises(WorkflowNotFound):
        store.load("w#1")
    assert store.load("w#2").spec == SPEC
    store.delete("w#2")
    for table in ("executions", "contents", "state", "steps", "definitions"):
        assert store._database.query(f"SELECT count(*) FROM {table}") == [(0,)]


def listed(store: SqliteStore, **query: Any) -> list[str]:
    return [summary.workflow_execution_id for summary in store.list_executions(**query)]


def test_the_listing_is_newest_first_in_pages(store: SqliteStore) -> None:
    for number in range(7):
        store.write(record(str(number), created_at=f"2026-0{number // 2 + 1}"))
    order = [f"w#{number}" for number in reversed(range(7))]
    assert listed(store) == order
    for by_cursor in (True, False):
        pages, after = [], None
        while page := store.list_executions(limit=2, after=after):
            pages += [summary.workflow_execution_id for summary in page]
            after = page[-1].cursor if by_cursor else page[-1].workflow_execution_id
        assert pages == order
    assert listed(store, limit=0) == listed(store, limit=-1) == []


def test_the_listing_goes_on_from_a_cursor_whose_execution_is_gone(store: SqliteStore) -> None:
    for number in range(3):
        store.write(record(str(number)))
    summary = store.list_executions()[1]
    store.delete("w#1")
    assert listed(store, after=summary.cursor) == ["w#0"]
    with pytest.raises(WorkflowNotFound):
        store.list_executions(after="w#1")


def test_the_listing_is_filtered(store: SqliteStore) -> None:
    store.write(record("1", created_at="2026-01", status=WorkflowStatus.COMPLETE))
    store.write(record("2", created_at="2026-02", spec={"name": "öther"}))
    store.write(record("3", created_at="2026-03", spec={}))
    assert listed(store, status=WorkflowStatus.COMPLETE) == ["w#1"]
    assert listed(store, name="öther") == ["w#2"]
    assert listed(store, name="workflow") == ["w#3"]
    assert listed(store, since="2026-02") == ["w#3", "w#2"]
    assert listed(store, since="2026-02", name="demo", status=WorkflowStatus.PENDING, after="w#3") == []
    (summary,) = store.list_executions(name="demo")
    assert (summary.name, summary.status, summary.created_at, summary.updated_at) == (
        "demo", WorkflowStatus.COMPLETE, "2026-01", NOON,
    )  # fmt: skip


def test_the_due_are_those_whose_time_has_come_earliest_first(store: SqliteStore) -> None:
    for number, wake_at in enumerate(["2026-03", "2026-01", None, "2026-02", "2026-01"]):
        store.write(record(str(number), wake_at=wake_at))
    assert store.due("2026-02") == ["w#1", "w#4", "w#3"]
    assert store.due("2026-02", 2) == ["w#1", "w#4"]
    assert store.due("2025") == store.due("2027", 0) == []
    store.patch(patch(1, key="w#1", wake_at=None))
    assert store.due("2026-01") == ["w#4"]


def test_due_and_listing_go_by_an_index(file: str) -> None:
    with SqliteStore(file) as store:
        plans = {
            sql.DUE: ("executions_wake_at", 2),
            sql.listing(()): ("executions_created_at", 1),
            sql.CHANGED_STEPS: ("steps_version", 2),
            sql.CHANGED_STATE: ("state_version", 2),
        }
        for statement, (index, count) in plans.items():
            plan = store._database.query("EXPLAIN QUERY PLAN " + statement, (1,) * count)
            assert any(index in row[3] for row in plan), plan
