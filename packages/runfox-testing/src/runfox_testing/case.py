"""What a check works with: fresh clients in a fresh namespace, races, processes, time, and chance with a fixed seed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import hypothesis

from runfox.backend import Backend
from runfox.protocols import Runner, Store
from runfox.results import DispatchJob
from runfox.times import format_time
from runfox_testing.check import describe, expect
from runfox_testing.clock import ManualClock
from runfox_testing.harness import Harness, HarnessFailure, OpenFailure, RunnerHarness, StoreHarness
from runfox_testing.observing import History, Observed, ObservedRunner, ObservedStore
from runfox_testing.processes import Child
from runfox_testing.profiles import Profile
from runfox_testing.races import Outcome, race

T = TypeVar("T")
ClientT = TypeVar("ClientT", bound=Observed)

REAL_LEASE = 1.5
"""Seconds of the leases of checks that have to wait for them in real time, where takes are not late."""

_REAL_MARGIN = 0.4
"""Seconds that real time may be off: what a busy machine needs for a few calls."""

_POLL = 0.02


class Pool:
    """Child processes that wait for the next check: to start an interpreter takes longer than most checks."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._idle: list[Child] = []

    def get(self) -> Child:
        """A child that nobody uses."""
        return self._idle.pop() if self._idle else Child(self._patience)

    def put_back(self, child: Child) -> None:
        """The child waits for its next use; its clients are closed."""
        try:
            if child.is_busy:
                child.kill()
            child.open([], "")
        except Exception:  # noqa: BLE001  # it was killed, or something went wrong in it
            child.end()
        else:
            self._idle.append(child)

    def end(self) -> None:
        """End them all."""
        for child in self._idle:
            child.end()
        self._idle.clear()


class Case:
    """One check's surroundings. `abilities` are what the implementation claims."""

    def __init__(
        self,
        harnesses: Sequence[Harness[Any]],
        *,
        namespace: str,
        abilities: frozenset[str],
        profile: Profile,
        seed: str,
        pool: Pool,
    ) -> None:
        self.harnesses = tuple(harnesses)
        self.namespace = namespace
        self.abilities = abilities
        self.profile = profile
        self.seed = seed
        self.random = random.Random(seed)
        self.history = History()
        self._pool = pool
        self._children: list[Child] = []
        self._opened: list[tuple[Harness[Any], Any]] = []
        self._namespaces = [namespace]

    def race(self, *calls: Callable[[], T]) -> list[Outcome[T]]:
        """What the calls gave or raised; they begin together, each in its own thread."""
        return race(calls, self.profile.patience)

    def process(self) -> Child:
        """A process of its own with one client of each harness in this namespace."""
        child = self._pool.get()
        self._children.append(child)
        child.open(self.harnesses, self.namespace)
        return child

    def processes(self, count: int) -> list[Child]:
        """So many processes."""
        return [self.process() for _ in range(count)]

    def awaited(self, ask: Callable[[], T], wanted: Callable[[T], bool]) -> T:
        """The answer as soon as it is as wanted, or the last one within the harness's `lag_seconds`: without lag the
        first one, whatever it is.
        """
        deadline = time.monotonic() + max(harness.lag_seconds for harness in self.harnesses)
        while True:
            answer = ask()
            if wanted(answer) or time.monotonic() >= deadline:
                return answer
            time.sleep(_POLL)

    def settings(self, *, examples: int | None = None) -> hypothesis.settings:
        """The settings of whatever Hypothesis generates in this check. To be used with `hypothesis.seed(case.seed)`."""
        return hypothesis.settings(
            # Every field that a profile of the user's could have changed.
            backend="hypothesis",
            derandomize=False,
            phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
            verbosity=hypothesis.Verbosity.normal,
            max_examples=self.profile.examples if examples is None else examples,
            stateful_step_count=self.profile.steps,
            deadline=None,
            database=None,
            print_blob=False,
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
        )

    def fresh_namespace(self) -> str:
        """Another namespace, for the next example. Clients of the one before are closed."""
        self.close_clients()
        self.namespace = f"{self._namespaces[0]}-{len(self._namespaces)}"
        self._namespaces.append(self.namespace)
        self.history.clear()
        return self.namespace

    def close_clients(self) -> None:
        """Close every client of this process."""
        while self._opened:
            harness, client = self._opened.pop()
            harness.close(client)

    def end(self) -> None:
        """Close and destroy everything, whatever fails on the way. Raises the first error, `HarnessFailure` for one of
        `destroy`.
        """
        errors: list[Exception] = []
        for child in self._children:
            self._pool.put_back(child)
        while self._opened:
            try:
                self.close_clients()
            except Exception as error:  # noqa: BLE001  # raised below
                errors.append(error)
        for namespace in self._namespaces:
            for harness in self.harnesses:
                try:
                    harness.destroy(namespace)
                except Exception as error:  # noqa: BLE001  # raised below
                    errors.append(HarnessFailure(f"destroy raised {describe(error)}"))
        if errors:
            raise errors[0]

    def open_client(self, harness: Harness[Any]) -> Any:
        """A new client of a harness, as it is. Raises `OpenFailure`."""
        try:
            client = harness.open(self.namespace)
        except BaseException as error:
            raise OpenFailure(f"opening a client raised {describe(error)}") from error
        self._opened.append((harness, client))
        return client


