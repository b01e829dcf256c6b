"""What the tests of the store share: a table in moto, stores on it, and what makes rare things happen often."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

sys.path.insert(0, str(Path(__file__).parent))  # no folder of tests is a package

from store_lines import TABLE, Line

from runfox_aws import DynamoDBStore, create_tables


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS, played by moto, and no way to the real one."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with mock_aws():
        yield


@pytest.fixture(scope="session")
def _session() -> boto3.session.Session:
    """What reads the service's model, once."""
    return boto3.session.Session()


@pytest.fixture
def new_line(_aws: None, _session: boto3.session.Session) -> Iterator[Callable[[], Line]]:
    """Makes lines to the table, each with a client of its own."""
    clients: list[Any] = []

    def new() -> Line:
        config = Config(retries={"mode": "standard", "total_max_attempts": 3})
        clients.append(_session.client("dynamodb", region_name="eu-west-2", config=config))
        return Line(clients[-1])

    create_tables(new().client, workflows=TABLE, tasks="tasks-of-the-tests")
    yield new
    for client in clients:
        client.close()


@pytest.fixture
def line(new_line: Callable[[], Line]) -> Line:
    return new_line()


@pytest.fixture
def store(line: Line) -> DynamoDBStore:
    """A store on `line`."""
    return DynamoDBStore(TABLE, line)


@pytest.fixture
def other(new_line: Callable[[], Line]) -> DynamoDBStore:
    """Another client of the same table."""
    return DynamoDBStore(TABLE, new_line())


@pytest.fixture
def items(new_line: Callable[[], Line]) -> Callable[[], list[dict[str, Any]]]:
    """All items of executions that the table has, not those of definitions."""
    client = new_line().client

    def scan() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in client.get_paginator("scan").paginate(TableName=TABLE):
            found += [item for item in page["Items"] if item["PK"]["S"].startswith("EXECUTION#")]
        return found

    return scan


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits between tries does not wait."""
    for place in ("runfox_aws._table", "runfox_aws._heads", "runfox_aws._store"):
        monkeypatch.setattr(f"{place}.time", _Timeless)


class _Timeless:
    time = staticmethod(time.time)

    @staticmethod
    def sleep(seconds: float) -> None:
        assert seconds >= 0


@pytest.fixture
def _small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that happens beyond some size happens soon."""
    monkeypatch.setattr("runfox_aws._commit.TAIL_SIZE", 250)
    monkeypatch.setattr("runfox_aws._commit._SMALLEST_LOG", 400)
    monkeypatch.setattr("runfox_aws._documents._SMALL_VALUE", 40)
    monkeypatch.setattr("runfox_aws._documents._SMALL_DOCUMENT", 150)
