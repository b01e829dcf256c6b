"""Who uses which database in this process: one `Database` for each file and way to open it, closed by its last user.

SQLite must not be open across a fork: the child would inherit its bookkeeping of file locks, though not the locks, and
believe for ever in what the parent held, even on connections of its own. So before a fork all connections are closed,
after waiting for those in use; parent and child open new ones when they need them. Subprocesses and
multiprocessing's spawn are not concerned.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Self

from runfox.errors import StorageCorrupt
from runfox.packed import unpack
from runfox.times import Clock
from runfox_sqlite._database import MEMORY, Closed, Database, Row, Transactions
from runfox_sqlite._errors import DAMAGE
from runfox_sqlite._files import file_identity

logger = logging.getLogger("runfox")

_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")
_FORK_PATIENCE = 5.0

_lock = threading.RLock()
_databases: dict[tuple[str, str, float], Database] = {}
_every: weakref.WeakSet[Database] = weakref.WeakSet()


class DatabaseUser:
    """What a store and a runner have in common: they open a database, and close it."""

    durable: bool = True
    shared: bool = True

    def __init__(
        self, path: str | os.PathLike[str], synchronous: str, busy_timeout: float, clock: Clock, **more: object
    ) -> None:
        plain = os.fspath(path)
        # What a pickle opens again, in a folder that may be another one.
        self._again = functools.partial(type(self), synchronous=synchronous, busy_timeout=busy_timeout, clock=clock)
        self._again.keywords.update(more)
        self._clock: Final = clock
        self.path: Final = plain if plain == MEMORY else os.path.realpath(plain)
        if plain == MEMORY:
            self.durable = self.shared = False
        database = _attach(self.path, *_checked(synchronous, busy_timeout))
        self._database: Transactions = database
        self._submitted = database.submitted
        self._release: Callable[[], object] = weakref.finalize(self, _release, database)

    def close(self) -> None:
        """Let go of the database. Calls after this raise `StorageUnavailable`; closing twice does no harm."""
        self._database = Closed(type(self).__name__)
        self._release()

    def _names(self, rows: list[Row]) -> list[str]:
        """The texts of rows of one each. One that is none is logged and left out."""
        names = []
        for (packed,) in rows:
            try:
                names.append(unpack(packed))
            except DAMAGE as error:
                logger.error("execution %r is left out of a list: %s", packed, type(error).__name__)
        return names

    def _apart(self, numbers: Iterable[Row], statement: str) -> list[Row]:
        """The rows that `statement` finds for each number, one by one: those on a damaged page are logged and left."""
        found: list[Row] = []
        for row in numbers:
            try:
                found += self._database.query(statement, row)
            except StorageCorrupt:
                logger.error("row %d can't be read, the others are: restore the file from a backup", *row)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        """A copy in another process opens the same file; what is in memory can't travel."""
        if not self.shared:
            raise TypeError(f"a {type(self).__name__} of a :memory: database can't be pickled: use a file")
        return self._again, (self.path,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"


def _checked(synchronous: str, busy_timeout: float) -> tuple[str, float]:
    if synchronous.upper() not in _SYNCHRONOUS:
        raise ValueError(f"synchronous is {synchronous!r}: use one of {', '.join(_SYNCHRONOUS)}")
    if not 0 <= busy_timeout <= threading.TIMEOUT_MAX:
        raise ValueError(f"busy_timeout is {busy_timeout!r}: use seconds, 0 or more")
    return synchronous.upper(), float(busy_timeout)


def _attach(path: str, synchronous: str, busy_timeout: float) -> Database:
    """The open database of `path`, with one user more."""
    key = (path, synchronous, busy_timeout)
    with _lock:
        database = _databases.get(key)
        # A file that was replaced is another one: its users keep what they have open, new users get the new.
        if database is None or (database.identity and database.identity != file_identity(path)):
            database = Database(path, synchronous, busy_timeout)
            _every.add(database)
            if path != MEMORY:
                _databases[key] = database
        database.users += 1
    try:
        database.open()
    except BaseException:
        _release(database)
        raise
    return database


def _release(database: Database) -> None:
    with _lock:
        database.users -= 1
        if database.users:
            return
        for key in [key for key, known in _databases.items() if known is database]:
            del _databases[key]
    database.close()


_pausing: list[Database] = []


def _before_fork() -> None:
    _lock.acquire()
    _pausing[:] = [database for database in _every if database.path != MEMORY]
    deadline = time.monotonic() + _FORK_PATIENCE
    for database in _pausing:
        database.pause(max(0.0, deadline - time.monotonic()))


def _after_fork_in_parent() -> None:
    for database in _pausing:
        database.go_on()
    _pausing.clear()
    _lock.release()


def _after_fork_in_child() -> None:
    for database in _pausing:
        database.go_on_in_child()
    _pausing.clear()
    _lock.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
