"""FLOW-RECOVER: processes that end between any two calls, replies that are lost, and rivals.

One process creates an execution and works on it, alone: it is driver and worker. Of all the calls that it makes to the
store and the runner, one goes wrong, each in its turn; then somebody else looks after what is left.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from runfox.backend import Backend, sweep
from runfox.errors import StorageError, WriteConflict
from runfox.protocols import SupportsWake
from runfox.records import WorkflowRecord
from runfox_testing.case import WorkflowCase
from runfox_testing.check import check, expect, violated
from runfox_testing.checks.flow_example import (
    RUNS,
    Merges,
    backend_clock,
    create,
    expect_end,
    lease_of,
    settle,
    submit,
)

RECOVER_AFTER = 60.0
_N = 3
_PATIENCE = 6
"""How often one may find nothing to do before the execution counts as lost."""

_POINTS_EACH_ROUND = 5
"""How many accidents a round has; in real time, where each may have to wait for a lease, two."""

_FEWEST_PLACES = 6
"""Before or after how many different calls accidents have to happen."""


class _Crash(BaseException):
    """The process is gone. No Exception: nothing in it can go on."""


class Accident:
    """Happens at the `at`-th call to a store or a runner that counts with it; `at` 0 for never."""

    def __init__(self, at: int = 0, *, after: bool = False, error: type[BaseException] = _Crash) -> None:
        self._at = at
        self._after = after
        self._error = error
        self.calls = 0
        self.met = ""

    def around(self, client: object) -> Any:
        """The client, whose calls count. It has the same abilities: they are found by its methods."""
        names = [name for name in dir(client) if not name.startswith("_") and callable(getattr(client, name))]
        methods: dict[str, Any] = {name: staticmethod(self._counting(name, getattr(client, name))) for name in names}
        for name in ("durable", "shared", "lease_seconds"):
            if hasattr(client, name):
                methods[name] = getattr(client, name)
        return type("Counted", (), methods)()

    def _counting(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def counted(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls != self._at:
                return call(*arguments, **options)
            self.met = name
            if self._after:
                call(*arguments, **options)
            raise self._error(f"an accident {'after' if self._after else 'before'} {name}")

        return counted


@check(
    "FLOW-RECOVER-01",
    needs=("queue",),
    traits=("time",),
    causes=[
        "a dispatch that comes again does not offer a result that was gathered and never settled",
        "a job whose lease has lapsed does not come back",
        "due does not name what was created and never started",
    ],
)
def a_process_may_end_between_any_two_calls(case: WorkflowCase) -> None:
    """Wherever a driver and worker is stopped, before or after the effect of a call, somebody else ends its work as
    if nothing had happened.
    """
    _have_accidents(case, _Crash)


@check(
    "FLOW-RECOVER-02",
    needs=("queue",),
    traits=("time",),
    causes=[
        "a dispatch that comes again does more than the first one",
        "a call that failed has left something locked or half done",
        "a write that had its effect can be made a second time",
    ],
)
def any_call_may_fail_or_lose_its_reply(case: WorkflowCase) -> None:
    """Whichever call fails before its effect, or loses its reply after it, whoever made it attends and goes on to the
    same end.
    """
    _have_accidents(case, StorageError)


@check(
    "FLOW-RECOVER-03",
    needs=("queue",),
    causes=["a write of an older version is acknowledged", "a conflict is told by another error than WriteConflict"],
)
def a_rival_may_write_before_any_commit(case: WorkflowCase) -> None:
    """When somebody else commits right before each commit of a driver, each of these is a conflict, and the driver
    comes to the same end with what both of them wrote.
    """
    clock = backend_clock(case)
    rival = Backend(store=case.store(), runner=case.runner(), clock=clock)
    runner = case.runner()
    meeting = _Meeting(case.store(), lambda key: rival.merge_workflow_state(key, {"rival": meeting.met}))
    backend = Backend(store=meeting.client, runner=runner, clock=clock)
    key = create(backend, "rivals", _N)
    _work_on(case, backend, key, lambda: None)
    expect(
        meeting.conflicts == meeting.met,
        f"a rival had committed before {meeting.met} commits, of which only {meeting.conflicts} raised WriteConflict",
    )
    # Each run of `left` and `join` is applied in a commit of its own, and each but the first is claimed in one.
    expect(meeting.met >= RUNS["left"] + RUNS["join"], f"a rival came before only {meeting.met} commits")
    record = backend.load(key)
    expect_end(record, _N, "after a rival had committed before each commit", besides=["rival"])
    found = record.state.get("rival")
    expect(found == meeting.met, f"what the rival wrote last, {meeting.met}, is not in the state: {found!r} is")


class _Meeting:
    """A store before each of whose commits `first` is called with the execution's id: every other time it is tried."""

    def __init__(self, store: Any, first: Callable[[str], None]) -> None:
        self.met = 0
        self.conflicts = 0
        self._first = first
        self._is_second = False
        self.client = Accident().around(store)
        for name in ("write", "patch"):
            if hasattr(store, name):
                setattr(self.client, name, self._meeting(getattr(store, name)))

    def _meeting(self, call: Callable[[Any], None]) -> Callable[[Any], None]:
        def commit(change: Any) -> None:
            meets = change.version > 0 and not self._is_second
            self._is_second = meets
            if meets:
                self.met += 1
                self._first(change.workflow_execution_id)
            try:
                call(change)
            except WriteConflict:
                self.conflicts += meets
                raise

        return commit


