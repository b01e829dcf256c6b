"""What every reader hands to the validator: a JSON value, where its parts are in the text, and what is wrong so far.

A place is a path of keys and indexes. Readers of text that know lines and columns keep the marks of every container;
what is missing is where its parent is. Problems come out in the order of the text, or of the value without one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from runfox.errors import Problem
from runfox.jsonvalue import JSONValue

MAX_DEPTH = 100
"""Containers inside one another that a definition may have, the definition itself included."""

Path: TypeAlias = tuple[str | int, ...]
Position: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""


class Mark(Protocol):
    """A place in a text, counted from 0."""

    @property
    def line(self) -> int:
        """The line."""
        ...

    @property
    def column(self) -> int:
        """The column."""
        ...


class Place(NamedTuple):
    """A `Mark` of our own."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Found:
    """A problem at a path; `at_key` places it at the key rather than at its value.

    `mark` is for what has a place and no path.
    """

    path: Path
    message: str
    at_key: bool = False
    mark: Mark | None = None


@dataclass(slots=True)
class Marks:
    """Where the children of every container begin, by the container's id: ``{key: (of key, of value)}``."""

    root: Mark
    mappings: dict[int, dict[str, tuple[Mark, Mark]]] = field(default_factory=dict)
    sequences: dict[int, list[Mark]] = field(default_factory=dict)

    def find(self, value: JSONValue, path: Path, *, at_key: bool) -> Mark:
        """Where the node at `path` begins; the nearest one above it that exists."""
        mark = self.root
        for depth, part in enumerate(path):
            if isinstance(value, dict) and isinstance(part, str):
                if part not in value:
                    break
                of_key, of_value = self.mappings[id(value)][part]
                mark = of_key if at_key and depth == len(path) - 1 else of_value
                value = value[part]
            elif isinstance(value, list) and isinstance(part, int):
                mark = self.sequences[id(value)][part]
                value = value[part]
        return mark


@dataclass(slots=True)
class Document:
    """A value read from somewhere, with what its reader has `found`. What it could not read it replaced by `None`."""

    value: JSONValue
    found: list[Found] = field(default_factory=list)
    marks: Marks | None = None

    def problems(self, found: Iterable[Found]) -> tuple[Problem, ...]:
        """The reader's problems and those `found` later, in order; of one place, the reader's alone."""
        known = {problem.path for problem in self.found}
        every = self.found + [problem for problem in found if problem.path not in known]
        if self.marks is None:
            order = _Order(self.value)
            every.sort(key=lambda problem: order.of(problem.path))
            return tuple(Problem(format_path(problem.path), problem.message) for problem in every)
        located = [(self._position(self.marks, problem), problem) for problem in every]
        located.sort(key=lambda pair: pair[0])
        return tuple(Problem(format_path(problem.path), problem.message, *place) for place, problem in located)

    def _position(self, marks: Marks, problem: Found) -> Position:
        return position(problem.mark or marks.find(self.value, problem.path, at_key=problem.at_key))


class _Order:
    """Paths as indexes of children, so that they sort in the order of the value."""

    def __init__(self, value: JSONValue) -> None:
        self._value = value
        self._indexes: dict[int, dict[str, int]] = {}

    def of(self, path: Path) -> list[int]:
        """The indexes of `path`, as far as it exists."""
        value = self._value
        order: list[int] = []
        for part in path:
            if isinstance(value, list) and isinstance(part, int):
                order.append(part)
                value = value[part]
            elif isinstance(value, dict) and part in value:
                if id(value) not in self._indexes:
                    self._indexes[id(value)] = {key: index for index, key in enumerate(value)}
                order.append(self._indexes[id(value)][str(part)])
                value = value[str(part)]
        return order


def position(mark: Mark) -> Position:
    """A mark as people count."""
    return mark.line + 1, mark.column + 1


_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)


def format_path(path: Path) -> str:
    """A path as people read it: ``steps[2].branch[0].action``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(shortened(part))}]"
    return text


def shortened(text: str, limit: int = 80) -> str:
    """A text for a message, cut if it is long."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
