"""The two tables, as `create_tables` makes them and the template in this package describes them.

Every item is found by ``PK`` and ``SK``, and all items of one execution share their ``PK``.

Workflows: index ``listing`` (``shard``, ``listed``) has one entry for each execution, by creation; ``wake`` (``shard``,
``wake_hint``) one for each that lives. Tasks: ``age`` (``shard``, ``enqueued``) has one entry for each run; the local
index ``results`` (``PK``, ``ready``) one for each result that nobody has gathered, with the result in it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ClientError

from runfox.errors import StorageUnavailable
from runfox_aws._clients import Client
from runfox_aws._errors import calling, family_of

SHARDS = 4
"""Partitions of each global index; a listing asks all of them."""

LISTING, WAKE, AGE, RESULTS = "listing", "wake", "age", "results"

_LONGEST_WAIT = 300.0
_POLL = 0.5


def _key(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


def _texts(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def _index(name: str, partition: str, sort: str, *included: str) -> dict[str, Any]:
    projection: dict[str, Any] = {"ProjectionType": "KEYS_ONLY"}
    if included:
        projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(included)}
    return {"IndexName": name, "KeySchema": _key(partition, sort), "Projection": projection}


WORKFLOWS_TABLE: Mapping[str, Any] = MappingProxyType(
    {
        "AttributeDefinitions": _texts("PK", "SK", "shard", "listed", "wake_hint"),
        "KeySchema": _key("PK", "SK"),
        "GlobalSecondaryIndexes": [
            _index(LISTING, "shard", "listed", "name", "status"),
            _index(WAKE, "shard", "wake_hint"),
        ],
    }
)

TASKS_TABLE: Mapping[str, Any] = MappingProxyType(
    {
        "AttributeDefinitions": _texts("PK", "SK", "shard", "enqueued", "ready"),
        "KeySchema": _key("PK", "SK"),
        "GlobalSecondaryIndexes": [_index(AGE, "shard", "enqueued")],
        "LocalSecondaryIndexes": [_index(RESULTS, "PK", "ready", "op", "run_id", "result")],
    }
)


def create_tables(
    client: Any = None,
    *,
    workflows: str = "workflows",
    tasks: str = "tasks",
    region: str | None = None,
    endpoint_url: str | None = None,
) -> None:
    """Make the two tables, billed by request, where they are not there yet, and wait until they can be used.

    `client` is a client of DynamoDB, one from the environment where it is None. Raises `StorageUnavailable`.
    """
    dynamodb = Client("dynamodb", client, region=region, endpoint_url=endpoint_url)
    try:
        schemas = {workflows: WORKFLOWS_TABLE, tasks: TASKS_TABLE}
        for name, schema in schemas.items():
            _create(dynamodb(), name, schema)
        for name in schemas:
            _wait_for(dynamodb(), name)
    finally:
        dynamodb.close()


def _create(client: Any, name: str, schema: Mapping[str, Any]) -> None:
    with calling(f"making the table {name!r}"):
        try:
            client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **schema)
        except ClientError as error:
            if family_of(error) != "ResourceInUseException":
                raise


def _status_of(client: Any, name: str) -> str:
    try:
        status: str = client.describe_table(TableName=name)["Table"]["TableStatus"]
    except ClientError as error:
        if family_of(error) != "ResourceNotFoundException":
            raise
        return "CREATING"  # the catalogue of tables follows what was made with a delay
    return status


def _wait_for(client: Any, name: str) -> None:
    ends_at = time.monotonic() + _LONGEST_WAIT
    while True:
        with calling(f"making the table {name!r}"):
            status = _status_of(client, name)
        if status == "ACTIVE":
            return
        if time.monotonic() >= ends_at:
            raise StorageUnavailable(f"the table {name!r} was still {status} after {_LONGEST_WAIT:g} s")
        time.sleep(_POLL)
