"""Values with expressions in them: found, checked, compiled once, evaluated many times.

A value is resolved by structure. A mapping with exactly one key that names an operator is an expression; any other
mapping and every list is resolved element by element; everything else is itself. ``{"literal": V}`` is V untouched.

``var`` is resolved here. Every other operator is json-logic-path's, with these differences, which are the public
JsonLogic meaning: ``if``, ``?:``, ``and`` and ``or`` evaluate only what they need; ``map``, ``filter`` and ``reduce``
see falsy items as they are; ``%`` takes numbers only; ``log`` logs nothing. json-logic-path (and JSONPath below it) is
imported here and nowhere else, and only when a definition asks for more than ``var`` and ``literal``.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from runfox.errors import ExpressionError, MissingExtra
from runfox.jsonvalue import JSONObject, JSONValue

# fmt: off
OPERATORS = frozenset([
    "literal", "var", "vars", "missing", "missing_some",
    "if", "?:", "and", "or", "!", "!!",
    "==", "===", "!=", "!==", "<", "<=", ">", ">=",
    "+", "-", "*", "/", "%", "min", "max",
    "cat", "in", "merge", "count", "map", "filter", "reduce", "log",
])
# fmt: on
"""The keys that make a one-key mapping an expression. Fixed: data written today means the same tomorrow."""

_BUILT_IN = frozenset(["literal", "var"])
_SCOPED = {"map": (2, 2), "filter": (2, 2), "reduce": (2, 3)}
_ARITY = {"var": (1, 2), "vars": (1, 1), "?:": (3, 3), **_SCOPED}
_MISSING: JSONValue = object()  # type: ignore[assignment]  # a sentinel that no JSON value equals

Path: TypeAlias = tuple[str | int, ...]


class Context(Protocol):
    """The data that an expression reads, looked up no further than it asks for."""

    def root(self, name: str, default: JSONValue) -> JSONValue:
        """The value of a top-level name, `default` where there is none."""
        ...

    def child(self, name: str, key: str, default: JSONValue) -> JSONValue:
        """What stands at ``name.key``: the same as looking into `root`, which may be large, without making it."""
        ...

    def everything(self) -> JSONValue:
        """All of the data, for expressions that read it as a whole."""
        ...


class DataContext:
    """A context over plain data; inside a body of ``map``, ``filter`` or ``reduce`` the item and nothing else."""

    __slots__ = ("_data",)

    def __init__(self, data: JSONValue) -> None:
        self._data = data

    def root(self, name: str, default: JSONValue) -> JSONValue:
        """The top-level value `name`."""
        return descend(self._data, name, default)

    def child(self, name: str, key: str, default: JSONValue) -> JSONValue:
        """The value at ``name.key``."""
        return descend(descend(self._data, name, _MISSING), key, default)

    def everything(self) -> JSONValue:
        """The data itself."""
        return self._data


def descend(value: JSONValue, key: str, default: JSONValue) -> JSONValue:
    """One step of a dot path: into a mapping by key, into a list by index; `default` where that leads nowhere."""
    if isinstance(value, dict):
        return value.get(key, default)
    if isinstance(value, list) and _INDEX.fullmatch(key):
        index = int(key)
        if -len(value) <= index < len(value):
            return value[index]
    return default


_INDEX = re.compile(r"-?[0-9]{1,18}", re.ASCII)


Evaluate: TypeAlias = Callable[[Context], JSONValue]


# Looking into a value without evaluating it


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


def is_expression(value: JSONValue) -> bool:
    """True for a mapping whose one key is an operator."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in OPERATORS


def inspect(value: JSONValue) -> Findings:
    """Find the step references and the faults of a value and of all expressions in it.

    Raises `MissingExtra` where an operator needs a library that is not installed.
    """
    findings = Findings()
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
    if operator not in _BUILT_IN:
        _library()
    arguments = _arguments(given)
    place = (*path, operator)
    low, high = _ARITY.get(operator, (0, len(arguments)))
    if not low <= len(arguments) <= high:
        wanted = str(low) if low == high else f"{low} or {high}"
        findings.faults.append(Fault(place, f"{operator!r} takes {wanted} arguments, not {len(arguments)}"))
        return
    if operator == "var":
        _inspect_var(arguments, place, findings, scoped=scoped)
    elif operator in ("vars", "missing", "missing_some"):
        findings.derivable = False
        if operator == "vars":
            _inspect_vars(arguments[0], place, findings)
    for index, argument in enumerate(arguments):
        below = (*place, index) if isinstance(given, list) else place
        _inspect(argument, below, findings, scoped=scoped or (operator in _SCOPED and index == 1))


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
    try:
        _json_path(expression)
    except ValueError as error:
        findings.faults.append(Fault(place, f"{expression!r} is no JSONPath: {error}"))


