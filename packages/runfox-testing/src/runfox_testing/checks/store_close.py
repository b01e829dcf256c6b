"""STORE-CLOSE: a closed client has given back what it held, and others go on."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from runfox.records import WorkflowRecord
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect
from runfox_testing.checks.stored import expect_stored, undisturbed, written
from runfox_testing.observing import ObservedStore
from runfox_testing.sample_records import at, copy_of, full_record, new_record, patch_of

_CYCLES = 10
_PATIENCE = 5.0
"""Seconds within which what was given back has to be gone."""


def _use_and_close(case: StoreCase, number: int) -> None:
    """Open two clients, use all that they can do, from a thread of their own as well, and close them."""
    first, second = case.clients(2)
    record = written(first, new_record(f"cycle-{number}"))
    case.race(lambda: _use(case, second, f"thread-{number}"), lambda: first.load(record.workflow_execution_id))
    _use(case, first, f"use-{number}")
    case.close_clients()


def _use(case: StoreCase, client: ObservedStore, execution_id: str) -> None:
    record = written(client, new_record(execution_id))
    key = record.workflow_execution_id
    if "SupportsRefresh" in case.abilities:
        client.refresh(client.load(key))
    if "SupportsPatch" in case.abilities:
        client.patch(patch_of(record, outcome=1))
    if "SupportsListing" in case.abilities:
        client.list_executions(limit=1)
    if "SupportsWake" in case.abilities:
        client.due(at(0), 1)
    if "SupportsDelete" in case.abilities:
        client.delete(key)


def _growth(case: StoreCase, count: Callable[[], int]) -> int:
    """How much more there is after some cycles of opening, using and closing, once it has had time to go."""
    for number in range(3):
        _use_and_close(case, number)
    gc.collect()
    before = count()
    for number in range(_CYCLES):
        _use_and_close(case, 100 + number)
    deadline = time.monotonic() + _PATIENCE
    while (growth := count() - before) > 0 and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    return growth


def _threads() -> int:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()


def _handles() -> int | None:
    for folder in ("/proc/self/fd", "/dev/fd"):
        if Path(folder).is_dir():
            return len(os.listdir(folder))  # noqa: PTH208  # entries that may be gone before they are looked at
    return None


@check(
    "STORE-CLOSE-01",
    causes=["a thread of a pool, a heartbeat or a listener is not ended by close"],
)
def closing_ends_threads(case: StoreCase) -> None:
    """Clients that are opened, used and closed again and again leave no thread behind."""
    growth = _growth(case, _threads)
    expect(
        growth < _CYCLES, f"{_CYCLES} times two clients were opened, used and closed: {growth} threads more are alive"
    )


@check(
    "STORE-CLOSE-02",
    causes=[
        "connections of other threads than the one that closes stay open",
        "a file is opened once more than closed",
    ],
)
def closing_gives_back_file_handles(case: StoreCase) -> None:
    """Clients that are opened, used and closed again and again leave no open file or socket behind."""
    growth = _growth(case, lambda: _handles() or 0)
    expect(
        growth < _CYCLES,
        f"{_CYCLES} times two clients were opened, used and closed: {growth} file handles more are open",
    )


@check(
    "STORE-CLOSE-03",
    causes=["what clients share (a connection, a pool, a server) is closed by the first of them"],
)
def closing_one_client_leaves_the_others(case: StoreCase) -> None:
    """Closing one client does not disturb others, whether they were opened before it or after it."""
    harness = case.harnesses[0]
    before = case.client()
    wanted = written(before, full_record())
    for number in range(3):
        closed = harness.open(case.namespace)
        after = case.client()
        wanted = written(closed, copy_of(wanted, outcome=number))
        harness.close(closed)
        for client in (before, after):
            wanted = undisturbed(
                f"after another client was closed, a call of {client.name}",
                partial(_go_on, case, client, wanted, f"{client.name}-{number}"),
            )


def _go_on(case: StoreCase, client: ObservedStore, wanted: WorkflowRecord, execution_id: str) -> WorkflowRecord:
    expect_stored(client, wanted, "after another client was closed")
    wanted = written(client, wanted)
    _use(case, client, execution_id)
    expect_stored(client, wanted, "after another client was closed")
    return wanted


@check(
    "STORE-CLOSE-04",
    causes=["close gives back what is not there any more"],
)
def closing_twice_does_no_harm(case: StoreCase) -> None:
    """Closing a client twice, or one that was never used, does no harm; what it has written is there."""
    harness = case.harnesses[0]
    first = case.client()
    wanted = written(first, full_record())
    for is_used in (True, False):
        client = harness.open(case.namespace)
        if is_used:
            wanted = written(client, wanted)
        for times in ("for the first time", "again", "a third time"):
            undisturbed(f"closing a client {times}", partial(harness.close, client))
        for reader in (first, case.client()):
            undisturbed(
                "after another client was closed three times, load",
                partial(expect_stored, reader, wanted, "after another client was closed three times"),
            )
