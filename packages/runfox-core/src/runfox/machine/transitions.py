"""What results, time and claims do to an execution: design section "the machine", one law a function.

Every function takes a draft and adds to it. Nothing here reads a clock, a random number, a disk or a log.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from runfox.definition import CompleteStep, HaltWorkflow, ResetSteps
from runfox.errors import ExpressionError, InvalidJSON, UnknownStep
from runfox.jsonvalue import JSONObject, JSONValue, copy_json, copy_object
from runfox.machine import steps as step_states
from runfox.machine.context import DraftContext
from runfox.machine.draft import Draft
from runfox.machine.steps import StepEvent
from runfox.plan import BranchPlan, StepPlan
from runfox.records import StepRecord
from runfox.results import DispatchJob, StepResult
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import add_seconds

_SETTLED = frozenset((StepStatus.COMPLETE, StepStatus.HALTED))
_GOLDEN_RATIO = 0.618033988749895


def spread(random: float, number: int) -> float:
    """The random number for the `number`-th retry of one transition: one is handed in, and all of them shall differ."""
    return (random + number * _GOLDEN_RATIO) % 1.0


def as_output(output: JSONValue, op: str, max_size: int) -> JSONObject:
    """What a run's result counts as: None as ``{}``, anything else that is no JSON mapping of at most `max_size` bytes
    as an error that says so.
    """
    if output is None:
        return {}
    try:
        return copy_object(output, f"the output of step {op!r}", max_size)
    except InvalidJSON as error:
        return error_output(error)


def error_output(error: BaseException) -> JSONObject:
    """The error result that stands for an exception."""
    name = type(error).__name__
    try:
        message = str(error) or name
    except Exception:  # noqa: BLE001  # somebody else's class: whatever its __str__ raises, the run failed
        message = name
    return {"ok": False, "error": message, "error_type": name}


def apply_result(draft: Draft, result: StepResult, random: float) -> StepRecord | None:
    """Apply one result. None if it is stale, else the step as it stands afterwards.

    Raises `UnknownStep`, and `ExpressionError` with the output already merged into the draft.
    """
    record = draft.base.record
    if result.op not in record.steps:
        raise UnknownStep(result.op, record.workflow_execution_id)
    step = draft.step(result.op)
    stale = step.status is not StepStatus.IN_PROGRESS or (result.run_id is not None and result.run_id != step.run_id)
    if stale or draft.status.ended:
        if result.run_id is not None and (result.run_id < step.run_id or step.status in _SETTLED):
            draft.retired.append((result.op, result.run_id))
        return None
    output = as_output(result.output, result.op, draft.base.plan.limits.value_size)
    draft.retired.append((step.op, step.run_id))
    draft.merge(step.op, output)
    _follow(draft, step, output, random)
    return draft.step(step.op)


def _follow(draft: Draft, step: StepRecord, output: JSONObject, random: float) -> None:
    """Branches, retry, completion: the first that applies."""
    plan = draft.base.plan.steps[step.op]
    context = DraftContext(draft, output)
    if plan.branches or plan.is_error is not None:
        # Conditions see the output as stored.
        draft.put(step_states.answered(step, output=output))
    for branch in plan.branches:
        if branch.condition.resolve(context):
            _branch(draft, step, output, branch, context)
            return
    if not _is_error(plan, output, context):
        draft.put(step_states.settled(step, StepEvent.FINISH, output=output, now=draft.now))
    elif step.attempt + 1 < plan.retry.max_attempts:
        ready_at = add_seconds(draft.now, retry_delay(plan, step.attempt, random))
        draft.put(step_states.failed(step, output=output, now=draft.now, ready_at=ready_at))
    elif plan.halt_on_error:
        draft.put(step_states.settled(step, StepEvent.HALT, output=output, now=draft.now))
        outcome: JSONObject = {"status": "error", "op": step.op, "error": copy_json(output.get("error"), "the error")}
        draft.end(WorkflowStatus.HALTED, outcome)
    else:
        draft.put(step_states.settled(step, StepEvent.FINISH, output=output, now=draft.now))


def _is_error(plan: StepPlan, output: JSONObject, context: DraftContext) -> bool:
    return output.get("ok") is False if plan.is_error is None else bool(plan.is_error.resolve(context))


def retry_delay(plan: StepPlan, attempt: int, random: float) -> float:
    """Seconds until the next run; `attempt` before it is raised, `random` in [0, 1)."""
    retry = plan.retry
    try:
        delay = min(retry.max_delay, retry.delay * retry.backoff**attempt)
    except OverflowError:
        delay = retry.max_delay if retry.delay else 0.0
    return delay * (1.0 - retry.jitter * random)


def _branch(draft: Draft, step: StepRecord, output: JSONObject, branch: BranchPlan, context: DraftContext) -> None:
    match branch.action:
        case CompleteStep():
            draft.put(step_states.settled(step, StepEvent.FINISH, output=output, now=draft.now))
        case HaltWorkflow():
            assert branch.result is not None
            outcome = branch.result.isolated(context)
            draft.put(step_states.settled(step, StepEvent.HALT, output=output, now=draft.now))
            draft.end(WorkflowStatus.HALTED, outcome)
        case ResetSteps(targets=targets):
            _reset(draft, (*targets, step.op))
        case _:
            assert_never(branch.action)


def _reset(draft: Draft, targets: Iterable[str]) -> None:
    """Reset the targets and all that depend on them, each once.

    A step whose dependency is not COMPLETE was never claimed since its last reset, so only the dependents of COMPLETE
    steps need a look: the cascade costs what it resets.
    """
    pending = list(targets)
    while pending:
        step = draft.step(pending.pop())
        if step.status is StepStatus.READY:
            continue
        if step.status is StepStatus.COMPLETE:
            pending.extend(draft.base.plan.steps[step.op].dependents)
        elif step.status is StepStatus.IN_PROGRESS:
            draft.retired.append((step.op, step.run_id))
        draft.put(step_states.reset(step))


def expire(draft: Draft, random: float) -> None:
    """Settle the runs whose timeout has passed as error results."""
    if draft.status.ended:
        return
    for number, step in enumerate(draft.base.due(draft.now)):
        present = draft.step(step.op)
        if step.status is not StepStatus.IN_PROGRESS or present is not step:
            continue
        timeout = draft.base.plan.steps[step.op].timeout
        assert timeout is not None
        seconds = int(timeout) if timeout.is_integer() else timeout
        output: JSONObject = {"ok": False, "error": f"timed out after {seconds} s", "timeout": True}
        apply_result(draft, StepResult(step.op, output, step.run_id), spread(random, number))


def advance(draft: Draft, host: str | None) -> None:
    """Claim every step that can run; where nothing is left to run, complete the workflow."""
    if draft.status.ended:
        return
    index = draft.base.plan.steps
    for op in sorted(_candidates(draft), key=lambda op: index[op].index):
        step = draft.step(op)
        if draft.waits_for(op) == 0 and _claimable(step, draft.now):
            _claim(draft, step, host)
    if draft.jobs:
        draft.status = WorkflowStatus.IN_PROGRESS
    elif draft.remaining == 0:
        draft.end(WorkflowStatus.COMPLETE, draft.base.plan.outputs.resolve(DraftContext(draft, {})))


def _candidates(draft: Draft) -> set[str]:
    """The steps that might be claimable: those the snapshot knows, and those that the draft touched."""
    return {*draft.base.ready, *draft.waiting, *draft.steps, *(step.op for step in draft.base.due(draft.now))}


def _claimable(step: StepRecord, now: str) -> bool:
    if step.status is StepStatus.RETRY:
        return step.ready_at is None or step.ready_at <= now
    return step.status is StepStatus.READY


def _claim(draft: Draft, step: StepRecord, host: str | None) -> None:
    plan = draft.base.plan.steps[step.op]
    inputs = plan.inputs.resolve(DraftContext(draft, {}))
    kept = copy_object(inputs, "the inputs") if plan.keeps_inputs else None
    draft.put(step_states.claimed(step, now=draft.now, host=host, inputs=kept))
    draft.jobs.append(_job(draft, plan, step, inputs))


def _job(draft: Draft, plan: StepPlan, step: StepRecord, inputs: JSONObject) -> DispatchJob:
    return DispatchJob(
        draft.base.record.workflow_execution_id, step.op, inputs, step.run_id, call=plan.call, queue=plan.queue
    )


def jobs_of(draft: Draft, ops: Iterable[str]) -> list[DispatchJob]:
    """The jobs of steps in progress, each with exactly the inputs of its claim."""
    jobs = []
    for op in ops:
        step, plan = draft.base.record.steps[op], draft.base.plan.steps[op]
        if step.inputs is None:
            inputs = plan.inputs.resolve(DraftContext(draft, {}))
        else:
            inputs = copy_object(step.inputs, "the inputs")
        jobs.append(_job(draft, plan, step, inputs))
    return jobs


def fail(draft: Draft, error: ExpressionError) -> None:
    """End the workflow over an expression that nobody could be told about."""
    step = None if error.op is None else draft.step(error.op)
    if step is not None and step.status is StepStatus.IN_PROGRESS:
        # Its own branch failed; where the inputs of a claim fail, the step was not claimed.
        draft.put(step_states.settled(step, StepEvent.HALT, output=step.output or {}, now=draft.now))
    outcome: JSONObject = {"status": "error", "op": error.op, "place": error.place, "error": error.cause}
    draft.end(WorkflowStatus.HALTED, outcome)
