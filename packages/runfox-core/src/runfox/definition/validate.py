"""From a document to a definition: every rule is checked, and every problem is in the one error.

The rules are where their subject is: fields in `fields`, steps in `steps`, what steps say of one another in
`references`. A value that is wrong counts as absent for the rules that come after.
"""

from __future__ import annotations

from runfox.definition import fields
from runfox.definition.fields import Report
from runfox.definition.identity import workflow_id
from runfox.definition.model import Definition
from runfox.definition.references import References
from runfox.definition.retry import POLICY_KEYS, Policy, read_policy
from runfox.definition.source import Document
from runfox.definition.steps import ReadStep, read_step
from runfox.jsonvalue import JSONObject

DEFINITION_KEYS = ("name", "description", "steps", "outputs", "defaults")
DEFAULT_NAME = "workflow"


def validate(document: Document) -> Definition:
    """The definition that a document holds. Raises `DefinitionError` with what is wrong with it."""
    report = Report()
    spec = document.value
    if isinstance(spec, str):
        report.add(
            (), "a mapping with 'steps' is wanted, not a string: pass the definition itself, not the name of a file"
        )
        raise document.error(report.found)
    if not isinstance(spec, dict):
        fields.wanted("a mapping with 'steps'", spec, (), report)
        raise document.error(report.found)
    fields.check_keys(spec, DEFINITION_KEYS, (), report, extensible=True)
    name = fields.string(spec, "name", (), report)
    fields.string(spec, "description", (), report)
    outputs = fields.mapping(spec, "outputs", (), report) or {}
    defaults = fields.mapping(spec, "defaults", (), report) or {}
    fields.check_keys(defaults, POLICY_KEYS, ("defaults",), report, extensible=False)
    policy = read_policy(defaults, ("defaults",), Policy(), report)
    steps = _steps(spec, policy, report)
    References(steps, report).check(outputs, defaults)
    if document.found or report.found:
        raise document.error(report.found)
    return Definition(
        name=DEFAULT_NAME if name is None else name,
        steps=tuple(read.step for read in steps),
        outputs=outputs,
        spec=spec,
        workflow_id=workflow_id(spec),
    )


def _steps(spec: JSONObject, defaults: Policy, report: Report) -> list[ReadStep]:
    given = spec.get("steps")
    if "steps" not in spec:
        report.add((), "'steps' is missing: write a list with at least one step")
    elif not isinstance(given, list):
        fields.wanted("a list of steps", given, ("steps",), report)
    elif not given:
        report.add(("steps",), "there is no step: write at least one")
    else:
        read = [read_step(value, ("steps", index), defaults, report) for index, value in enumerate(given)]
        return [step for step in read if step is not None]
    return []
