"""What happens to a new connection before anybody uses it: whose file is it, which schema has it, how does it sync.

Nothing is changed in a file before it is known to be empty or runfox's. Any number of processes may open a new file at
once: what the file is, and what it becomes, is decided inside a transaction. A lock met on the way is raised as it is,
for the caller to try again.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from runfox.errors import SchemaTooNew, StorageCorrupt
from runfox_sqlite import _schema

_LOG_SIZE = 16 * 1024 * 1024
"""Bytes that the log keeps when a reader who held it up for long has ended: what it grew by goes back to the disk."""


def prepare(driver: sqlite3.Connection, path: str, synchronous: str, *, memory: bool, known: bool) -> bool:
    """Bring `driver`, freshly connected to `path`, to where transactions can begin. True if it writes a log (WAL).

    `known` tells that the file was opened before, and had its tables.
    """
    driver.execute("BEGIN")
    found = _identify(driver, path)
    driver.execute("COMMIT")
    if known and not found:
        raise StorageCorrupt(f"{path} was emptied while it was open: restore it from a backup")
    mode = _pragma(driver, "journal_mode")
    if not memory and mode != "wal":
        # A file system that can't do it leaves the mode as it is; everything works there, only slower.
        mode = _pragma(driver, "journal_mode=WAL")
    driver.execute(f"PRAGMA synchronous={synchronous}")
    driver.execute(f"PRAGMA journal_size_limit={_LOG_SIZE}")
    if found != _schema.SCHEMA_VERSION:
        _upgrade(driver, path)
    return mode == "wal"


def claim_alone(path: str) -> None:
    """Make sure that nobody has the file `path` open, which has no log, or no index of its log.

    Whoever has it open uses a log that was removed, or an index in which nobody else sees his locks and commits. A new
    one beside that would be the end of the database, and so this is raised as a lock is: whoever uses runfox closes
    the file when he notices. What a log without an index holds is moved into FILE.
    """
    driver = sqlite3.connect(f"{Path(path).as_uri()}?mode=rw", uri=True, timeout=0.0, isolation_level=None)
    try:
        driver.execute("PRAGMA locking_mode=EXCLUSIVE")
        driver.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    finally:
        driver.close()


def _identify(driver: sqlite3.Connection, path: str) -> int:
    """The schema's version, 0 for an empty file. Inside a transaction, so that nobody creates the schema meanwhile."""
    version = int(str(_pragma(driver, "user_version")))
    application = _pragma(driver, "application_id")
    if application == _schema.APPLICATION_ID:
        if version > _schema.SCHEMA_VERSION:
            raise SchemaTooNew("runfox-sqlite", version, _schema.SCHEMA_VERSION)
        return version
    if application == 0 and version == 0 and driver.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
        return 0
    raise StorageCorrupt(f"{path} is another application's database: choose another path")


def _upgrade(driver: sqlite3.Connection, path: str) -> None:
    driver.execute("BEGIN IMMEDIATE")
    found = _identify(driver, path)
    if found == 0:
        statements = list(_schema.create_statements())
    else:
        versions = range(found + 1, _schema.SCHEMA_VERSION + 1)
        statements = [statement for version in versions for statement in _schema.MIGRATIONS[version]]
    for statement in statements:
        driver.execute(statement)
    driver.execute(f"PRAGMA application_id={_schema.APPLICATION_ID}")
    driver.execute(f"PRAGMA user_version={_schema.SCHEMA_VERSION}")
    driver.execute("COMMIT")


def _pragma(driver: sqlite3.Connection, name: str) -> object:
    value: object = driver.execute(f"PRAGMA {name}").fetchall()[0][0]
    return value
