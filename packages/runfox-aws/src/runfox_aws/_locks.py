"""Locks that are free in the child of a fork, whichever thread of the parent held them at that moment."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Locked(Protocol):
    """What has a lock of its own."""

    _lock: threading.Lock


_owners: weakref.WeakSet[Locked] = weakref.WeakSet()


def new_lock(owner: Locked) -> threading.Lock:
    """A lock for ``owner._lock``, which a forked child has anew."""
    _owners.add(owner)
    return threading.Lock()


def _after_fork_in_child() -> None:
    for owner in list(_owners):
        owner._lock = threading.Lock()  # whoever held the old one is gone


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork_in_child)
