"""json-logic-path and JSONPath, imported when they are needed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from runfox.errors import MissingExtra
from runfox.expressions.context import MISSING, Context, Evaluate
from runfox.jsonvalue import JSONValue


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


@functools.lru_cache(maxsize=1024)
def json_path(text: str) -> Evaluate:
    """A JSONPath, parsed once. Raises ValueError."""
    library()
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
            root = context.root(name, MISSING)
            if root is MISSING:
                return []
            data = {name: root}
        return [match.value for match in parsed.find(data)]

    return find
