"""RUN-CLOSE: what is left of a client that is closed."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time

from runfox.times import LATEST
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import expect_no_errors
from runfox_testing.observing import ObservedRunner
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs

_CYCLES = 12
_WARM_UP = 3
_PATIENCE = 5.0


@check(
    "RUN-CLOSE-01",
    causes=["a connection, a pool or a file stays open", "a thread of the client's own is not ended by close()"],
)
def a_closed_client_leaves_nothing(case: RunnerCase) -> None:
    """After many clients were opened, used and closed there are no more threads and open files than after a few."""
    # The closed clients are kept until all is counted, so that the garbage collector does not clear up for close().
    closed = [_use_and_close(case) for _ in range(_WARM_UP)]
    before = _resources()
    closed += [_use_and_close(case) for _ in range(_CYCLES)]
    deadline = time.monotonic() + _PATIENCE
    while (after := _resources()) and _grown(before, after) and time.monotonic() < deadline:
        time.sleep(0.02)
    grown = _grown(before, after)
    what = " and ".join(f"{after[name] - before[name]} more {name}" for name in grown)
    del closed
    expect(not grown, f"after {_CYCLES} clients were opened, used and closed there are {what}")


def _use_and_close(case: RunnerCase) -> ObservedRunner:
    """A client of which every method was called, by two threads, and which is closed."""
    client = case.client()
    _use(case, client)
    outcomes = case.race(lambda: _use(case, client))
    expect_no_errors(outcomes, "uses of a client by a second thread")
    case.harnesses[0].close(client.raw)
    case.abandon(client)
    return client


def _use(case: RunnerCase, client: ObservedRunner) -> None:
    client.dispatch(EXECUTION, [job()])
    client.list_pending_jobs()
    client.held(LATEST)
    for taken in client.take_pending_jobs():
        client.extend_lease(taken)
    if "SupportsWait" in case.abilities:
        client.wait(EXECUTION, 0.01)
    if "SupportsLongPolling" in case.abilities:
        client.poll_pending_jobs(0.01)
    client.submit_work_result(EXECUTION, "step", {}, 1)
    client.gather(EXECUTION)
    client.forget(EXECUTION)


def _resources() -> dict[str, int]:
    gc.collect()
    found = {"threads": threading.active_count()}
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            found["open files"] = len(os.listdir(folder))  # noqa: PTH208  # its entries may be gone at once
            break
    return found


def _grown(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """What has become more with the clients: the interpreter's own may come and go."""
    return [name for name in before if after[name] - before[name] >= _CYCLES // 2]


@check(
    "RUN-CLOSE-02",
    causes=["clients share a connection or pool, which the first close() ends", "close() removes what is stored"],
)
def closing_one_client_does_not_disturb_another(case: RunnerCase) -> None:
    """A client works on after another of the same namespace was closed, and finds what the closed one did."""
    staying, leaving = case.clients(2)
    known = job(execution=OTHER)
    staying.dispatch(OTHER, [known])
    leaving.dispatch(EXECUTION, jobs(2))
    case.harnesses[0].close(leaving.raw)
    case.abandon(leaving)
    held = case.held(staying, LATEST, [EXECUTION, OTHER])
    expect(
        held == sorted([EXECUTION, OTHER]),
        f"after another client was closed the executions {held} are held, not {EXECUTION} and {OTHER}",
    )
    if "queue" in case.abilities:
        found = case.take(staying, 3)
        expect(len(found) == 3, f"after another client was closed {len(found)} of 3 pending jobs could be taken")


@check("RUN-CLOSE-03", causes=["close() closes a connection that is None, or not open, the second time"])
def closing_twice_is_harmless(case: RunnerCase) -> None:
    """A client may be closed twice, and the second time changes nothing for others."""
    one, two = case.clients(2)
    one.dispatch(EXECUTION, [job()])
    case.abandon(one)
    for _ in range(2):
        case.harnesses[0].close(one.raw)
    held = case.held(two, LATEST, [EXECUTION])
    expect(held == [EXECUTION], f"after another client was closed twice the executions {held} are held")
