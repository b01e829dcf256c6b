"""`ManualClock`: it moves when it is told to, and not before."""

from __future__ import annotations

import math
import pickle
import threading
from typing import Any

import pytest

from runfox import Backend, InProcessRunner, Pending, StepStatus, Workflow
from runfox.results import DispatchJob
from runfox_testing import ManualClock


def test_it_stands_still() -> None:
    clock = ManualClock()
    assert clock() == clock.now == 1_700_000_000.0
    assert clock() == 1_700_000_000.0


def test_it_moves_by_as_much_as_it_is_told_forth_and_back() -> None:
    clock = ManualClock(1_000.0)
    clock.advance(2.5)
    assert clock() == 1_002.5
    clock.advance(-10)
    assert clock() == 992.5


def test_it_can_be_set() -> None:
    clock = ManualClock()
    clock.now = 5
    assert (clock(), clock.now) == (5.0, 5.0)
    assert type(clock()) is float


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_it_never_stands_at_what_is_no_time(seconds: float) -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="use a finite number"):
        clock.advance(seconds)
    with pytest.raises(ValueError, match="use a finite number"):
        clock.now = seconds
    with pytest.raises(ValueError, match="use a finite number"):
        ManualClock(seconds)
    assert clock.now == 1_700_000_000.0


def test_no_move_of_a_thread_is_lost() -> None:
    clock = ManualClock(0.0)

    def move() -> None:
        for _ in range(2_000):
            clock.advance(1)

    threads = [threading.Thread(target=move) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now == 8_000.0


def test_a_pickled_clock_stands_where_it_stood_and_goes_its_own_way() -> None:
    clock = ManualClock()
    clock.advance(7)
    copy = pickle.loads(pickle.dumps(clock))
    assert copy.now == clock.now
    copy.advance(1)
    assert copy.now == clock.now + 1


def test_its_repr_says_where_it_stands() -> None:
    assert repr(ManualClock(3.0)) == "ManualClock(3.0)"


def test_a_backend_goes_by_it() -> None:
    clock = ManualClock()
    backend = Backend(clock=clock, runner=InProcessRunner(clock=clock))
    definition: dict[str, Any] = {"steps": [{"op": "a", "retry": {"max_attempts": 2, "delay": 50}}]}
    workflow = Workflow.from_dict(definition, backend)
    workflow.start()
    workflow.settle([("a", {"ok": False})])
    clock.advance(49.9)
    assert isinstance(workflow.settle([]), Pending)
    clock.advance(0.1)
    workflow.settle([])
    assert workflow.step_statuses == {"a": StepStatus.IN_PROGRESS}


def test_leases_go_by_it() -> None:
    clock = ManualClock()
    runner = InProcessRunner(clock=clock)
    runner.dispatch("w#e", [DispatchJob("w#e", "a", {})])
    runner.take_pending_jobs(lease_seconds=30)
    clock.advance(29.9)
    assert runner.take_pending_jobs() == []
    clock.advance(0.1)
    assert [job.delivery for job in runner.take_pending_jobs()] == [2]
