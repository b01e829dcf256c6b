"""An account in memory (moto), a runner in it, and ways to disturb the requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws

from runfox.results import DispatchJob
from runfox_aws import SQSRunner, create_tables

EXECUTION = "flow#one"
TABLE = "tasks"


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Account:
    """Clients, queues and what is in them. `requests` are the names of those that were made, in order."""

    def __init__(self) -> None:
        config = Config(retries={"mode": "standard", "total_max_attempts": 3})
        self.sqs = boto3.client("sqs", region_name="eu-west-2", config=config)
        self.dynamodb = boto3.client("dynamodb", region_name="eu-west-2", config=config)
        create_tables(self.dynamodb, tasks=TABLE)
        self.clock = Clock()
        self.urls = {name: self.queue(name) for name in ("one", "two")}
        self.requests: list[str] = []
        self.sent: list[dict[str, Any]] = []
        for client in (self.sqs, self.dynamodb):
            client.meta.events.register("provide-client-params", self._record)

    def _record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.requests.append(model.name)
        self.sent.append({"request": model.name, **params})

    def queue(self, name: str) -> str:
        url: str = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        return url

    def runner(self, **options: Any) -> SQSRunner:
        if "queue_map" not in options and "queue_url" not in options:
            options["queue_map"] = {None: self.urls["one"], **self.urls}
        clients = {"sqs_client": self.sqs, "ddb_client": self.dynamodb}
        return SQSRunner(**{"tasks_table": TABLE, "clock": self.clock, **clients, **options})

    # What there is

    def items(self, table: str = TABLE) -> list[dict[str, Any]]:
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        found = [item for page in pages for item in page["Items"]]
        self.requests.clear()
        return found

    def rows(self) -> list[dict[str, Any]]:
        return [item for item in self.items() if item["SK"]["S"].startswith("TASK#")]

    def parts(self) -> list[dict[str, Any]]:
        return [item for item in self.items() if item["SK"]["S"].startswith("PAYLOAD#")]

    def messages(self, name: str = "one") -> tuple[int, int]:
        """How many can be received now, and how many are hidden."""
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.urls[name], AttributeNames=["All"])["Attributes"]
        self.requests.clear()
        hidden = int(attributes["ApproximateNumberOfMessagesNotVisible"])
        return int(attributes["ApproximateNumberOfMessages"]), hidden

    def bodies(self, name: str = "one") -> list[Any]:
        """The bodies of all messages, which are removed."""
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.urls[name], MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(message["Body"])
                self.sqs.delete_message(QueueUrl=self.urls[name], ReceiptHandle=message["ReceiptHandle"])
        self.requests.clear()
        return [json.loads(body) if body.startswith("{") else body for body in found]

    def put_back(self, name: str = "one") -> None:
        """All messages can be received again, as if their time was over."""
        from moto.sqs import sqs_backends  # noqa: PLC0415  # inside the mock

        for queue in sqs_backends["123456789012"]["eu-west-2"].queues.values():
            for message in queue._messages:
                message.visible_at = 0
            queue.deleted_messages.clear()

    # Disturbances

    def before(self, request: str, act: Callable[[dict[str, Any]], Any], *, times: int = 1) -> None:
        """Call `act` with the request's parameters instead of sending it, or before it, where it gives None.

        What it gives otherwise is ``(status, body)``.
        """
        left = [times]
        client = self._client(request)

        def called(model: Any, params: dict[str, Any], **_: Any) -> Any:
            if left[0] <= 0:
                return None
            left[0] -= 1
            given = act(json.loads(params["body"]))
            if not given:
                return None
            status, body = given
            response = type("Response", (), {"status_code": status})()
            return response, {"ResponseMetadata": {"HTTPStatusCode": status}, **body}

        client.meta.events.register_first(f"before-call.{self._service(request)}.{request}", called)

    def fail(self, request: str, code: str, *, times: int = 1, when: Callable[[Any], bool] = lambda _: True) -> None:
        """The service answers with an error; nothing takes effect."""

        def answer(body: dict[str, Any]) -> Any:
            return (400, {"Error": {"Code": code, "Message": code}}) if when(body) else None

        self.before(request, answer, times=times)

    def lose_reply(self, request: str, *, times: int = 1) -> None:
        """The request takes effect, and nobody hears of it."""
        left = [times]

        def lose(**_: Any) -> None:
            if left[0] > 0:
                left[0] -= 1
                raise ReadTimeoutError(endpoint_url="https://aws.example")

        self._client(request).meta.events.register(f"after-call.{self._service(request)}.{request}", lose)

    def repeat(self, request: str, between: Callable[[], None] = lambda: None) -> None:
        """The request takes effect, its reply is lost, and botocore sends it again, once."""
        done: list[bool] = []

        def again(attempts: int, **_: Any) -> float | None:
            if done:
                return None
            done.append(True)
            between()
            return 0.0

        self._client(request).meta.events.register_first(f"needs-retry.{self._service(request)}.{request}", again)

    def _service(self, request: str) -> str:
        return "sqs" if "essage" in request else "dynamodb"

    def _client(self, request: str) -> Any:
        return self.sqs if self._service(request) == "sqs" else self.dynamodb


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr("runfox_aws._table._pause", lambda seconds: None)
    monkeypatch.setattr("runfox_aws._queues._PAUSES", (0.0, 0.0, 0.0))
    with mock_aws():
        yield Account()


@pytest.fixture
def job() -> Callable[..., DispatchJob]:
    def make(op: str = "step", run_id: int = 1, inputs: Any = None, **more: Any) -> DispatchJob:
        return DispatchJob(EXECUTION, op, {"of": op} if inputs is None else inputs, run_id, **more)

    return make
