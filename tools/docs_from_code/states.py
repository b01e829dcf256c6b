"""The states of a step, from the machine's table; those of a workflow, from what the machine does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from docs_from_code.blocks import mermaid
from runfox import machine
from runfox.definition import parse_dict
from runfox.machine import Decision, Snapshot
from runfox.machine.steps import TRANSITIONS
from runfox.plan import Plan
from runfox.records import StepRecord, WorkflowRecord
from runfox.results import StepResult
from runfox.status import WorkflowStatus

Act = Callable[[Snapshot], Decision]
Change = tuple[WorkflowStatus, WorkflowStatus, str]

NOW = "2026-01-01T00:00:00.000000Z"
BROKEN = {"/": [1, 0]}
"""An expression that fails."""


def step_states() -> str:
    """`TRANSITIONS` as a diagram."""
    lines = [f"    [*] --> {StepRecord(op='step').status.value}"]
    for status, ways in TRANSITIONS.items():
        lines += [f"    {status.value} --> {target.value}: {event.value}" for event, target in ways.items()]
        if not ways:
            lines.append(f"    {status.value} --> [*]")
    return mermaid("stateDiagram-v2", *lines)


def workflow_states() -> str:
    """The changes of status that the machine makes, with their causes."""
    found: dict[tuple[WorkflowStatus, WorkflowStatus], list[str]] = {}
    for before, after, cause in changes():
        causes = found.setdefault((before, after), [])
        if cause not in causes:
            causes.append(cause)
    lines = [f"    [*] --> {WorkflowStatus.PENDING.value}"]
    for (before, after), causes in sorted(found.items(), key=lambda item: _order(*item[0])):
        lines.append(f"    {before.value} --> {after.value}: {'<br/>'.join(causes)}")
    lines += [f"    {status.value} --> [*]" for status in WorkflowStatus if status.ended]
    return mermaid("stateDiagram-v2", *lines)


def _order(before: WorkflowStatus, after: WorkflowStatus) -> tuple[int, int]:
    states = list(WorkflowStatus)
    return states.index(before), states.index(after)


def changes() -> Iterator[Change]:
    """What happens to the status of small workflows, each played through to its end."""
    for end, definition, acts in _plays():
        snapshot = _new(definition)
        for act in acts:
            before = snapshot.record.status
            decision = act(snapshot)
            if decision.patch is not None:
                decision.committed()
            after = snapshot.record.status
            if after is not before:
                yield before, after, end if after.ended else "a step is claimed"
        _check_that_nothing_follows(snapshot)


def _plays() -> Iterator[tuple[str, dict[str, Any], list[Act]]]:
    """How a workflow can end, a definition that ends so, and what has to happen."""
    plain = {"op": "step"}
    halting = {"op": "step", "branch": [{"condition": True, "action": "halt"}]}
    broken = {"op": "step", "branch": [{"condition": BROKEN, "action": "complete"}]}
    yield "every step is complete", {"steps": [plain]}, [_claim, _answer(True)]
    yield "a step fails for good, on_error: halt", {"steps": [{**plain, "on_error": "halt"}]}, [_claim, _answer(False)]
    yield "a branch halts", {"steps": [halting]}, [_claim, _answer(True)]
    yield "an expression fails", {"steps": [broken]}, [_claim, _answer(True)]
    yield "an expression fails", {"steps": [{**plain, "input": {"number": BROKEN}}]}, [_claim]
    yield "halted from outside", {"steps": [plain]}, [_halt]
    yield "halted from outside", {"steps": [plain]}, [_claim, _halt]


def _claim(snapshot: Snapshot) -> Decision:
    return machine.settle(snapshot, [], now=NOW, random=0.0)


def _answer(ok: bool) -> Act:
    result = StepResult("step", {"ok": ok}, run_id=0)
    return lambda snapshot: machine.settle(snapshot, [result], now=NOW, random=0.0)


def _halt(snapshot: Snapshot) -> Decision:
    return machine.halt(snapshot, None, now=NOW)


def _new(definition: dict[str, Any]) -> Snapshot:
    plan = Plan(parse_dict(definition))
    return Snapshot(plan, WorkflowRecord(workflow_id="w", execution_id="e", spec=plan.definition.spec, version=1))


def _check_that_nothing_follows(snapshot: Snapshot) -> None:
    if not snapshot.record.status.ended:
        raise AssertionError(f"the workflow has not ended: {snapshot.record}")
    for act in (_claim, _answer(True), _answer(False), _halt):
        if act(snapshot).patch is not None:
            raise AssertionError(f"the workflow has ended and goes on: {snapshot.record}")
