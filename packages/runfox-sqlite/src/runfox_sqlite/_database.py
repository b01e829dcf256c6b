"""A database file as this process uses it: its connections, its transactions, its errors.

The rules it keeps:

- A connection is used by one thread at a time. Idle ones wait in a stack, so that nobody pays for opening one, and
  no more stay open than were ever in use at once (16 at most).
- Writers of one process queue at a lock; between processes SQLite's own lock decides, asked for again after
  fractions of milliseconds, up to `busy_timeout` seconds.
- Work is a function that is handed a cursor. It runs inside a transaction, may run again from the start where another
  connection was in the way, and is rolled back whole when it raises.
- Nothing of SQLite is open across a fork (see `_sharing`).
- An interrupt (KeyboardInterrupt) may come between any two instructions, and leaves no lock held. Hence locks of C in
  `with` statements, and not conditions, whose methods can be interrupted half-way.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import uniform
from typing import Any, NoReturn, Protocol, TypeAlias, TypeVar

from sqlalchemy import PoolProxiedConnection, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from runfox.errors import StorageUnavailable
from runfox_sqlite._errors import is_busy, locked, storage_error
from runfox_sqlite._opening import prepare

MEMORY = ":memory:"

Row: TypeAlias = tuple[Any, ...]
"""A row has the types that its SELECT names, which Python's type system can't follow."""

Result = TypeVar("Result")
Work: TypeAlias = Callable[[sqlite3.Cursor], Result]

_MAX_IDLE = 16
_FIRST_DELAY = 0.0005
_MAX_DELAY = 0.005


def file_identity(path: str) -> tuple[int, int] | None:
    """What tells one file from another that was put in its place; None where there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Transactions(Protocol):
    """What stores and runners ask of a database."""

    def query(self, sql: str, parameters: Sequence[object] = (), /) -> list[Row]:
        """The rows of one SELECT, which sees one state of the database by itself."""
        ...

    def read(self, work: Work[Result], /) -> Result:
        """The result of `work`, whose queries all see the same state of the database."""
        ...

    def write(self, work: Work[Result], /) -> Result:
        """The result of `work`, committed: durable as far as `synchronous` promises when this returns."""
        ...


@dataclass(frozen=True, slots=True)
class Closed:
    """What a closed store or runner has instead of a database."""

    kind: str

    def query(self, *_: object) -> list[Row]:
        """Raise."""
        raise self._error()

    def read(self, *_: object) -> NoReturn:
        """Raise."""
        raise self._error()

    def write(self, *_: object) -> NoReturn:
        """Raise."""
        raise self._error()

    def _error(self) -> StorageUnavailable:
        return StorageUnavailable(f"this {self.kind} is closed: open another one")


@dataclass(frozen=True, slots=True)
class _Connection:
    """A connection out of SQLAlchemy's pool, and the driver's own objects under it, which is what costs least."""

    pooled: PoolProxiedConnection
    driver: sqlite3.Connection
    cursor: sqlite3.Cursor


