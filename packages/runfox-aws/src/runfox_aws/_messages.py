"""Messages of SQS: a job's ticket. What counts is its row; the message says which row, and that somebody may come.

The body is for whoever reads the queue without runfox, and may be anything. The attribute ``runfox`` is the ticket:
JSON with the table, the row's key, the run, and a digest of the queue's name. A message without it is understood by a
body with ``workflow_execution_id``, ``op`` and ``run_id``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from runfox.jsonvalue import copy_json
from runfox.packed import Packed
from runfox.results import DispatchJob
from runfox_aws._items import Key
from runfox_aws._rows import task_key

ATTRIBUTE = "runfox"

MessageBody: TypeAlias = "Callable[[DispatchJob], str | Mapping[str, Any]]"
"""Gives a message's body: a text, or an object that is sent as JSON."""

_NOT_SENT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What SQS takes in no message."""

_TASK = re.compile(r"EXECUTION#[!-~]{0,1000} TASK#[!-~]{0,1000}")
"""The key of a row. Of a message that has another one DynamoDB would refuse the request."""

_MOST_RUNS = 10**18


class BodyRefused(Exception):
    """A job's message can't be sent; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The run that a message stands for. `queue` is the digest of its queue's name; it and `table` are None where the
    message does not say.
    """

    key: Key
    run_id: int
    queue: str | None = None
    table: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to be sent to the queue at `url`, for the step `op`."""

    url: str
    op: str
    body: str
    ticket: str

    @property
    def size(self) -> int:
        """The bytes that SQS counts."""
        return len(self.body.encode()) + len(ATTRIBUTE) + len("String") + len(self.ticket)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message that was received. `ticket` is None where it is none of a runner's."""

    url: str
    receipt: str
    ticket: Ticket | None


def digest_of(queue: str | None) -> str:
    """A short text for a queue's name; empty for None."""
    if queue is None:
        return ""
    return hashlib.sha256(queue.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def message_of(
    job: DispatchJob, name: str | None, url: str, inputs: Packed, table: str, body_of: MessageBody | None, limit: int
) -> Outgoing:
    """The message of a job whose queue is `name`. Raises `BodyRefused`."""
    key = task_key(job.workflow_execution_id, job.op)
    ticket = _text({"table": table, **key, "run_id": job.run_id, "queue": digest_of(name)})
    if body_of is not None:
        return _checked(Outgoing(url=url, op=job.op, body=_own_body(job, body_of), ticket=ticket), limit)
    fields = {
        "workflow_execution_id": job.workflow_execution_id,
        "op": job.op,
        "call": job.call,
        "run_id": job.run_id,
        "queue": job.queue,
    }
    if isinstance(inputs, str) and len(inputs) <= limit:  # bytes are what ASCII can't say exactly
        body = f'{_text(fields)[:-1]},"inputs":{inputs}}}'
        message = Outgoing(url=url, op=job.op, body=body, ticket=ticket)
        if message.size <= limit:
            return message
    body = _text({**fields, "inputs_in": {"table": table, **key}})
    return _checked(Outgoing(url=url, op=job.op, body=body, ticket=ticket), limit)


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _own_body(job: DispatchJob, body_of: MessageBody) -> str:
    body = body_of(job)
    if isinstance(body, str):
        return body
    return _text(copy_json(body, f"the message body of step {job.op!r}"))


def _checked(message: Outgoing, limit: int) -> Outgoing:
    if not message.body or _NOT_SENT.search(message.body):
        raise BodyRefused(f"the message of step {message.op!r} is empty, or has characters that SQS does not take")
    if message.size > limit:
        raise BodyRefused(
            f"the message of step {message.op!r} has {message.size:,} bytes, at most {limit:,} can be sent"
        )
    return message


def incoming(url: str, received: Mapping[str, Any]) -> Incoming:
    """A message as SQS gives it."""
    said = received.get("MessageAttributes", {}).get(ATTRIBUTE, {}).get("StringValue")
    ticket = _ticket(_object(said)) if said is not None else _named(_object(received.get("Body", "")))
    return Incoming(url=url, receipt=received["ReceiptHandle"], ticket=ticket)


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _ticket(said: Mapping[str, Any]) -> Ticket | None:
    match said:
        case {"PK": str(partition), "SK": str(sort), "run_id": run_id} if _TASK.fullmatch(
            f"{partition} {sort}"
        ) and _is_run(run_id):
            key = {"PK": partition, "SK": sort}
            return Ticket(key=key, run_id=run_id, queue=_said(said, "queue"), table=_said(said, "table"))
    return None


def _is_run(value: object) -> bool:
    """True for what is a run's number, and one that DynamoDB takes."""
    return type(value) is int and abs(value) < _MOST_RUNS


def _said(said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    return value if isinstance(value, str) else None


def _named(body: Mapping[str, Any]) -> Ticket | None:
    match body:
        case {"workflow_execution_id": str(execution), "op": str(op), "run_id": run_id} if _is_run(run_id):
            return Ticket(key=task_key(execution, op), run_id=run_id)
    return None
