"""Clients that read while another one writes: what each has seen, in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial

from runfox.records import WorkflowRecord
from runfox_testing.case import StoreCase
from runfox_testing.check import expect
from runfox_testing.checks.stored import all_succeeded
from runfox_testing.comparing import record_difference
from runfox_testing.observing import ObservedStore
from runfox_testing.sample_records import chain_record

_READERS = 2
_MOST_WRITES = 2_000


class Seen:
    """What one reader has seen: the version that was acknowledged before it asked, and the record that it got."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, WorkflowRecord]] = []

    def versions(self) -> set[int]:
        """The versions of all records."""
        return {record.version for _, record in self.answers}


def watch(
    case: StoreCase, write: Callable[[int], object], read: Callable[[ObservedStore, WorkflowRecord], WorkflowRecord]
) -> list[Seen]:
    """One thread makes the chain's versions by ``write(version)`` while others read, until each has seen several.

    ``read(client, latest)`` gets what the reader saw last.
    """
    write(1)
    clients = case.clients(_READERS)
    seen = [Seen() for _ in clients]
    wanted = 3 + case.profile.rounds
    acknowledged = 1
    is_over = threading.Event()
    finished = threading.Semaphore(0)

    def keep_writing() -> None:
        nonlocal acknowledged
        left = len(clients)
        try:
            for version in range(2, _MOST_WRITES):
                write(version)
                acknowledged = version
                while left and finished.acquire(blocking=False):
                    left -= 1
                if not left:
                    break
        finally:
            is_over.set()

    def keep_reading(client: ObservedStore, own: Seen) -> None:
        latest = client.load(chain_record(1).workflow_execution_id)
        try:
            while len(own.versions()) < wanted and not is_over.is_set():
                before = acknowledged
                latest = read(client, latest)
                own.answers.append((before, latest))
        finally:
            finished.release()

    readers = [partial(keep_reading, client, own) for client, own in zip(clients, seen, strict=True)]
    all_succeeded(case.race(keep_writing, *readers), "reading while another client writes")
    for own in seen:
        expect(len(own.versions()) > 1, f"{acknowledged} versions were written, a reader has seen {own.versions()}")
    return seen


def expect_whole(records: Iterable[WorkflowRecord], what: str) -> None:
    """Each record has to be one of the chain's versions."""
    for record in records:
        problem = record_difference(record, chain_record(record.version))
        expect(
            problem is None,
            f"{what} while another client writes gave a record of version {record.version} with parts of another "
            f"version: {problem}",
        )


def expect_fresh(seen: Seen, what: str) -> None:
    """No reader may go back, or see less than what was acknowledged before it asked."""
    latest = 0
    for acknowledged, record in seen.answers:
        expect(
            record.version >= latest,
            f"{what} gave version {record.version} after the same client had seen version {latest}",
        )
        expect(
            record.version >= acknowledged,
            f"{what} gave version {record.version}, but version {acknowledged} was acknowledged before it was asked",
        )
        latest = record.version
