"""How the conformance kit opens this package's store and runner. Only the kit imports it: it needs `runfox-testing`."""

from __future__ import annotations

from runfox_sqlite._runner import SqliteRunner
from runfox_sqlite._store import SqliteStore
from runfox_testing import ManualClock, RunnerHarness, StoreHarness


class SqliteStoreHarness(StoreHarness):
    """A file for each namespace."""

    def open(self, namespace: str) -> SqliteStore:
        """A store on the namespace's file."""
        return SqliteStore(self.folder / f"{namespace}.db")


class SqliteRunnerHarness(RunnerHarness):
    """A file for each namespace, and leases by a clock that the kit moves."""

    def __init__(self) -> None:
        self.clock: ManualClock = ManualClock()

    def open(self, namespace: str) -> SqliteRunner:
        """A runner on the namespace's file."""
        return SqliteRunner(self.folder / f"{namespace}.db", clock=self.clock)
