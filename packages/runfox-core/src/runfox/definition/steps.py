"""One step: its fields, read into the model. What concerns other steps is checked in `references`."""

from __future__ import annotations

from dataclasses import dataclass

from runfox.definition import fields
from runfox.definition.branches import named_ops, read_branches
from runfox.definition.fields import Report
from runfox.definition.model import Step
from runfox.definition.retry import POLICY_KEYS, Policy, read_policy
from runfox.definition.source import Path
from runfox.jsonvalue import JSONObject, JSONValue

STEP_KEYS = ("op", "call", "label", "input", "depends_on", "branch", *POLICY_KEYS)


@dataclass(frozen=True, slots=True)
class ReadStep:
    """A step with what the author wrote, and where."""

    step: Step
    written: JSONObject
    path: Path


def read_step(value: JSONValue, path: Path, defaults: Policy, report: Report) -> ReadStep | None:
    """The step, with a default for what is wrong in it; None without a usable ``op``."""
    if not isinstance(value, dict):
        fields.wanted("a mapping with 'op'", value, path, report)
        return None
    fields.check_keys(value, STEP_KEYS, path, report, extensible=True)
    fields.string(value, "label", path, report)
    call = fields.string(value, "call", path, report, empty=False)
    given = fields.mapping(value, "input", path, report) or {}
    depends_on = _depends_on(value, path, report)
    branches = read_branches(value, path, report)
    policy = read_policy(value, path, defaults, report)
    if "op" not in value:
        report.add(path, "'op' is missing: give the step a name")
        return None
    op = fields.check_op(value["op"], (*path, "op"), report)
    if op is None:
        return None
    step = Step(
        op=op,
        call=call or op,
        input=given,
        depends_on=depends_on,
        branches=branches,
        retry=policy.retry,
        timeout=policy.timeout,
        halt_on_error=policy.halt_on_error,
        queue=policy.queue,
    )
    return ReadStep(step, value, path)


def _depends_on(step: JSONObject, path: Path, report: Report) -> tuple[str, ...]:
    path = (*path, "depends_on")
    ops: dict[str, None] = {}
    given = step.get("depends_on", [])
    if not isinstance(given, (str, list)):
        fields.wanted("an op or a list of ops", given, path, report)
        return ()
    for place, op in named_ops(given, path):
        if checked := fields.check_op(op, place, report):
            ops[checked] = None
    return tuple(ops)
