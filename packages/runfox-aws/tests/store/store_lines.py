"""Lines to a table in moto, on which calls are seen, lost and refused; and records and patches to send along them.

moto is not safe between threads, so every call is made behind one lock.
"""

from __future__ import annotations

import io
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ReadTimeoutError

from runfox.records import RecordPatch, StepRecord, WorkflowRecord
from runfox.status import StepStatus, WorkflowStatus
from runfox_aws import DynamoDBStore

TABLE = "workflows-of-the-tests"
KEY = "orders#1"
CREATED_AT = "2026-01-01T00:00:00.000000Z"

Send = Callable[[], Any]
Hook = Callable[[str, dict[str, Any], Send], Any]

_lock = threading.RLock()


class Line:
    """A client of boto3 behind which a test stands: `calls` are those made so far; `hook` gets each of them, with what
    sends it, and gives or raises the reply.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.hook: Hook | None = None

    def __getattr__(self, name: str) -> Any:
        if name == "meta":
            raise AttributeError(name)
        made = getattr(self.client, name)

        def call(**request: Any) -> Any:
            self.calls.append((name, request))

            def send() -> Any:
                with _lock:
                    return made(**request)

            return send() if self.hook is None else self.hook(name, request, send)

        return call

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    @contextmanager
    def hooked(self, hook: Hook) -> Iterator[None]:
        self.hook = hook
        try:
            yield
        finally:
            self.hook = None


def reply_lost() -> ReadTimeoutError:
    return ReadTimeoutError(endpoint_url="https://dynamodb.test")


def error_of(code: str, message: str = "of the test", retries: int = 0) -> ClientError:
    reply: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"RetryAttempts": retries}}
    return ClientError(reply, "TestOperation")


def is_head(request: dict[str, Any]) -> bool:
    return bool((request.get("Key") or request.get("Item", {})).get("SK") == {"S": "HEAD"})


def loses_first(call: str, then: Callable[[], object] = lambda: None) -> Hook:
    """The first of these calls for a head takes effect, its reply is lost, and `then` happens before anything else."""
    left = itertools.count()

    def hook(name: str, request: dict[str, Any], send: Send) -> Any:
        reply = send()
        if name == call and is_head(request) and next(left) == 0:
            then()
            raise reply_lost()
        return reply

    return hook


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


@contextmanager
def botocore_repeats_first(line: Line, operation: str, then: Callable[[], object] = lambda: None) -> Iterator[None]:
    """The first of these requests takes effect and is answered by an error, so botocore itself sends it again."""
    left = itertools.count()
    name = re.sub("(?<!^)([A-Z])", r"_\1", operation).lower()
    event = f"before-send.dynamodb.{operation}"

    def answer(request: Any, **_: Any) -> AWSResponse | None:
        if next(left):
            return None
        getattr(line.client, name)(**json.loads(request.body))
        then()
        return AWSResponse(request.url, 500, {}, _Raw(b'{"__type": "InternalServerError"}'))

    line.client.meta.events.register_first(event, answer)
    try:
        yield
    finally:
        line.client.meta.events.unregister(event, answer)
    assert next(left) > 1, "nothing was sent again"


def record_of(key: str = KEY, **fields: Any) -> WorkflowRecord:
    workflow_id, _, execution_id = key.partition("#")
    fields.setdefault("spec", {"name": "orders", "steps": [{"op": "a", "action": "x"}, {"op": "b", "action": "x"}]})
    fields.setdefault("steps", {"a": StepRecord(op="a"), "b": StepRecord(op="b")})
    fields.setdefault("created_at", CREATED_AT)
    fields.setdefault("updated_at", fields["created_at"])
    return WorkflowRecord(workflow_id=workflow_id, execution_id=execution_id, **fields)


def patch_of(version: int, key: str = KEY, **fields: Any) -> RecordPatch:
    fields.setdefault("updated_at", f"2026-01-01T00:00:{version % 60:02}.000000Z")
    return RecordPatch(workflow_execution_id=key, version=version, **fields)


def done(op: str, run_id: int = 1, **output: Any) -> StepRecord:
    return StepRecord(op=op, status=StepStatus.COMPLETE, run_id=run_id, output=output)


def grow(store: DynamoDBStore, commits: int, key: str = KEY, size: int = 300) -> WorkflowRecord:
    """The record after some commits that each replace the same value."""
    version = store.load(key).version
    for number in range(version, version + commits):
        store.patch(patch_of(number, key, state={"filling": f"{number} " + "x" * size}))
    return store.load(key)


def running(**fields: Any) -> dict[str, Any]:
    return {"status": WorkflowStatus.IN_PROGRESS, **fields}
