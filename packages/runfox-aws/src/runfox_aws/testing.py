"""How the conformance kit opens this package's store and runner. Only the kit imports it: it needs `runfox-testing`,
and `moto` where no other service is given: ``pip install 'runfox-aws[testing]'``.

Without ``--runfox-endpoint-url`` a local server with moto's DynamoDB and SQS is started. With it the kit uses the
service that listens there, with region and credentials from the environment, or made-up ones where there are none;
``--runfox-endpoint-url=aws`` is the account of the environment itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from runfox.errors import MissingExtra
from runfox.results import DispatchJob
from runfox_aws._errors import family_of
from runfox_aws._runner import SQSRunner
from runfox_aws._schema import create_tables
from runfox_aws._store import DynamoDBStore
from runfox_testing import RunnerHarness, StoreHarness
from runfox_testing.harness import HarnessFailure

ACCOUNT = "aws"
"""As an endpoint: that of the environment's own account and region."""

LOCAL: Mapping[str, str] = MappingProxyType(
    {"region_name": "eu-west-1", "aws_access_key_id": "local", "aws_secret_access_key": "local"}
)
"""What a client of the local server is given; it belongs to nobody."""

_INDEX_LAG = 3.0
"""Seconds that global indexes may be late in an account of AWS."""

_EMULATOR_LAG = 1.5
"""The same of another emulator: most write their indexes with the item, and SQS counts in whole seconds."""

_GRACE = 10.0


class MotoServer:
    """moto's DynamoDB and SQS on the loopback interface, in a process of its own which ends with this one.

    It is exact under concurrency, which moto is not, and refuses what AWS refuses (``_moto.py``, ``_refusals.py``).
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""

    def start(self) -> None:
        """Start it. Raises `MissingExtra`, and `HarnessFailure` if it does not come up."""
        if any(importlib.util.find_spec(name) is None for name in ("moto", "flask", "py_partiql_parser")):
            raise MissingExtra("a local server of DynamoDB and SQS", "runfox-aws[testing]")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "runfox_aws._moto"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # Ctrl-C is for the parent, with which it ends
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().decode().strip()
        if not port:
            self.stop()
            raise HarnessFailure("the local server of DynamoDB and SQS did not start; see its standard error")
        self._url = f"http://127.0.0.1:{port}"

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._url

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def client(self, service: str) -> Any:
        """A client of boto3 for ``dynamodb`` or ``sqs``."""
        return _client(service, self._url, LOCAL)

    def stop(self) -> None:
        """End it, with all that it keeps."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _client(service: str, endpoint_url: str | None, identity: Mapping[str, str]) -> Any:
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 6},
        read_timeout=30,  # longer than any long poll
        max_pool_connections=32,
        proxies={} if identity else None,  # none between this and the local server
    )
    session: Any = boto3.session.Session()
    return session.client(service, endpoint_url=endpoint_url, config=config, **identity)


def _missing_identity() -> Mapping[str, str]:
    """What is told to a service that is no account of AWS where the environment has no region, or no credentials: such
    a service wants some, and does not check them.
    """
    session: Any = boto3.session.Session()
    missing = {"region_name"} if session.region_name is None else set()
    if session.get_credentials() is None:
        missing |= LOCAL.keys() - {"region_name"}
    return {name: LOCAL[name] for name in missing}


