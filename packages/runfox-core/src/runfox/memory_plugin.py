"""The built-in plugin: the store and the runner of ``memory:``, which live and end with the process."""

from __future__ import annotations

from runfox.backend.inmemory_store import InMemoryStore
from runfox.backend.inprocess_runner import InProcessRunner
from runfox.plugins import RunnerProvider, StoreProvider, hookimpl


@hookimpl
def runfox_stores() -> list[StoreProvider]:
    """The in-memory store."""
    return [
        StoreProvider(
            scheme="memory",
            factory=_store,
            summary="records in this process's memory",
            harness="runfox_testing.memory:MemoryStoreHarness",
        )
    ]


@hookimpl
def runfox_runners() -> list[RunnerProvider]:
    """The in-process runner."""
    return [
        RunnerProvider(
            scheme="memory",
            factory=_runner,
            summary="a job queue in this process's memory",
            harness="runfox_testing.memory:MemoryRunnerHarness",
        )
    ]


def _store(url: str) -> InMemoryStore:
    _refuse_more(url)
    return InMemoryStore()


def _runner(url: str, *, lease_seconds: float = 600.0) -> InProcessRunner:
    _refuse_more(url)
    return InProcessRunner(lease_seconds=lease_seconds)


def _refuse_more(url: str) -> None:
    if url not in ("memory:", "memory://"):
        raise ValueError(f"{url!r}: 'memory:' takes no path and no options; write 'memory:'")
