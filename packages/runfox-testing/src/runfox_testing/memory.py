"""The harnesses of the parts that the core has in memory (``memory:``), which are the references of both contracts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from runfox.backend import InMemoryStore, InProcessRunner
from runfox.protocols import Runner, Store
from runfox_testing.clock import ManualClock
from runfox_testing.harness import RunnerHarness, StoreHarness


class MemoryStoreHarness(StoreHarness):
    """`InMemoryStore`, or what a subclass names: one for each namespace, which all its clients are."""

    implementation: ClassVar[Callable[[], Store]] = InMemoryStore

    def __init__(self) -> None:
        self._stores: dict[str, Store] = {}

    def open(self, namespace: str) -> Store:
        """The one store of the namespace."""
        if namespace not in self._stores:
            self._stores[namespace] = type(self).implementation()
        return self._stores[namespace]

    def destroy(self, namespace: str) -> None:
        """Let it go."""
        self._stores.pop(namespace, None)


class MemoryRunnerHarness(RunnerHarness):
    """`InProcessRunner`, or what a subclass names: one for each namespace, which all its clients are."""

    implementation: ClassVar[Callable[..., Any]] = InProcessRunner

    def __init__(self) -> None:
        self.clock = ManualClock()
        self._runners: dict[str, Runner] = {}

    def open(self, namespace: str) -> Runner:
        """The one runner of the namespace."""
        if namespace not in self._runners:
            self._runners[namespace] = type(self).implementation(clock=self.clock)
        return self._runners[namespace]

    def destroy(self, namespace: str) -> None:
        """Let it go."""
        self._runners.pop(namespace, None)