class _CaseOf(Case, Generic[ClientT]):
    """What the checks of a store and of a runner have in common: one kind of client."""

    _observed: type[ClientT]

    def client(self) -> ClientT:
        """A new client that remembers its calls."""
        return self._observed(self.open_client(self.harnesses[0]), f"client{len(self._opened)}", self.history)

    def clients(self, count: int) -> list[ClientT]:
        """So many clients, independent of each other."""
        return [self.client() for _ in range(count)]

    def reopened(self) -> ClientT:
        """A new client, after all the others were closed."""
        self.close_clients()
        return self.client()

    def abandon(self, client: ClientT) -> None:
        """Forget a client without closing it, as a crash does."""
        self._opened = [(harness, raw) for harness, raw in self._opened if raw is not client.raw]


class StoreCase(_CaseOf[ObservedStore]):
    """For the checks of stores."""

    _observed = ObservedStore


class RunnerCase(_CaseOf[ObservedRunner]):
    """For the checks of runners, with time: the harness's clock where it has one, else real time.

    `lease` is a length for leases, in seconds, and `margin` the ε of "at t but not at t-ε": a lease is alive at
    ``lease - margin`` after its beginning, and over at ``lease + slack``.
    """

    _observed = ObservedRunner

    @property
    def harness(self) -> RunnerHarness:
        """The runner's harness."""
        harness = self.harnesses[0]
        assert isinstance(harness, RunnerHarness)
        return harness

    @property
    def clock(self) -> ManualClock | None:
        """The clock that the harness can move."""
        return self.harness.clock

    @property
    def lease(self) -> float:
        """Seconds: 30 on a clock that can be moved, few in real time; the lag does not count, in which a second job may
        come after a first one.
        """
        return 30.0 if self.clock else REAL_LEASE + self.harness.lag_seconds

    @property
    def margin(self) -> float:
        """Seconds: 1/512 on a clock that can be moved, which has an exact sum with every time that the kit uses."""
        return 1 / 512 if self.clock else _REAL_MARGIN

    @property
    def slack(self) -> float:
        """Seconds after a lease's end at which it is surely over: none on a clock that can be moved."""
        return 0.0 if self.clock else _REAL_MARGIN + self.harness.lag_seconds

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() if self.clock is None else self.clock()

    def utc(self, offset: float = 0.0) -> str:
        """UTC text, `offset` seconds from now."""
        return format_time(self.now() + offset)

    def pass_time(self, seconds: float) -> None:
        """Let time pass: the one place where the kit sleeps, and only where the clock can't be moved. A negative time
        needs the ability ``clock``.
        """
        if self.clock is not None:
            self.clock.advance(seconds)
        else:
            time.sleep(seconds)

    def take(
        self,
        client: ObservedRunner,
        count: int | None = None,
        *,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        """Jobs that are there to be taken: `count` of them, or whatever comes, asked for until the lag is over."""
        taken: list[DispatchJob] = []

        def more() -> int:
            limit = None if count is None else count - len(taken)
            if limit != 0:
                taken.extend(client.take_pending_jobs(limit, queues, lease_seconds))
            return len(taken)

        self.awaited(more, lambda held: held == count)
        return taken

    def take_one(self, client: ObservedRunner, *, lease_seconds: float | None = None) -> DispatchJob:
        """The one job that has to be there to be taken."""
        taken = self.take(client, 1, lease_seconds=lease_seconds)
        expect(len(taken) == 1, "a job that is pending could not be taken")
        return taken[0]

    def held(self, client: ObservedRunner, before: str, wanted: Collection[str]) -> list[str]:
        """The executions that are held, in the order of their names, as soon as they are those of `wanted`."""
        return self.awaited(lambda: sorted(client.held(before)), lambda held: held == sorted(wanted))

    def pending(self, client: ObservedRunner, wanted: int) -> list[DispatchJob]:
        """The pending jobs, as soon as they are so many."""
        return self.awaited(client.list_pending_jobs, lambda jobs: len(jobs) == wanted)


class WorkflowCase(Case):
    """For the checks of whole workflows on a store and a runner. `clock` is the backends' clock, and the runner's where
    its harness can set one.
    """

    def __init__(self, harnesses: Sequence[Harness[Any]], **rest: Any) -> None:
        super().__init__(harnesses, **rest)
        store, runner = harnesses
        assert isinstance(store, StoreHarness)
        assert isinstance(runner, RunnerHarness)
        self.store_harness, self.runner_harness = store, runner

    @property
    def movable(self) -> ManualClock | None:
        """The runner's clock, where it can be moved."""
        return self.runner_harness.clock

    def store(self) -> Store:
        """A new client of the store, as it is."""
        store: Store = self.open_client(self.store_harness)
        return store

    def runner(self) -> Runner:
        """A new client of the runner, as it is."""
        runner: Runner = self.open_client(self.runner_harness)
        return runner

    @contextmanager
    def backend(self, **options: Any) -> Iterator[Backend]:
        """A backend on new clients, with the `options` of `Backend`. The case closes the clients."""
        yield Backend(store=self.store(), runner=self.runner(), **options)
