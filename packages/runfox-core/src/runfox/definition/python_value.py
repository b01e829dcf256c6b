"""Python data as a definition: a copy that is JSON and shares no container with its argument.

Subclasses of JSON's types become what they stand for and tuples become lists, as everywhere in runfox. All that JSON
can't say is a problem with its place. A container that appears in several places is copied once and counts for the size
as often as it appears; what contains itself is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple

from runfox.definition.source import MAX_DEPTH, TOO_DEEP, Document, Found, Path, Problems
from runfox.errors import DefinitionError, Problem
from runfox.jsonvalue import MAX_INTEGER_DIGITS, JSONObject, JSONValue, shown

_INTEGER_LIMIT = 10**MAX_INTEGER_DIGITS


def read_python(value: object, max_size: int | None) -> Document:
    """Copy `value`. Raises `DefinitionError` where it can't be taken in at all, as for a value whose JSON text has more
    than about `max_size` characters; None allows any number.
    """
    copier = _Copier(max_size)
    return Document(copier.copy(value, ()), copier.found)


class _Copied(NamedTuple):
    """A container that has been copied. `original` is kept so that its id stays its own."""

    original: object
    copy: JSONValue
    size: int
    height: int


class _Copier:
    """One pass over a value. `_size` and `_height` are what has been copied of the innermost open container."""

    def __init__(self, max_size: int | None) -> None:
        self.found = Problems()
        self._max_size = max_size
        self._left = max_size
        self._size = 0
        self._height = 0
        self._open: set[int] = set()
        self._copied: dict[int, _Copied] = {}

    def copy(self, value: Any, path: Path) -> JSONValue:
        """The copy of what stands at `path`. Asks for the type, since an object may claim any `__class__`."""
        kind = type(value)
        if value is None or kind is bool:
            self._take(5)
            return value  # type: ignore[no-any-return]  # what was asked
        if issubclass(kind, str):
            self._take(len(value) + 3)
            return str.__str__(value)
        if issubclass(kind, int):
            return self._integer(int.__int__(value), path)
        if issubclass(kind, float):
            return self._float(float.__float__(value), path)
        if issubclass(kind, (Mapping, list, tuple)):
            return self._container(value, path)
        return self._refuse(path, f"{shown(kind.__name__)} is no JSON type: write it as a string or a number")

    def _take(self, size: int) -> None:
        """Count what is copied. Raises `DefinitionError` where it comes to more than is allowed."""
        self._size += size
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                raise DefinitionError([Problem("", too_large(self._max_size))])

    def _integer(self, value: int, path: Path) -> JSONValue:
        self._take(value.bit_length() // 3 + 2)
        if -_INTEGER_LIMIT < value < _INTEGER_LIMIT:
            return value
        return self._refuse(path, f"integers have at most {MAX_INTEGER_DIGITS} digits: write it as a string")

    def _float(self, value: float, path: Path) -> JSONValue:
        self._take(20)
        if isfinite(value):
            return value
        return self._refuse(path, f"{value} is no JSON number: write a finite number, a string or null")

    def _container(self, value: Any, path: Path) -> JSONValue:
        if id(value) in self._open:
            return self._refuse(path, "this contains itself, which JSON can't say: pass data without cycles")
        known = self._copied.get(id(value))
        height = 1 if known is None else known.height
        if len(self._open) + height > MAX_DEPTH:
            return self._refuse(path, TOO_DEEP)
        if known is not None:
            self._take(known.size)
            self._height = max(self._height, known.height)
            return known.copy
        return self._new_container(value, path)

    def _new_container(self, value: Any, path: Path) -> JSONValue:
        size, height = self._size, self._height
        self._size, self._height = 2, 0
        self._open.add(id(value))
        copy = self._mapping(value, path) if issubclass(type(value), Mapping) else self._sequence(value, path)
        self._open.remove(id(value))
        self._copied[id(value)] = _Copied(value, copy, self._size, self._height + 1)
        self._size, self._height = size + self._size, max(height, self._height + 1)
        return copy

    def _mapping(self, value: Any, path: Path) -> JSONObject:
        copy: JSONObject = {}
        try:
            for key, item in value.items():
                if issubclass(type(key), str):
                    text = str.__str__(key)
                    self._take(len(text) + 4)
                    copy[text] = self.copy(item, (*path, text))
                else:
                    self._take(4)
                    simple = key is None or type(key) in (bool, float)
                    which = repr(key) if simple else f"of type {shown(type(key).__name__)}"
                    self._refuse(path, f"a key is {which}: keys are strings, so write it as one")
        except DefinitionError:
            raise
        except Exception as error:  # noqa: BLE001  # a mapping of somebody else's class: whatever its methods raise
            self._refuse(path, f"reading this raised {shown(type(error).__name__)}: pass a dict")
        return copy

    def _sequence(self, value: Any, path: Path) -> list[JSONValue]:
        # The items, whatever a subclass makes of iterating.
        items = list.__iter__(value) if issubclass(type(value), list) else tuple.__iter__(value)
        return [self.copy(item, (*path, index)) for index, item in enumerate(items)]

    def _refuse(self, path: Path, message: str) -> JSONValue:
        """Note a problem; what comes back stands for the value."""
        self.found.add(Found(path, message))
        return None


def too_large(max_size: int | None) -> str:
    """What is said of a definition with more characters than `max_size`."""
    return (
        f"the definition has more than {max_size:,} characters: pass large data as inputs, or allow more with "
        "Backend(limits=Limits(definition_size=…))"
    )