def _have_accidents(case: WorkflowCase, error: type[BaseException]) -> None:
    """An execution for each point at which an accident is to happen."""
    calm = Accident()
    _Process(case, calm, "calm").run()
    points = [(at, after) for at in range(1, calm.calls + 1) for after in (False, True)]
    most = case.profile.rounds * (_POINTS_EACH_ROUND if case.movable else 2)
    # Every n-th, with an n that is odd: before and after take turns.
    chosen = points[:: max(1, len(points) // most) | 1]
    places = set()
    for at, after in chosen:
        case.history.clear()
        accident = Accident(at, after=after, error=error)
        process = _Process(case, accident, f"{'after' if after else 'before'}-{at}")
        process.run()
        expect(accident.met, f"the process made only {accident.calls} calls, not {calm.calls} as an undisturbed one")
        places.add((accident.met, after))
        process.expect_end(f"{_NAMES[error]} {'after' if after else 'before'} the {accident.met} that was call {at}")
        case.close_clients()
    expect(
        len(chosen) >= min(most // 2, len(points)), f"only {len(chosen)} of {len(points)} possible accidents happened"
    )
    expect(len(places) >= min(_FEWEST_PLACES, most // 2), f"accidents happened only at {sorted(places)}")


_NAMES = {_Crash: "a crash", StorageError: "an error"}


class _Process:
    """A process that creates an execution and works on it, and whoever comes after it."""

    def __init__(self, case: WorkflowCase, accident: Accident, name: str) -> None:
        self._case = case
        self._name = name
        self._clock = backend_clock(case)
        self._merges = Merges()
        self._backend = self._make(accident.around(case.store()), accident.around(case.runner()))

    def _make(self, store: Any, runner: Any) -> Backend:
        return Backend(
            store=store,
            runner=runner,
            clock=self._clock,
            recover_after=RECOVER_AFTER,
            on_state_change=self._merges.observe,
        )

    def run(self) -> None:
        """Work until the end, or the accident; then somebody else does."""
        try:
            self._work(self._backend, self._id(self._backend))
        except _Crash:
            survivor = self._make(self._case.store(), self._case.runner())
            key = self._id(survivor)
            self._look_after(survivor, key)
            self._work(survivor, key)

    def expect_end(self, what: str) -> None:
        """It has ended as it should, and no result was merged twice."""
        backend = self._make(self._case.store(), self._case.runner())
        record = backend.load(self._id(backend))
        expect_end(record, _N, f"after {what}")
        for op, runs in RUNS.items():
            count = self._merges.counts[op]
            expect(count <= runs, f"after {what} {count} results of {runs} runs of {op!r} were merged")

    def _id(self, backend: Backend) -> str:
        """The execution's: a second `create` finds it, or makes it where the first one had no effect."""
        while True:
            try:
                return create(backend, self._name, _N)
            except StorageError:
                self._case.history.add("create failed: once more")

    def _work(self, backend: Backend, key: str) -> None:
        _work_on(self._case, backend, key, lambda: self._look_after(backend, key))

    def _look_after(self, backend: Backend, key: str) -> None:
        """Let leases lapse and executions fall due, and sweep."""
        self._case.history.add(f"{key.rpartition('#')[2]}: it is time to look after it")
        if self._case.movable is None:
            time.sleep(lease_of(self._case) + self._case.runner_harness.lag_seconds)
        self._clock.advance(RECOVER_AFTER + 1)
        if isinstance(backend.store, SupportsWake):
            sweep(backend)
        else:
            backend.attend(key)


def _work_on(case: WorkflowCase, backend: Backend, key: str, look_after: Callable[[], None]) -> None:
    """Drive and execute until the execution has ended. Where nothing can be done, `look_after` is called."""
    idle = 0
    is_disturbed = True
    while idle <= _PATIENCE:
        try:
            if is_disturbed:
                backend.attend(key)
                is_disturbed = False
            jobs = case.awaited(lambda: backend.take_tasks(2, None, lease_of(case)), bool)
            for job in jobs:
                submit(backend, job)
            end, claimed = settle(backend, key)
            if end is not None:
                return
            idle = 0 if jobs or claimed else idle + 1
            if idle:
                look_after()
        except StorageError as error:
            case.history.add(f"{error}: attending to it")
            is_disturbed = True
    violated(f"the execution hangs: {_standing(backend.load(key))}, and nothing is pending")


def _standing(record: WorkflowRecord) -> str:
    steps = ", ".join(f"{op} {step.status.value}/{step.run_id}" for op, step in record.steps.items())
    return f"it is {record.status.value} with {steps}"
