"""`PollingRunner`, the reference of a runner that lets workers wait for jobs; in this process and behind a socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any, ClassVar

from runfox.backend import InProcessRunner
from runfox.results import DispatchJob
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.served import RunnerStub, ServedRunnerHarness

_LOOK = 0.005
"""Seconds between two looks. A lease that lapses by a clock that is moved tells nobody."""


class PollingRunner(InProcessRunner):
    """The reference, which waits by looking again and again."""

    def poll_pending_jobs(
        self,
        timeout: float,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """Pending jobs, as soon as there are some."""
        ends_at = time.monotonic() + timeout
        while True:
            taken = self.take_pending_jobs(limit, queues, lease_seconds)
            left = ends_at - time.monotonic()
            if taken or left <= 0:
                return taken
            time.sleep(min(_LOOK, left))


class PollingStub(RunnerStub):
    """A runner that is elsewhere, and can wait."""

    def poll_pending_jobs(
        self,
        timeout: float,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        wanted = None if queues is None else list(queues)
        return self._call("poll_pending_jobs", timeout, limit, wanted, lease_seconds)  # type: ignore[no-any-return]


class PollingRunnerHarness(MemoryRunnerHarness):
    """`PollingRunner`, or what a subclass names."""

    implementation: ClassVar[Callable[..., Any]] = PollingRunner


class ServedPollingHarness(ServedRunnerHarness):
    """`PollingRunner`, or what a subclass names, behind a socket."""

    implementation: ClassVar[Callable[..., Any]] = PollingRunner

    def make_client(self, address: str, namespace: str) -> Any:
        """The reference's client."""
        return PollingStub(address, namespace)
