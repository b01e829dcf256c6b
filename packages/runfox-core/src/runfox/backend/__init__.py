"""Backends, stores, runners and workers under one roof.

The in-memory parts are here. Those of installed plugins are handed on under their own names
(``from runfox.backend import SqliteStore``); where the package is missing, the error says what to install.
"""

from typing import Any

from runfox.backend.base import Backend
from runfox.backend.inmemory_store import InMemoryStore
from runfox.backend.inprocess_runner import InProcessRunner
from runfox.backend.inprocess_worker import InProcessWorker
from runfox.backend.recovery import sweep
from runfox.protocols import Runner, Store

__all__ = ["Backend", "InMemoryStore", "InProcessRunner", "InProcessWorker", "Runner", "Store", "sweep"]


def __getattr__(name: str) -> Any:  # a class that no type checker can know
    if not name.startswith("_"):
        from runfox.plugins import exported

        found = exported(name)
        if found is not None:
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
