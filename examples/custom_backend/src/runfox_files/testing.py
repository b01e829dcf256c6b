"""How the conformance kit opens the store and the runner. It needs the extra ``runfox-files[test]``."""

from __future__ import annotations

from runfox_testing import ManualClock, RunnerHarness, StoreHarness

from ._runner import FilesRunner
from ._store import FilesStore

__all__ = ["FilesRunnerHarness", "FilesStoreHarness"]


class FilesStoreHarness(StoreHarness):
    """Stores in folders of the kit's temporary folder."""

    def open(self, namespace: str) -> FilesStore:
        """Another client of the store `namespace`."""
        return FilesStore(self.folder / namespace)


class FilesRunnerHarness(RunnerHarness):
    """Runners in folders of the kit's temporary folder, with a clock that the kit moves."""

    def __init__(self) -> None:
        super().__init__()
        self.clock: ManualClock = ManualClock()

    def open(self, namespace: str) -> FilesRunner:
        """Another client of the runner `namespace`."""
        return FilesRunner(self.folder / namespace, clock=self.clock)
