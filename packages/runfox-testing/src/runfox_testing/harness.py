"""What a backend's author writes: how the kit opens clients of the store or the runner under test.

    class Harness(StoreHarness):
        def open(self, namespace):
            return MyStore(self.endpoint_url, prefix=namespace)

One harness is made for each conformance class, in the session's process; each child process makes one of its own from
the same class, which therefore stands at the top level of an importable module or of the test file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from runfox.protocols import Runner, Store
from runfox_testing.check import Waiver
from runfox_testing.clock import ManualClock

ClientT = TypeVar("ClientT")


class HarnessFailure(Exception):
    """A harness could not do its part, so nothing can be said about the implementation."""


class OpenFailure(Exception):
    """A client could not be opened, although others of its kind could. Its cause says why."""


class Harness(ABC, Generic[ClientT]):
    """How clients are opened. The kit sets `folder` and `endpoint_url` before anything is called.

    `folder` is a temporary folder, the same in all processes. `endpoint_url` is where a service under test listens:
    the option ``--runfox-endpoint-url``, or what `start` sets; child processes get the session's.

    `clock`: a harness whose clients measure time by a clock that they are given sets it to a `ManualClock` in its
    ``__init__`` and opens them with it. Where it is None the kit waits in real time.

    `waivers` name the checks that are known to fail, for who runs the suite without a class of his own.

    `lag_seconds` is how late takes and listings (`list_pending_jobs`, `held`, `list_executions`, `due`) may show what
    was done; the kit waits up to it there and nowhere else.
    """

    folder: Path
    endpoint_url: str | None = None
    clock: ManualClock | None = None
    lag_seconds: float = 0.0
    waivers: ClassVar[Sequence[Waiver]] = ()

    @abstractmethod
    def open(self, namespace: str) -> ClientT:
        """A new client of everything that is kept under `namespace` (letters, digits, ``-``), which may be new.

        Called again and again for one namespace, from several threads and processes: the clients are independent of
        one another, as those of several processes are, but see the same. What lives in one process's memory gives the
        same object each time.
        """

    def close(self, client: ClientT) -> None:
        """Close a client, so that it gives back what it holds: its ``close()``, where it has one."""
        method = getattr(client, "close", None)
        if method is not None:
            method()

    def destroy(self, namespace: str) -> None:
        """Remove everything that is kept under `namespace`; all its clients are closed."""

    def start(self) -> None:
        """Called once, in the session's process, before the first `open`: start a server, for example."""

    def stop(self) -> None:
        """Called once, in the session's process, when all checks have run, if `start` returned."""


class StoreHarness(Harness[Store]):
    """How the kit opens clients of a store."""


class RunnerHarness(Harness[Runner]):
    """How the kit opens clients of a runner.

    `local` is True for a runner that executes jobs inside `dispatch` itself; it is opened with `runfox_testing.echo`
    as its executor.
    """

    local: bool = False
