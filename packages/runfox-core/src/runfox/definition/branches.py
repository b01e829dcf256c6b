"""The branches of a step: what each waits for and does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from runfox.definition import fields
from runfox.definition.fields import Report
from runfox.definition.model import Branch, BranchAction, CompleteStep, HaltWorkflow, ResetSteps
from runfox.definition.source import Path
from runfox.jsonvalue import JSONObject, JSONValue, shown

BRANCH_KEYS = ("condition", "action", "result")
RESET_KEYS = ("set", "value")
_PREFIX, _SUFFIX = "steps.", ".status"


def read_branches(step: JSONObject, path: Path, report: Report) -> tuple[Branch, ...]:
    """The branches of a step that are right."""
    given = step.get("branch", [])
    path = (*path, "branch")
    if not isinstance(given, list):
        fields.wanted("a list of branches", given, path, report)
        return ()
    read = [_branch(value, (*path, index), report) for index, value in enumerate(given)]
    branches = tuple(branch for branch in read if branch is not None)
    resets = any(isinstance(branch.action, ResetSteps) for branch in branches)
    if resets and len(branches) == len(read) and all(isinstance(branch.action, ResetSteps) for branch in branches):
        message = "every action here is a 'set', so the loop has no way out: add a branch with 'complete' or 'halt'"
        report.add(path, message)
    return branches


def _branch(value: JSONValue, path: Path, report: Report) -> Branch | None:
    if not isinstance(value, dict):
        fields.wanted("a mapping with 'condition' and 'action'", value, path, report)
        return None
    fields.check_keys(value, BRANCH_KEYS, path, report, extensible=False)
    if "condition" not in value:
        report.add(path, "'condition' is missing: write what has to be true (true itself, for always)")
    if "action" not in value:
        report.add(path, "'action' is missing: write halt, complete, or {set: an op}")
        return None
    action = _action(value, path, report)
    return None if action is None else Branch(value.get("condition"), action)


def _action(branch: JSONObject, path: Path, report: Report) -> BranchAction | None:
    given = branch["action"]
    if "result" in branch and given != "halt":
        message = "only a branch with 'action: halt' has a 'result': take it away, or halt"
        report.add((*path, "result"), message, at_key=True)
    path = (*path, "action")
    if given == "halt":
        return HaltWorkflow(branch.get("result", {}))
    if given == "complete":
        return CompleteStep()
    if isinstance(given, dict):
        return _reset(given, path, report)
    if isinstance(given, str):
        advice = report.suggest(given, ("halt", "complete"), otherwise="use halt, complete, or {set: an op}")
        report.add(path, f"unknown action {shown(given)!r}: {advice}")
    else:
        fields.wanted("halt, complete, or {set: an op}", given, path, report)
    return None


def _reset(action: JSONObject, path: Path, report: Report) -> ResetSteps | None:
    fields.check_keys(action, RESET_KEYS, path, report, extensible=False)
    if action.get("value", "ready") != "ready":
        report.add((*path, "value"), "a step can only be set to ready: write 'value: ready', or leave 'value' out")
    if "set" not in action:
        report.add(path, "'set' is missing: write the steps to start again, as in {set: steps.X.status}")
        return None
    given = action["set"]
    if given == []:
        report.add((*path, "set"), "no step is named: write one, as in 'steps.X.status'")
        return None
    named = list(targets(given, (*path, "set")))
    read = [_target(op, place, report) for place, op in named]
    ops = tuple(dict.fromkeys(op for op in read if op is not None))
    return ResetSteps(ops) if len(ops) == len(read) or all(read) else None


def _target(target: JSONValue, path: Path, report: Report) -> str | None:
    if isinstance(target, str) and target.startswith(_PREFIX):
        # Not of the form that `targets` takes apart.
        op = target.removeprefix(_PREFIX).partition(".")[0]
        report.add(
            path, f"{shown(target)!r} names no status: write {_PREFIX + shown(op) + _SUFFIX!r}, or {shown(op)!r}"
        )
        return None
    return fields.check_op(target, path, report)


def targets(given: JSONValue, path: Path) -> Iterator[tuple[Path, JSONValue]]:
    """What a ``set`` names, with its places: ``steps.X.status`` and ``X`` both name X."""
    for place, target in named_ops(given, path):
        yield place, target.removeprefix(_PREFIX).removesuffix(_SUFFIX) if _is_status(target) else target


def _is_status(target: JSONValue) -> TypeGuard[str]:
    return isinstance(target, str) and target.startswith(_PREFIX) and target.endswith(_SUFFIX)


def named_ops(given: JSONValue, path: Path) -> Iterator[tuple[Path, JSONValue]]:
    """One op or a list of them, each with its place."""
    if isinstance(given, list):
        yield from (((*path, index), item) for index, item in enumerate(given))
    else:
        yield path, given
