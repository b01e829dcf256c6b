"""Looking into a value without evaluating it: what it refers to, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from runfox.expressions.library import json_path, library
from runfox.expressions.syntax import ARITY, SCOPED, arguments_of, is_expression
from runfox.jsonvalue import JSONObject, JSONValue, shown

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A ``var`` that reads ``steps.<op>``. `path` is its place below the value, `has_default` whether it names one."""

    path: Path
    op: str
    has_default: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that makes an expression unusable, and what to do about it."""

    path: Path
    message: str


@dataclass(slots=True)
class Findings:
    """What `inspect` saw in a value, in its order.

    `derivable` is True while all that the value reads is fixed once the named steps are complete: the workflow's
    inputs, and outputs named one by one.
    """

    references: list[Reference] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    derivable: bool = True
    paths: Paths = field(default_factory=dict, compare=False)


MAX_PATHS = 5_000
"""JSONPaths of one definition that differ: parsing one takes the better part of a millisecond."""


Paths: TypeAlias = "dict[str, str | None]"
"""JSONPaths, each with what is wrong with it."""


def inspect(value: JSONValue, paths: Paths | None = None) -> Findings:
    """Find the step references and the faults of a value and of all expressions in it.

    `paths` are the JSONPaths of the definition so far, to which those of `value` are added. Raises `MissingExtra` where
    an operator needs a library that is not installed.
    """
    findings = Findings(paths={} if paths is None else paths)
    _inspect(value, (), findings, scoped=False)
    return findings


def _inspect(value: JSONValue, path: Path, findings: Findings, *, scoped: bool) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _inspect(item, (*path, index), findings, scoped=scoped)
    elif isinstance(value, dict):
        if is_expression(value):
            _inspect_expression(value, path, findings, scoped=scoped)
        else:
            for key, item in value.items():
                _inspect(item, (*path, key), findings, scoped=scoped)


def _inspect_expression(value: JSONObject, path: Path, findings: Findings, *, scoped: bool) -> None:
    ((operator, given),) = value.items()
    if operator == "literal":
        return
    if operator != "var":
        library()
    arguments = arguments_of(given)
    place = (*path, operator)
    low, high = ARITY.get(operator, (0, None))
    if len(arguments) < low or (high is not None and len(arguments) > high):
        findings.faults.append(Fault(place, _wrong_number(operator, len(arguments), isinstance(given, list))))
        return
    if operator == "var":
        _inspect_var(arguments, place, findings, scoped=scoped)
    elif operator in ("vars", "missing", "missing_some"):
        findings.derivable = False
        if operator == "vars":
            _inspect_vars(arguments[0], place, findings)
    for index, argument in enumerate(arguments):
        below = (*place, index) if isinstance(given, list) else place
        _inspect(argument, below, findings, scoped=scoped or (operator in SCOPED and index == 1))


def _wrong_number(operator: str, number: int, is_list: bool) -> str:
    """What is said of an operator with a number of arguments that it never takes."""
    low, high = ARITY[operator]
    wanted = f"at least {low}" if high is None else f"{low}" if low == high else f"{low} or {high}"
    noun = "argument" if low == 1 and high in (1, None) else "arguments"
    message = f"{operator!r} takes {wanted} {noun}, not {number}"
    if operator in _TURNED and number == 3:
        message += f": for a value between two others write {{{json.dumps(_TURNED[operator])}: [low, value, high]}}"
    elif not is_list:
        message += ': give them as a list, or write {"literal": …} around what is no expression'
    return message


_TURNED = {">": "<", ">=": "<="}
"""The comparisons of two values only, as in public JsonLogic, and those that take three."""


def _inspect_var(arguments: Sequence[JSONValue], place: Path, findings: Findings, *, scoped: bool) -> None:
    if scoped:
        return
    name = arguments[0]
    parts = str(name).split(".") if isinstance(name, str) else []
    if len(parts) > 1 and parts[0] == "steps":
        findings.references.append(Reference(place, parts[1], len(arguments) > 1))
    elif not parts or parts[0] != "input":
        findings.derivable = False
    if not isinstance(name, (str, int)) and name is not None and not is_expression(name):
        findings.faults.append(Fault(place, "the path of 'var' is a text like 'input.name'"))


def _inspect_vars(expression: JSONValue, place: Path, findings: Findings) -> None:
    if is_expression(expression):
        return
    if not isinstance(expression, str) or not expression:
        findings.faults.append(Fault(place, "'vars' takes a JSONPath, a text like 'steps[*].output.score'"))
        return
    if expression not in findings.paths:
        findings.paths[expression] = _wrong_with(expression, len(findings.paths))
    wrong = findings.paths[expression]
    if wrong is not None:
        findings.faults.append(Fault(place, f"{shown(expression)!r} is no JSONPath: {wrong}"))


def _wrong_with(path: str, others: int) -> str | None:
    if others >= MAX_PATHS:
        return f"it is one of more than {MAX_PATHS:,} different ones: use fewer"
    try:
        json_path(path)
    except ValueError as error:
        return str(error)
    return None
