"""What a store could claim and does not: a claim too few is no failure, but worth a line in the report."""

from __future__ import annotations

from runfox_testing.case import StoreCase
from runfox_testing.sample_records import new_record
from runfox_testing.store_calls import is_stored


def probe_store(case: StoreCase) -> list[str]:
    """A sentence for each of ``durable`` and ``shared`` that is not claimed and seems to be true. Never raises."""
    if {"durable", "shared"} <= case.abilities:
        return []
    try:
        return _probe(case)
    except Exception:  # noqa: BLE001  # what can't be tried out has nothing to tell; the checks tell what is wrong
        return []


def _probe(case: StoreCase) -> list[str]:
    record = new_record("probe")
    case.client().write(record)
    child = case.process()
    notes = []
    if "shared" not in case.abilities and child.call(is_stored, record.workflow_execution_id):
        notes.append("shared is not claimed, but another process saw a record while this one had the store open")
    # What several processes share may be kept by a server, and say nothing of what survives.
    if not {"durable", "shared"} & case.abilities:
        case.close_clients()
        child.open(case.harnesses, case.namespace)
        if child.call(is_stored, record.workflow_execution_id):
            notes.append("durable is not claimed, but a record survived in a new process")
    return notes
