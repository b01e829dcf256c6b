"""The distribution `runfox` of PyPI, which is imported under our name. Used through its documentation only: a
`SqliteStore` (or `InMemoryStore`) with an `InProcessRunner` and its worker, which it calls local execution.

Counted is what is counted of ours: from the text of the definition to the result.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from serving import Measured, serve
from workloads import Workload, total

import runfox as rfx
from runfox.backend import InMemoryStore, InProcessRunner, InProcessWorker, SqliteStore


def carry(workload: Workload, place: str, folder: Path) -> Measured:
    """Run on a new store."""
    executed = 0

    def execute(_op: str, inputs: dict[str, Any]) -> dict[str, Any]:
        nonlocal executed
        executed += 1
        return {"value": total(inputs)}

    store = InMemoryStore() if place == "memory" else SqliteStore(str(folder / "runfox.db"))
    runner = InProcessRunner()
    worker = InProcessWorker(runner, execute)
    backend = rfx.Backend(store=store, runner=runner)
    text = json.dumps(workload.definition)
    outcome = None
    begun = time.perf_counter()
    for _ in range(workload.size if workload.shape == "small" else 1):
        workflow = rfx.Workflow.from_yaml(text, backend, inputs={"value": 0})
        outcome = workflow.run(worker=worker).outcome["value"]
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "executed": executed, "outcome": outcome}


if __name__ == "__main__":
    serve(carry, "runfox")
