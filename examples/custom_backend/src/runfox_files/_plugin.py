"""How runfox finds this package: the scheme, what opens its URLs, and the names that `runfox.backend` hands on.

A URL is ``files:///relative/folder`` or ``files:////absolute/folder``; characters that mean something in a URL are
written as ``%3F``. One URL serves store and runner.
"""

from __future__ import annotations

import time
from urllib.parse import unquote, urlsplit

from runfox.plugins import RunnerProvider, StoreProvider, hookimpl
from runfox.times import Clock

from ._runner import FilesRunner
from ._store import FilesStore


@hookimpl
def runfox_stores() -> list[StoreProvider]:
    """The store of ``files:``."""
    return [
        StoreProvider(
            scheme="files",
            factory=open_store,
            summary="executions as JSON files in a folder",
            exports={"FilesStore": "runfox_files:FilesStore"},
            harness="runfox_files.testing:FilesStoreHarness",
        )
    ]


@hookimpl
def runfox_runners() -> list[RunnerProvider]:
    """The runner of ``files:``."""
    return [
        RunnerProvider(
            scheme="files",
            factory=open_runner,
            summary="a job queue as JSON files in a folder",
            exports={"FilesRunner": "runfox_files:FilesRunner"},
            harness="runfox_files.testing:FilesRunnerHarness",
        )
    ]


def open_store(url: str) -> FilesStore:
    """The store of a URL."""
    return FilesStore(_folder(url))


def open_runner(url: str, *, lease_seconds: float = 600.0, clock: Clock = time.time) -> FilesRunner:
    """The runner of a URL. The options are those of `FilesRunner`."""
    return FilesRunner(_folder(url), lease_seconds=lease_seconds, clock=clock)


def _folder(url: str) -> str:
    parts = urlsplit(url)
    folder = unquote(parts.path[1:])
    if url != f"files://{parts.path}" or not folder:
        raise ValueError(f"{url!r} names no folder: write files:///relative/folder or files:////absolute/folder")
    return folder
