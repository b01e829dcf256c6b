"""Runfox on SQLite: a store and a runner in one file, or in memory."""

from runfox_sqlite._runner import SqliteRunner
from runfox_sqlite._store import SqliteStore

__all__ = ["SqliteRunner", "SqliteStore"]
