"""Where the processes of a run meet: what its parent, and the verdict in the end, have to know of a backend."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol, Self

from audit import Findings

from runfox.protocols import Store

BACKENDS = ("sqlite", "aws")


class Place(Protocol):
    """A database, or a service with tables and queues. To be used as a context, in which everything is there."""

    backend: str
    points: Mapping[str, tuple[str, ...]]
    rare: Mapping[str, int]

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def address(self) -> dict[str, str]:
        """What a process is told, so that it finds it."""

    def alive(self) -> int:
        """How many executions have not ended."""

    def is_clear(self) -> bool:
        """True if no job is left, nor anything of one."""

    def who_hangs(self) -> Iterator[str]:
        """Executions that have not ended, and jobs that are left."""

    def store(self) -> Store:
        """A store, in which nobody dies."""

    def findings(self) -> Findings:
        """What was noted of every change, held against the laws of delivery."""

    def problems(self, killed: Collection[int]) -> Iterator[str]:
        """What is left and should not be, though the processes of these serial numbers were killed."""


def place_of(backend: str, folder: Path) -> Place:
    """The place of a run, in a folder of its own."""
    place: Place = importlib.import_module(f"{backend}_place").Place(folder)
    return place
