"""The local server: exact under races, as strict as AWS, and gone with who started it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from runfox.errors import MissingExtra
from runfox_aws import _moto, create_tables
from runfox_aws.testing import LOCAL, DynamoDBStoreHarness, MotoServer, SQSRunnerHarness
from runfox_testing.processes import Child, race_of_processes

if not hasattr(os, "kill"):
    pytest.skip("processes are ended by signals here", allow_module_level=True)

KB = 1024
TABLE = "workflows"


@pytest.fixture(scope="module")
def server() -> Iterator[MotoServer]:
    with MotoServer() as started:
        create_tables(started.client("dynamodb"))
        yield started


@pytest.fixture(scope="module")
def dynamodb(server: MotoServer) -> Iterator[Any]:
    client = server.client("dynamodb")
    yield client
    client.close()


@pytest.fixture(scope="module")
def sqs(server: MotoServer) -> Iterator[Any]:
    client = server.client("sqs")
    yield client
    client.close()


@pytest.fixture
def queue(sqs: Any, request: pytest.FixtureRequest) -> str:
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:80]
    url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url


def key(name: str, sort: str = "item") -> dict[str, Any]:
    return {"PK": {"S": name}, "SK": {"S": sort}}


def won(call: Callable[[], object]) -> bool:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def claim(client: Any, name: str) -> bool:
    """Put an item that nobody else has put."""
    return won(lambda: client.put_item(TableName=TABLE, Item=key(name), ConditionExpression="attribute_not_exists(PK)"))


# Exactness


def test_one_of_many_threads_wins_a_conditional_put(dynamodb: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(40):
            outcomes = list(pool.map(lambda _, n=number: claim(dynamodb, f"thread-{n}"), range(8)))
            assert outcomes.count(True) == 1


class Alone:
    """An application that sees whether another request is in it, too."""

    def __init__(self, reply: bytes = b"{}") -> None:
        self.reply = reply
        self.together = 0
        self._inside = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        self._inside += 1
        time.sleep(0.001)  # others have every opportunity
        self.together = max(self.together, self._inside)
        self._inside -= 1
        start_response("200 OK", [])
        return [self.reply]


def call_of(action: str, **request: Any) -> _moto.Call:
    """A request from a caller who waits for the answer."""
    near, far = socket.socketpair()
    CONNECTIONS.append(near)
    return _moto.Call(action, json.dumps(request).encode(), {}, far)


CONNECTIONS: list[socket.socket] = []


@pytest.fixture
def connections() -> Iterator[None]:
    yield
    while CONNECTIONS:
        CONNECTIONS.pop().close()


@pytest.mark.parametrize(
    "action",
    ["DynamoDB_20120810.PutItem", "DynamoDB_20120810.UpdateItem", "AmazonSQS.SendMessage", "AmazonSQS.ReceiveMessage"],
)
def test_no_two_requests_are_in_moto_at_once(connections: None, action: str) -> None:
    app = Alone(b'{"Messages": [{}]}')
    exact = _moto.Exact({"DynamoDB_20120810": app, "AmazonSQS": app})
    calls = [call_of(action, TableName="none", MessageBody="x", WaitTimeSeconds=20) for _ in range(24)]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(exact, calls))
    for call in calls:
        call.connection.close()
    assert {reply.status for reply in replies} == {200}
    assert app.together == 1


def test_a_long_poll_is_woken_by_a_message_that_is_sent(connections: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_moto, "_TICK", 3600.0)
    looked = threading.Event()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        request = json.loads(environ["wsgi.input"].read())
        start_response("200 OK", [])
        if "MessageBody" in request:
            sent.append(request["MessageBody"])
            return [b"{}"]
        looked.set()
        return [json.dumps({"Messages": sent}).encode()]

    sent: list[str] = []
    exact = _moto.Exact({"AmazonSQS": app})
    poll, send = (
        call_of("AmazonSQS.ReceiveMessage", WaitTimeSeconds=20),
        call_of("AmazonSQS.SendMessage", MessageBody="x"),
    )
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(exact, poll)
        assert looked.wait(60)
        exact(send)
        assert json.loads(waiting.result().body) == {"Messages": ["x"]}
    assert time.monotonic() - began < 19  # not the end of the poll
    for call in (poll, send):
        call.connection.close()


class Claimant(DynamoDBStoreHarness):
    """Opens a client of DynamoDB, with which a child process puts."""

    def open(self, namespace: str) -> Any:
        self.account.tables(namespace)
        return self.account.client("dynamodb")

    def close(self, client: Any) -> None:
        """It is shared."""


def claim_many(client: Any, table: str, rounds: int) -> list[int]:
    """In which rounds this process was the first."""
    absent = {"TableName": table, "ConditionExpression": "attribute_not_exists(PK)"}
    return [number for number in range(rounds) if won(lambda n=number: client.put_item(Item=key(str(n)), **absent))]


def test_one_of_several_processes_wins_a_conditional_put(tmp_path: Path) -> None:
    harness = Claimant()
    harness.folder = tmp_path
    harness.start()
    children = [Child(60.0) for _ in range(3)]
    try:
        for child in children:
            child.open([harness], "race")
        won_by = race_of_processes(children, claim_many, [("race-workflows", 25)] * 3)
        assert sorted(number for rounds in won_by for number in rounds) == list(range(25))
    finally:
        for child in children:
            child.end()
        harness.stop()


def test_counters_that_many_threads_raise_lose_nothing(dynamodb: Any) -> None:
    def add(_: int) -> None:
        one = {":one": {"N": "1"}}
        dynamodb.update_item(
            TableName=TABLE, Key=key("sum"), UpdateExpression="ADD many :one", ExpressionAttributeValues=one
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(160)))
    found = dynamodb.get_item(TableName=TABLE, Key=key("sum"), ConsistentRead=True)["Item"]
    assert found["many"] == {"N": "160"}


def test_a_transaction_is_seen_as_a_whole_or_not_at_all(dynamodb: Any) -> None:
    def write(number: int) -> None:
        items = [{**key("pair", side), "at": {"N": str(number)}} for side in ("left", "right")]
        dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": TABLE, "Item": item}} for item in items])

    write(0)
    ended = threading.Event()
    torn: list[list[str]] = []

    def read() -> None:
        while not ended.is_set():
            keys = {TABLE: {"Keys": [key("pair", side) for side in ("left", "right")], "ConsistentRead": True}}
            found = [item["at"]["N"] for item in dynamodb.batch_get_item(RequestItems=keys)["Responses"][TABLE]]
            if len(set(found)) != 1:
                torn.append(found)

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        with contextlib.closing(Closing(ended)):
            for number in range(60):
                write(number)
    assert [reader.result() for reader in readers] == [None, None]
    assert torn == []


class Closing:
    """Sets an event when it is closed, whatever happened."""

    def __init__(self, event: threading.Event) -> None:
        self.close = event.set


def test_each_message_goes_to_one_of_many_who_receive(sqs: Any, queue: str) -> None:
    for first in range(0, 60, 10):
        entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(first, first + 10)]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)

    def receive(_: int) -> list[str]:
        bodies: list[str] = []
        while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=3).get("Messages"):
            bodies += [message["Body"] for message in found]
        return bodies

    with ThreadPoolExecutor(6) as pool:
        received = [body for bodies in pool.map(receive, range(6)) for body in bodies]
    assert sorted(received, key=int) == [str(number) for number in range(60)]


# Long polls


def test_a_long_poll_holds_nobody_up_and_ends_with_the_first_message(sqs: Any, dynamodb: Any, queue: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=20)
        for _ in range(20):
            dynamodb.get_item(TableName=TABLE, Key=key("nobody"))
            assert "Messages" not in sqs.receive_message(QueueUrl=queue)
        assert not poll.done()
        began = time.monotonic()
        sqs.send_message(QueueUrl=queue, MessageBody="here")
        assert [message["Body"] for message in poll.result()["Messages"]] == ["here"]
    assert time.monotonic() - began < 10  # not its twenty seconds


def test_a_long_poll_sees_what_becomes_visible_by_itself(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="again")
    assert sqs.receive_message(QueueUrl=queue, VisibilityTimeout=1)["Messages"]
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"][0]["Body"] == "again"


def test_a_long_poll_ends_when_its_time_is_over(sqs: Any, queue: str) -> None:
    began = time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)
    assert time.monotonic() - began >= 0.9


def test_who_has_gone_away_in_a_long_poll_gets_no_message(server: MotoServer, sqs: Any, queue: str) -> None:
    body = json.dumps({"QueueUrl": queue, "WaitTimeSeconds": 20})
    lines = [
        "POST / HTTP/1.1",
        "Host: local",
        "X-Amz-Target: AmazonSQS.ReceiveMessage",
        "Content-Type: application/x-amz-json-1.0",
        f"Authorization: AWS4-HMAC-SHA256 Credential=local/20260101/{LOCAL['region_name']}/sqs/aws4_request, …",
        f"Content-Length: {len(body)}",
        "",
        body,
    ]
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
            connection.sendall("\r\n".join(lines).encode())
        sqs.send_message(QueueUrl=queue, MessageBody="still here")
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


# What AWS refuses


def refused(call: Callable[[], object]) -> str:
    """The code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    code: str = caught.value.response["Error"]["Code"]
    return code


