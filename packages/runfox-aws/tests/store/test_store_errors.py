"""Errors of botocore come as errors of runfox, without what was sent; clients are made once, and anew after a fork."""

from __future__ import annotations

import os
import threading
from typing import Any

import boto3
import botocore.exceptions
import pytest
from store_lines import KEY, TABLE, Line, Send, error_of, patch_of, record_of

from runfox.errors import StorageError, StorageUnavailable, WorkflowNotFound
from runfox_aws import DynamoDBStore, create_tables
from runfox_aws._clients import Client

pytestmark = pytest.mark.usefixtures("_no_pauses")

SECRET = "the payload"
CODES = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "InternalServerError",
    "ItemCollectionSizeLimitExceededException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ResourceNotFoundException",
    "SerializationException",
    "ThrottlingException",
    "TransactionConflictException",
    "UnrecognizedClientException",
    "ValidationException",
]


class _Anything(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return SECRET


def botocore_errors() -> list[Exception]:
    found: list[Exception] = []
    for kind in vars(botocore.exceptions).values():
        if isinstance(kind, type) and issubclass(kind, botocore.exceptions.BotoCoreError):
            text = kind.fmt.format_map(_Anything())
            error = kind.__new__(kind)
            Exception.__init__(error, text)
            error.kwargs = {}
            found.append(error)
    return found


def calls(store: DynamoDBStore) -> list[Any]:
    return [
        lambda: store.load(KEY),
        lambda: store.patch(patch_of(1, state={"v": SECRET})),
        lambda: store.write(record_of(state={"v": SECRET})),
        lambda: store.delete(KEY),
        store.list_executions,
        lambda: store.due("2026"),
    ]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("error", [error_of(code, SECRET) for code in CODES], ids=CODES)
def test_an_error_of_the_service_is_a_storage_error(
    store: DynamoDBStore, line: Line, error: Exception, number: int
) -> None:
    def fails(name: str, request: dict[str, Any], send: Send) -> Any:
        raise error

    with line.hooked(fails), pytest.raises(StorageError) as raised:
        calls(store)[number]()
    assert SECRET not in str(raised.value)


def test_every_error_of_botocore_is_a_storage_error(store: DynamoDBStore, line: Line) -> None:
    store.write(record_of())
    errors = botocore_errors()
    assert len(errors) > 50
    for error in errors:

        def fails(name: str, request: dict[str, Any], send: Send, error: Exception = error) -> Any:
            raise error

        with line.hooked(fails), pytest.raises(StorageError):
            store.patch(patch_of(1, state={"v": SECRET}))
    assert store.load(KEY).version == 1


def test_what_botocore_finds_wrong_with_a_parameter_is_not_quoted(store: DynamoDBStore) -> None:
    with pytest.raises(StorageError, match="parameter") as raised:
        list(store._table.query("PK = :key", {":key": "k"}, Limit=SECRET))
    assert SECRET not in str(raised.value)


def test_a_table_that_is_missing_is_told_with_what_to_do(line: Line) -> None:
    with pytest.raises(StorageUnavailable, match="create_tables"):
        DynamoDBStore("absent", line).load(KEY)


def test_a_table_that_the_catalogue_does_not_have_yet_is_waited_for(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runfox_aws._schema._POLL", 0)
    late = [2]

    def follows(name: str, request: dict[str, Any], send: Send) -> Any:
        if name == "describe_table" and late[0]:
            late[0] -= 1
            raise error_of("ResourceNotFoundException")
        return send()

    with line.hooked(follows):
        create_tables(line, workflows="made", tasks="made-too")
    assert line.names().count("describe_table") == 4


def test_nothing_may_be_said_by_an_empty_item(store: DynamoDBStore, line: Line) -> None:
    def says(name: str, request: dict[str, Any], send: Send) -> Any:
        reply = send()
        field = {"get_item": "Item", "put_item": "Attributes", "delete_item": "Attributes"}.get(name)
        return reply if field is None else {field: {}, **reply}

    with line.hooked(says):
        with pytest.raises(WorkflowNotFound):
            store.load(KEY)
        store.write(record_of())
        assert store.load(KEY).version == 1


def test_no_region_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(StorageUnavailable, match="region"):
        DynamoDBStore(TABLE).load(KEY)


# Clients


class _Sessions:
    """Sessions of boto3 whose clients take their time until all threads have asked."""

    def __init__(self, threads: int) -> None:
        self.made: list[Any] = []
        self.asked = threading.Semaphore(0)
        self.threads = threads

    def __call__(self) -> _Sessions:
        return self

    def client(self, *_: object, **__: object) -> Any:
        self.made.append(_Closable())
        self.asked.acquire(timeout=0.2)  # nobody else gets here
        return self.made[-1]


class _Closable:
    closed = False

    def close(self) -> None:
        self.closed = True


def test_threads_that_ask_for_a_client_at_once_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = _Sessions(4)
    monkeypatch.setattr(boto3.session, "Session", sessions)
    client = Client("dynamodb")
    barrier = threading.Barrier(4)
    found: list[object] = []

    def ask() -> None:
        barrier.wait()
        found.append(client())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sessions.made) == 1
    assert set(found) == set(sessions.made)
    client.close()
    assert sessions.made[0].closed


def test_a_closed_client_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = _Sessions(1)
    monkeypatch.setattr(boto3.session, "Session", sessions)
    client = Client("dynamodb")
    first = client()
    client.close()
    client.close()
    assert client() is not first
    client.close()


def test_a_client_that_was_given_is_not_closed() -> None:
    given = _Closable()
    client = Client("dynamodb", given)
    client.close()
    assert not given.closed
    assert client() is given


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_a_lock_is_held_leaves_the_child_a_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3.session, "Session", _Sessions(1))
    client = Client("dynamodb")
    first = client()
    with client._lock:
        pid = os.fork()
        if pid == 0:  # the child: no assertion may leave it
            free = client._lock.acquire(blocking=False)
            if free:
                client._lock.release()
            os._exit(0 if free and client() is not first else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert client() is first
