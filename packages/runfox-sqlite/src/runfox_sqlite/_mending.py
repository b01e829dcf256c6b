"""What is done about files that are not as they were: what can be saved is saved, and the caller is told.

A log that was removed is still there for the connections that have it open, and a checkpoint moves what it holds into
FILE. When all of them are closed, in all processes, the next one begins a new log.
"""

from __future__ import annotations

import contextlib
import sqlite3

from runfox.errors import StorageCorrupt, StorageError, StorageUnavailable
from runfox_sqlite._errors import is_busy
from runfox_sqlite._files import Files, Trouble
from runfox_sqlite._waiting import Patience


def mend(trouble: Trouble, cursor: sqlite3.Cursor, files: Files, patience: Patience) -> None:
    """Return if the connection of `cursor` can be used; else raise, and it has to be closed."""
    match trouble:
        case Trouble.LOG_GONE:
            raise _rescued(cursor, files, patience)
        case Trouble.LOG_REPLACED:
            raise StorageCorrupt(
                f"{files.log_path} (or its -shm) was replaced while it was open, and what was committed lately may be "
                f"in none of them: end whoever has {files.path} open, then check it, or restore it from a backup"
            )
        case Trouble.LOG_CUT:
            _check_log(cursor, files)
        case Trouble.FILE_CUT:
            _check_file(cursor, files)
        case Trouble.FILE_GONE:
            raise moved(files.path)
    files.accept_sizes()


def moved(path: str) -> StorageUnavailable:
    """FILE is not the one that was opened."""
    return StorageUnavailable(
        f"{path} was removed or replaced while it was open: put it back, or open what is there now"
    )


def written_to_what_is_gone(path: str) -> StorageUnavailable:
    """Files were removed during a call."""
    return StorageUnavailable(
        f"{path}, its -wal or its -shm was removed or replaced during a call: nobody can say whether what it wrote is "
        "kept; call again"
    )


def shorten_log(cursor: sqlite3.Cursor) -> None:
    """Move what the log holds into FILE, as far as readers let it, so that the next commits begin it anew."""
    with contextlib.suppress(sqlite3.Error):
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def make_room(cursor: sqlite3.Cursor) -> bool:
    """Empty the log, if it can be done now: the room that it takes is room for FILE, or for the next commits."""
    try:
        busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error:
        return False
    return not busy


def _rescued(cursor: sqlite3.Cursor, files: Files, patience: Patience) -> StorageError:
    """Move what the log holds into FILE, and tell."""
    while True:
        busy, held, moved_ = cursor.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        if not busy and held == moved_:
            return StorageUnavailable(
                f"{files.log_path} (or its -shm) was removed while it was open. What was committed is saved in "
                f"{files.path}: call again, and leave these files alone while the database is open"
            )
        if not patience.wait():
            return StorageUnavailable(
                f"{files.log_path} (or its -shm) was removed while it was open, and others are at {files.path}: let "
                "them end as they usually do, which saves what was committed, and call again"
            )


def _check_log(cursor: sqlite3.Cursor, files: Files) -> None:
    """Raise if what the log should hold is not there."""
    try:
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.Error as error:
        if is_busy(error):
            raise
        raise StorageCorrupt(
            f"{files.log_path} was cut while it was open, and what was committed lately is lost ({error}): leave it "
            f"alone while {files.path} is open; check it, or restore it from a backup"
        ) from error


def _check_file(cursor: sqlite3.Cursor, files: Files) -> None:
    """Raise if FILE is not whole. What the log holds is moved into it before, which may be all that it lacks."""
    cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    cursor.execute("PRAGMA shrink_memory").fetchall()
    ((answer,),) = cursor.execute("PRAGMA quick_check(1)").fetchall()
    if answer != "ok":
        raise StorageCorrupt(f"{files.path} was cut while it was open: restore it from a backup ({answer})")
