"""The queues of SQS: sending, receiving, and what is done to a message that was received."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from runfox.errors import StorageError, StorageUnavailable
from runfox_aws._clients import Client
from runfox_aws._errors import calling
from runfox_aws._messages import ATTRIBUTE, Incoming, Outgoing, incoming
from runfox_aws._parallel import in_parallel
from runfox_aws._rows import MICROSECONDS

logger = logging.getLogger("runfox")

BATCH = 10
"""Messages of one request."""

LONGEST_POLL = 20
"""Seconds."""

_LONGEST_VISIBILITY = 43_200
_PAUSES = (0.05, 0.2, 0.8)


class Queues:
    """SQS by the URLs of queues. Safe between threads. `limit` is the bytes that a batch may have."""

    def __init__(self, client: Client, limit: int) -> None:
        self._client = client
        self._limit = limit

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Send all messages, to whatever queues. Raises `StorageUnavailable`, after all that can be sent was sent."""
        by_url: dict[str, list[Outgoing]] = {}
        for message in messages:
            by_url.setdefault(message.url, []).append(message)
        batches = [batch for same in by_url.values() for batch in self._batches(same)]
        problems = [problem for problem in in_parallel(self._send_batch, batches) if problem is not None]
        if problems:
            raise problems[0]

    def _batches(self, messages: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
        batch: list[Outgoing] = []
        size = 0
        for message in messages:
            if batch and (len(batch) == BATCH or size + message.size > self._limit):
                yield batch
                batch, size = [], 0
            batch.append(message)
            size += message.size
        if batch:
            yield batch

    def _send_batch(self, messages: list[Outgoing]) -> StorageError | None:
        """Send messages to one queue; gives what went wrong."""
        what = f"sending to the queue {_name(messages[0].url)!r}"
        waiting, refused, code = messages, list[Outgoing](), ""
        for pause in (*_PAUSES, None):
            try:
                failed = self._try_to_send(what, waiting)
            except StorageError as error:
                return _named(error, [*waiting, *refused])
            refused += [message for message, failure in failed if failure["SenderFault"]]
            waiting = [message for message, failure in failed if not failure["SenderFault"]]
            code = failed[0][1]["Code"] if failed else code
            if not waiting or pause is None:
                break
            time.sleep(pause)
        if not waiting and not refused:
            return None
        return _named(StorageUnavailable(f"{what} failed ({code})"), [*waiting, *refused])

    def _try_to_send(self, what: str, messages: list[Outgoing]) -> list[tuple[Outgoing, Any]]:
        """The messages that were not sent, with what SQS says about each."""
        entries = [
            {
                "Id": str(place),
                "MessageBody": message.body,
                "MessageAttributes": {ATTRIBUTE: {"DataType": "String", "StringValue": message.ticket}},
            }
            for place, message in enumerate(messages)
        ]
        with calling(what):
            reply = self._client().send_message_batch(QueueUrl=messages[0].url, Entries=entries)
        return [(messages[int(failure["Id"])], failure) for failure in reply.get("Failed", ())]

    def receive(self, url: str, most: int, visibility: int, wait: int = 0) -> list[Incoming]:
        """Up to `most` messages, and 10, that nobody else gets for so many seconds; [] after `wait` seconds."""
        with calling(f"receiving from the queue {_name(url)!r}"):
            reply = self._client().receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=min(most, BATCH),
                VisibilityTimeout=visibility,
                WaitTimeSeconds=wait,
                MessageAttributeNames=[ATTRIBUTE],
            )
        return [incoming(url, message) for message in reply.get("Messages", ())]

    # What may fail without harm: the row says what counts, and a message that stays is understood when it comes again.

    def delete(self, receipts: Iterable[tuple[str, str]]) -> None:
        """Remove messages, by the queue's URL and the receipt, as far as that can be done."""
        self._change("delete_message_batch", [(url, {"ReceiptHandle": receipt}) for url, receipt in receipts])

    def show(self, receipts: Iterable[tuple[str, str, int]]) -> None:
        """Let messages be received again after so many seconds, as far as that can be done."""
        entries = [
            (url, {"ReceiptHandle": receipt, "VisibilityTimeout": seconds}) for url, receipt, seconds in receipts
        ]
        self._change("change_message_visibility_batch", entries)

    def _change(self, call: str, entries: Iterable[tuple[str, dict[str, Any]]]) -> None:
        by_url: dict[str, list[dict[str, Any]]] = {}
        for url, entry in entries:
            by_url.setdefault(url, []).append(entry)
        for url, same in by_url.items():
            for first in range(0, len(same), BATCH):
                batch = [{"Id": str(place), **entry} for place, entry in enumerate(same[first : first + BATCH])]
                try:
                    with calling(call):
                        failed = getattr(self._client(), call)(QueueUrl=url, Entries=batch).get("Failed", ())
                except StorageError as error:
                    logger.debug("%s failed for the queue %r (%s)", call, _name(url), type(error).__name__)
                else:
                    for failure in failed:
                        logger.debug("%s failed for a message of %r (%s)", call, _name(url), failure.get("Code"))


def visibility(microseconds: int) -> int:
    """Whole seconds, not fewer, as SQS takes them."""
    return min(max(math.ceil(microseconds / MICROSECONDS), 0), _LONGEST_VISIBILITY)


def _name(url: str) -> str:
    """A queue's name: the rest of its URL tells of accounts."""
    return url.rstrip("/").rpartition("/")[2]


def _named(error: StorageError, messages: Sequence[Outgoing]) -> StorageError:
    """The error with the steps in it."""
    ops = ", ".join(repr(message.op) for message in messages)
    detail = f"{error}; the jobs are kept, and sent when they are dispatched again: {ops}"
    made = type(error)(detail) if isinstance(error, StorageUnavailable) else StorageError(detail)
    made.__cause__ = error
    return made