def big(name: str, size: int) -> dict[str, Any]:
    return {**key(name), "data": {"S": "x" * size}}


def writes(count: int, size: int = 1) -> dict[str, Any]:
    items = [{**key("many", str(number)), "data": {"S": "x" * size}} for number in range(count)]
    return {TABLE: [{"PutRequest": {"Item": item}} for item in items]}


def update(dynamodb: Any, name: str, expression: str, **values: Any) -> Any:
    given = {f":{name}": value for name, value in values.items()}
    return dynamodb.update_item(
        TableName=TABLE, Key=key(name), UpdateExpression=expression, ExpressionAttributeValues=given
    )


REFUSED_BY_DYNAMODB: dict[str, Callable[[Any], object]] = {
    "26 writes in a batch": lambda client: client.batch_write_item(RequestItems=writes(26)),
    "101 keys in a batch": lambda client: client.batch_get_item(
        RequestItems={TABLE: {"Keys": [key("k", str(number)) for number in range(101)]}}
    ),
    "an item over 400 KB": lambda client: client.put_item(TableName=TABLE, Item=big("big", 400 * KB)),
    "an item over 400 KB in a batch": lambda client: client.batch_write_item(RequestItems=writes(1, 400 * KB)),
    "a value over 400 KB in an update": lambda client: update(
        client, "grown", "SET side = :side", side={"S": "x" * 401 * KB}
    ),
    "a transaction over 4 MB": lambda client: client.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": TABLE, "Item": {**key("t", str(number)), "data": {"S": "x" * 390 * KB}}}}
            for number in range(11)
        ]
    ),
    "a consistent query of a global index": lambda client: client.query(
        TableName=TABLE,
        IndexName="listing",
        KeyConditionExpression="#shard = :shard",
        ExpressionAttributeNames={"#shard": "shard"},
        ExpressionAttributeValues={":shard": {"S": "0"}},
        ConsistentRead=True,
    ),
    "an expression over 4 KB": lambda client: client.put_item(
        TableName=TABLE, Item=key("c"), ConditionExpression=" OR ".join(["attribute_not_exists(PK)"] * 200)
    ),
    "a reserved word as a name in an expression": lambda client: client.put_item(
        TableName=TABLE, Item=key("c"), ConditionExpression="attribute_not_exists(status)"
    ),
    "a reserved word as a name of a key": lambda client: client.query(
        TableName=TABLE,
        IndexName="listing",
        KeyConditionExpression="shard = :shard",
        ExpressionAttributeValues={":shard": {"S": "0"}},
    ),
    "a reserved word as a name that is asked for": lambda client: client.batch_get_item(
        RequestItems={TABLE: {"Keys": [key("k")], "ProjectionExpression": "PK, url"}}
    ),
    "a value that no expression uses": lambda client: update(
        client, "unused", "SET used = :used", used={"N": "1"}, unused={"N": "1"}
    ),
}


