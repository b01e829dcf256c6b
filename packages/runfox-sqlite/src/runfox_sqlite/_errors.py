"""SQLite's errors as runfox's own: what happened, to which file, what to do about it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from runfox.errors import StorageCorrupt, StorageError, StorageUnavailable
from runfox_sqlite._files import room_on_disk

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
    sqlite3.SQLITE_IOERR: "can't be read or written, the operating system reports an error: check the disk",
    sqlite3.SQLITE_PERM: "may not be used by this user: check its permissions",
    sqlite3.SQLITE_AUTH: "may not be used by this user: check its permissions",
    sqlite3.SQLITE_NOMEM: "needs more memory than there is",
    sqlite3.SQLITE_MISUSE: "was closed while it was in use",
}


_FULL = "can't grow: the disk, or the user's share of it, is full: make room, and call again"
_NO_ROOM = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)
"""What SQLite says where a quota or a limit for the size of files is reached; and where a disk fails."""

_ROOM = 65536
"""Bytes; the index of the log takes half of it."""


DAMAGE = (ValueError, TypeError, LookupError, AttributeError)
"""What it raises to read a row that is not as it was written: StorageCorrupt is a ValueError."""


def is_busy(error: BaseException) -> bool:
    """True if the same call may succeed once another connection is through."""
    return primary_code(error) in BUSY


def is_full(error: BaseException) -> bool:
    """True if the disk, or this user's share of it, may be full: what takes less room may succeed."""
    return primary_code(error) == sqlite3.SQLITE_FULL or _extended_code(error) in _NO_ROOM


def is_undecodable(error: BaseException) -> bool:
    """True if a text in the database is none. The error is the driver's own, and has the whole text in it."""
    return isinstance(error, sqlite3.OperationalError) and str(error).startswith("Could not decode to UTF-8")


def leaves_sound(error: sqlite3.Error) -> bool:
    """True if the connection can be used again: on a full disk one that is open may be the last that can read."""
    return is_busy(error) or is_full(error) or is_undecodable(error)


def primary_code(error: BaseException) -> int | None:
    """SQLite's primary result code, None where the error is not SQLite's."""
    code = _extended_code(error)
    return None if code is None else code & 0xFF


def _extended_code(error: BaseException) -> int | None:
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    code = getattr(error, "sqlite_errorcode", None)
    return code if isinstance(code, int) else None


def storage_error(error: Exception, path: str, waited: float) -> StorageError:
    """The typed error for what the driver or SQLAlchemy raised at the database `path`.

    `waited` is for how many seconds a lock was waited for.
    """
    code = primary_code(error)
    if code in BUSY:
        return locked(path, waited)
    if code == sqlite3.SQLITE_CANTOPEN:
        return StorageUnavailable(_why_not_open(path))
    if is_undecodable(error):
        return StorageCorrupt(f"{path} {_CORRUPT[sqlite3.SQLITE_CORRUPT]} (a text in it is none)")
    if is_full(error) or (code == sqlite3.SQLITE_IOERR and _has_no_room(path)):
        return StorageUnavailable(f"{path} {_FULL} ({error})")
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


def damaged(what: str, path: str, cause: Exception, advice: str) -> StorageCorrupt:
    """A row can't be read; the others can."""
    return StorageCorrupt(f"{what} in {path} can't be read ({cause}): {advice}")


def _why_not_open(path: str) -> str:
    folder = Path(path).parent
    if not folder.is_dir():
        return f"{path} can't be opened: the folder {folder} does not exist, create it first"
    if Path(path).is_dir():
        return f"{path} can't be opened: it is a folder, name a file in it"
    if _has_no_room(path):
        return f"{path} can't be opened: the disk is full, make room"
    # Who is allowed to is asked without opening anything, which would end the locks that this process has.
    if os.access(folder, os.W_OK) and (not Path(path).exists() or os.access(path, os.R_OK | os.W_OK)):
        return f"{path} can't be opened: this process, or the disk, may have too many files already"
    return f"{path} can't be opened: allow this user to read and write the file and its folder"


def _has_no_room(path: str) -> bool:
    room = room_on_disk(path)
    return room is not None and room < _ROOM
