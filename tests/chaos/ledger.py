"""The ledger: one file to which all processes append what they do, a line at a time, and what it tells afterwards.

A line is written by one `write` to a file opened with O_APPEND, so that no line is cut in two by another. It has
survived its writer's death once it is written. A process is known by its serial number, which is not used again.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """At `time`, the process `serial` did something: `kind` with its `values`."""

    time: float
    serial: int
    kind: str
    values: tuple[Any, ...]


class Ledger:
    """The file, as one process writes it."""

    def __init__(self, path: Path, serial: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._serial = serial

    def note(self, kind: str, *values: object) -> None:
        """Append a line."""
        self._append(self._serial, kind, values)

    def note_exit(self, serial: int, status: int) -> None:
        """Append that a process has ended, which it can't do by itself."""
        self._append(serial, "exit", (status,))

    def _append(self, serial: int, kind: str, values: tuple[object, ...]) -> None:
        os.write(self._file, json.dumps([time.time(), serial, kind, *values]).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class Reader:
    """The file, read on where it was left."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file = path.open("rb")
        self._rest = b""

    def new(self) -> Iterator[Line]:
        """The lines that have come in since."""
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        for text in whole:
            at, serial, kind, *values = json.loads(text)
            yield Line(at, serial, kind, tuple(values))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


Run = tuple[str, str, int]
"""execution_id, op, run_id."""


@dataclass(slots=True)
class Execution:
    """One time that a run was executed: by whom, under which lease, from when to when."""

    run: Run
    serial: int
    lease: str | None
    begin: float
    end: float


def executions(lines: Iterable[Line]) -> dict[Run, list[Execution]]:
    """Each run with the times that it was executed, in their order. One that was cut short lasted until its process
    was seen to have ended.
    """
    leases: dict[tuple[int, str, str], str] = {}
    unfinished: dict[tuple[int, int], Execution] = {}
    found: dict[Run, list[Execution]] = defaultdict(list)
    for line in lines:
        if line.kind == "take":
            execution_id, op, run_id, lease = line.values
            leases[line.serial, execution_id, op] = lease
        elif line.kind == "begin":
            number, execution_id, op, run_id = line.values
            lease = leases.get((line.serial, execution_id, op))
            begun = Execution((execution_id, op, run_id), line.serial, lease, line.time, float("inf"))
            unfinished[line.serial, number] = begun
            found[begun.run].append(begun)
        elif line.kind == "end":
            unfinished.pop((line.serial, line.values[0])).end = line.time
        elif line.kind == "exit":
            for key in [key for key in unfinished if key[0] == line.serial]:
                unfinished.pop(key).end = line.time
    return found


def overlaps(found: Mapping[Run, list[Execution]], lapses: Mapping[str, float]) -> Iterator[str]:
    """What is wrong about runs that were executed twice at once: the first one's lease has to have lapsed by then.

    `lapses` says for each lease until when it lived.
    """
    for run, times in found.items():
        for number, earlier in enumerate(times):
            for later in times[number + 1 :]:
                lapse = float("inf") if earlier.lease is None else lapses.get(earlier.lease, float("inf"))
                if later.begin < earlier.end and later.begin < lapse:
                    yield (
                        f"{'/'.join(map(str, run))}: executed by process {later.serial} at {later.begin:.3f}, while "
                        f"process {earlier.serial} was executing it under a lease until {lapse:.3f}"
                    )
