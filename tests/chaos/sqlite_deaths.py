"""What the processes of the chaos suite open on SQLite, and where they die in its transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import deaths
from deaths import Deaths, MortalRunner, MortalStore
from ledger import Ledger
from orders import DRIVER, HAND, WORKER, Orders

from runfox.backend import SqliteRunner, SqliteStore

_COMMITS = {
    "half-way in a transaction": (WORKER, DRIVER, HAND),
    "before COMMIT": (WORKER, DRIVER, HAND),
    "after COMMIT": (WORKER, DRIVER, HAND),
}

POINTS: Mapping[str, tuple[str, ...]] = MappingProxyType(deaths.POINTS | _COMMITS)
"""The points, and who passes them."""

RARE: Mapping[str, int] = MappingProxyType(
    deaths.RARE | {"half-way in a transaction": 40, "before COMMIT": 30, "after COMMIT": 30}
)
"""At which pass of a point to die at most."""


class _Store(MortalStore, SqliteStore):
    pass


class _Runner(MortalRunner, SqliteRunner):
    pass


class Parts:
    """What a process opens."""

    def __init__(self, orders: Orders, deaths: Deaths, ledger: Ledger) -> None:
        self._orders = orders
        self._deaths = deaths
        self._ledger = ledger
        _make_connections_mortal(deaths)

    def store(self) -> SqliteStore:
        """A store."""
        return _Store(self._orders.place["database"], deaths=self._deaths, synchronous="NORMAL")

    def runner(self) -> SqliteRunner:
        """A runner."""
        return _Runner(
            self._orders.place["database"],
            deaths=self._deaths,
            ledger=self._ledger,
            lease_seconds=self._orders.lease,
            synchronous="NORMAL",
        )


def _make_connections_mortal(deaths: Deaths) -> None:
    """From now on, this process may die in the middle of a transaction that writes, in whatever `sqlite3` connects."""

    class MortalCursor(sqlite3.Cursor):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if sql.startswith("BEGIN"):
                self.connection.writes = sql == "BEGIN IMMEDIATE"
            if sql == "COMMIT" and self.connection.writes:
                deaths.passing("before COMMIT")
                super().execute(sql, parameters)
                deaths.passing("after COMMIT")
            else:
                super().execute(sql, parameters)
                self._wrote(sql)
            return self

        def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
            super().executemany(sql, parameters)
            self._wrote(sql)
            return self

        def _wrote(self, sql: str) -> None:
            if self.connection.writes and sql.startswith(("INSERT", "UPDATE", "DELETE")):
                deaths.passing("half-way in a transaction")

    class MortalConnection(sqlite3.Connection):
        writes = False

        def cursor(self, factory: type[sqlite3.Cursor] = MortalCursor) -> sqlite3.Cursor:
            return super().cursor(factory)

    connect = sqlite3.connect
    sqlite3.connect = lambda *arguments, **options: connect(*arguments, factory=MortalConnection, **options)
