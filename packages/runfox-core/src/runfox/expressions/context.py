"""The data that expressions read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, TypeAlias

from runfox.jsonvalue import JSONValue

MISSING: JSONValue = object()  # type: ignore[assignment]  # a sentinel that no JSON value equals


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
        return descend(descend(self._data, name, MISSING), key, default)

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
"""A compiled value."""
