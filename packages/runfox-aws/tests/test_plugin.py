"""URLs of stores and runners, and what the package hands on. No request is made: nothing here needs AWS."""

from __future__ import annotations

from typing import Any

import pytest

import runfox as rfx
from runfox.backend import aws
from runfox_aws import DynamoDBStore, SQSRunner, WorkflowStateItem, WorkflowTaskItem

JOB = rfx.DispatchJob("flow#1", "a", {})


def settings_of(part: Any) -> Any:
    """What a client would be made with."""
    client = part._client if isinstance(part, DynamoDBStore) else part._sqs
    return client._region, client._endpoint_url


def test_a_store_is_opened_by_url() -> None:
    store = rfx.open_store("dynamodb://my-table?region=eu-west-2&endpoint_url=http://127.0.0.1:8000")
    assert isinstance(store, DynamoDBStore)
    assert store._table.name == "my-table"
    assert settings_of(store) == ("eu-west-2", "http://127.0.0.1:8000")


def test_a_runner_is_opened_by_url_with_a_queue_for_each_name() -> None:
    runner = rfx.open_runner(
        "sqs://tasks?queue.instruct=https://sqs.eu-west-2.amazonaws.com/1/instruct&queue.a%26b=http://q/ab&region=eu-west-2"
    )
    assert isinstance(runner, SQSRunner)
    assert runner._tasks.table.name == "tasks"
    assert runner._tasks.routes._map == {
        "instruct": "https://sqs.eu-west-2.amazonaws.com/1/instruct",
        "a&b": "http://q/ab",
    }
    assert settings_of(runner) == ("eu-west-2", None)


def test_a_runner_is_opened_by_url_with_one_queue_for_all() -> None:
    runner = rfx.open_runner("sqs://tasks?queue_url=http://q/all&lease_seconds=30&route_by=kind")
    assert isinstance(runner, SQSRunner)
    assert runner.lease_seconds == 30
    assert runner._tasks.routes.url_of(JOB) == "http://q/all"
    assert runner._tasks.routes.name_of(rfx.DispatchJob("flow#1", "a", {"kind": "x"})) == "x"


def test_options_of_a_call_win_over_those_of_the_url() -> None:
    store = rfx.open_store("dynamodb://my-table?region=eu-west-2", region="us-east-1")
    assert settings_of(store) == ("us-east-1", None)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("dynamodb://", "write dynamodb://TABLE"),
        ("dynamodb:///table", "write dynamodb://TABLE"),
        ("dynamodb:table", "write dynamodb://TABLE"),
        ("dynamodb://table?regin=x", "unknown option 'regin'.*known: region, endpoint_url"),
        ("dynamodb://table?queue.a=x", "unknown option 'queue.a'"),
        ("dynamodb://table?region=a&region=b", "twice"),
        ("sqs://tasks?lease_seconds=soon&queue_url=x", "no number"),
        ("sqs://tasks", "either queue_map.*or queue_url"),
        ("sqs://tasks?queue.a=x&queue_url=y", "either queue_map.*or queue_url"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url: str, message: str) -> None:
    open_part = rfx.open_runner if url.startswith("sqs") else rfx.open_store
    with pytest.raises(ValueError, match=message):
        open_part(url)


def test_the_older_module_hands_on_all_four_names() -> None:
    names = ("DynamoDBStore", "SQSRunner", "WorkflowStateItem", "WorkflowTaskItem")
    handed_on = tuple(getattr(aws, name) for name in names)
    assert handed_on == (DynamoDBStore, SQSRunner, WorkflowStateItem, WorkflowTaskItem)
