"""The states of a step, and the only ways from one to another.

Rule 1: no other file makes a `StepRecord` with a new status. Rule 2: what is not in the table raises, and names both
the state and the event: such an error is a mistake in runfox, never in a workflow.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import replace

from runfox.jsonvalue import JSONObject
from runfox.records import StepRecord
from runfox.status import StepStatus


class StepEvent(enum.Enum):
    """What can happen to a step."""

    CLAIM = "claim"
    FINISH = "finish"
    FAIL = "fail"
    HALT = "halt"
    RESET = "reset"


TRANSITIONS: Mapping[StepStatus, Mapping[StepEvent, StepStatus]] = {
    StepStatus.READY: {
        StepEvent.CLAIM: StepStatus.IN_PROGRESS,
    },
    StepStatus.IN_PROGRESS: {
        StepEvent.FINISH: StepStatus.COMPLETE,
        StepEvent.FAIL: StepStatus.RETRY,
        StepEvent.HALT: StepStatus.HALTED,
        StepEvent.RESET: StepStatus.READY,
    },
    StepStatus.RETRY: {
        StepEvent.CLAIM: StepStatus.IN_PROGRESS,
        StepEvent.RESET: StepStatus.READY,
    },
    StepStatus.COMPLETE: {
        StepEvent.RESET: StepStatus.READY,
    },
    StepStatus.HALTED: {},
}
"""From a state, by an event, to a state. READY has no RESET: a step that was not claimed is left as it is."""


class IllegalTransition(AssertionError):
    """The machine was about to do what the table does not allow."""

    def __init__(self, op: str, status: StepStatus, event: StepEvent) -> None:
        super().__init__(f"step {op!r} is {status.value!r} and can't {event.value!r}")


def _next(step: StepRecord, event: StepEvent) -> StepStatus:
    status = TRANSITIONS[step.status].get(event)
    if status is None:
        raise IllegalTransition(step.op, step.status, event)
    return status


def claimed(step: StepRecord, *, now: str, host: str | None, inputs: JSONObject | None) -> StepRecord:
    """The step's next run belongs to a job. `inputs` only where they can't be derived again."""
    return StepRecord(
        op=step.op,
        status=_next(step, StepEvent.CLAIM),
        output=step.output,
        run_id=step.run_id,
        attempt=step.attempt,
        start_time=now,
        host=host,
        inputs=inputs,
    )


def answered(step: StepRecord, *, output: JSONObject) -> StepRecord:
    """The run has an output, and what follows from it is not decided yet."""
    return replace(step, output=output)


def settled(step: StepRecord, event: StepEvent, *, output: JSONObject, now: str) -> StepRecord:
    """The run ended for good: FINISH or HALT."""
    return StepRecord(
        op=step.op,
        status=_next(step, event),
        output=output,
        run_id=step.run_id,
        attempt=step.attempt,
        start_time=step.start_time,
        end_time=now,
        host=step.host,
    )


def failed(step: StepRecord, *, output: JSONObject, now: str, ready_at: str) -> StepRecord:
    """The run failed and another one follows at `ready_at`."""
    return StepRecord(
        op=step.op,
        status=_next(step, StepEvent.FAIL),
        output=output,
        run_id=step.run_id + 1,
        attempt=step.attempt + 1,
        start_time=step.start_time,
        end_time=now,
        ready_at=ready_at,
        host=step.host,
    )


def reset(step: StepRecord) -> StepRecord:
    """The step starts again; whatever run is under way is stale from here on."""
    return StepRecord(op=step.op, status=_next(step, StepEvent.RESET), run_id=step.run_id + 1)
