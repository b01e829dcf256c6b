"""What the tests share: a clock that stands still, a store and a runner on a file and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runfox_sqlite import SqliteRunner, SqliteStore


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "runfox.db")


@pytest.fixture(params=["file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "runfox.db") if request.param == "file" else ":memory:"


@pytest.fixture
def store(place: str) -> Iterator[SqliteStore]:
    with SqliteStore(place, synchronous="OFF") as opened:
        yield opened


@pytest.fixture
def runner(place: str, clock: Clock) -> Iterator[SqliteRunner]:
    with SqliteRunner(place, synchronous="OFF", clock=clock) as opened:
        yield opened
