"""The files of one database on disk, and whether they are still those that were opened.

SQLite keeps a database in three files: FILE, its log FILE-wal, where commits are until a checkpoint moves them into
FILE, and FILE-shm, the index of the log, with the locks by which processes agree. While anybody has a database open
they all stay where they are. A commit to a log that was removed is lost with the process, and two processes with two
indexes don't see each other's locks; SQLite notices neither. So both are looked at around each transaction, by
`os.stat`, which takes a microsecond: to open one of them here would end the locks that this process has on it.
"""

from __future__ import annotations

import os
from enum import Enum, auto
from typing import TypeAlias

Identity: TypeAlias = tuple[int, int]
"""What tells one file from another that was put in its place: device and inode."""


class Trouble(Enum):
    """What has happened to the files of a database that is open."""

    FILE_GONE = auto()
    """FILE was removed or replaced."""

    FILE_CUT = auto()
    """FILE is shorter than it was: somebody has cut it, or called VACUUM, which is all right."""

    LOG_GONE = auto()
    """The log or its index was removed."""

    LOG_REPLACED = auto()
    """The log or its index was removed, and another program has made a new one and may have written to it."""

    LOG_CUT = auto()
    """The log is shorter than it was: somebody has cut it, or it was emptied by a checkpoint, which is all right."""


def file_identity(path: str) -> Identity | None:
    """The identity of the file at `path`; None where there is none."""
    status = _stat(path)
    return None if status is None else _identity(status)


_LOOK = 256 * 1024
"""How many bytes the log grows by between two looks at the room that is left on the disk."""


class Files:
    """FILE, its log and its index, as they were when they were opened."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.log_path = f"{path}-wal"
        self._index_path = f"{path}-shm"
        self.identity: Identity | None = None
        self._size = 0
        self._log: Identity | None = None
        self._index: Identity | None = None
        self._log_size = self._index_size = 0
        self._looks_at = _LOOK

    def adopt(self) -> None:
        """A connection is open: the files that are there now are those in use, unless others are known to be."""
        if self.identity is None:
            self.identity = file_identity(self.path)
        if self._log is None:
            self._log, self._index = file_identity(self.log_path), file_identity(self._index_path)

    def forget_log(self) -> None:
        """No connection is open any more: the next one may find another log."""
        self._log = self._index = None
        self._log_size = self._index_size = 0
        self._looks_at = _LOOK

    def accept_sizes(self) -> None:
        """The files are shorter than they were, and that is all right."""
        self._size = self._log_size = 0

    def are_incomplete(self) -> bool:
        """True if FILE holds something and has no log, or no index of it: nobody has it open, if all is well."""
        status = _stat(self.path)
        if status is None or status.st_size == 0:
            return False
        return _stat(self.log_path) is None or _stat(self._index_path) is None

    def log_outgrows_the_disk(self) -> bool:
        """True if the log should be moved into FILE now, while there is room for it there: on a disk that is full
        nothing could be moved any more, and the log would keep the room that it takes.
        """
        if self._log_size < self._looks_at:
            return False
        self._looks_at = self._log_size + _LOOK
        room = room_on_disk(self.path)
        return room is not None and room < 2 * self._log_size

    def trouble(self) -> Trouble | None:
        """What has happened to the files since they were adopted."""
        if self.identity is None:
            return None
        main = _stat(self.path)
        if main is None or _identity(main) != self.identity:
            return Trouble.FILE_GONE
        # Where the file system can't share memory there is no log, and nothing to be looked at.
        trouble = None if self._log is None else self._trouble_of_log()
        if trouble is not None:
            return trouble
        if main.st_size < self._size:
            return Trouble.FILE_CUT
        self._size = main.st_size
        return None

    def _trouble_of_log(self) -> Trouble | None:
        log, index = _stat(self.log_path), _stat(self._index_path)
        same_log = log is not None and _identity(log) == self._log
        same_index = index is not None and _identity(index) == self._index
        if log is None or index is None or not (same_log and same_index):
            # In a log that is empty nobody has written anything, whoever made it.
            written = log is not None and log.st_size > 0 and not (same_log and index is None)
            return Trouble.LOG_REPLACED if written else Trouble.LOG_GONE
        if index.st_size < self._index_size:
            # It is mapped into this process's memory: to touch what is missing would end the process (SIGBUS). Full of
            # zeros, SQLite makes it anew from the log.
            os.truncate(self._index_path, self._index_size)
        self._index_size = max(index.st_size, self._index_size)
        if log.st_size < self._log_size:
            return Trouble.LOG_CUT
        self._log_size = log.st_size
        return None


def room_on_disk(path: str) -> int | None:
    """How many bytes there is room for beside `path`; None where the system does not say."""
    try:
        found = os.statvfs(os.path.dirname(path))  # noqa: PTH120  # as fast as it can be
    except (OSError, AttributeError):  # Windows has no statvfs
        return None
    if not found.f_blocks:  # a file system that is none, as /proc
        return None
    no_more_files = found.f_files > 0 and found.f_favail == 0
    return 0 if no_more_files else found.f_bavail * found.f_frsize


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116  # three times as fast as Path.stat, around each transaction
    except OSError:
        return None


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino
