"""Values compiled into closures, once for a definition.

What an evaluation may cost is counted (`metering`), but for what a definition's own size bounds.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from runfox.errors import ExpressionError, InvalidJSON
from runfox.expressions.context import MISSING, Context, DataContext, Evaluate, descend
from runfox.expressions.library import everything, json_path, library
from runfox.expressions.metering import METER, Meter, checked_number, look_into, parts_of, spend
from runfox.expressions.syntax import SCOPED, arguments_of, is_expression
from runfox.jsonvalue import MAX_DEPTH, JSONObject, JSONValue, copy_json, shown
from runfox.limits import DEFAULT_LIMITS, Limits

_MOST_KEYS = 2 * MAX_DEPTH
"""Keys of a dot path that are looked up; no value is as deep."""

_PARSING = 2_000
"""Units of work for a JSONPath that is known only when it is evaluated, and for each ten of its characters."""


class Compiled:
    """A value with its expressions compiled. `resolve` gives it for a context; what it gives may share data with it."""

    __slots__ = ("_evaluate", "_limits", "_op", "_place", "_value")

    def __init__(self, value: JSONValue, op: str | None, place: str, limits: Limits = DEFAULT_LIMITS) -> None:
        self._value = value
        self._op = op
        self._place = place
        self._limits = limits
        evaluate = _compile(value, functools.partial(_located, op, place))
        self._evaluate = _metered(evaluate, limits.expression_work) if _is_costly(value) else evaluate

    def resolve(self, context: Context) -> JSONValue:
        """The value in `context`. Raises `ExpressionError`."""
        return self._evaluate(context)

    def isolated(self, context: Context) -> JSONValue:
        """The value in `context`, sharing nothing with it. Raises `ExpressionError`, also where it is not JSON (an
        infinite number).
        """
        try:
            return copy_json(self._evaluate(context), "the value", self._limits.value_size)
        except InvalidJSON as error:
            raise _failure(self._op, self._place, self._value, str(error)) from error


_Locate: TypeAlias = Callable[[JSONValue, Evaluate], Evaluate]


def _located(op: str | None, place: str, expression: JSONValue, evaluate: Evaluate) -> Evaluate:
    """`evaluate`, with whatever it raises turned into an `ExpressionError` of this place."""

    def located(context: Context) -> JSONValue:
        try:
            return evaluate(context)
        except ExpressionError:
            raise
        except Exception as error:  # whatever an operator raises is the author's to see
            raise _failure(op, place, expression, _cause(error)) from error

    return located


def _failure(op: str | None, place: str, expression: JSONValue, cause: str) -> ExpressionError:
    return ExpressionError(op, place, shown(json.dumps(expression), _SHOWN), shown(cause, _SHOWN))


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


_SHOWN = 300
"""Characters of an expression, and of what went wrong, that an error shows."""


def _metered(evaluate: Evaluate, limit: int) -> Evaluate:
    """`evaluate` with a meter of its own."""

    def metered(context: Context) -> JSONValue:
        token = METER.set(Meter(limit))
        try:
            return evaluate(context)
        finally:
            METER.reset(token)

    return metered


def _is_costly(value: JSONValue) -> bool:
    """Whether evaluating a value may cost more than its own size: it holds more than dot paths and plain values."""
    if isinstance(value, list):
        return any(map(_is_costly, value))
    if not isinstance(value, dict):
        return False
    if not is_expression(value):
        return any(map(_is_costly, value.values()))
    ((operator, given),) = value.items()
    if operator == "var":
        name, *default = arguments_of(given) or [None]
        return not (isinstance(name, str) and "." in name) or any(map(_is_costly, default))
    return operator != "literal"


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
    arguments = arguments_of(given)
    if operator in SCOPED:
        return _compile_scoped(operator, arguments)
    parts = [_compile(argument, _unlocated) for argument in arguments]
    if operator == "var":
        return _compile_var(arguments, parts)
    if operator == "vars":
        return _compile_vars(arguments[0], parts[0])
    if operator in _LAZY:
        return functools.partial(_LAZY[operator], parts)
    if operator in ("missing", "missing_some"):
        return _compile_search(getattr(library(), operator), parts)
    function = _bounded(_OWN.get(operator) or library().operations[operator], deep=operator not in _SHALLOW)
    if len(parts) == 2:
        first, second = parts
        return lambda context: function(first(context), second(context))
    return lambda context: function(*[part(context) for part in parts])


def _bounded(function: Callable[..., JSONValue], *, deep: bool) -> Callable[..., JSONValue]:
    """An operator that pays for what it reads, and gives no number that grows out of all bounds."""

    def bounded(*arguments: JSONValue) -> JSONValue:
        if deep:
            look_into(*arguments)
        else:
            spend(sum(len(argument) for argument in arguments if isinstance(argument, list)))
        return checked_number(function(*arguments))

    return bounded


def _compile_search(search: Callable[..., JSONValue], parts: Sequence[Evaluate]) -> Evaluate:
    def searched(context: Context) -> JSONValue:
        arguments = [part(context) for part in parts]
        look_into(*arguments)
        return search(everything(context), *arguments)

    return searched


# var and vars


def _compile_var(arguments: Sequence[JSONValue], parts: Sequence[Evaluate]) -> Evaluate:
    default = parts[1] if len(parts) > 1 else None
    name = arguments[0]
    if isinstance(name, (str, int)) or name is None:
        keys = _keys(name)
        if default is None:
            return lambda context: _walk(context, keys, None)
        return lambda context: _or_default(_walk(context, keys, MISSING), default, context)
    path = parts[0]

    def dynamic(context: Context) -> JSONValue:
        text = path(context)
        look_into(text)
        found = _walk(context, _keys(text), MISSING)
        return _or_default(found, default, context) if default else None if found is MISSING else found

    return dynamic


def _or_default(found: JSONValue, default: Evaluate, context: Context) -> JSONValue:
    return default(context) if found is MISSING else found


def _keys(name: JSONValue) -> list[str]:
    """The keys of a dot path; none for "" and null, which name the data as a whole."""
    return [] if name is None or name == "" else str(name).split(".", _MOST_KEYS)


def _walk(context: Context, keys: Sequence[str], missing: JSONValue) -> JSONValue:
    if len(keys) == 1:
        return _root(context, keys[0], missing)
    if not keys:
        return everything(context)
    found = context.child(keys[0], keys[1], MISSING)
    for key in keys[2:]:
        # The mapping is by far the most frequent case and is worth its own line.
        found = found.get(key, MISSING) if isinstance(found, dict) else descend(found, key, MISSING)
    return missing if found is MISSING else found


def _root(context: Context, name: str, missing: JSONValue) -> JSONValue:
    """A root as a whole, which may have to be put together."""
    found = context.root(name, missing)
    if isinstance(found, dict):
        spend(len(found))
    return found


def _compile_vars(expression: JSONValue, part: Evaluate) -> Evaluate:
    if isinstance(expression, str):
        return json_path(expression)

    def dynamic(context: Context) -> JSONValue:
        text = part(context)
        if not isinstance(text, str) or not text:
            return []
        spend(_PARSING * (1 + len(text) // 10))
        return json_path(text)(context)

    return dynamic


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
    cost = 1 + parts_of(arguments[1])
    if operator == "map":
        return lambda context: [body(DataContext(item)) for item in _sequence(items(context), cost)]
    if operator == "filter":
        return lambda context: [item for item in _sequence(items(context), cost) if body(DataContext(item))]
    initial = _compile(arguments[2] if len(arguments) > 2 else None, _unlocated)

    def fold(context: Context) -> JSONValue:
        accumulator = initial(context)
        for item in _sequence(items(context), cost):
            accumulator = body(DataContext({"accumulator": accumulator, "current": item}))
        return accumulator

    return fold


def _sequence(value: JSONValue, cost: int) -> list[JSONValue]:
    """What the list operators go through, paid with `cost` for each item: nothing at all counts as an empty list."""
    if not value:
        return []
    if isinstance(value, list):
        spend(len(value) * cost)
        return value
    raise TypeError(f"a list is wanted, not {type(value).__name__}")


# Operators that are ours


def _remainder(dividend: JSONValue, divisor: JSONValue) -> JSONValue:
    if isinstance(dividend, (int, float)) and isinstance(divisor, (int, float)):
        return dividend % divisor
    raise TypeError("'%' takes two numbers")


def _same(value: JSONValue) -> JSONValue:
    return value


def _equal(one: JSONValue, other: JSONValue) -> JSONValue:
    if one is None or other is None:
        return one is other
    return library().operations["=="](one, other)


def _unequal(one: JSONValue, other: JSONValue) -> JSONValue:
    return not _equal(one, other)


def _joined(*parts: JSONValue) -> JSONValue:
    plain = ["" if part is None else str(part).lower() if isinstance(part, bool) else part for part in parts]
    return library().operations["cat"](*plain)


_SHALLOW = frozenset(("!", "!!", "count", "log", "merge"))
"""The operators that look no further into their arguments than at the arguments themselves."""

_OWN: Mapping[str, Callable[..., JSONValue]] = {
    "==": _equal,
    "!=": _unequal,
    "%": _remainder,
    "cat": _joined,
    "log": _same,
}
