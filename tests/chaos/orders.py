"""What a process of the chaos suite is told to do, by its parent."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

DRIVER, WORKER, HAND = "driver", "worker", "hand"
"""What a process may be: one that creates and drives, one with a backend, one that has a runner only."""

NOT_YET = 7
"""The exit status of a process that was terminated before it began to work."""

_CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a process is to do. `first` and `last` number the works of a driver; `count` is the pass of `point` at which
    it dies. `lease`, `recover_after` and `sweep_interval` are in seconds; `place` says where `backend` keeps it all.
    """

    role: str
    serial: int
    seed: int
    backend: str
    place: dict[str, str]
    ledger: str
    lease: float
    recover_after: float
    sweep_interval: float
    crowd: bool = False
    concurrency: int = 1
    queues: list[str | None] | None = None
    first: int = 0
    last: int = 0
    point: str | None = None
    count: int = 1

    def command(self) -> list[str]:
        """What starts the process."""
        return [sys.executable, "-W", "error", str(_CHILD), json.dumps(asdict(self))]
