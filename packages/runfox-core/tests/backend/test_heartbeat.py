"""Leases are renewed while a job runs. Time is the test's; what the thread does is awaited."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from runfox.backend import heartbeat as module
from runfox.backend.heartbeat import Heartbeat
from runfox.backend.inprocess_runner import InProcessRunner
from runfox.results import DispatchJob

PATIENCE = 60.0


class Runner(InProcessRunner):
    """Notes the renewals: op, seconds, and when by the heartbeat's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self.renewals: list[tuple[str, float | None, float]] = []
        self.changed = threading.Condition()
        self.before: Callable[[], None] = lambda: None
        self._now = now

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        with self.changed:
            self.renewals.append((job.op, seconds, self._now()))
            self.changed.notify_all()
        self.before()
        return super().extend_lease(job, seconds)

    def awaited(self, count: int) -> list[tuple[str, float | None, float]]:
        """The renewals, once there are so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.renewals) >= count, PATIENCE)
            return list(self.renewals)


class Times:
    """Stands for the module `time`: a monotonic clock that tests move, and that nudges the heartbeat."""

    def __init__(self, beat: Heartbeat) -> None:
        self._beat = beat
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    def move_to(self, now: float) -> None:
        with self._beat._changed:
            self._now = now
            self._beat._changed.notify_all()


@pytest.fixture
def beat() -> Heartbeat:
    return Heartbeat()


@pytest.fixture
def times(beat: Heartbeat, monkeypatch: pytest.MonkeyPatch) -> Times:
    times = Times(beat)
    monkeypatch.setattr(module, "time", times)
    return times


@pytest.fixture
def runner(times: Times) -> Runner:
    return Runner(times.monotonic)


def a_job(op: str = "a") -> DispatchJob:
    return DispatchJob("w#e", op, {}, lease="token")


def end(beat: Heartbeat, times: Times) -> None:
    """Let the thread find that there is nothing left to do for it."""
    thread = beat._thread
    assert thread is not None
    times.move_to(times.monotonic() + 1_000)
    times.move_to(times.monotonic() + 1_000)
    deadline = time.monotonic() + PATIENCE
    while thread.is_alive() and time.monotonic() < deadline:
        times.move_to(times.monotonic() + 1_000)
        thread.join(0.001)
    assert not thread.is_alive()
    assert beat._thread is None


def test_a_lease_is_renewed_for_its_length_at_each_third_of_it(beat: Heartbeat, times: Times, runner: Runner) -> None:
    handle = beat.watch(runner, a_job(), 30.0)
    for count in range(1, 5):
        times.move_to(count * 10.0 - 0.5)
        times.move_to(count * 10.0)
        assert runner.awaited(count)[-1] == ("a", 30.0, count * 10.0)
    beat.release(handle)
    end(beat, times)
    assert len(runner.renewals) == 4


def test_what_is_released_is_not_renewed(beat: Heartbeat, times: Times, runner: Runner) -> None:
    kept, released = beat.watch(runner, a_job("kept"), 30.0), beat.watch(runner, a_job("released"), 30.0)
    beat.release(released)
    beat.release(released)
    times.move_to(10.0)
    assert [op for op, _, _ in runner.awaited(1)] == ["kept"]
    beat.release(kept)
    end(beat, times)


def test_a_shorter_lease_is_renewed_in_time_beside_a_longer_one(beat: Heartbeat, times: Times, runner: Runner) -> None:
    handles = [beat.watch(runner, a_job("long"), 300.0), beat.watch(runner, a_job("short"), 3.0)]
    times.move_to(1.0)
    times.move_to(2.0)
    assert {op for op, _, _ in runner.awaited(1)} == {"short"}
    for handle in handles:
        beat.release(handle)
    end(beat, times)


def test_a_shorter_lease_that_begins_while_another_is_renewed_is_not_overlooked(
    beat: Heartbeat, times: Times, runner: Runner
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    runner.before = wait
    handles = [beat.watch(runner, a_job("long"), 300.0)]
    times.move_to(100.0)
    assert begun.wait(PATIENCE)
    runner.before = lambda: None
    handles.append(beat.watch(runner, a_job("short"), 3.0))
    with beat._changed:
        times._now = 101.0  # without a nudge: the thread has to know by itself
    go_on.set()
    assert runner.awaited(2)[1] == ("short", 3.0, 101.0)
    for handle in handles:
        beat.release(handle)
    end(beat, times)


def test_a_renewal_that_fails_is_logged_and_tried_again(
    beat: Heartbeat, times: Times, runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError("no network")

    runner.before = fail
    handle = beat.watch(runner, a_job(), 30.0)
    times.move_to(10.0)
    runner.awaited(1)
    runner.before = lambda: None
    times.move_to(20.0)
    runner.awaited(2)
    beat.release(handle)
    end(beat, times)
    assert [record.getMessage() for record in caplog.records] == ["a lease of step 'a' could not be renewed"]


def test_the_thread_ends_when_it_is_idle_and_begins_again(beat: Heartbeat, times: Times, runner: Runner) -> None:
    for _ in range(2):
        beat.release(beat.watch(runner, a_job(), 30.0))
        end(beat, times)
    assert runner.renewals == []


def test_the_thread_does_not_keep_a_process_alive(beat: Heartbeat, times: Times, runner: Runner) -> None:
    handle = beat.watch(runner, a_job(), 30.0)
    assert beat._thread is not None
    assert beat._thread.daemon
    beat.release(handle)
    end(beat, times)


FORK = """
import os, sys, threading
from runfox.backend.heartbeat import heartbeats
from runfox import DispatchJob, InProcessRunner

class Runner(InProcessRunner):
    renewed = threading.Event()
    def extend_lease(self, job, seconds=None):
        self.renewed.set()
        return super().extend_lease(job, seconds)

job = DispatchJob("w#e", "a", {}, lease="token")
runner = Runner()
heartbeats.of(runner).watch(runner, job, 600.0)
with heartbeats._lock, heartbeats.of(runner)._lock:  # held at the fork, by a thread that the child does not have
    child = os.fork()
if child == 0:
    heartbeats.of(runner).watch(runner, job, 0.01)
    os._exit(0 if Runner.renewed.wait(60) else 1)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")
def test_leases_are_renewed_in_a_forked_child() -> None:
    # Python 3.12 warns of any fork beside a thread, which is just what is tried here.
    done = subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK], check=False)
    assert done.returncode == 0


def test_each_runner_has_a_heartbeat_of_its_own_and_those_that_have_stopped_go() -> None:
    hearts = module.Heartbeats()
    one, two = InProcessRunner(), InProcessRunner()
    assert hearts.of(one) is hearts.of(one)
    assert hearts.of(one) is not hearts.of(two)
    assert len(hearts._beats) == 1, "the first one had no thread, and went"


def test_a_runner_that_keeps_a_renewal_waiting_does_not_stop_the_leases_of_another() -> None:
    blocked, free = threading.Event(), threading.Event()

    class Slow(InProcessRunner):
        def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
            blocked.set()
            return free.wait(PATIENCE)

    class Quick(InProcessRunner):
        renewed = threading.Event()

        def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
            self.renewed.set()
            return True

    slow, quick = Slow(), Quick()
    handles = [(slow, module.heartbeats.of(slow).watch(slow, a_job(), 0.01))]
    assert blocked.wait(PATIENCE)
    handles.append((quick, module.heartbeats.of(quick).watch(quick, a_job(), 0.01)))
    try:
        assert Quick.renewed.wait(PATIENCE)
    finally:
        free.set()
        for runner, handle in handles:
            module.heartbeats.of(runner).release(handle)
