"""What the tests share: a clock that stands still, a store and a runner on a file and in memory, a disk to fill."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from runfox_sqlite import SqliteRunner, SqliteStore

resource = pytest.importorskip("resource") if os.name == "posix" else None


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


class FullDisk(Protocol):
    """A folder on a disk that can be filled up."""

    folder: Path

    def fill(self, process: int = 0) -> None:
        """From now on nothing can be written, by `process` (this one for 0) at least."""

    def free(self, process: int = 0) -> None:
        """There is room again."""


class SmallFileSystem:
    """A file system in memory of 4 MiB."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, process: int = 0) -> None:
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))

    def free(self, process: int = 0) -> None:
        self._filler.unlink(missing_ok=True)


class FileSizeLimit:
    """A limit of the process for the size of its files: 2 MiB, and when the disk is full nothing at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, process: int = 0) -> None:
        self._limit(process, 0)

    def free(self, process: int = 0) -> None:
        self._limit(process, 2 * 1024 * 1024)

    def _limit(self, process: int, size: int) -> None:
        _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (size, hard))


def mounted(folder: Path) -> bool:
    """Mount the small file system; False where that is not permitted."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture(params=["file system", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FullDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "limit":
        if not hasattr(resource, "prlimit"):
            pytest.skip("this system has no prlimit")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        limit = FileSizeLimit(folder)
        limit.free()
        yield limit
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        return
    if not mounted(folder):
        pytest.skip("a file system can't be mounted here: that takes root's rights")
    yield SmallFileSystem(folder)
    gc.collect()
    subprocess.run(["umount", "-l", str(folder)], check=True)
