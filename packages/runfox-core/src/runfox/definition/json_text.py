"""JSON text as a definition: strict JSON, with every duplicate key and every number out of range named.

The nesting is measured before anything recurses into it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TypeAlias

from runfox.definition.python_value import read_python
from runfox.definition.source import MAX_DEPTH, TOO_DEEP, Document, Found, Path, Problems
from runfox.errors import DefinitionError, Problem
from runfox.jsonvalue import MAX_INTEGER_DIGITS, shown

_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_TOO_LONG = 10**MAX_INTEGER_DIGITS
_Duplicates: TypeAlias = dict[int, tuple[dict[str, object], list[str]]]
"""By the id of a mapping, which stays its own because the mapping is kept: the keys that it has twice."""


def read_json(text: str) -> Document:
    """Read `text`. Raises `DefinitionError` where it is no JSON, or nested too deep."""
    _measure(text)
    duplicates: _Duplicates = {}

    def mapping(pairs: list[tuple[str, object]]) -> dict[str, object]:
        result = dict(pairs)
        if len(result) < len(pairs):
            duplicates[id(result)] = (result, _repeated(pairs))
        return result

    try:
        value: object = json.loads(text, object_pairs_hook=mapping, parse_int=_integer)
    except json.JSONDecodeError as error:
        message = f"this is no JSON ({error.msg})"
        raise DefinitionError([Problem("", message, error.lineno, error.colno)]) from None
    document = read_python(value, max_size=None)
    if duplicates:
        _locate(value, duplicates, document.found)
    return document


def _measure(text: str) -> None:
    depth = 0
    for match in _BRACKETS.finditer(text):
        bracket = match[0]
        if bracket in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                line = text.count("\n", 0, match.start()) + 1
                column = match.start() - text.rfind("\n", 0, match.start())
                raise DefinitionError([Problem("", TOO_DEEP, line, column)])
        elif bracket in "]}":
            depth -= 1


def _integer(digits: str) -> int:
    """The number; one that Python would refuse to read becomes one that `read_python` refuses with its place."""
    return int(digits) if len(digits.lstrip("-")) <= MAX_INTEGER_DIGITS else _TOO_LONG


def _repeated(pairs: list[tuple[str, object]]) -> list[str]:
    return [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]


def _locate(value: object, duplicates: _Duplicates, found: Problems) -> None:
    """Note the places of duplicate keys. A mapping that lost its place to a duplicate has none."""
    stack: list[tuple[object, Path]] = [(value, ())]
    while stack:
        value, path = stack.pop()
        if isinstance(value, dict):
            for key in duplicates.get(id(value), (value, []))[1]:
                found.add(Found((*path, key), _duplicate(key)))
            stack += [(item, (*path, key)) for key, item in value.items()]
        elif isinstance(value, list):
            stack += [(item, (*path, index)) for index, item in enumerate(value)]


def _duplicate(key: str) -> str:
    return f"the key {shown(key)!r} is there more than once: keep one"
