"""What a runner could claim and does not."""

from __future__ import annotations

import contextlib

from runfox.protocols import Runner
from runfox_testing.case import RunnerCase
from runfox_testing.sample_jobs import EXECUTION, job


def probe_runner(case: RunnerCase) -> list[str]:
    """Sentences about claims too few. Raises nothing: what fails here says nothing, and the checks will say it."""
    with contextlib.suppress(Exception):
        if case.harness.local or {"durable", "shared"} <= case.abilities:
            return []
        one, two = case.client(), case.client()
        if one.raw is two.raw:
            # It lives in this process, as its harness says by handing it out again.
            return []
        return _seen_elsewhere(case)
    return []


def _seen_elsewhere(case: RunnerCase) -> list[str]:
    case.client().dispatch(EXECUTION, [job()])
    child = case.process()
    notes = []
    if "shared" not in case.abilities and child.call(count_pending):
        notes.append("shared is not claimed, but another process saw a job while this one had the runner open")
    # What several processes share may be kept by a server, and say nothing of what survives.
    if not {"durable", "shared"} & case.abilities:
        case.close_clients()
        child.open(case.harnesses, case.namespace)
        if child.call(count_pending):
            notes.append("durable is not claimed, but a job survived in a new process")
    return notes


def count_pending(client: Runner) -> int:
    """In a child: how many jobs it sees."""
    return len(client.list_pending_jobs())
