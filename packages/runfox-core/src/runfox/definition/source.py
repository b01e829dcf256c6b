"""What every reader hands to the validator: a JSON value, where its parts are in the text, and what is wrong so far.

A place is a path of keys and indexes. Readers of text that know lines and columns keep the marks of every container;
what is missing is where its parent is. Problems come out in the order of the text, or of the value without one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from runfox.errors import DefinitionError, Problem
from runfox.jsonvalue import JSONValue, shown

MAX_DEPTH = 100
"""Containers inside one another that a definition may have, the definition itself included."""

TOO_DEEP = f"nested more than {MAX_DEPTH} deep: make it flatter"

MAX_PROBLEMS = 100
"""Problems that are kept and told; the others are counted."""

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


class Problems:
    """What was found, in the order of finding it: the first `MAX_PROBLEMS`, and how many `more`."""

    def __init__(self) -> None:
        self.more = 0
        self._kept: list[Found] = []

    def __iter__(self) -> Iterator[Found]:
        return iter(self._kept)

    def __bool__(self) -> bool:
        return bool(self._kept)

    def add(self, found: Found) -> None:
        """Note a problem."""
        if len(self._kept) < MAX_PROBLEMS:
            self._kept.append(found)
        else:
            self.more += 1


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
    found: Problems = field(default_factory=Problems)
    marks: Marks | None = None

    def error(self, others: Problems | None = None) -> DefinitionError:
        """The error of the reader's problems and the `others`, in order; of one place, the reader's alone."""
        if others is None or self.found.more:
            # With that many of the reader's, the places of the others can't be told from theirs.
            others = Problems()
        known = {problem.path for problem in self.found}
        every = [*self.found, *(problem for problem in others if problem.path not in known)]
        more = self.found.more + others.more + max(0, len(every) - MAX_PROBLEMS)
        located = self._located(every[:MAX_PROBLEMS])
        located.sort(key=lambda pair: pair[0])
        return DefinitionError([problem for _, problem in located], more)

    def _located(self, every: Iterable[Found]) -> list[tuple[Position | list[int], Problem]]:
        """The problems, each with what puts it in order: its position in the text, or its place in the value."""
        if self.marks is None:
            order = _Order(self.value)
            return [(order.of(found.path), Problem(format_path(found.path), found.message)) for found in every]
        places = [(self._position(self.marks, found), found) for found in every]
        return [(place, Problem(format_path(found.path), found.message, *place)) for place, found in places]

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
            text += f".{shown(part)}" if text else shown(part)
        else:
            text += f"[{json.dumps(shown(part))}]"
    return text
