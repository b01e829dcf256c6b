"""Execution ids: made here, or chosen by the caller and checked here."""

from __future__ import annotations

import re
import secrets
import threading
import time

from runfox.errors import InvalidExecutionId

_ALLOWED = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)


class ExecutionIds:
    """Makes ids of 32 hexadecimal digits: microseconds since the epoch, rising with every id of this process, then 72
    random bits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest = 0

    def new(self) -> str:
        """An id that no other call anywhere gives, and that sorts after those before it."""
        with self._lock:
            self._latest = max(self._latest + 1, time.time_ns() // 1_000)
            return f"{self._latest:014x}{secrets.token_hex(9)}"


def checked_execution_id(execution_id: object) -> str:
    """The id itself. Raises `InvalidExecutionId` unless it is 1 to 128 of ``A-Z a-z 0-9 . _ : -``."""
    if isinstance(execution_id, str) and _ALLOWED.fullmatch(execution_id):
        return execution_id
    raise InvalidExecutionId(execution_id)


execution_ids = ExecutionIds()
"""The ids of this process."""
