"""The contract's text, from the docstrings of `runfox.protocols`: what a clause id stands before, a clause is."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator, Mapping

from runfox import protocols

CONTRACT = "1.0"
"""The version of the contract that this kit checks in full."""

_START = re.compile(r"((?:STORE|RUN|FLOW)-[A-Z]+(?:, (?:STORE|RUN|FLOW)-[A-Z]+)*): ")


@functools.cache
def laws() -> Mapping[str, str]:
    """The law of each clause by its id (``STORE-CAS``)."""
    found: dict[str, list[str]] = {}
    for text in _docstrings():
        for paragraph in text.split("\n\n"):
            lines: list[str] = []
            clauses: list[str] = []
            for line in paragraph.splitlines():
                start = _START.match(line)
                if start is not None:
                    _add(found, clauses, lines)
                    clauses, lines = start[1].split(", "), [line[start.end() :]]
                elif clauses:
                    lines.append(line.strip())
            _add(found, clauses, lines)
    return {clause: " ".join(parts) for clause, parts in found.items()}


def _add(found: dict[str, list[str]], clauses: list[str], lines: list[str]) -> None:
    for clause in clauses:
        found.setdefault(clause, []).append(" ".join(lines))


def _docstrings() -> Iterator[str]:
    yield inspect.cleandoc(protocols.__doc__ or "")
    for protocol in vars(protocols).values():
        if inspect.isclass(protocol) and protocol.__module__ == protocols.__name__:
            yield inspect.cleandoc(protocol.__doc__ or "")
            for member in vars(protocol).values():
                if inspect.isfunction(member):
                    yield inspect.cleandoc(member.__doc__ or "")