@pytest.mark.parametrize("what", REFUSED_BY_DYNAMODB)
def test_dynamodb_refuses(dynamodb: Any, what: str) -> None:
    assert refused(lambda: REFUSED_BY_DYNAMODB[what](dynamodb)) == "ValidationException"


def test_dynamodb_takes_what_is_just_within_its_limits(dynamodb: Any) -> None:
    dynamodb.batch_write_item(RequestItems=writes(25))
    dynamodb.put_item(TableName=TABLE, Item=big("within", 390 * KB))
    keys = {TABLE: {"Keys": [key("many", str(number)) for number in range(100)]}}
    assert len(dynamodb.batch_get_item(RequestItems=keys)["Responses"][TABLE]) == 25


def test_an_item_that_grows_too_large_by_an_update_stays_as_it_was(dynamodb: Any) -> None:
    dynamodb.put_item(TableName=TABLE, Item=big("growing", 250 * KB))
    dynamodb.update_item(
        TableName=TABLE,
        Key=key("growing"),
        UpdateExpression="SET side = :b",
        ExpressionAttributeValues={":b": {"S": "b"}},
    )
    there = dynamodb.get_item(TableName=TABLE, Key=key("growing"))["Item"]
    too_much: list[dict[str, Any]] = [
        {"UpdateExpression": "SET other = #data", "ExpressionAttributeNames": {"#data": "data"}},
        {"UpdateExpression": "SET side = :p, parts = :p", "ExpressionAttributeValues": {":p": {"S": "y" * 200 * KB}}},
        {
            "UpdateExpression": "SET side = :p, parts = list_append(:p, :p)",
            "ExpressionAttributeValues": {":p": {"L": [{"S": "y" * 100 * KB}]}},
        },
    ]
    for change in too_much:
        request = {"TableName": TABLE, "Key": key("growing"), **change}
        assert refused(lambda r=request: dynamodb.update_item(**r)) == "ValidationException"
        assert dynamodb.get_item(TableName=TABLE, Key=key("growing"))["Item"] == there


