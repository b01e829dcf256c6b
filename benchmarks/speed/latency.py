"""From handing in a result, in another process, to its commit by a `run()` that waits for it."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from speed import bars
from speed.processes import processes
from speed.rows import Figure, Row
from speed.workloads import Workload

import runfox as rfx

PLACES = ("sqlite FULL", "sqlite NORMAL")


def latency(steps: int, place: str, folder: Path, tell: Callable[[str], None]) -> Row:
    """One figure for each step of a chain."""
    tell(f"latency on {place}")
    figure = Figure(who="runfox", values=tuple(milliseconds(steps, place, folder)), unit="ms")
    return Row(what="latency", place=place, ours=figure, kind="", other=None, bar=bars.LATENCY_MS)


def milliseconds(steps: int, place: str, folder: Path) -> list[float]:
    """For each step. The moments are those of the machine's clock, which all its processes share."""
    settled: dict[str, float] = {}

    def note(_id: str, _before: object, _after: object, event: rfx.StateChangeEvent | None) -> None:
        assert event is not None
        settled[event.op] = time.monotonic()

    with tempfile.TemporaryDirectory(dir=folder) as place_of_file:
        url = f"sqlite:///{place_of_file}/bench.db?synchronous={place.removeprefix('sqlite ')}"
        store, runner = rfx.open_store(url), rfx.open_runner(url)
        backend = rfx.Backend(store=store, runner=runner, on_state_change=note)
        with backend, processes(1, "submitter.py", url, str(steps)) as (submitter,):
            workflow = rfx.Workflow.from_dict(Workload("chain", steps).definition, backend, inputs={"value": 0})
            submitter.go()
            workflow.run(timeout=300)
            handed_in = json.loads(submitter.read())
    return [1_000 * (settled[op] - moment) for op, moment in handed_in.items()]
