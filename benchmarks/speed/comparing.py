"""The contenders against one another: in each round all of them, one right after the other, in another order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speed import bars
from speed.contestants import FLOOR, OURS, PEERS, Contestant, NotAvailable, Process
from speed.rows import Figure, Row, ratios_of
from speed.workloads import Workload

WARM = 10
"""The size of the first run, which is not counted: it imports what is imported late."""

Open = Callable[[Contestant], Process]
Tell = Callable[[str], None]


class Field:
    """The contenders' processes, each begun when it is first asked, and remembered if it can't be."""

    def __init__(self, open_process: Open, folder: Path, tell: Tell) -> None:
        self.folder = folder
        self.tell = tell
        self._open = open_process
        self._running: dict[str, Process] = {}
        self._missing: dict[str, str] = {}

    def process(self, who: Contestant) -> Process:
        """Its process, warm. Raises `NotAvailable`."""
        if who.name in self._missing:
            raise NotAvailable(self._missing[who.name])
        if who.name not in self._running:
            try:
                process = self._running[who.name] = self._open(who)
                for place in sorted(who.places):
                    process.ask(Workload("chain", WARM), place, self.folder)
            except NotAvailable as error:
                self._missing[who.name] = str(error)
                raise
        return self._running[who.name]

    def rate(self, who: Contestant, workload: Workload, place: str) -> float:
        """Steps per second. Raises `NotAvailable`."""
        self.tell(f"{workload} on {place}: {who.name}")
        measured = self.process(who).ask(workload, place, self.folder)
        return float(workload.steps / measured["seconds"])

    def label(self, who: Contestant) -> str:
        """Its name and version."""
        if who.kind == "floor":
            return "bare sqlite3"
        found = self._running.get(who.name)
        version = found.about["versions"].get(who.name) if found else None
        label = f"{who.name} {version}" if version else who.name
        # One has our name.
        return f"{label} of PyPI" if who.name == "runfox" else label

    def versions(self) -> dict[str, str]:
        """What is installed, of all that ran."""
        return {name: version for one in self._running.values() for name, version in one.about["versions"].items()}

    def notes(self) -> dict[str, str]:
        """What the figures of each are of, by label, of all that were asked."""
        asked = {*self._running, *self._missing}
        return {self.label(who): who.note for who in (OURS, FLOOR, *PEERS) if who.name in asked}

    def close(self) -> None:
        """End all processes."""
        for process in self._running.values():
            process.close()


@dataclass
class _Entry:
    who: Contestant
    place: str
    workload: Workload
    rates: list[float] = field(default_factory=list)
    why_not: str | None = None


def compare(entered: Field, workload: Workload, mode: str, rounds: int) -> Iterator[Row]:
    """Ours against everybody who can do it on `mode` (``memory``, ``sqlite FULL``, ``sqlite NORMAL``)."""
    ours = [_Entry(OURS, place, workload) for place in _places(mode)]
    others = [
        _Entry(who, mode, who.size_of(workload))
        for who in (FLOOR, *PEERS)
        if mode in who.places and workload.shape in who.shapes
    ]
    entries = [*ours, *others]
    for number in range(rounds):
        for entry in _turned(entries, number):
            if entry.why_not is None:
                try:
                    entry.rates.append(entered.rate(entry.who, entry.workload, entry.place))
                except NotAvailable as error:
                    entry.why_not = str(error)
    for entry in ours:
        if entry.why_not is not None:
            raise RuntimeError(f"{workload} on {entry.place} went wrong: {entry.why_not}")
        figure = Figure(who="runfox", values=tuple(entry.rates), unit="steps/s")
        for other in others:
            yield _row(entered, entry, figure, other)
        if not others:
            yield Row(what=str(workload), place=entry.place, ours=figure, kind="", other=None)


def _row(entered: Field, entry: _Entry, figure: Figure, other: _Entry) -> Row:
    who = entered.label(other.who)
    if other.workload != entry.workload:
        who += f" ({other.workload})"
    missing = other.why_not is not None
    theirs = Figure(who=who, values=tuple(other.rates), unit="steps/s")
    return Row(
        what=str(entry.workload),
        place=entry.place,
        ours=figure,
        kind=other.who.kind,
        other=f"{who}: not available: {other.why_not}" if missing else theirs,
        ratios=() if missing else ratios_of(entry.rates, other.rates),
        bar=bars.against(str(entry.workload), entry.place, other.who.name),
    )


def _places(mode: str) -> Sequence[str]:
    return [place for place in (mode, mode + bars.LOCAL_QUEUE) if place in OURS.places]


def _turned(entries: Sequence[_Entry], number: int) -> Sequence[_Entry]:
    """Nobody always comes first, or always after the same one."""
    start = number % len(entries)
    turned = [*entries[start:], *entries[:start]]
    return turned[::-1] if number % 2 else turned