def test_bytes_count_as_such_not_as_the_text_that_is_sent(dynamodb: Any) -> None:
    item = {**key("bytes"), "data": {"B": bytes(380 * KB)}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    update(dynamodb, "bytes", "SET side = :side", side={"B": bytes(10 * KB)})
    assert refused(lambda: update(dynamodb, "bytes", "SET side = :side", side={"B": bytes(30 * KB)}))
    found = dynamodb.get_item(TableName=TABLE, Key=key("bytes"))["Item"]
    assert found == {**item, "side": {"B": bytes(10 * KB)}}


def test_an_item_that_grows_too_large_within_a_list_stays_as_it_was(dynamodb: Any) -> None:
    item = {**key("list"), "parts": {"L": [{"S": "x" * 100 * KB}]}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    assert refused(lambda: update(dynamodb, "list", "SET parts[1] = :p", p={"S": "y" * 350 * KB}))
    assert dynamodb.get_item(TableName=TABLE, Key=key("list"))["Item"] == item


def test_an_update_that_would_make_too_large_an_item_makes_none(dynamodb: Any) -> None:
    assert (
        refused(lambda: update(dynamodb, "new", "SET a = :v, b = :v", v={"S": "x" * 250 * KB})) == "ValidationException"
    )
    assert "Item" not in dynamodb.get_item(TableName=TABLE, Key=key("new"))


def entries(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"Id": str(number), "MessageBody": "x", **more} for number in range(count)]


def receipts(count: int) -> list[dict[str, Any]]:
    return [{"Id": str(number), "ReceiptHandle": f"r{number}"} for number in range(count)]


FAMILY = "AWS.SimpleQueueService"
REFUSED_BY_SQS: dict[str, tuple[str, Callable[[Any, str], object]]] = {
    "11 messages in a batch": (
        f"{FAMILY}.TooManyEntriesInBatchRequest",
        lambda client, url: client.send_message_batch(QueueUrl=url, Entries=entries(11)),
    ),
    "11 deletions in a batch": (
        f"{FAMILY}.TooManyEntriesInBatchRequest",
        lambda client, url: client.delete_message_batch(QueueUrl=url, Entries=receipts(11)),
    ),
    "11 changes of visibility in a batch": (
        f"{FAMILY}.TooManyEntriesInBatchRequest",
        lambda client, url: client.change_message_visibility_batch(
            QueueUrl=url, Entries=[{**entry, "VisibilityTimeout": 1} for entry in receipts(11)]
        ),
    ),
    "a batch of no messages": (
        f"{FAMILY}.EmptyBatchRequest",
        lambda client, url: client.send_message_batch(QueueUrl=url, Entries=[]),
    ),
    "a batch of no deletions": (
        f"{FAMILY}.EmptyBatchRequest",
        lambda client, url: client.delete_message_batch(QueueUrl=url, Entries=[]),
    ),
    "a batch of no changes of visibility": (
        f"{FAMILY}.EmptyBatchRequest",
        lambda client, url: client.change_message_visibility_batch(QueueUrl=url, Entries=[]),
    ),
    "two entries of one id": (
        f"{FAMILY}.BatchEntryIdsNotDistinct",
        lambda client, url: client.delete_message_batch(
            QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": text} for text in "bc"]
        ),
    ),
    "a batch over 1 MiB of UTF-8": (
        f"{FAMILY}.BatchRequestTooLong",
        lambda client, url: client.send_message_batch(
            QueueUrl=url, Entries=[{"Id": str(number), "MessageBody": "ä" * 300 * KB} for number in range(2)]
        ),
    ),
    "a message over 1 MiB of UTF-8": (
        "InvalidParameterValue",
        lambda client, url: client.send_message(QueueUrl=url, MessageBody="ä" * 600 * KB),
    ),
    "a message over 1 MiB with its attributes": (
        "InvalidParameterValue",
        lambda client, url: client.send_message(
            QueueUrl=url,
            MessageBody="x" * 1000 * KB,
            MessageAttributes={"more": {"DataType": "String", "StringValue": "x" * 25 * KB}},
        ),
    ),
    "a message with control characters": (
        "InvalidMessageContents",
        lambda client, url: client.send_message(QueueUrl=url, MessageBody="a\x00b"),
    ),
    "a visibility over twelve hours": (
        "InvalidParameterValue",
        lambda client, url: client.receive_message(QueueUrl=url, VisibilityTimeout=43_201),
    ),
    "a wait over twenty seconds": (
        "InvalidParameterValue",
        lambda client, url: client.receive_message(QueueUrl=url, WaitTimeSeconds=21),
    ),
    "eleven messages at once": (
        "InvalidParameterValue",
        lambda client, url: client.receive_message(QueueUrl=url, MaxNumberOfMessages=11),
    ),
}


@pytest.mark.parametrize("what", REFUSED_BY_SQS)
def test_sqs_refuses(sqs: Any, queue: str, what: str) -> None:
    code, call = REFUSED_BY_SQS[what]
    assert refused(lambda: call(sqs, queue)) == code


def test_sqs_takes_what_is_just_within_its_limits(sqs: Any, queue: str) -> None:
    sqs.send_message_batch(QueueUrl=queue, Entries=entries(10))
    sqs.send_message(QueueUrl=queue, MessageBody="ä" * 512 * KB)
    assert sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=43_200)["Messages"]


