"""What runfox adds around executors that do nothing: ``nox -s bench`` measures it and prints one table.

Every figure is taken in this run, on this machine, and is the median of several rounds in each of which the contenders
take turns; a ratio is the median of the rounds' ratios. Whether a bar is reached is told, and is no exit status.

``-- chain latency`` takes only these subjects, ``-- chain-300`` a size of one's own, ``-- --quick`` small sizes and few
rounds, for a look in a minute or two; ``-- --list`` names them all. Interrupted, it shows what it has.
``--markdown FILE`` and ``--json FILE`` write the table, the latter with the figures of every round.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from speed import environments, growth, imports, latency, machine, table, workers
from speed.comparing import Field, compare
from speed.contestants import OURS, Contestant, Process
from speed.rows import Row
from speed.workloads import SHAPES, Workload, named

SUBJECTS = {
    **SHAPES,
    "workers": "1, 2 and 4 worker processes that carry small-N, no driver",
    "growth": "time of a step of chain, fan and loop, at N against a tenth of it",
    "memory": "memory of a step, likewise",
    "import": "what `import runfox` adds to a bare interpreter",
    "latency": "from a result handed in by another process to its commit by a waiting `run()`",
}
MODES = ("sqlite FULL", "sqlite NORMAL", "memory")
GROWING = ("chain", "fan", "loop")
GROWTH_PLACES = ("memory", "sqlite NORMAL")
"""Without waiting for the disk, which never grows and would hide what does."""
EVENT_PLACES = ("memory", "sqlite FULL, local queue", "sqlite NORMAL, local queue")
WORKERS = (1, 2, 4)


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is measured."""

    rounds: int
    sizes: dict[str, int]
    grown: int
    events: int
    workers: int
    imports: int
    results: int
    growth_rounds: int = 1


FULL = Extent(
    rounds=3,
    sizes={"chain": 1_000, "fan": 1_000, "loop": 1_000, "small": 200},
    grown=10_000,
    events=1_000,
    workers=1_000,
    imports=25,
    results=60,
    growth_rounds=3,
)
QUICK = Extent(
    rounds=1,
    sizes={"chain": 100, "fan": 100, "loop": 100, "small": 20},
    grown=1_000,
    events=100,
    workers=50,
    imports=7,
    results=15,
)


@dataclass
class Bench:
    """One run of it."""

    entered: Field
    extent: Extent

    def measure(self, subjects: Sequence[str]) -> Iterator[Row]:
        """The rows of the subjects, in the table's order. A shape may come with a size."""
        for subject in subjects or list(SUBJECTS):
            name = subject.partition("-")[0]
            if name == "events":
                size = named(subject).size if "-" in subject else self.extent.events
                yield from self._grown([Workload("events", size)], EVENT_PLACES, self.extent.rounds)
            elif name in SHAPES:
                workload = named(subject) if "-" in subject else Workload(name, self.extent.sizes[name])
                for mode in MODES:
                    yield from compare(self.entered, workload, mode, self.extent.rounds)
            else:
                yield from self._ours(name)

    def _ours(self, name: str) -> Iterator[Row]:
        tell, folder, extent = self.entered.tell, self.entered.folder, self.extent
        large = [Workload(shape, extent.grown) for shape in GROWING]
        if name == "growth":
            yield from self._grown(large, GROWTH_PLACES, extent.growth_rounds)
        elif name == "memory":
            for place in GROWTH_PLACES:
                for workload in large:
                    yield growth.memory(self.entered, open_traced, workload, place)
        elif name == "workers":
            for place in workers.PLACES:
                yield from workers.workers(extent.workers, WORKERS, place, extent.growth_rounds, folder, tell)
        elif name == "latency":
            for place in latency.PLACES:
                yield latency.latency(extent.results, place, folder, tell)
        else:
            yield imports.import_time(extent.imports, tell)
            yield imports.third_party(tell)

    def _grown(self, workloads: Sequence[Workload], places: Sequence[str], rounds: int) -> Iterator[Row]:
        for place in places:
            for workload in workloads:
                yield growth.growth(self.entered, workload, place, rounds)


def measured(bench: Bench, subjects: Sequence[str]) -> list[Row]:
    """All rows; where it is interrupted, those that there are."""
    rows: list[Row] = []
    try:
        for row in bench.measure(subjects):
            rows.append(row)
            bench.entered.tell(" | ".join(filter(None, table.cells(row))))
    except KeyboardInterrupt:
        bench.entered.tell("interrupted")
    return rows


def open_contestant(who: Contestant, environments_folder: Path) -> Process:
    """A process of its own, in the environment that it needs. Raises `NotAvailable`."""
    python = Path(sys.executable)
    if who.requirements:
        python = environments.python_of(environments_folder, who.name, who.requirements)
    return Process(python, who.script)


def open_traced() -> Process:
    """Ours, with its memory traced."""
    return Process(Path(sys.executable), OURS.script, "--memory")


def tell(begun: float, what: str) -> None:
    """Progress, on the standard error."""
    print(f"[{time.monotonic() - begun:4.0f} s] {what}", file=sys.stderr, flush=True)


def subject(text: str) -> str:
    """An argument that names a subject. Raises `ArgumentTypeError`."""
    try:
        if text not in SUBJECTS:
            named(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; or one of {', '.join(SUBJECTS)}") from None
    return text


def main(arguments: list[str] | None = None) -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(prog="bench", description="What runfox adds around executors that do nothing.")
    parser.add_argument("subjects", nargs="*", type=subject, metavar="SUBJECT", help="what is measured; all by default")
    parser.add_argument("--list", action="store_true", help="name the subjects")
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds: the bars are for the large ones")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often the contenders take turns")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--folder", type=Path, help="where databases are put; the system's temporary folder by default")
    parser.add_argument("--environments", type=Path, metavar="FOLDER", help="where the peers' environments are kept")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(f"{name:8}  {what}" for name, what in SUBJECTS.items()))
        return
    extent = QUICK if options.quick else FULL
    if options.rounds:
        extent = Extent(**{**vars(extent), "rounds": options.rounds, "growth_rounds": options.rounds})
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-") as name:
        folder = Path(name)
        kept = options.environments or folder / "environments"
        opened = partial(open_contestant, environments_folder=kept)
        entered = Field(opened, folder, partial(tell, time.monotonic()))
        try:
            rows = measured(Bench(entered, extent), options.subjects)
            packages = ", ".join(" ".join(pair) for pair in entered.versions().items())
            about = {**machine.about(folder), "packages": packages, **entered.notes()}
        finally:
            entered.close()
    print(table.as_text(rows, about))
    if options.markdown:
        options.markdown.write_text(table.as_markdown(rows, about), encoding="utf-8")
    if options.json:
        options.json.write_text(table.as_json(rows, about), encoding="utf-8")


if __name__ == "__main__":
    main()
