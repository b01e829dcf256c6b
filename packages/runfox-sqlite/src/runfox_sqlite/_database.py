"""A database file as this process uses it: its connections, its transactions, its errors.

The rules it keeps:

- A connection is used by one thread at a time. Idle ones wait in a stack, so that nobody pays for opening one, and
  no more stay open than were ever in use at once (16 at most).
- Writers of one process queue at a lock; between processes SQLite's own lock decides, asked for again after
  fractions of milliseconds, up to `busy_timeout` seconds.
- Work is a function that is handed a cursor. It runs inside a transaction, may run again from the start where another
  connection was in the way or the disk was full, and is rolled back whole when it raises.
- Nothing is read or acknowledged while the files are not those that were opened (see `_files`, `_mending`).
- What may come undone with the loss of power is committed without waiting for the disk, and reaches it with the next
  commit that waits: the log is one file, and syncing it syncs all that was written before.
- Nothing of SQLite is open across a fork (see `_sharing`).
- An interrupt (KeyboardInterrupt) may come between any two instructions, and leaves no lock held. Hence locks of C in
  `with` statements, and not conditions, whose methods can be interrupted half-way.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeAlias, TypeVar

from sqlalchemy import PoolProxiedConnection, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from runfox.errors import StorageUnavailable
from runfox_sqlite._errors import is_busy, is_full, is_undecodable, leaves_sound, locked, storage_error
from runfox_sqlite._files import Files, Identity, Trouble
from runfox_sqlite._mending import make_room, mend, moved, shorten_log, written_to_what_is_gone
from runfox_sqlite._opening import claim_alone, prepare
from runfox_sqlite._waiting import Patience, Signal

MEMORY = ":memory:"
WRITE = "BEGIN IMMEDIATE"

Row: TypeAlias = tuple[Any, ...]
"""A row has the types that its SELECT names, which Python's type system can't follow."""

Result = TypeVar("Result")
Work: TypeAlias = Callable[[sqlite3.Cursor], Result]

_MAX_IDLE = 16
_UNSYNCED = {"EXTRA": "NORMAL", "FULL": "NORMAL"}
_LOST = (Trouble.FILE_GONE, Trouble.LOG_GONE, Trouble.LOG_REPLACED)
"""What is written while the files are so is in none of them."""


class Transactions(Protocol):
    """What stores and runners ask of a database."""

    def query(self, sql: str, parameters: Sequence[object] = (), /) -> list[Row]:
        """The rows of one SELECT, which sees one state of the database by itself."""
        ...

    def read(self, work: Work[Result], /) -> Result:
        """The result of `work`, whose queries all see the same state of the database."""
        ...

    def write(self, work: Work[Result], /, *, synced: bool = True) -> Result:
        """The result of `work`, committed: durable as far as `synchronous` promises when this returns.

        Where it is not `synced`, the loss of power may undo it, together with all that was committed later and not
        synced either; the death of processes does not.
        """
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

    def write(self, *_: object, **__: object) -> NoReturn:
        """Raise."""
        raise self._error()

    def _error(self) -> StorageUnavailable:
        return StorageUnavailable(f"this {self.kind} is closed: open another one")


@dataclass(slots=True, eq=False, weakref_slot=True)
class _Connection:
    """A connection out of SQLAlchemy's pool, and the driver's own objects under it, which is what costs least.

    `synchronous` is how it syncs now, `logs` whether it writes a log: without one, what is not synced is not safe.
    """

    pooled: PoolProxiedConnection
    driver: sqlite3.Connection
    cursor: sqlite3.Cursor
    synchronous: str
    logs: bool

    def sync(self, synchronous: str) -> None:
        """Sync so from here on. Not inside a transaction."""
        if self.synchronous != synchronous and self.logs:
            # Nobody knows how, if an interrupt comes now.
            self.synchronous = ""
            self.cursor.execute(f"PRAGMA synchronous={synchronous}")
            self.synchronous = synchronous


class Database:
    """One file, or one database in memory, with the way it is opened."""

    def __init__(self, path: str, synchronous: str, busy_timeout: float) -> None:
        self.path = path
        self.users = 0
        self.submitted = Signal()
        self._memory = path == MEMORY
        self._synchronous = synchronous
        self._unsynced = _UNSYNCED.get(synchronous, synchronous)
        self._busy_timeout = busy_timeout
        self._engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)
        self._files = Files(path)
        self._idle: list[_Connection] = []
        # By themselves, and not by number: an interrupt may drop one past all bookkeeping.
        self._open_connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
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
        return self._run(None, lambda cursor: cursor.execute(sql, parameters).fetchall(), None)

    def read(self, work: Work[Result]) -> Result:
        """As `Transactions` has it."""
        return self._run("BEGIN", work, None)

    def write(self, work: Work[Result], *, synced: bool = True) -> Result:
        """As `Transactions` has it."""
        return self._run(WRITE, work, self._synchronous if synced else self._unsynced)

    def _run(self, begin: str | None, work: Work[Result], synchronous: str | None) -> Result:
        deadline = time.monotonic() + self._busy_timeout
        if synchronous is None and not self._memory:
            return self._borrow(begin, work, None, deadline)
        if self._memory and self._process != os.getpid():
            raise StorageUnavailable("a :memory: database belongs to the process that opened it: use a file")
        writers = self._writers
        try:
            if not writers.acquire(timeout=self._busy_timeout):
                raise locked(self.path, self._busy_timeout)
            return self._borrow(begin, work, synchronous, deadline)
        finally:
            try:  # noqa: SIM105  # contextlib.suppress can be interrupted before it begins
                writers.release()
            except RuntimeError:
                pass  # it was not acquired

    def _borrow(self, begin: str | None, work: Work[Result], synchronous: str | None, deadline: float) -> Result:
        connection = None
        sound = False
        thread = threading.get_ident()
        try:
            connection, trouble = self._check_out(thread, deadline)
            if trouble is Trouble.LOG_REPLACED:
                self._leave_the_log()
            if trouble is not None:
                mend(trouble, connection.cursor, self._files, Patience(deadline))
            sound = True
            if synchronous is not None:
                connection.sync(synchronous)
            result = self._transact(connection, begin, work, deadline)
            if begin == WRITE:
                self._acknowledge(connection)
            return result
        except sqlite3.Error as error:
            # The connection may be as broken as the file: the next call gets a new one.
            sound = leaves_sound(error)
            raise storage_error(error, self.path, self._busy_timeout) from error
        finally:
            self._check_in(thread, connection, sound or self._memory)

    def _acknowledge(self, connection: _Connection) -> None:
        """Make sure that what was committed is where the next one finds it, and that there is room for the next."""
        if self._files.trouble() in _LOST:
            raise written_to_what_is_gone(self.path)
        if self._files.log_outgrows_the_disk():
            shorten_log(connection.cursor)

    def _transact(self, connection: _Connection, begin: str | None, work: Work[Result], deadline: float) -> Result:
        cursor = connection.cursor
        patience = Patience(deadline)
        tried = False
        try:
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
                    if is_busy(error):
                        if patience.wait():
                            continue
                    elif not tried and self._can_be_helped(error, connection):
                        tried = True
                        continue
                    raise
        finally:
            if tried:
                connection.driver.text_factory = str

    def _can_be_helped(self, error: BaseException, connection: _Connection) -> bool:
        """Do what gives the same work another chance, once; False if there is nothing."""
        if is_undecodable(error):
            connection.driver.text_factory = _text_as_found
            return True
        return is_full(error) and not self._memory and make_room(connection.cursor)

    # Connections

    @property
    def identity(self) -> Identity | None:
        """Which file it is, once it was opened; None for one in memory."""
        return self._files.identity

    def open(self) -> None:
        """Make sure that the file can be opened and has the present schema."""
        thread = threading.get_ident()
        connection = None
        try:
            connection, _ = self._check_out(thread, time.monotonic() + self._busy_timeout)
        finally:
            self._check_in(thread, connection, True)

    def close(self) -> None:
        """Close what is idle now, and everything else when it comes back."""
        with self._mutex:
            self._closed = True
            self._close_idle()

    def _check_out(self, thread: int, deadline: float) -> tuple[_Connection, Trouble | None]:
        """A connection, and what has to be mended before it is used."""
        with self._mutex:
            while self._paused:
                self._gate.wait()
            if self._cut_off:
                raise StorageUnavailable(
                    f"{self.path} was in use by another thread while this process was forked: fork when no call is "
                    "under way, or use multiprocessing's spawn"
                )
            trouble = self._trouble()
            if trouble is Trouble.FILE_GONE:
                raise moved(self.path)
            self._in_use.add(thread)
            if self._idle:
                return self._idle.pop(), trouble
            if trouble in _LOST:
                raise written_to_what_is_gone(self.path)
        return self._open(deadline), trouble

    def _trouble(self) -> Trouble | None:
        if not self._open_connections:
            # The next connection may find another log: SQLite removes it with the last one.
            self._files.forget_log()
        return self._files.trouble()

    def _check_in(self, thread: int, connection: _Connection | None, sound: bool) -> None:
        with self._mutex:
            wanted = sound and not self._closed and not self._paused and len(self._idle) < _MAX_IDLE
            if connection is not None and wanted:
                self._idle.append(connection)
                self._in_use.discard(thread)
                return
            try:
                if connection is not None:
                    self._close(connection)
                if not sound:
                    # What is wrong with one is likely to be wrong with all: SQLite finds its way when all are closed.
                    self._close_idle()
            finally:
                # Only now: a fork waits until nothing is open.
                self._in_use.discard(thread)
                self._gate.notify_all()

    def _close_idle(self) -> None:
        while self._idle:
            self._close(self._idle.pop())

    def _close(self, connection: _Connection) -> None:
        # Under the mutex, with the bookkeeping, because SQLite removes the log with the last one.
        try:
            # An error that somebody keeps has the cursor in its traceback, and a statement keeps SQLite's part open.
            connection.cursor.close()
            connection.pooled.close()
        finally:
            self._open_connections.discard(connection)

    def _open(self, deadline: float) -> _Connection:
        patience = Patience(deadline)
        while True:
            pooled = connection = None
            try:
                if self._files.are_incomplete():
                    claim_alone(self.path)
                pooled = self._engine.raw_connection()
                driver = pooled.driver_connection
                assert isinstance(driver, sqlite3.Connection)
                known = self._files.identity is not None
                logs = prepare(driver, self.path, self._synchronous, memory=self._memory, known=known)
                connection = _Connection(pooled, driver, driver.cursor(), self._synchronous, logs)
                with self._mutex:
                    self._adopt(connection)
                return connection
            except BaseException as error:
                if pooled is not None:
                    pooled.close()
                connection = None
                if is_busy(error) and patience.wait():
                    continue
                if isinstance(error, (sqlite3.Error, SQLAlchemyError)):
                    raise storage_error(error, self.path, self._busy_timeout) from error
                raise

    def _leave_the_log(self) -> None:
        """Keep SQLite from moving a log into FILE, and from removing the one that is there, with the last connection.

        Before Python 3.12 there is no way to tell it.
        """
        option = getattr(sqlite3, "SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE", None)
        if option is not None:  # pragma: no cover
            with self._mutex:
                for connection in list(self._open_connections):
                    connection.driver.setconfig(option, True)  # type: ignore[attr-defined]  # Python 3.12

    def _adopt(self, connection: _Connection) -> None:
        if not self._memory:
            if not self._open_connections:
                self._files.forget_log()
            self._files.adopt()
        self._open_connections.add(connection)

    def _connect(self) -> sqlite3.Connection:
        # A timeout of 0: waiting is `Patience`'s, which sleeps far shorter than SQLite does. Transactions are ours.
        known = self._files.identity is not None
        return sqlite3.connect(
            # A file that was there and is gone is not made again.
            f"{Path(self.path).as_uri()}?mode=rw" if known else self.path,
            uri=known,
            timeout=0.0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )

    # Forks: called by _sharing

    def pause(self, seconds: float) -> None:
        """Close all connections and let none be opened; waits up to `seconds` for those in use."""
        with self._mutex:
            self._paused = True
            self._gate.wait_for(lambda: not self._in_use, seconds)
            self._close_idle()

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
        self._open_connections.clear()
        self._reset_locks()


def _text_as_found(found: bytes) -> str | bytes:
    """A text; bytes where damage made it none, so that the rows around it can be read."""
    try:
        return found.decode()
    except UnicodeDecodeError:
        return found
