"""Coroutines of many threads in one event loop."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
import threading

import pytest

from runfox.backend.coroutines import EventLoop, event_loop

PATIENCE = 60.0


@pytest.fixture
def loop() -> EventLoop:
    return EventLoop()


def test_a_coroutine_gives_what_it_returns_or_raises(loop: EventLoop) -> None:
    async def returns() -> int:
        await asyncio.sleep(0)
        return 3

    async def raises() -> None:
        raise LookupError("nothing")

    assert loop.run(returns()) == 3
    with pytest.raises(LookupError, match="nothing"):
        loop.run(raises())
    loop.close()


def test_coroutines_of_many_threads_run_at_the_same_time_in_one_thread(loop: EventLoop) -> None:
    arrived: list[threading.Thread] = []

    async def meet() -> None:
        arrived.append(threading.current_thread())
        while len(arrived) < 5:
            await asyncio.sleep(0)

    threads = [threading.Thread(target=lambda: loop.run(meet())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(arrived) == 5
    assert len(set(arrived)) == 1
    assert threading.current_thread() not in arrived
    loop.close()


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_one_reaches_its_caller_and_no_other(loop: EventLoop, interrupt: type[BaseException]) -> None:
    beside: list[int] = []
    began, free = threading.Event(), threading.Event()

    async def patient() -> int:
        began.set()
        while not free.is_set():
            await asyncio.sleep(0)
        return 7

    async def ends() -> None:
        raise interrupt

    thread = threading.Thread(target=lambda: beside.append(loop.run(patient())))
    thread.start()
    assert began.wait(PATIENCE)
    with pytest.raises(interrupt):
        loop.run(ends())
    free.set()
    thread.join(PATIENCE)
    assert beside == [7]
    loop.close()


def test_a_coroutine_that_stops_the_loop_stops_nobody(loop: EventLoop) -> None:
    async def stops() -> int:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return 1

    assert [loop.run(stops()) for _ in range(3)] == [1, 1, 1]
    loop.close()


def test_should_the_thread_not_start_the_next_call_tries_again(
    loop: EventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def number() -> int:
        return 1

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            loop.run(number())
    assert loop.run(number()) == 1
    loop.close()


def test_the_callers_context_is_the_coroutines(loop: EventLoop) -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")
    name.set("caller")

    async def read() -> str:
        return name.get()

    assert loop.run(read()) == "caller"
    loop.close()


def test_a_closed_loop_begins_again(loop: EventLoop) -> None:
    async def number() -> int:
        return 1

    loop.close()
    assert loop.run(number()) == 1
    loop.close()
    assert loop.run(number()) == 1
    loop.close()


IN_MAIN_THREAD = """
import asyncio, os, signal, sys
from runfox.backend.coroutines import event_loop

async def wait():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        print("cancelled")
        raise

async def after():
    return "after"

try:
    event_loop.run(wait())
except KeyboardInterrupt:
    print(event_loop.run(after()))
"""


def test_an_interrupt_of_the_caller_cancels_the_coroutine_and_nothing_is_left_at_exit() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_MAIN_THREAD],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("cancelled\nafter\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_the_child_of_a_fork_begins_a_loop_of_its_own() -> None:
    async def number() -> int:
        return 5

    assert event_loop.run(number()) == 5
    child = os.fork()
    if child == 0:  # pragma: no cover  # coverage does not follow
        os._exit(event_loop.run(number()))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 5
