"""What the processes of the chaos suite open on AWS, and where they die: on both sides of each kind of request.

Before a request nothing has happened. After it the server has done what was asked, and the process ends before it
learns that.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import boto3
import deaths
from botocore.config import Config
from deaths import Deaths, MortalRunner, MortalStore
from ledger import Ledger
from orders import DRIVER, HAND, WORKER, Orders

from runfox.results import DispatchJob
from runfox_aws import DynamoDBStore, SQSRunner, _commit, _documents

_REQUESTS: dict[str, tuple[tuple[str, ...], int]] = {
    "PutItem": ((DRIVER, WORKER), 12),
    "UpdateItem": ((DRIVER, WORKER, HAND), 25),
    "DeleteItem": ((DRIVER, WORKER), 2),
    "BatchWriteItem": ((DRIVER, WORKER), 6),
    "SendMessageBatch": ((DRIVER, WORKER), 8),
    "ReceiveMessage": ((WORKER, HAND), 6),
    "DeleteMessageBatch": ((WORKER, HAND), 6),
    "ChangeMessageVisibilityBatch": ((WORKER, HAND), 2),
}
"""Who makes them, and at which pass to die at most."""

_SIDES = {f"{side} {request}": how for request, how in _REQUESTS.items() for side in ("before", "after")}

POINTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    deaths.POINTS | {point: roles for point, (roles, _) in _SIDES.items()}
)
"""The points, and who passes them."""

RARE: Mapping[str, int] = MappingProxyType(deaths.RARE | {point: most for point, (_, most) in _SIDES.items()})
"""At which pass of a point to die at most."""


def client(service: str, url: str, serial: int = 0) -> Any:
    """A client of boto3 for the local server, which is told whose it is."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 6},
        user_agent_extra=f"chaos/{serial}",
        max_pool_connections=32,
        proxies={},
    )
    return boto3.session.Session(
        aws_access_key_id="chaos", aws_secret_access_key="chaos", region_name="eu-west-1"
    ).client(service, endpoint_url=url, config=config)


class _Store(MortalStore, DynamoDBStore):
    pass


class _Runner(MortalRunner, SQSRunner):
    def poll_pending_jobs(self, *arguments: Any, **options: Any) -> list[DispatchJob]:
        return self._taken(super().poll_pending_jobs(*arguments, **options))


class Parts:
    """What a process opens. `place` has the server's `url`, and the URLs of the queues by name."""

    def __init__(self, orders: Orders, deaths: Deaths, ledger: Ledger) -> None:
        self._orders = orders
        self._deaths = deaths
        self._ledger = ledger
        _make_records_small()

    def store(self) -> DynamoDBStore:
        """A store."""
        return _Store("workflows", self._client("dynamodb"), deaths=self._deaths)

    def runner(self) -> SQSRunner:
        """A runner. A message that a dead process did not send is sent by the next sweep but one."""
        return _Runner(
            queues_of(self._orders.place),
            deaths=self._deaths,
            ledger=self._ledger,
            tasks_table="tasks",
            sqs_client=self._client("sqs"),
            ddb_client=self._client("dynamodb"),
            lease_seconds=self._orders.lease,
            resend_after=2 * self._orders.recover_after,
        )

    def _client(self, service: str) -> Any:
        made = client(service, self._orders.place["url"], self._orders.serial)
        for request in _REQUESTS:
            # Botocore tells of these two for each request that goes over the wire, be it the same again.
            made.meta.events.register(f"before-send.{service}.{request}", self._passing(f"before {request}"))
            made.meta.events.register(f"response-received.{service}.{request}", self._passing(f"after {request}"))
        return made

    def _passing(self, point: str) -> Any:
        def passing(**_: Any) -> None:
            self._deaths.passing(point)

        return passing


def queues_of(place: Mapping[str, str]) -> dict[str | None, str]:
    """The URLs of the queues by name; jobs without a queue share one with the blue ones."""
    return {"red": place["red"], "blue": place["blue"], None: place["blue"]}


def _make_records_small() -> None:
    """Tails, logs and documents outgrow their places now and then in workflows as short as these."""
    _commit.TAIL_SIZE = 800  # type: ignore[misc]
    _commit._SMALLEST_LOG = 1_500  # type: ignore[misc]
    _documents._SMALL_DOCUMENT = 900  # type: ignore[misc]
