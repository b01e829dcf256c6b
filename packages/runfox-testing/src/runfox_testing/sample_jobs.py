"""Jobs for the checks of runners, and for what child processes do with them."""

from __future__ import annotations

from runfox.jsonvalue import JSONObject
from runfox.results import DispatchJob

EXECUTION = "flow#one"
OTHER = "flow#two"


def job(
    op: str = "step",
    run_id: int = 1,
    *,
    execution: str = EXECUTION,
    inputs: JSONObject | None = None,
    call: str = "",
    queue: str | None = None,
) -> DispatchJob:
    """A job; its inputs tell which one it is where none are given."""
    if inputs is None:
        inputs = {"of": [execution, op, run_id]}
    return DispatchJob(execution, op, inputs, run_id, call, queue)


def jobs(count: int, execution: str = EXECUTION, run_id: int = 1) -> list[DispatchJob]:
    """So many jobs of one execution."""
    return [job(f"step{number}", run_id, execution=execution) for number in range(count)]