class _Account:
    """The clients, tables and queues of one harness: what both of them need. Safe between threads."""

    def __init__(self, endpoint_url: str | None, *, is_local: bool) -> None:
        self._endpoint_url = None if endpoint_url == ACCOUNT else endpoint_url
        self._identity = LOCAL if is_local else _missing_identity() if self._endpoint_url else {}
        self._clients: dict[str, Any] = {}
        self._tables: set[str] = set()
        self._queues: dict[str, str] = {}
        self._lock = threading.RLock()

    def client(self, service: str) -> Any:
        """The client of a service, which several stores and runners share: it keeps nothing but connections."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = _client(service, self._endpoint_url, self._identity)
            return self._clients[service]

    def tables(self, namespace: str) -> tuple[str, str]:
        """The names of the tables for workflows and tasks, which are there when this returns."""
        workflows, tasks = _tables_of(namespace)
        with self._lock:
            if namespace not in self._tables:
                create_tables(self.client("dynamodb"), workflows=workflows, tasks=tasks)
                self._tables.add(namespace)
        return workflows, tasks

    def queue(self, namespace: str, name: str | None) -> str:
        """The URL of a queue of SQS, which is there when this returns."""
        queue = _queue_prefix(namespace) + hashlib.sha256(repr(name).encode()).hexdigest()[:16]
        with self._lock:
            if queue not in self._queues:
                self._queues[queue] = self.client("sqs").create_queue(QueueName=queue)["QueueUrl"]
            return self._queues[queue]

    def destroy_tables(self, namespace: str) -> None:
        """Remove both tables, if they are there."""
        for table in _tables_of(namespace):
            with _unless("ResourceNotFoundException"):
                self.client("dynamodb").delete_table(TableName=table)
        with self._lock:
            self._tables.discard(namespace)

    def destroy_queues(self, namespace: str) -> None:
        """Remove all queues, also those that other processes have made."""
        prefix = _queue_prefix(namespace)
        for url in self.client("sqs").list_queues(QueueNamePrefix=prefix, MaxResults=1000).get("QueueUrls", ()):
            with _unless("QueueDoesNotExist"):
                self.client("sqs").delete_queue(QueueUrl=url)
        with self._lock:
            self._queues = {name: url for name, url in self._queues.items() if not name.startswith(prefix)}

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            while self._clients:
                self._clients.popitem()[1].close()


def _tables_of(namespace: str) -> tuple[str, str]:
    return f"{namespace}-workflows", f"{namespace}-tasks"


def _queue_prefix(namespace: str) -> str:
    """How the queues' names begin: no other namespace's do, for none has a ``_`` in it. At most 64 characters."""
    return (namespace if len(namespace) < 64 else hashlib.sha256(namespace.encode()).hexdigest()[:60]) + "_"


@contextlib.contextmanager
def _unless(family: str) -> Iterator[None]:
    """What is not there is removed."""
    try:
        yield
    except ClientError as error:
        if family_of(error) != family:
            raise


class _OnAWS:
    """What both harnesses share: the server, and the account of what they open. To be mixed with a `Harness`."""

    folder: Path
    endpoint_url: str | None

    def __init__(self) -> None:
        self._server: MotoServer | None = None
        self._made: _Account | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the local server, unless another service is given."""
        if self.endpoint_url is None:
            self._server = MotoServer()
            self._server.start()
            self.endpoint_url = self._server.url
            # A child process, which is told the URL, finds here that it is the local server's.
            self._mark.write_text(self._server.url, encoding="utf-8")

    def stop(self) -> None:
        """End the local server."""
        if self._made is not None:
            self._made.close()
        if self._server is not None:
            self._server.stop()

    @property
    def is_local(self) -> bool:
        """True where the service is the local server of this session."""
        return self._mark.exists() and self._mark.read_text(encoding="utf-8") == self.endpoint_url

    @property
    def _index_lag(self) -> float:
        """Seconds that what global indexes show may be late."""
        return _INDEX_LAG if self.endpoint_url == ACCOUNT else _EMULATOR_LAG

    @property
    def _mark(self) -> Path:
        return self.folder / "local-server"

    @property
    def account(self) -> _Account:
        """The account, from the first use on."""
        with self._lock:
            if self._made is None:
                self._made = _Account(self.endpoint_url, is_local=self.is_local)
            return self._made


class DynamoDBStoreHarness(_OnAWS, StoreHarness):
    """Tables for each namespace. Outside the local server listings may be late, as global indexes are."""

    def start(self) -> None:
        """Start the local server, unless another service is given."""
        super().start()
        if not self.is_local:
            self.lag_seconds = self._index_lag

    def open(self, namespace: str) -> DynamoDBStore:
        """A store on the namespace's table."""
        workflows, _ = self.account.tables(namespace)
        return DynamoDBStore(workflows, self.account.client("dynamodb"))

    def destroy(self, namespace: str) -> None:
        """Remove the namespace's tables."""
        self.account.destroy_tables(namespace)


class SQSRunnerHarness(_OnAWS, RunnerHarness):
    """Tables for each namespace, and a queue of SQS for each name of a queue, made when it is first used.

    SQS counts visibility in whole seconds.
    """

    lag_seconds = 1.5

    def start(self) -> None:
        """Start the local server, unless another service is given."""
        super().start()
        if not self.is_local:
            self.lag_seconds = self._index_lag

    def open(self, namespace: str) -> SQSRunner:
        """A runner on the namespace's table and queues."""
        account = self.account
        _, tasks = account.tables(namespace)

        def queue_url(job: DispatchJob) -> str:
            return account.queue(namespace, job.queue)

        return SQSRunner(
            queue_url=queue_url,
            tasks_table=tasks,
            sqs_client=account.client("sqs"),
            ddb_client=account.client("dynamodb"),
        )

    def destroy(self, namespace: str) -> None:
        """Remove the namespace's tables and queues."""
        self.account.destroy_tables(namespace)
        self.account.destroy_queues(namespace)
