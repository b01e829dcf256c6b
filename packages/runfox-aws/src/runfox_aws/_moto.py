"""The process of `runfox_aws.testing.MotoServer`: moto's DynamoDB and SQS behind a small HTTP server.

moto is not safe between threads (races have two winners, transactions are not atomic), so `Exact` lets one request in
at a time. A long poll is many short ones, between which everybody else has his turn. What AWS would refuse is refused.

The server is of its own because werkzeug's closes the connection after each request, and moto's dispatcher looks
through its folders for each one.
"""

from __future__ import annotations

import copy
import io
import json
import os
import re
import selectors
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "1"  # read when moto is imported

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.moto_server.werkzeug_app import create_backend_app

from runfox_aws._refusals import MAX_ITEM, Refusal, check, item_size, too_large

Environ: TypeAlias = "dict[str, Any]"
App: TypeAlias = "Callable[[Environ, Callable[..., Any]], Iterable[bytes]]"

ACCOUNT = "123456789012"
"""moto's."""

_TICK = 0.1
"""Seconds after which a long poll looks again, for messages whose visibility timeout has ended."""

_GIVE_NEW_MESSAGES = frozenset(
    f"AmazonSQS.{action}"
    for action in ("SendMessage", "SendMessageBatch", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch")
)


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came in."""

    action: str
    """``AmazonSQS.ReceiveMessage``"""
    body: bytes
    environ: Environ
    connection: socket.socket

    @property
    def service(self) -> str:
        """``dynamodb`` or ``sqs``."""
        return "sqs" if self.action.startswith("AmazonSQS.") else "dynamodb"

    @property
    def region(self) -> str:
        """The region for which the request is signed."""
        found = re.search(r"Credential=[^/]*/[^/]*/([^/]*)/", self.environ.get("HTTP_AUTHORIZATION", ""))
        return found[1] if found else "us-east-1"

    def has_caller(self) -> bool:
        """False once the caller has closed the connection."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            return not selector.select(0) or bool(self.connection.recv(1, socket.MSG_PEEK))


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Exact:
    """moto's applications, one request at a time, held to what AWS refuses.

    A queue's own wait time (the attribute ``ReceiveMessageWaitTimeSeconds``) is not kept: a request says how long it
    waits.
    """

    def __init__(self, apps: Mapping[str, App]) -> None:
        self._apps = apps
        self._changed = threading.Condition()

    def __call__(self, call: Call) -> Reply:
        """Answer a request."""
        request = json.loads(call.body or b"{}")
        try:
            check(call.action, request)
            match call.action:
                case "AmazonSQS.ReceiveMessage" if 0 < request.get("WaitTimeSeconds", 0) <= 20:
                    return self._poll(call, request)
                case "DynamoDB_20120810.UpdateItem":
                    return self._update(call, request)
        except Refusal as refusal:
            return _refused(call, refusal)
        with self._changed:
            reply = self._answer(call)
            if call.action in _GIVE_NEW_MESSAGES:
                self._changed.notify_all()
        return reply

    def _answer(self, call: Call, body: bytes | None = None) -> Reply:
        """moto's answer. The lock is held."""
        body = call.body if body is None else body
        environ = {**call.environ, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
        started: list[Any] = []
        answer = self._apps[call.action.partition(".")[0]](environ, lambda *args: started.extend(args))
        try:
            data = b"".join(answer)
        finally:
            getattr(answer, "close", lambda: None)()
        return Reply(int(started[0].split()[0]), started[1], data)

    def _poll(self, call: Call, request: dict[str, Any]) -> Reply:
        """The first messages that come. Nobody waits for it, and a caller who has gone away gets none."""
        ends_at = time.monotonic() + request["WaitTimeSeconds"]
        body = json.dumps({**request, "WaitTimeSeconds": 0}).encode()
        with self._changed:
            while call.has_caller():
                reply = self._answer(call, body)
                left = ends_at - time.monotonic()
                if reply.status != 200 or json.loads(reply.body).get("Messages") or left <= 0:
                    return reply
                self._changed.wait(min(left, _TICK))
        raise ConnectionResetError

    def _update(self, call: Call, request: Mapping[str, Any]) -> Reply:
        """An update, taken back as a whole if the item grows too large; moto keeps it, or a part of it."""
        with self._changed:
            table = dynamodb_backends[ACCOUNT][call.region].tables.get(request["TableName"])
            if table is None:
                return self._answer(call)
            hash_key = DynamoType(request["Key"][table.hash_key_attr])
            range_key = DynamoType(request["Key"][table.range_key_attr])
            before = table.get_item(hash_key, range_key)
            if (0 if before is None else before.size()) + len(call.body) < MAX_ITEM // 2:
                return self._answer(call)
            kept = copy.deepcopy(before)
            reply = self._answer(call)
            after = table.get_item(hash_key, range_key)
            if after is None or (reply.status == 200 and item_size(after.to_json()["Attributes"]) <= MAX_ITEM):
                return reply
            if kept is None:
                table.delete_item(hash_key, range_key)
            else:
                table.items[hash_key][range_key] = kept
        if reply.status != 200:
            return reply
        raise too_large()


def _refused(call: Call, refusal: Refusal) -> Reply:
    """As AWS says it: SQS gives the code that boto3 shows in a header."""
    code = refusal.code.rpartition(".")[2]
    name = f"com.amazonaws.dynamodb.v20120810#{code}" if call.service == "dynamodb" else f"com.amazonaws.sqs#{code}"
    body = json.dumps({"__type": name, "message": str(refusal)}).encode()
    headers = [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-requestid", str(uuid.uuid4()))]
    if call.service == "sqs":
        headers.append(("x-amzn-query-error", f"{refusal.code};Sender"))
    return Reply(400, [*headers, ("Content-Length", str(len(body)))], body)


class _Handler(BaseHTTPRequestHandler):
    """One connection, kept open for as many requests as come."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer is one packet

    def do_POST(self) -> None:
        """Answer a request."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the caller was killed while it sent this
            self.close_connection = True
            return
        reply = self.server.answer(Call(self.headers.get("X-Amz-Target", ""), body, self._environ(), self.connection))
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def _environ(self) -> Environ:
        environ: Environ = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": self.path,
            "QUERY_STRING": "",
            "SERVER_NAME": self.server.server_name,
            "SERVER_PORT": str(self.server.server_port),
            "SERVER_PROTOCOL": self.request_version,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        return environ

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name of the overridden one
        """Nothing is logged."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Callable[[Call], Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller who has gone away is none; for others there is the way to it."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _end_with_parent() -> None:
    """End when the pipe from the parent closes, and when the parent is gone though a child of its keeps the pipe."""
    parent = os.getppid()

    def read() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(0)

    for wait in (read, look):
        threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Serve, and say on standard output at which port."""
    _end_with_parent()
    exact = Exact({"DynamoDB_20120810": create_backend_app("dynamodb"), "AmazonSQS": create_backend_app("sqs")})
    server = _Server(exact)
    print(server.server_port, flush=True)  # noqa: T201  # for the parent
    server.serve_forever()


if __name__ == "__main__":
    main()
