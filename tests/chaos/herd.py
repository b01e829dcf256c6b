"""The herd: all processes of one run, started, killed, paused, terminated and replaced until everything has ended.

The parent knows nothing of the workflows but their numbers. It hands them to drivers in small batches, a batch again
and again until a driver has come to the end of it, and goes on beyond the number asked for while deaths are
outstanding: nobody dies of work that there is none of. A death that a driver has not come to is left to workers, where
they can come to it.
"""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import hanging
from ledger import Ledger, Line, Reader
from orders import DRIVER, HAND, NOT_YET, WORKER, Orders
from place import Place

_LOOK = 0.02
_TAIL = 15
_MOST_PROBLEMS = 40
_QUEUES: tuple[list[str | None] | None, ...] = (None, ["red", None], ["blue", None])
_KILL, _KILL_NEW, _TERMINATE, _PAUSE = "SIGKILL at random", "SIGKILL at birth", "SIGTERM", "SIGSTOP, SIGCONT"
_USUAL = 8
"""At which pass of a point to die, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is to be. `rounds` is how often each named point that matches `points` is died at, `deaths` how many
    more processes are killed, terminated or paused; `batch` how many executions a driver is handed, `live` how many at
    most are alive then. Times are in seconds; `deadline` is that of each part of the run.
    """

    seed: int
    executions: int
    deaths: int = 0
    rounds: int = 0
    points: str = ""
    workers: int = 4
    hands: int = 1
    drivers: int = 2
    batch: int = 12
    live: int = 40
    lease: float = 1.5
    recover_after: float = 1.5
    sweep_interval: float = 0.3
    interval: float = 0.4
    deadline: float = 300.0
    crowd: bool = False


@dataclass(slots=True, eq=False)
class _Child:
    orders: Orders
    process: subprocess.Popen[bytes]
    stderr: Path
    signals: list[str] = field(default_factory=list)
    continues_at: float | None = None
    has_paused: bool = False

    @property
    def name(self) -> str:
        return f"process {self.orders.serial} ({self.orders.role})"


@dataclass(slots=True)
class Tale:
    """What happened to the processes."""

    started: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)
    most_alive: int = 0
    seconds: float = 0.0


