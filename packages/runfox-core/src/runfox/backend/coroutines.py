"""Coroutine executors: all of a process run in one event loop, in a thread that begins with the first of them."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE = 1.0
"""Seconds."""


class EventLoop:
    """An event loop in a thread of its own, for callers in other threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._serving: _Serving | None = None
        self._parents: list[_Serving | None] = []

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns, or raises. An interrupt of the caller cancels it."""
        import asyncio  # noqa: PLC0415  # it costs more to import than all of runfox, and few need it

        try:
            loop = self._begun().loop
        except BaseException:
            coroutine.close()
            raise
        tasks: list[asyncio.Task[T]] = []

        async def known() -> T:
            task = asyncio.current_task()
            assert task is not None
            tasks.append(task)
            return await coroutine

        def cancel() -> None:
            for task in tasks:
                task.cancel()

        try:
            return asyncio.run_coroutine_threadsafe(known(), loop).result()
        except BaseException:
            # By the task itself: an interrupt may have come before anybody had a future.
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(cancel)
            raise

    def close(self) -> None:
        """End the loop and its thread; what still runs in it is left, and so is a loop that a coroutine blocks."""
        with self._lock:
            serving, self._serving = self._serving, None
        if serving is not None:
            serving.end()

    def leave_to_parent(self) -> None:  # pragma: no cover  # a test proves it, in a child that coverage does not follow
        """In the child of a fork: the loop is the parent's, and so is what it waits with. It is kept, never closed."""
        self._parents.append(self._serving)
        self._lock = threading.Lock()
        self._serving = None

    def _begun(self) -> _Serving:
        with self._lock:
            if self._serving is None:
                self._serving = _Serving()
            return self._serving


class _Serving:
    """A loop that runs until `end`, whatever its coroutines do."""

    def __init__(self) -> None:
        import asyncio  # noqa: PLC0415  # as above

        self.loop = asyncio.new_event_loop()
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="runfox-coroutines", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self.loop.close()
            raise

    def end(self) -> None:
        self._ends = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        while not self._ends:
            # A coroutine may stop the loop, or raise an interrupt, which its caller gets: the others go on.
            with suppress(KeyboardInterrupt, SystemExit):
                self.loop.run_forever()
        self.loop.close()


event_loop = EventLoop()
"""The event loop of this process."""

atexit.register(event_loop.close)

if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows has no fork
    os.register_at_fork(after_in_child=event_loop.leave_to_parent)
