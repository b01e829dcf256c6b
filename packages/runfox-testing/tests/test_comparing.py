"""The comparison tells apart whatever has another JSON text, and says where."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given

from runfox.errors import InvalidJSON
from runfox.jsonvalue import JSONValue, copy_json
from runfox.records import StepRecord, WorkflowRecord
from runfox.results import DispatchJob
from runfox.status import StepStatus
from runfox_testing import json_samples
from runfox_testing.comparing import difference, record_difference, short
from runfox_testing.json_strategies import objects, values


@given(values())
def test_a_copy_does_not_differ(value: JSONValue) -> None:
    assert difference(copy_json(value, "the value"), value) is None


@given(values(), values())
def test_what_has_another_text_differs(one: JSONValue, other: JSONValue) -> None:
    assume(json.dumps(one) != json.dumps(other))
    assert difference(one, other) is not None
    assert difference(other, one) is not None


@given(objects())
def test_objects_are_objects(value: JSONValue) -> None:
    assert isinstance(value, dict)


@pytest.mark.parametrize(
    ("found", "wanted", "said"),
    [
        (1, 1.0, "1 (int), not 1.0 (float)"),
        (True, 1, "True (bool), not 1 (int)"),
        (0.0, -0.0, "0.0, not -0.0"),
        (None, {}, "None (NoneType), not {} (dict)"),
        ("a", "b", "'a', not 'b'"),
        ("ready", StepStatus.READY, "not <StepStatus.READY: 'ready'> (StepStatus)"),
        ([], [1], "0 items, not the 1 that were wanted"),
        ({"a": 1}, {"a": 1, "b": 2}, "the key 'b' is missing (of 2, 1 are)"),
        ({"a": 1, "b": 2}, {"a": 1}, "the key 'b' is there, which nobody wrote (one of 1)"),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "another order of keys: 'a' is number 1 instead of 'b'"),
        ({"a": [0, {"b": 1}]}, {"a": [0, {"b": 2}]}, "['a'][1]['b']: 1, not 2"),
        ([1, 5, 7], [1, 6, 8], "[1]: 5, not 6"),
        ("x" * 80 + "a", "x" * 80 + "b", "from character 80 on it is 'a', not 'b'"),
        (json_samples.nested(500, 1), json_samples.nested(500, 2), "['deeper'][0]: 1, not 2"),
    ],
)
def test_the_first_difference_is_told_with_its_place(found: Any, wanted: Any, said: str) -> None:
    told = difference(found, wanted)
    assert told is not None
    assert said in told
    assert (difference(found, wanted, "state") or "").startswith("state")


def test_of_a_dataclass_the_compared_fields_count() -> None:
    job = DispatchJob(workflow_execution_id="w#e", op="a", inputs={"n": 1})
    assert difference(replace(job, lease="token", delivery=1), job) is None
    assert difference(replace(job, inputs={"n": 1.0}), job) == ".inputs['n']: 1.0 (float), not 1 (int)"


def record(**changes: Any) -> WorkflowRecord:
    steps = {op: StepRecord(op=op) for op in ("a", "b", "c")}
    steps["b"] = StepRecord(op="b", status=StepStatus.COMPLETE, output={"n": 1}, run_id=1)
    spec: Any = {"steps": [{"op": op} for op in steps]}
    return replace(WorkflowRecord(workflow_id="w", execution_id="e", spec=spec, steps=steps), **changes)


def test_untouched_steps_may_be_left_out() -> None:
    touched = {"b": record().steps["b"]}
    assert record_difference(record(steps=touched), record()) is None
    assert record_difference(record(), record(steps=touched)) is None


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "steps['b'] (which is missing).status: <StepStatus.READY: 'ready'>, not <StepStatus.COMPLETE"),
        ({"b": record().steps["b"], "a": StepRecord(op="a")}, "steps: another order of keys: 'b' is number 1"),
        ({**record().steps, "z": StepRecord(op="z")}, "steps: there is a step 'z' that nobody wrote"),
        ({**record().steps, "a": StepRecord(op="a", run_id=1)}, "steps['a'].run_id: 1, not 0"),
        ({**record().steps, "a": StepRecord(op="a", output={})}, "steps['a'].output: {} (dict), not None"),
    ],
)
def test_steps_that_were_touched_count(found: dict[str, StepRecord], said: str) -> None:
    assert said in (record_difference(record(steps=found), record()) or "")


def test_every_field_of_a_record_counts() -> None:
    assert record_difference(record(), record()) is None
    assert record_difference(record(version=1), record()) == "version: 1, not 0"
    assert record_difference(record(outcome={}), record()) == "outcome: {} (dict), not None (NoneType)"
    assert (
        record_difference(record(state={"a": 1}), record())
        == "state: the key 'a' is there, which nobody wrote (one of 1)"
    )
    assert record_difference(None, record()) == "None is no WorkflowRecord"


def test_anything_can_be_shown() -> None:
    assert len(short(json_samples.everything())) < 1_000
    assert len(short("x" * 1_000)) < 100
    assert short(10**5_000)
    assert difference(10**5_000, 1)


@pytest.mark.parametrize("what", [*json_samples.no_json(), *json_samples.beyond_limits()])
def test_what_is_no_json_is_none(what: str) -> None:
    with pytest.raises(InvalidJSON):
        copy_json((json_samples.no_json() | json_samples.beyond_limits())[what], "the value")


def test_the_samples_are_json() -> None:
    assert (
        difference(json.loads(json.dumps({"floats": json_samples.FLOATS})), {"floats": list(json_samples.FLOATS)})
        is None
    )
    assert copy_json(json_samples.everything(), "the sample") == json_samples.everything()
