"""What is to be reached. A bar holds for the workload and the size that it names, and for no other."""

from __future__ import annotations

from speed.rows import Bar

LOCAL_QUEUE = ", local queue"

AGAINST: dict[tuple[str, str, str], Bar] = {
    ("chain-1000", "sqlite FULL", "dbos"): Bar(least=5),
    ("chain-1000", "sqlite FULL", "sqlite3"): Bar(least=0.4),
    ("fan-1000", "sqlite FULL", "dbos"): Bar(least=10),
    ("fan-1000", "sqlite FULL", "langgraph"): Bar(least=3),
    ("small-200", "sqlite FULL", "dbos"): Bar(least=5),
    ("chain-1000", "memory", "langgraph"): Bar(least=8),
}
"""Workload, place and whom it is measured against → our steps per second ÷ theirs."""

GROWTH = {f"{shape}-10000": Bar(most=1.3) for shape in ("chain", "fan", "loop")}
"""Time, and memory, of a step ÷ that at a tenth of the size."""

EVENTS = {"events-1000": Bar(most=1.5)}
"""Time of an event ÷ that at a tenth of the size."""

IMPORT_MS = Bar(most=60, of_figure=True)
"""Milliseconds of `import runfox`."""

THIRD_PARTY = Bar(most=0, of_figure=True)
"""Modules of others in `sys.modules` after `import runfox`."""

LATENCY_MS = Bar(most=10, of_figure=True)
"""Milliseconds from handing in a result, in one process, to its commit by a driver that waits in another."""


def against(workload: str, place: str, name: str) -> Bar | None:
    """The bar for us against somebody. With the queue in our own process, as the peers have it, it is no lower."""
    return AGAINST.get((workload, place.removesuffix(LOCAL_QUEUE), name))


def growth(workload: str) -> Bar | None:
    """The bar for a workload against a tenth of it."""
    return GROWTH.get(workload) or EVENTS.get(workload)
