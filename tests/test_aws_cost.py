"""What `benchmarks/aws_cost.py` counts with, and what a step on AWS costs at most. Nothing here is a time."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto", reason="DynamoDB and SQS are moto's")

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield
    for name in [name for name in sys.modules if name == "aws" or name.startswith("aws.")]:
        del sys.modules[name]


@pytest.fixture
def capacity() -> Any:
    return importlib.import_module("aws.capacity")


@pytest.fixture
def workloads() -> Any:
    return importlib.import_module("aws.workloads")


def item(**values: str) -> dict[str, Any]:
    return {name: {"S": value} for name, value in values.items()}


# Sizes


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "abc"}, 3),
        ({"S": "\u20ac"}, 3),
        ({"B": b"\0\1"}, 2),
        ({"N": "7"}, 2),
        ({"N": "12345"}, 4),
        ({"N": "-12"}, 3),
        ({"N": "1200"}, 2),
        ({"N": "0.05"}, 2),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"N": "1"}]}, 9),
        ({"M": {"key": {"S": "ab"}}}, 9),
    ],
)
def test_a_value_has_the_size_that_the_documentation_says(capacity: Any, value: dict[str, Any], size: int) -> None:
    assert capacity.value_size(value) == size


def test_a_type_whose_size_nobody_has_said_is_refused(capacity: Any) -> None:
    with pytest.raises(ValueError, match="SS"):
        capacity.value_size({"SS": ["a"]})


def test_an_item_is_its_names_and_values(capacity: Any) -> None:
    assert capacity.item_size(item(PK="1234", data="12345")) == 2 + 4 + 4 + 5


# Units


@pytest.mark.parametrize(("size", "units"), [(0, 1), (1, 1), (1_024, 1), (1_025, 2), (1_500, 2), (409_600, 400)])
def test_a_write_unit_is_a_kilobyte_begun(capacity: Any, size: int, units: int) -> None:
    assert capacity.write_units(size) == units


@pytest.mark.parametrize(("size", "units"), [(0, 1), (4_096, 1), (4_097, 2)])
def test_a_read_unit_is_four_kilobytes_and_half_price_where_it_may_be_late(
    capacity: Any, size: int, units: int
) -> None:
    assert capacity.read_units(size) == units
    assert capacity.read_units(size, consistent=False) == units / 2


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [(None, 1_500, 2), (1_500, 1_500, 2), (1_500, 100, 2), (100, 1_500, 2), (1_500, None, 2), (None, None, 1)],
)
def test_a_change_costs_the_larger_of_the_item_before_and_after(
    capacity: Any, before: int | None, after: int | None, units: int
) -> None:
    items = [None if size is None else item(d="x" * (size - 1)) for size in (before, after)]
    assert capacity.units_of_change(*items) == units


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (None, item(PK="a", shard="s", at="1"), 1),
        (item(PK="a", shard="s", at="1"), None, 1),
        (item(PK="a", shard="s", at="1"), item(PK="a", shard="s", at="2"), 2),
        (item(PK="a", shard="s", at="1", name="x"), item(PK="a", shard="s", at="1", name="y"), 1),
        (item(PK="a", shard="s", at="1"), item(PK="a", shard="s", at="1", other="z" * 5_000), 0),
        (item(PK="a", shard="s"), item(PK="a", shard="s", at="1"), 1),
        (item(PK="a", shard="s", at="1"), item(PK="a", shard="s"), 1),
        (item(PK="a", shard="s"), item(PK="a", shard="s", name="x"), 0),
        (None, item(PK="a", shard="s", at="1", name="x" * 1_500), 2),
    ],
)
def test_an_index_costs_what_changes_in_its_entry_and_twice_where_its_key_does(
    capacity: Any, before: dict[str, Any] | None, after: dict[str, Any] | None, units: int
) -> None:
    index = capacity.Index(key=("shard", "at"), projected=frozenset({"PK", "shard", "at", "name"}))
    assert index.units_of_change(before, after) == units


@pytest.mark.parametrize(("payload", "requests"), [(0, 1), (65_536, 1), (65_537, 2), (262_144, 4)])
def test_sqs_bills_each_64_kilobytes(capacity: Any, payload: int, requests: int) -> None:
    assert capacity.sqs_requests(payload) == requests


def test_a_message_is_its_body_and_its_attributes(capacity: Any) -> None:
    attributes = {"n": {"DataType": "String", "StringValue": "abc"}}
    assert capacity.message_size({"MessageBody": "12345", "MessageAttributes": attributes}) == 5 + 1 + 6 + 3


def test_dollars_are_the_sum_of_units_at_their_prices(capacity: Any) -> None:
    assert capacity.dollars(write=2e6, read=4e6, sqs=5e6) == pytest.approx(1.25 + 0.5 + 2.0)


# The cost of a step


def counted(workloads: Any, width: int, way: str) -> Any:
    workload = workloads.Workload(shape="chain", width=width, output=workloads.SMALL, way=way)
    return workloads.measure(workload)


def units(measured: Any, table: str) -> float:
    count = measured.meter.of(table)
    return (count.write_units + count.index_units) / measured.workload.steps


def test_a_step_costs_the_store_about_the_same_however_long_the_chain_is(workloads: Any) -> None:
    short, long = (counted(workloads, width, "store") for width in (100, 300))
    ours, other, whole = (units(short, workloads.WORKFLOWS), short.designs.transaction, short.designs.whole)
    assert ours <= 4.5
    assert ours <= 0.75 * other.write_units / 100
    assert ours <= 0.35 * whole.write_units / 100
    # Whoever writes whole records pays three times as much for a step of a chain that is three times as long.
    assert units(long, workloads.WORKFLOWS) <= 1.2 * ours
    assert long.designs.whole.write_units / 300 >= 2.5 * whole.write_units / 100


def test_a_step_costs_the_runner_a_few_units_and_each_call_of_sqs_once(workloads: Any) -> None:
    measured = counted(workloads, 20, "worker")
    assert units(measured, workloads.TASKS) <= 8.5
    assert measured.meter.of("SQS").requests <= 3 * 20 + 2


def test_the_same_workload_costs_the_same_again(workloads: Any) -> None:
    first, second = (counted(workloads, 10, "worker") for _ in range(2))
    assert first.meter.counts == second.meter.counts
