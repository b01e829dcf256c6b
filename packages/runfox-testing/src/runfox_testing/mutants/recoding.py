"""For mutants that keep another value than they were given: a record or patch with a function applied to its JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from runfox.records import UNSET, RecordPatch, StepRecord, WorkflowRecord


def recoded(record: WorkflowRecord, change: Callable[[Any], Any]) -> WorkflowRecord:
    """A record with `change` applied to each place where JSON stands."""
    return replace(
        record,
        spec=change(record.spec),
        inputs=change(record.inputs),
        state=change(record.state),
        outcome=change(record.outcome),
        steps={op: recoded_step(step, change) for op, step in record.steps.items()},
    )


def recoded_patch(patch: RecordPatch, change: Callable[[Any], Any]) -> RecordPatch:
    """As `recoded`, for a patch."""
    return replace(
        patch,
        state=UNSET if patch.state is UNSET else change(patch.state),
        outcome=UNSET if patch.outcome is UNSET else change(patch.outcome),
        steps=UNSET if patch.steps is UNSET else {op: recoded_step(step, change) for op, step in patch.steps.items()},
    )


def recoded_step(step: StepRecord, change: Callable[[Any], Any]) -> StepRecord:
    """A step with `change` applied to its output and inputs."""
    return replace(
        step,
        output=None if step.output is None else change(step.output),
        inputs=None if step.inputs is None else change(step.inputs),
    )


def each_scalar(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function that applies `change` to all in a value that is no container."""

    def recode(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: recode(item) for key, item in value.items()}
        if isinstance(value, list):
            return [recode(item) for item in value]
        return change(value)

    return recode


def each_object(change: Callable[[dict[Any, Any]], dict[Any, Any]]) -> Callable[[Any], Any]:
    """A function that applies `change` to all objects in a value, the inner ones first."""

    def recode(value: Any) -> Any:
        if isinstance(value, dict):
            return change({key: recode(item) for key, item in value.items()})
        if isinstance(value, list):
            return [recode(item) for item in value]
        return value

    return recode