class Database:
    """One file, or one database in memory, with the way it is opened."""

    def __init__(self, path: str, synchronous: str, busy_timeout: float) -> None:
        self.path = path
        self.users = 0
        self.identity: tuple[int, int] | None = None
        self.submitted = Signal()
        self._memory = path == MEMORY
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        self._engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)
        self._idle: list[_Connection] = []
        self._process = os.getpid()
        self._cut_off = False
        self._closed = False
        self._reset_locks()

    def _reset_locks(self) -> None:
        # Reentrant, because these know their owner: to release one that was not acquired is an error.
        self._writers = threading.RLock()
        self._mutex = threading.RLock()
        self._gate = threading.Condition(self._mutex)
        self._in_use: set[int] = set()
        self._paused = False
        self.submitted.reset()

    # Transactions

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """As `Transactions` has it."""
        return self._run(None, lambda cursor: cursor.execute(sql, parameters).fetchall(), self._memory)

    def read(self, work: Work[Result]) -> Result:
        """As `Transactions` has it."""
        return self._run("BEGIN", work, self._memory)

    def write(self, work: Work[Result]) -> Result:
        """As `Transactions` has it."""
        return self._run("BEGIN IMMEDIATE", work, True)

    def _run(self, begin: str | None, work: Work[Result], alone: bool) -> Result:
        if not alone:
            return self._borrow(begin, work)
        if self._memory and self._process != os.getpid():
            raise StorageUnavailable("a :memory: database belongs to the process that opened it: use a file")
        writers = self._writers
        try:
            if not writers.acquire(timeout=self._busy_timeout):
                raise locked(self.path, self._busy_timeout)
            return self._borrow(begin, work)
        finally:
            try:  # noqa: SIM105  # contextlib.suppress can be interrupted before it begins
                writers.release()
            except RuntimeError:
                pass  # it was not acquired

    def _borrow(self, begin: str | None, work: Work[Result]) -> Result:
        connection = None
        sound = False
        thread = threading.get_ident()
        try:
            connection = self._check_out(thread)
            result = self._transact(connection, begin, work)
            sound = True
            return result
        except sqlite3.Error as error:
            # The connection may be as broken as the file: the next call gets a new one.
            sound = is_busy(error)
            raise storage_error(error, self.path, self._busy_timeout) from error
        except BaseException:
            sound = True
            raise
        finally:
            self._check_in(thread, connection, sound or self._memory)

    def _transact(self, connection: _Connection, begin: str | None, work: Work[Result]) -> Result:
        cursor = connection.cursor
        patience = None
        while True:
            try:
                if begin is None:
                    return work(cursor)
                cursor.execute(begin)
                result = work(cursor)
                cursor.execute("COMMIT")
                return result
            except BaseException as error:
                if connection.driver.in_transaction:
                    connection.driver.rollback()
                patience = patience or _Patience(self._busy_timeout)
                if not (is_busy(error) and patience.wait()):
                    raise

    # Connections

    def open(self) -> None:
        """Make sure that the file can be opened and has the present schema."""
        thread = threading.get_ident()
        connection = None
        try:
            connection = self._check_out(thread)
        finally:
            self._check_in(thread, connection, True)
        if not self._memory:
            self.identity = file_identity(self.path)

    def close(self) -> None:
        """Close what is idle now, and everything else when it comes back."""
        with self._mutex:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.pooled.close()

    def _check_out(self, thread: int) -> _Connection:
        with self._mutex:
            while self._paused:
                self._gate.wait()
            if self._cut_off:
                raise StorageUnavailable(
                    f"{self.path} was in use by another thread while this process was forked: fork when no call is "
                    "under way, or use multiprocessing's spawn"
                )
            if self.identity is not None and file_identity(self.path) != self.identity:
                raise StorageUnavailable(
                    f"{self.path} was removed or replaced while it was open: put it back, or open what is there now"
                )
            self._in_use.add(thread)
            if self._idle:
                return self._idle.pop()
        return self._open()

    def _check_in(self, thread: int, connection: _Connection | None, sound: bool) -> None:
        with self._mutex:
            wanted = sound and not self._closed and not self._paused and len(self._idle) < _MAX_IDLE
            if connection is not None and wanted:
                self._idle.append(connection)
                self._in_use.discard(thread)
                return
        try:
            if connection is not None:
                connection.pooled.close()
        finally:
            # Only now: a fork waits until nothing is open.
            with self._mutex:
                self._in_use.discard(thread)
                self._gate.notify_all()

    def _open(self) -> _Connection:
        patience = _Patience(self._busy_timeout)
        while True:
            pooled = None
            try:
                pooled = self._engine.raw_connection()
                driver = pooled.driver_connection
                assert isinstance(driver, sqlite3.Connection)
                prepare(driver, self.path, self._synchronous, memory=self._memory)
                return _Connection(pooled, driver, driver.cursor())
            except BaseException as error:
                if pooled is not None:
                    pooled.close()
                if is_busy(error) and patience.wait():
                    continue
                if isinstance(error, (sqlite3.Error, SQLAlchemyError)):
                    raise storage_error(error, self.path, self._busy_timeout) from error
                raise

    def _connect(self) -> sqlite3.Connection:
        # A timeout of 0: waiting is `_Patience`'s, which sleeps far shorter than SQLite does. Transactions are ours.
        return sqlite3.connect(
            self.path, timeout=0.0, isolation_level=None, check_same_thread=False, cached_statements=256
        )

    # Forks: called by _sharing

    def pause(self, seconds: float) -> None:
        """Close all connections and let none be opened; waits up to `seconds` for those in use."""
        with self._mutex:
            self._paused = True
            self._gate.wait_for(lambda: not self._in_use, seconds)
            for connection in self._idle:
                connection.pooled.close()
            self._idle.clear()

    def go_on(self) -> None:
        """End a pause in the process that called it."""
        with self._mutex:
            self._paused = False
            self._gate.notify_all()

    def go_on_in_child(self) -> None:
        """End a pause in the process that the fork made, where no thread is left that could use a connection."""
        # SQLite's own tables of locks were copied with the connection in use: they are the parent's for ever.
        self._cut_off = self._cut_off or bool(self._in_use)
        self._engine.dispose(close=False)
        self._reset_locks()


class Signal:
    """Wakes whoever waits for something to be submitted by this process."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew, with nobody waiting."""
        self._lock = threading.RLock()
        self._condition = threading.Condition(self._lock)
        self.count = 0

    def send(self) -> None:
        """Something can be gathered."""
        with self._lock:
            self.count += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Return when `count` is no longer `seen`, after `seconds` at the latest."""
        with self._lock:
            self._condition.wait_for(lambda: self.count != seen, seconds)


class _Patience:
    """How long to go on asking for a lock, and how long to sleep in between."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._delay = _FIRST_DELAY

    def wait(self) -> bool:
        """False when the time is up, else True after a while."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, uniform(self._delay / 2, self._delay)))
        self._delay = min(self._delay * 1.5, _MAX_DELAY)
        return True
