"""Coroutine executors: all of a process run in one event loop, in a thread that begins with the first of them."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class EventLoop:
    """An event loop in a thread of its own, for callers in other threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns, or raises. An interrupt of the caller cancels it."""
        import asyncio  # noqa: PLC0415  # it costs more to import than all of runfox, and few need it

        future = asyncio.run_coroutine_threadsafe(coroutine, self._begun())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the loop and its thread; what still runs in it is left."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()

    def _begun(self) -> asyncio.AbstractEventLoop:
        import asyncio  # noqa: PLC0415  # as above

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="runfox-coroutines", daemon=True
                )
                self._thread.start()
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    interrupted = True
    while interrupted:
        try:
            loop.run_forever()
            interrupted = False
        except (KeyboardInterrupt, SystemExit):
            # A coroutine raised it. Its caller, in another thread, gets it; the others go on.
            pass
    loop.close()


event_loop = EventLoop()
"""The event loop of this process."""

atexit.register(event_loop.close)

if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows has no fork
    # The child has the loop, but not its thread.
    os.register_at_fork(after_in_child=event_loop.__init__)  # type: ignore[misc]  # on an instance, on purpose