def _arguments(given: JSONValue) -> list[JSONValue]:
    """An operator's arguments: a list is theirs, anything else the only one."""
    return given if isinstance(given, list) else [given]


# Compiling


class Compiled:
    """A value with its expressions compiled. `resolve` gives it for a context; what it gives may share data with it."""

    __slots__ = ("_evaluate", "_op", "_place")

    def __init__(self, value: JSONValue, op: str | None, place: str) -> None:
        self._op = op
        self._place = place
        self._evaluate = _compile(value, functools.partial(_located, op, place))

    def resolve(self, context: Context) -> JSONValue:
        """The value in `context`. Raises `ExpressionError`."""
        return self._evaluate(context)


_Locate: TypeAlias = Callable[[JSONValue, Evaluate], Evaluate]


def _located(op: str | None, place: str, expression: JSONValue, evaluate: Evaluate) -> Evaluate:
    """`evaluate`, with whatever it raises turned into an `ExpressionError` of this place."""

    def located(context: Context) -> JSONValue:
        try:
            return evaluate(context)
        except ExpressionError:
            raise
        except Exception as error:  # whatever an operator raises is the author's to see
            text = json.dumps(expression)
            raise ExpressionError(op, place, _shortened(text), _shortened(_cause(error))) from error

    return located


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _shortened(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _compile(value: JSONValue, locate: _Locate) -> Evaluate:
    """Compile by structure; `locate` wraps each outermost expression."""
    if isinstance(value, dict):
        if is_expression(value):
            return locate(value, _compile_expression(value))
        parts = {key: _compile(item, locate) for key, item in value.items()}
        return lambda context: {key: part(context) for key, part in parts.items()}
    if isinstance(value, list):
        items = [_compile(item, locate) for item in value]
        return lambda context: [item(context) for item in items]
    return lambda context: value


def _unlocated(_expression: JSONValue, evaluate: Evaluate) -> Evaluate:
    return evaluate


def _compile_expression(value: JSONObject) -> Evaluate:
    ((operator, given),) = value.items()
    if operator == "literal":
        return lambda context: given
    arguments = _arguments(given)
    if operator in _SCOPED:
        return _compile_scoped(operator, arguments)
    parts = [_compile(argument, _unlocated) for argument in arguments]
    if operator == "var":
        return _compile_var(arguments, parts)
    if operator == "vars":
        return _compile_vars(arguments[0], parts[0])
    if operator in _LAZY:
        return functools.partial(_LAZY[operator], parts)
    if operator in ("missing", "missing_some"):
        search = getattr(_library(), operator)
        return lambda context: search(context.everything(), *[part(context) for part in parts])
    function = _OWN.get(operator) or _library().operations[operator]
    if len(parts) == 2:
        first, second = parts
        return lambda context: function(first(context), second(context))
    return lambda context: function(*[part(context) for part in parts])


# var and vars


def _compile_var(arguments: Sequence[JSONValue], parts: Sequence[Evaluate]) -> Evaluate:
    default = parts[1] if len(parts) > 1 else None
    name = arguments[0]
    if isinstance(name, (str, int)) or name is None:
        keys = _keys(name)
        if default is None:
            return lambda context: _walk(context, keys, None)
        return lambda context: _or_default(_walk(context, keys, _MISSING), default, context)
    path = parts[0]

    def dynamic(context: Context) -> JSONValue:
        found = _walk(context, _keys(path(context)), _MISSING)
        return _or_default(found, default, context) if default else None if found is _MISSING else found

    return dynamic


def _or_default(found: JSONValue, default: Evaluate, context: Context) -> JSONValue:
    return default(context) if found is _MISSING else found


def _keys(name: JSONValue) -> list[str]:
    """The keys of a dot path; none for "" and null, which name the data as a whole."""
    return [] if name is None or name == "" else str(name).split(".")


def _walk(context: Context, keys: Sequence[str], missing: JSONValue) -> JSONValue:
    if len(keys) == 1:
        return context.root(keys[0], missing)
    if not keys:
        return context.everything()
    found = context.child(keys[0], keys[1], _MISSING)
    for key in keys[2:]:
        # The mapping is by far the most frequent case and is worth its own line.
        found = found.get(key, _MISSING) if isinstance(found, dict) else descend(found, key, _MISSING)
    return missing if found is _MISSING else found


def _compile_vars(expression: JSONValue, part: Evaluate) -> Evaluate:
    if isinstance(expression, str):
        return _json_path(expression)

    def dynamic(context: Context) -> JSONValue:
        text = part(context)
        return _json_path(text)(context) if isinstance(text, str) and text else []

    return dynamic


_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_ONE_ROOT = re.compile(rf"(?:\$\.)?({_NAME})(?:\.(?:{_NAME}|\*)|\[(?:\*|-?[0-9]+|\?[^]$|&`]*)\])*")
"""Paths that plainly stay below their first name: no `$` within, no operator, no parent, nothing of JSONPath's rest."""


@functools.lru_cache(maxsize=1024)
def _json_path(text: str) -> Callable[[Context], JSONValue]:
    """A JSONPath, parsed once. Raises ValueError."""
    _library()
    from jsonpath_ng.ext.parser import parse

    try:
        parsed = parse(text)
    except Exception as error:  # jsonpath-ng raises its own and ply's errors, which have no common root
        raise ValueError(str(error) or type(error).__name__) from error
    plain = _ONE_ROOT.fullmatch(text)
    name = plain.group(1) if plain else None

    def find(context: Context) -> JSONValue:
        if name is None:
            data = context.everything()
        else:
            root = context.root(name, _MISSING)
            if root is _MISSING:
                return []
            data = {name: root}
        return [match.value for match in parsed.find(data)]

    return find


# Operators whose arguments are not all evaluated first


def _if(parts: Sequence[Evaluate], context: Context) -> JSONValue:
    for index in range(0, len(parts) - 1, 2):
        if parts[index](context):
            return parts[index + 1](context)
    return parts[-1](context) if len(parts) % 2 else None


def _and(parts: Sequence[Evaluate], context: Context) -> JSONValue:
    value: JSONValue = True
    for part in parts:
        value = part(context)
        if not value:
            break
    return value


def _or(parts: Sequence[Evaluate], context: Context) -> JSONValue:
    value: JSONValue = False
    for part in parts:
        value = part(context)
        if value:
            break
    return value


_LAZY: Mapping[str, Callable[[Sequence[Evaluate], Context], JSONValue]] = {"if": _if, "?:": _if, "and": _and, "or": _or}


def _compile_scoped(operator: str, arguments: Sequence[JSONValue]) -> Evaluate:
    items = _compile(arguments[0], _unlocated)
    body = _compile(arguments[1], _unlocated)
    if operator == "map":
        return lambda context: [body(DataContext(item)) for item in _sequence(items(context))]
    if operator == "filter":
        return lambda context: [item for item in _sequence(items(context)) if body(DataContext(item))]
    initial = _compile(arguments[2] if len(arguments) > 2 else None, _unlocated)

    def fold(context: Context) -> JSONValue:
        accumulator = initial(context)
        for item in _sequence(items(context)):
            accumulator = body(DataContext({"accumulator": accumulator, "current": item}))
        return accumulator

    return fold


def _sequence(value: JSONValue) -> list[JSONValue]:
    """What the list operators go through: nothing at all counts as an empty list."""
    if not value:
        return []
    if isinstance(value, list):
        return value
    raise TypeError(f"a list is wanted, not {type(value).__name__}")


# Operators that are ours, and the library


def _remainder(dividend: JSONValue, divisor: JSONValue) -> JSONValue:
    if isinstance(dividend, (int, float)) and isinstance(divisor, (int, float)):
        return dividend % divisor
    raise TypeError("'%' takes two numbers")


def _same(value: JSONValue) -> JSONValue:
    return value


_OWN: Mapping[str, Callable[..., JSONValue]] = {"%": _remainder, "log": _same}


class _Library(Protocol):
    operations: Mapping[str, Callable[..., JSONValue]]


@functools.cache
def _library() -> _Library:
    """json-logic-path, or the error that says how to install it."""
    try:
        import json_logic_path
    except ImportError as error:
        raise MissingExtra("an operator other than 'var' and 'literal'", "runfox-core[standard]") from error
    library: _Library = json_logic_path
    return library
