"""json-logic-path and JSONPath, imported when they are needed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from runfox.errors import MissingExtra
from runfox.expressions.context import MISSING, Context, Evaluate
from runfox.expressions.jsonpath import metered
from runfox.expressions.metering import spend
from runfox.jsonvalue import JSONValue, shown

MAX_PATH_LENGTH = 500
"""Characters of a JSONPath. Its parser and its evaluation recurse."""


class Library(Protocol):
    """What is used of json-logic-path."""

    operations: Mapping[str, Callable[..., JSONValue]]


@functools.cache
def library() -> Library:
    """json-logic-path, or the error that says how to install it."""
    try:
        import json_logic_path
    except ImportError as error:
        raise MissingExtra("an operator other than 'var' and 'literal'", "runfox-core[standard]") from error
    found: Library = json_logic_path
    return found


_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_ONE_ROOT = re.compile(rf"(?:\$\.)?({_NAME})(?:\.(?:{_NAME}|\*)|\[(?:\*|-?[0-9]+|\?[^]$|&`]*)\])*")
"""Paths that plainly stay below their first name: no `$` within, no operator, no parent, nothing of JSONPath's rest."""


def json_path(text: str) -> Evaluate:
    """A JSONPath, parsed once. Raises ValueError."""
    if len(text) > MAX_PATH_LENGTH:
        raise ValueError(f"it has more than {MAX_PATH_LENGTH} characters")
    return _json_path(text)


@functools.lru_cache(maxsize=1024)
def _json_path(text: str) -> Evaluate:
    library()
    from jsonpath_ng.ext.parser import parse

    try:
        parsed = metered(parse(text))
    except Exception as error:  # jsonpath-ng raises its own and ply's errors, which have no common root
        raise ValueError(shown(str(error) or type(error).__name__, 300)) from error
    plain = _ONE_ROOT.fullmatch(text)
    name = plain.group(1) if plain else None

    def find(context: Context) -> JSONValue:
        if name is None:
            data = everything(context)
        else:
            root = context.root(name, MISSING)
            if root is MISSING:
                return []
            data = {name: root}
        return [match.value for match in parsed.find(data)]

    return find


def everything(context: Context) -> JSONValue:
    """All of the data, which may have to be put together."""
    data = context.everything()
    if isinstance(data, dict):
        spend(sum(len(value) for value in data.values() if isinstance(value, dict)))
    return data
