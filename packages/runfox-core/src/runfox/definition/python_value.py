"""Python data as a definition: a copy that is JSON and shares no container with its argument.

Subclasses of JSON's types become what they stand for and tuples become lists, as everywhere in runfox. All that JSON
can't say is a problem with its place. A container that appears in several places is copied once; what contains itself,
and what repeats so much that its JSON text would be enormous, is refused without being walked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from runfox.definition.source import MAX_DEPTH, Document, Found, Path
from runfox.errors import DefinitionError
from runfox.jsonvalue import MAX_INTEGER_DIGITS, JSONObject, JSONValue

MAX_REPETITION = 1 << 22
"""Bytes of JSON text that the second and further appearances of the same containers may come to, about."""

_INTEGER_LIMIT = 10**MAX_INTEGER_DIGITS


def read_python(value: object) -> Document:
    """Copy `value`. Raises `DefinitionError` where it can't be taken in at all."""
    copier = _Copier()
    return Document(copier.copy(value, ()), copier.found)


class _Copied(NamedTuple):
    """A container that has been copied. `original` is kept so that its id stays its own."""

    original: object
    copy: JSONValue
    size: int
    height: int


class _Copier:
    """One pass over a value. `_size` and `_height` are what has been copied of the innermost open container."""

    def __init__(self) -> None:
        self.found: list[Found] = []
        self._size = 0
        self._height = 0
        self._repeated = 0
        self._open: set[int] = set()
        self._copied: dict[int, _Copied] = {}

    def copy(self, value: object, path: Path) -> JSONValue:
        if value is None or isinstance(value, bool):
            self._size += 5
            return value
        if isinstance(value, str):
            self._size += len(value) + 3
            return str.__str__(value)
        if isinstance(value, int):
            return self._integer(int.__int__(value), path)
        if isinstance(value, float):
            return self._float(float.__float__(value), path)
        if isinstance(value, (Mapping, list, tuple)):
            return self._container(value, path)
        return self._refuse(path, f"{type(value).__name__} is no JSON type: write it as a string or a number")

    def _integer(self, value: int, path: Path) -> JSONValue:
        self._size += value.bit_length() // 3 + 2
        if -_INTEGER_LIMIT < value < _INTEGER_LIMIT:
            return value
        return self._refuse(path, f"integers have at most {MAX_INTEGER_DIGITS} digits: write it as a string")

    def _float(self, value: float, path: Path) -> JSONValue:
        self._size += 20
        if isfinite(value):
            return value
        return self._refuse(path, f"{value} is no JSON number: write a finite number, a string or null")

    def _container(self, value: Mapping[object, object] | Sequence[object], path: Path) -> JSONValue:
        if id(value) in self._open:
            return self._refuse(path, "this contains itself, which JSON can't say: pass data without cycles")
        known = self._copied.get(id(value))
        height = 1 if known is None else known.height
        if len(self._open) + height > MAX_DEPTH:
            return self._refuse(path, f"nested more than {MAX_DEPTH} deep: make it flatter")
        if known is not None:
            self._repeat(known, path)
            return known.copy
        return self._new_container(value, path)

    def _new_container(self, value: Mapping[object, object] | Sequence[object], path: Path) -> JSONValue:
        size, height = self._size, self._height
        self._size, self._height = 2, 0
        self._open.add(id(value))
        copy = self._mapping(value, path) if isinstance(value, Mapping) else self._sequence(value, path)
        self._open.remove(id(value))
        self._copied[id(value)] = _Copied(value, copy, self._size, self._height + 1)
        self._size, self._height = size + self._size, max(height, self._height + 1)
        return copy

    def _repeat(self, known: _Copied, path: Path) -> None:
        self._repeated += known.size
        self._size += known.size
        self._height = max(self._height, known.height)
        if self._repeated > MAX_REPETITION:
            self._refuse(path, f"data that is used again comes to more than {MAX_REPETITION >> 20} MiB: repeat less")
            raise DefinitionError(Document(None, self.found).problems([]))

    def _mapping(self, value: Mapping[object, object], path: Path) -> JSONObject:
        copy: JSONObject = {}
        for key, item in value.items():
            if isinstance(key, str):
                text = str.__str__(key)
                self._size += len(text) + 4
                copy[text] = self.copy(item, (*path, text))
            else:
                shown = repr(key) if isinstance(key, (bool, float, type(None))) else f"of type {type(key).__name__}"
                self._refuse(path, f"a key is {shown}: keys are strings, so write it as one")
        return copy

    def _sequence(self, value: Sequence[object], path: Path) -> list[JSONValue]:
        return [self.copy(item, (*path, index)) for index, item in enumerate(value)]

    def _refuse(self, path: Path, message: str) -> JSONValue:
        """Note a problem; what comes back stands for the value."""
        self.found.append(Found(path, message))
        return None