# The process


def has_ended(pid: int) -> bool:
    """True if there is no such process, or only what is left of one that nobody has waited for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return Path("/proc").is_dir()
        return True
    return state == "Z"


def wait_for_end(pid: int) -> None:
    ends_at = time.monotonic() + 60
    while not has_ended(pid):
        assert time.monotonic() < ends_at, "the server lives on"
        time.sleep(0.02)


STARTER = """
import os, signal, sys, time
from runfox_aws.testing import MotoServer
server = MotoServer()
server.start()
forked = os.fork() if sys.argv[1] == "fork" else None
if forked != 0:
    print(server.pid, forked, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("how", ["alone", "fork"])
def test_it_ends_with_a_parent_that_is_killed(how: str) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER, how], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, forked = parent.stdout.readline().split()
        assert not has_ended(int(pid))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        wait_for_end(int(pid))
        if forked != "None":
            # It holds the pipe to the server, which has ended all the same.
            assert not has_ended(int(forked))
            os.kill(int(forked), signal.SIGKILL)


def test_it_is_gone_when_it_was_stopped() -> None:
    server = MotoServer()
    server.start()
    process = server._process
    server.stop()
    server.stop()
    assert process.returncode == 0  # it saw the end of the pipe, and did not have to be killed


def test_without_moto_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'runfox-aws\[testing\]'"):
        MotoServer().start()


# Namespaces


@pytest.fixture
def harness(server: MotoServer, tmp_path: Path) -> Iterator[SQSRunnerHarness]:
    made = SQSRunnerHarness()
    made.folder = tmp_path
    made.endpoint_url = server.url
    (tmp_path / "local-server").write_text(server.url)
    yield made
    made.stop()


def tables(dynamodb: Any) -> set[str]:
    return set(dynamodb.list_tables()["TableNames"])


