"""What a store or a runner could claim and does not: a claim too few is no failure, but worth a line in the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runfox_testing.case import RunnerCase, StoreCase
from runfox_testing.runner_calls import count_pending
from runfox_testing.sample_jobs import EXECUTION, job
from runfox_testing.sample_records import new_record
from runfox_testing.store_calls import is_stored


def probe_store(case: StoreCase) -> list[str]:
    """A sentence for each of ``durable`` and ``shared`` that is not claimed and seems to be true. Never raises."""

    def put() -> tuple[str]:
        record = new_record("probe")
        case.client().write(record)
        return (record.workflow_execution_id,)

    return _probed(case, "store", "record", put, is_stored)


def probe_runner(case: RunnerCase) -> list[str]:
    """As `probe_store`."""

    def put() -> tuple[()]:
        case.client().dispatch(EXECUTION, [job()])
        return ()

    if case.harness.local:
        return []
    return _probed(case, "runner", "job", put, count_pending)


def _probed(
    case: StoreCase | RunnerCase,
    kind: str,
    thing: str,
    put: Callable[[], tuple[Any, ...]],
    is_there: Callable[..., object],
) -> list[str]:
    """What a child sees of what `put` puts there: it is asked with what `put` gives."""
    if {"durable", "shared"} <= case.abilities:
        return []
    notes: list[str] = []
    try:
        if case.client().raw is case.client().raw:
            return []  # it lives in this process, as its harness says by handing it out again
        arguments = put()
        child = case.process()
        if "shared" not in case.abilities and child.call(is_there, *arguments):
            notes.append(f"shared is not claimed, but another process saw a {thing} while this one had the {kind} open")
        # What several processes share may be kept by a server, and say nothing of what survives.
        if not {"durable", "shared"} & case.abilities:
            case.close_clients()
            child.open(case.harnesses, case.namespace)
            if child.call(is_there, *arguments):
                notes.append(f"durable is not claimed, but a {thing} survived in a new process")
    except Exception:  # noqa: BLE001  # what can't be tried out has nothing to tell; the checks tell what is wrong
        return []
    return notes