class Herd:
    """The processes of one run, in a folder of its own."""

    def __init__(self, settings: Settings, folder: Path, place: Place) -> None:
        self.settings = settings
        self.folder = folder
        self.place = place
        self.tale = Tale()
        self.lines: list[Line] = []
        self._random = Random(f"herd/{settings.seed}")
        self._reader = Reader(folder / "ledger")
        self._ledger = Ledger(folder / "ledger", serial=0)
        self._kinds: dict[int, set[str]] = defaultdict(set)
        self._children: list[_Child] = []
        self._serial = 0
        self._next = 0
        self._batches: list[tuple[int, int]] = []
        self._outstanding = [
            point for point in place.points if re.search(settings.points, point) for _ in range(settings.rounds)
        ]
        self._random.shuffle(self._outstanding)
        self._missed: set[str] = set()
        self._inflictions = self._planned_inflictions()
        self._inflict_at = time.monotonic() + 1.0

    def _planned_inflictions(self) -> list[str]:
        kinds = [_KILL, _KILL, _KILL_NEW, _TERMINATE, _PAUSE]
        plan = [kinds[number % len(kinds)] for number in range(self.settings.deaths)]
        self._random.shuffle(plan)
        return plan

    @property
    def created(self) -> int:
        """How many works were handed out: the numbers below this."""
        return self._next

    # The parts of a run

    def run(self) -> Tale:
        """Everything, to the end of the last process."""
        began = time.monotonic()
        try:
            if self.settings.crowd:
                self._until("all executions are created", self._all_created, self._create)
            else:
                self._until("every death has happened", self._chaos_is_over, self._disturb)
            self._until("all executions have ended and no job is left", self._nothing_is_left, self._calm)
            self._end()
        finally:
            for child in self._children:
                child.process.kill()
                child.process.communicate()
            self._read_ledger()
            self._reader.close()
            self._ledger.close()
        self.tale.seconds = time.monotonic() - began
        return self.tale

    def _until(self, what: str, condition: Callable[[], bool], act: Callable[[], None]) -> None:
        """Look after the processes until the condition holds; at the deadline tell who hangs, and how."""
        ends_at = time.monotonic() + self.settings.deadline
        while not condition():
            if len(self.tale.problems) > _MOST_PROBLEMS:
                return
            if time.monotonic() > ends_at:
                late = f"after {self.settings.deadline:.0f} s it is not true that {what}"
                self.tale.problems.append(hanging.indented(late, self._who_hangs()))
                return
            self._reap()
            act()
            time.sleep(_LOOK)

    def _create(self) -> None:
        self._hand_out(lambda: self._next < self.settings.executions)

    def _all_created(self) -> bool:
        return self._next >= self.settings.executions and not self._drivers_have_work()

    def _disturb(self) -> None:
        self.tale.most_alive = max(self.tale.most_alive, self.place.alive())
        self._hand_out(lambda: self._wants_more() and self.place.alive() < self.settings.live)
        self._fill(WORKER, self.settings.workers)
        self._fill(HAND, self.settings.hands)
        self._make_room()
        self._inflict()

    def _wants_more(self) -> bool:
        """Executions: those asked for, and then as many as it takes for the deaths that are outstanding."""
        return self._next < self.settings.executions or bool(self._outstanding or self._inflictions)

    def _chaos_is_over(self) -> bool:
        return not self._wants_more() and not self._drivers_have_work()

    def _calm(self) -> None:
        self.tale.most_alive = max(self.tale.most_alive, self.place.alive())
        self._continue(everybody=True)
        self._fill(WORKER, self.settings.workers)

    def _nothing_is_left(self) -> bool:
        return self.place.alive() == 0 and self.place.is_clear()

    def _end(self) -> None:
        """Terminate everybody, and wait for them."""
        self._continue(everybody=True)
        for child in self._children:
            self._signal(child, signal.SIGTERM, _TERMINATE)
        self._until("all processes have ended on SIGTERM", lambda: not self._children, lambda: None)

    # Starting

    def _hand_out(self, more: Callable[[], bool]) -> None:
        """Give each driver that is missing a batch: one that was left, or a new one."""
        while len(self._of(DRIVER)) < self.settings.drivers:
            if not self._batches and more():
                self._batches.append((self._next, self._next + self.settings.batch))
                self._next += self.settings.batch
            if not self._batches:
                return
            first, last = self._batches.pop(0)
            self._start(DRIVER, first=first, last=last)

    def _drivers_have_work(self) -> bool:
        return bool(self._batches or self._of(DRIVER))

    def _fill(self, role: str, number: int) -> None:
        while len(self._of(role)) < number:
            self._start(role)

    def _start(self, role: str, first: int = 0, last: int = 0) -> None:
        self._serial += 1
        # One that serves every queue is always there.
        restricted = role == WORKER and any(child.orders.queues is None for child in self._of(WORKER))
        point, count = self._next_death(role)
        orders = Orders(
            role=role,
            serial=self._serial,
            seed=self.settings.seed,
            backend=self.place.backend,
            place=self.place.address(),
            ledger=str(self.folder / "ledger"),
            lease=self.settings.lease,
            recover_after=self.settings.recover_after,
            sweep_interval=self.settings.sweep_interval,
            crowd=self.settings.crowd,
            concurrency=1 if self.settings.crowd else self._random.randint(1, 3),
            queues=_QUEUES[self._serial % 3] if restricted and not self.settings.crowd else None,
            first=first,
            last=last,
            point=point,
            count=count,
        )
        stderr = self.folder / f"{self._serial:04}-{role}.stderr"
        with stderr.open("wb") as file:
            process = subprocess.Popen(orders.command(), stdin=subprocess.PIPE, stdout=file, stderr=file)
        self._children.append(_Child(orders, process, stderr))
        self.tale.started[role] += 1

    def _make_room(self) -> None:
        """End a worker who has no death before him, if there is one that drivers miss and nobody is on the way to."""
        workers = self._of(WORKER)
        idle = [child for child in workers if child.orders.point is None or child.has_paused]
        ends = any(child.signals for child in workers)
        if idle and not ends and self._next_point(WORKER) in self._missed:
            self._signal(idle[0], signal.SIGTERM, _TERMINATE)

    def _next_death(self, role: str) -> tuple[str | None, int]:
        """The point at which a process of the role is to die, and at which pass of it."""
        point = self._next_point(role)
        return point, 1 if point is None else self._random.randint(1, self.place.rare.get(point, _USUAL))

    def _next_point(self, role: str) -> str | None:
        """The first point that is left and that is for such a process, if nobody is on the way to it yet."""
        planned = Counter(child.orders.point for child in self._children if not child.has_paused)
        for point in self._outstanding:
            if self._is_for(role, point):
                if planned[point]:
                    planned[point] -= 1
                    continue
                return point
        return None

    def _is_for(self, role: str, point: str) -> bool:
        """Whoever passes it; but what a driver has missed is left to workers, where they pass it."""
        roles = self.place.points[point]
        return role in roles and not (role == DRIVER and WORKER in roles and point in self._missed)

    # Signals

    def _inflict(self) -> None:
        """The next death, termination or pause that is planned, when its time has come."""
        now = time.monotonic()
        self._continue()
        if not self._inflictions or now < self._inflict_at:
            return
        self._inflict_at = now + self._random.expovariate(1 / self.settings.interval)
        kind = self._inflictions[0]
        candidates = [child for child in self._children if not child.signals]
        if kind is _TERMINATE:
            candidates = [child for child in candidates if child.orders.role != DRIVER]
        if not candidates:
            return
        self._inflictions.pop(0)
        child = candidates[-1] if kind is _KILL_NEW else self._random.choice(candidates)
        match kind:
            case "SIGTERM":
                self._signal(child, signal.SIGTERM, kind)
            case "SIGSTOP, SIGCONT":
                child.continues_at = now + 1.5 * self.settings.lease
                self._signal(child, signal.SIGSTOP, kind)
            case _:
                self._signal(child, signal.SIGKILL, kind)

    def _signal(self, child: _Child, number: signal.Signals, kind: str) -> None:
        # It is not reaped yet, so that its id is nobody else's, whether it is alive or not.
        child.signals.append(kind)
        child.process.send_signal(number)

    def _continue(self, *, everybody: bool = False) -> None:
        """Let those go on that were paused for long enough."""
        for child in self._children:
            if child.continues_at is not None and (everybody or child.continues_at <= time.monotonic()):
                child.continues_at = None
                child.signals.remove(_PAUSE)
                child.process.send_signal(signal.SIGCONT)
                self.tale.fates[_PAUSE] += 1

    # Ends

    def _reap(self) -> None:
        """Keep accounts of the processes that have ended."""
        ended = [child for child in self._children if child.process.poll() is not None]
        for child in ended:
            self._ledger.note_exit(child.orders.serial, child.process.returncode)
        self._read_ledger()
        for child in ended:
            assert child.process.stdin is not None
            child.process.stdin.close()
            self._children.remove(child)
            self._account_for(child)

    def _read_ledger(self) -> None:
        for line in self._reader.new():
            self.lines.append(line)
            self._kinds[line.serial].add(line.kind)
            if line.kind == "pause":
                self._pauses(line.serial, *line.values)

    def _pauses(self, serial: int, point: str) -> None:
        """A process has stopped itself: for so long that somebody else has its jobs."""
        for child in self._children:
            if child.orders.serial == serial:
                child.has_paused = True
                child.continues_at = time.monotonic() + 2.5 * self.settings.lease
                child.signals.append(_PAUSE)
                self._outstanding.remove(point)
                self.tale.fates[point] += 1

    def _account_for(self, child: _Child) -> None:
        orders, status = child.orders, child.process.returncode
        kinds = self._kinds[orders.serial]
        if status == -signal.SIGKILL:
            self.tale.killed.add(orders.serial)
        if orders.role == DRIVER and status != 0:
            self._batches.append((orders.first, orders.last))
        if orders.role == DRIVER and status == 0 and orders.point is not None:
            self._missed.add(orders.point)
        if "death" in kinds and orders.point in self._outstanding:
            self._outstanding.remove(orders.point)
        if fate := self._expected_end(child, kinds):
            self.tale.fates[fate] += 1
        else:
            what = f"{child.name} ended with status {status}"
            self.tale.problems.append(hanging.indented(what, hanging.said(child.stderr, _TAIL)))

    def _expected_end(self, child: _Child, kinds: set[str]) -> str | None:
        """What has ended the process; None where nothing should have."""
        orders, status = child.orders, child.process.returncode
        if status == -signal.SIGKILL and "death" in kinds:
            return orders.point
        if status == -signal.SIGKILL:
            return next((kind for kind in child.signals if kind in (_KILL, _KILL_NEW)), None)
        if orders.role == DRIVER and status == 0:
            return "came to its end"
        if _TERMINATE not in child.signals:
            return None
        # A driver does not hear it: it is sent to one that hangs only.
        at_once = status in (NOT_YET, -signal.SIGTERM) and (orders.role == DRIVER or "take" not in kinds)
        return _TERMINATE if status == 0 or at_once else None

    def _who_hangs(self) -> Iterator[str]:
        """Deaths that did not happen, executions that have not ended, jobs that are left, what the processes do."""
        self._continue(everybody=True)
        yield from (f"nobody died at: {point}" for point in self._outstanding)
        yield from self.place.who_hangs()
        yield from hanging.stacks([(child.name, child.process, child.stderr) for child in self._children])

    # Looking

    def _of(self, role: str) -> list[_Child]:
        return [child for child in self._children if child.orders.role == role]
