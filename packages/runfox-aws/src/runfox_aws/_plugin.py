"""How runfox finds this package: the schemes, what opens their URLs, and the names that `runfox.backend` hands on.

A store is ``dynamodb://TABLE?region=eu-west-2&endpoint_url=http://127.0.0.1:8000``, a runner
``sqs://TASKS-TABLE?queue.NAME=URL&queue.OTHER=URL`` with a URL for each queue, or ``sqs://TASKS-TABLE?queue_url=URL``
with one for all; further options are ``region``, ``endpoint_url``, ``route_by``, ``lease_seconds``. Where region or
endpoint are missing they are the environment's. Characters that mean something in a URL are written as ``%26``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

from runfox.plugins import RunnerProvider, StoreProvider, hookimpl
from runfox_aws._runner import SQSRunner
from runfox_aws._store import DynamoDBStore

_STORE_OPTIONS: Mapping[str, Callable[[str], object]] = MappingProxyType({"region": str, "endpoint_url": str})
_RUNNER_OPTIONS: Mapping[str, Callable[[str], object]] = MappingProxyType(
    {**_STORE_OPTIONS, "queue_url": str, "route_by": str, "lease_seconds": float}
)
_QUEUE = "queue."


def open_store(url: str, **options: object) -> DynamoDBStore:
    """The store of a URL. `options` are the constructor's; they win over the URL's."""
    table, read = _read(url, "dynamodb", _STORE_OPTIONS)
    return DynamoDBStore(table, **{**read, **options})  # type: ignore[arg-type]  # checked by name, and by the class


def open_runner(url: str, **options: object) -> SQSRunner:
    """The runner of a URL. `options` are the constructor's; they win over the URL's."""
    table, read = _read(url, "sqs", _RUNNER_OPTIONS)
    queues = {name.removeprefix(_QUEUE): read.pop(name) for name in list(read) if name.startswith(_QUEUE)}
    if queues:
        read["queue_map"] = queues
    return SQSRunner(tasks_table=table, **{**read, **options})  # type: ignore[arg-type]  # checked by name, and by the class


def _read(url: str, scheme: str, known: Mapping[str, Callable[[str], object]]) -> tuple[str, dict[str, object]]:
    """The table and the options of a URL."""
    found, _, rest = url.partition("://")
    table, _, query = rest.partition("?")
    if found != scheme or not table or "/" in table:
        raise ValueError(f"{_shown(url)!r} is no URL of a table: write {scheme}://TABLE?region=REGION")
    names = ", ".join([*known, *([f"{_QUEUE}NAME"] if "queue_url" in known else [])])
    read: dict[str, object] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        is_queue = "queue_url" in known and name.startswith(_QUEUE)
        if name not in known and not is_queue:
            raise ValueError(f"unknown option {name!r} in the URL (known: {names})")
        if name in read:
            raise ValueError(f"the URL gives the option {name!r} twice (known: {names})")
        try:
            read[name] = text if is_queue else known[name](text)
        except ValueError:
            raise ValueError(f"the URL's option {name}={text!r} is no number (known: {names})") from None
    return unquote(table), read


def _shown(url: str) -> str:
    """A URL without its options."""
    return url.partition("?")[0]


@hookimpl
def runfox_stores() -> list[StoreProvider]:
    """The store of ``dynamodb:``."""
    return [
        StoreProvider(
            scheme="dynamodb",
            factory=open_store,
            summary="executions in a DynamoDB table",
            exports={
                "DynamoDBStore": "runfox_aws:DynamoDBStore",
                "WorkflowStateItem": "runfox_aws:WorkflowStateItem",
            },
            harness="runfox_aws.testing:DynamoDBStoreHarness",
        )
    ]


@hookimpl
def runfox_runners() -> list[RunnerProvider]:
    """The runner of ``sqs:``."""
    return [
        RunnerProvider(
            scheme="sqs",
            factory=open_runner,
            summary="a job queue in SQS, with a DynamoDB table of tasks",
            exports={"SQSRunner": "runfox_aws:SQSRunner", "WorkflowTaskItem": "runfox_aws:WorkflowTaskItem"},
            harness="runfox_aws.testing:SQSRunnerHarness",
        )
    ]
