"""A folder of JSON files, each of which is whole at any moment, and which one client at a time changes.

A file is never written to. The next one is written beside it, brought to the disk and renamed over it: readers need no
lock, and whenever a process dies, either the old file is there or the new one. Whoever changes a file decides by what
it reads under the folder's lock. The operating system frees the lock of a process that dies.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from filelock import FileLock, Timeout

from runfox.errors import StorageCorrupt, StorageUnavailable
from runfox.jsonvalue import JSONObject

from ._json import decode, encode

Item = TypeVar("Item")

_LOCK_SECONDS = 30.0
_POLL_SECONDS = 0.005


class Files(Generic[Item]):
    """Items by key, each in a file of its own in the folder `name` of `folder`.

    Items are written as JSON objects, and read as what `from_json` makes of these. `read` may be called at any time,
    all other methods only within `locked`. Raises `StorageUnavailable` in every call, `StorageCorrupt` in those that
    read.
    """

    def __init__(self, folder: str | os.PathLike[str], name: str, from_json: Callable[[Any], Item]) -> None:
        self._folder = Path(folder).absolute() / name
        self._from_json = from_json
        _make_folder(self._folder.parent)
        _make_folder(self._folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep out everyone else: other threads, other clients, other processes. It can't be nested."""
        # A lock object for each call: one must not be used on both sides of a fork, and one that an interrupt leaves
        # behind frees the lock when it is collected.
        lock = FileLock(
            self._folder / "lock", timeout=_LOCK_SECONDS, poll_interval=_POLL_SECONDS, fallback_to_soft=False
        )
        try:
            with _storage_errors(self._folder):
                self._check_folder()
                lock.acquire()
            yield
        finally:
            lock.release()

    def read(self, key: str) -> Item | None:
        """The item as last written, None where there is none."""
        found = self._read(self._path(key))
        return None if found is None else found[1]

    def all(self) -> dict[str, Item]:
        """Every item by its key."""
        # Not without the lock: while files are being renamed, a look at the folder may miss one or see it twice.
        with _storage_errors(self._folder):
            paths = [path for path in self._folder.iterdir() if path.suffix == ".json"]
        return dict(found for found in map(self._read, paths) if found is not None)

    def write(self, key: str, item: JSONObject) -> None:
        """Put the item in the place of what is there."""
        text = encode({"key": key, "item": item})
        path = self._path(key)
        # Only who has the lock writes, so one name will do. It also overwrites what a process that died left there.
        draft = self._folder / "draft"
        with _storage_errors(path):
            with draft.open("wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            _sync_folder(self._folder)

    def remove(self, key: str) -> bool:
        """Remove the item. False if there is none."""
        path = self._path(key)
        with _storage_errors(path):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            _sync_folder(self._folder)
            return True

    def _path(self, key: str) -> Path:
        # Keys may be long, differ in case only, or hold what file names must not. A digest is short and plain.
        return self._folder / (hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest() + ".json")

    def _read(self, path: Path) -> tuple[str, Item] | None:
        with _storage_errors(path):
            try:
                text = path.read_bytes()
            except FileNotFoundError:
                self._check_folder()
                return None
        try:
            value = decode(text)
            return value["key"], self._from_json(value["item"])
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise StorageCorrupt(
                f"{path} is not as runfox-files wrote it ({error!r}): restore it from a backup, or move it away"
            ) from error

    def _check_folder(self) -> None:
        """A folder that was removed is an error: it must not look like one that is empty, nor be made anew."""
        self._folder.stat()


def _make_folder(folder: Path) -> None:
    with _storage_errors(folder):
        try:
            folder.mkdir()
        except FileExistsError:
            return
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Bring names to the disk: syncing a file covers its content only."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """The errors of the operating system at `path` as runfox's own."""
    try:
        yield
    except Timeout as error:
        raise StorageUnavailable(
            f"the lock of {path} was not free for {_LOCK_SECONDS:g} s: look for a process that stands still"
        ) from error
    except OSError as error:
        raise StorageUnavailable(
            f"{path} can't be used ({error}): check that {path.parent} exists, who may write there, and that the disk "
            "is not full"
        ) from error