def test_tables_are_made_by_whoever_comes_first(server: MotoServer, tmp_path: Path, dynamodb: Any) -> None:
    def open_one(number: int) -> None:
        made = DynamoDBStoreHarness()
        made.folder = tmp_path
        made.endpoint_url = server.url
        made.account.tables("crowd")
        made.stop()

    (tmp_path / "local-server").write_text(server.url)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_one, range(8)))
    assert {"crowd-workflows", "crowd-tasks"} <= tables(dynamodb)


def test_a_queue_has_one_url_for_all_and_a_name_that_sqs_takes(harness: SQSRunnerHarness) -> None:
    names = ["slow", "None", None, "ä" * 300, ""]
    urls = [harness.account.queue("kit-" + "n" * 90, name) for name in names]
    other = SQSRunnerHarness()
    other.folder, other.endpoint_url = harness.folder, harness.endpoint_url
    assert [other.account.queue("kit-" + "n" * 90, name) for name in names] == urls
    other.stop()
    assert len(set(urls)) == len(names)
    assert all(len(url.rpartition("/")[2]) <= 80 for url in urls)


def test_destroy_removes_a_namespace_and_no_other(harness: SQSRunnerHarness, sqs: Any, dynamodb: Any) -> None:
    namespaces = ["kit-1", "kit-1-1", "kit-10"]
    for namespace in namespaces:
        harness.account.tables(namespace)
    urls = {namespace: harness.account.queue(namespace, "q") for namespace in namespaces}
    # What another process has made goes, too.
    other = SQSRunnerHarness()
    other.folder, other.endpoint_url = harness.folder, harness.endpoint_url
    urls["other"] = other.account.queue("kit-1", "other")
    other.stop()
    for _ in range(2):
        harness.destroy("kit-1")
    left = set(sqs.list_queues(QueueNamePrefix="kit-1")["QueueUrls"])
    assert left == {urls["kit-1-1"], urls["kit-10"]}
    assert {name for name in tables(dynamodb) if name.startswith("kit-1")} == {
        "kit-1-1-workflows",
        "kit-1-1-tasks",
        "kit-10-workflows",
        "kit-10-tasks",
    }
    # A namespace that comes again is made again.
    harness.account.tables("kit-1")
    assert "kit-1-tasks" in tables(dynamodb)
    assert harness.account.queue("kit-1", "q") == urls["kit-1"]
    assert urls["kit-1"] in sqs.list_queues(QueueNamePrefix="kit-1")["QueueUrls"]
    harness.destroy("kit-1")


def test_with_another_service_no_server_is_started_and_the_environment_says_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MotoServer, "start", lambda self: pytest.fail("a server was started"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "theirs")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    for kind in (DynamoDBStoreHarness, SQSRunnerHarness):
        made = kind()
        made.folder = tmp_path
        made.endpoint_url = "http://127.0.0.1:9"
        made.start()
        client = made.account.client("dynamodb")
        assert client.meta.region_name == "ap-south-1"
        assert client.meta.endpoint_url == "http://127.0.0.1:9"
        assert client._request_signer._credentials.access_key == "theirs"
        assert made.lag_seconds >= 1.5
        made.stop()


def test_another_service_needs_no_credentials_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    made = DynamoDBStoreHarness()
    made.folder = tmp_path
    made.endpoint_url = "http://127.0.0.1:9"
    made.start()
    client = made.account.client("dynamodb")
    assert client.meta.region_name == LOCAL["region_name"]
    assert client._request_signer._credentials.access_key == LOCAL["aws_access_key_id"]
    made.stop()


def test_aws_as_an_endpoint_is_the_account_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    made = DynamoDBStoreHarness()
    made.folder = tmp_path
    made.endpoint_url = "aws"
    made.start()
    assert made.account.client("sqs").meta.endpoint_url == "https://sqs.ap-south-1.amazonaws.com"
    assert made.lag_seconds > 2
    made.stop()


def test_only_the_local_server_lists_at_once(tmp_path: Path) -> None:
    made = DynamoDBStoreHarness()
    made.folder = tmp_path
    made.start()
    try:
        assert made.lag_seconds == 0
        assert made.account.client("dynamodb")._request_signer._credentials.access_key == LOCAL["aws_access_key_id"]
    finally:
        made.stop()
