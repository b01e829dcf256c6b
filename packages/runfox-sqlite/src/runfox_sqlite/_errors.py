"""SQLite's errors as runfox's own: what happened, to which file, what to do about it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from runfox.errors import StorageCorrupt, StorageError, StorageUnavailable

BUSY = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL))
"""Primary result codes that say: another connection is at it, try again."""

_CORRUPT = {
    sqlite3.SQLITE_NOTADB: "is no SQLite database: choose another path, or move the file away",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a backup, or try `sqlite3 FILE .recover`",
    sqlite3.SQLITE_ERROR: "has not the tables of runfox: restore it from a backup, or move it away",
    sqlite3.SQLITE_CONSTRAINT: "contradicts itself: restore it from a backup",
    sqlite3.SQLITE_MISMATCH: "contradicts itself: restore it from a backup",
}

_UNAVAILABLE = {
    sqlite3.SQLITE_READONLY: "is read-only: allow this user to write the file and its folder",
    sqlite3.SQLITE_FULL: "can't grow: the disk, or the user's share of it, is full",
    sqlite3.SQLITE_IOERR: "can't be read or written, the operating system reports an error: check the disk",
    sqlite3.SQLITE_PERM: "may not be used by this user: check its permissions",
    sqlite3.SQLITE_AUTH: "may not be used by this user: check its permissions",
    sqlite3.SQLITE_NOMEM: "needs more memory than there is",
    sqlite3.SQLITE_MISUSE: "was closed while it was in use",
}


def is_busy(error: BaseException) -> bool:
    """True if the same call may succeed once another connection is through."""
    return primary_code(error) in BUSY


def primary_code(error: BaseException) -> int | None:
    """SQLite's primary result code, None where the error is not SQLite's."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def storage_error(error: Exception, path: str, waited: float) -> StorageError:
    """The typed error for what the driver or SQLAlchemy raised at the database `path`.

    `waited` is for how many seconds a lock was waited for.
    """
    code = primary_code(error)
    if code in BUSY:
        return locked(path, waited)
    if code == sqlite3.SQLITE_CANTOPEN:
        return StorageUnavailable(_why_not_open(path))
    if code in _CORRUPT:
        return StorageCorrupt(f"{path} {_CORRUPT[code]} ({error})")
    if code in _UNAVAILABLE:
        return StorageUnavailable(f"{path} {_UNAVAILABLE[code]} ({error})")
    return StorageError(f"{path}: SQLite refused a call: {error}")


def locked(path: str, waited: float) -> StorageUnavailable:
    """Somebody else held the write lock for too long."""
    return StorageUnavailable(
        f"{path} was locked by another connection for {waited:g} s: end the transaction that holds it, "
        "or raise busy_timeout"
    )


def _why_not_open(path: str) -> str:
    folder = Path(path).parent
    if not folder.is_dir():
        return f"{path} can't be opened: the folder {folder} does not exist, create it first"
    if Path(path).is_dir():
        return f"{path} can't be opened: it is a folder, name a file in it"
    return f"{path} can't be opened: allow this user to read and write the file and its folder"
