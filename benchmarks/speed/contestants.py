"""Who is measured, and how each is asked: a process of its own that answers lines of JSON (`contenders/serving.py`)."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from speed.workloads import Workload

SCRIPTS = Path(__file__).parent / "contenders"
ANSWER_SECONDS = 600.0
_STARTING_SECONDS = 60.0


class NotAvailable(Exception):
    """A contender can't be measured; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """Someone who carries out workloads.

    `kind` is ``ours``, ``peer`` or ``floor``; `note` tells what its figures are of. `requirements` are those of its
    environment; without any it runs in ours. `places` are where it can run. It is asked for no size over `at_most`.
    """

    name: str
    kind: str
    note: str
    script: str
    places: frozenset[str]
    shapes: frozenset[str]
    requirements: tuple[str, ...] = ()
    at_most: int | None = None

    def size_of(self, workload: Workload) -> Workload:
        """What it is asked for where `workload` is measured."""
        return workload if self.at_most is None else workload._replace(size=min(workload.size, self.at_most))


_SHAPES = frozenset(("chain", "fan", "loop", "small"))

OURS = Contestant(
    name="runfox-core",
    kind="ours",
    note="store and queue in one file; with a local queue only the store, and the queue in the process, as the peers",
    script="this_runfox.py",
    places=frozenset(
        ("memory", "sqlite FULL", "sqlite NORMAL", "sqlite FULL, local queue", "sqlite NORMAL, local queue")
    ),
    shapes=_SHAPES | {"events"},
)
FLOOR = Contestant(
    name="sqlite3",
    kind="floor",
    note="one transaction of three upserts for each step; WAL",
    script="bare_sqlite.py",
    places=frozenset(("sqlite FULL", "sqlite NORMAL")),
    shapes=_SHAPES,
)
PEERS = (
    Contestant(
        name="dbos",
        kind="peer",
        note="its SQLite as it comes: a rollback journal, synchronous FULL; a fan awaits concurrent steps",
        script="dbos_steps.py",
        places=frozenset(("sqlite FULL",)),
        shapes=_SHAPES,
        requirements=("dbos>=3.4,<4",),
    ),
    Contestant(
        name="langgraph",
        kind="peer",
        note="its savers as they come: WAL, synchronous FULL, written while the next step runs (durability async)",
        script="langgraph_graph.py",
        places=frozenset(("memory", "sqlite FULL")),
        shapes=_SHAPES,
        requirements=("langgraph>=1.2,<2", "langgraph-checkpoint-sqlite>=3.1,<4"),
    ),
    Contestant(
        name="runfox",
        kind="peer",
        note="another distribution, of PyPI: store in the file, queue in the process",
        script="pypi_runfox.py",
        places=frozenset(("memory", "sqlite FULL")),
        shapes=_SHAPES,
        requirements=("runfox==0.0.7",),
        # The time of a step grows with the workflow: at 1,000 steps one round would take minutes.
        at_most=100,
    ),
)


class Process:
    """A contender that is running."""

    def __init__(self, python: Path, script: str, *arguments: str) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed by close()
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._process = subprocess.Popen(
            [str(python), str(SCRIPTS / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.about = self._answer(_STARTING_SECONDS)
        except NotAvailable:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, workload: Workload, place: str, folder: Path, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """What it measured. Raises `NotAvailable`."""
        assert self._process.stdin is not None
        try:
            request = {"shape": workload.shape, "size": workload.size, "place": place, "folder": str(folder)}
            print(json.dumps(request), file=self._process.stdin, flush=True)
        except OSError:
            raise NotAvailable(self._last_words()) from None
        answer = self._answer(seconds)
        if "error" in answer:
            raise NotAvailable(answer["error"])
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]  # they are pipes
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def _answer(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            # What it answers later would be taken for the answer to something else.
            self._process.kill()
            raise NotAvailable(f"no answer in {seconds:g} s") from None
        if not line:
            raise NotAvailable(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else "it ended without a word"
