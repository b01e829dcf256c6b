"""Definitions from text and from Python data.

A text that was read before gives the definition that it gave then, as long as the cache holds it. Definitions are
immutable by convention: who hands out a part of one hands out a copy.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping

from runfox.definition.json_text import read_json
from runfox.definition.model import Definition
from runfox.definition.python_value import read_python, too_large
from runfox.definition.source import Document
from runfox.definition.validate import validate
from runfox.errors import DefinitionError, Problem
from runfox.jsonvalue import shown
from runfox.limits import DEFAULT_LIMITS

MAX_CACHED = 128
"""Definitions that a cache holds."""

MAX_CACHED_TEXT = 1 << 22
"""Characters that the texts in a cache come to; a longer text is read every time."""


def parse_yaml(text: str, max_size: int | None = DEFAULT_LIMITS.definition_size) -> Definition:
    """The definition in a YAML text of at most `max_size` characters; None allows any number.

    Raises `DefinitionError` with every problem, and `MissingExtra` without PyYAML.
    """
    return _yaml_cache.get(_checked(text, max_size))


def parse_json(text: str, max_size: int | None = DEFAULT_LIMITS.definition_size) -> Definition:
    """The definition in a JSON text. Raises `DefinitionError` with every problem; otherwise as `parse_yaml`."""
    return _json_cache.get(_checked(text, max_size))


def parse_dict(mapping: Mapping[str, object], max_size: int | None = DEFAULT_LIMITS.definition_size) -> Definition:
    """The definition in Python data, as large as its JSON text; it shares nothing with `mapping`.

    Raises `DefinitionError` with every problem; otherwise as `parse_yaml`.
    """
    return validate(read_python(mapping, max_size))


class TextCache:
    """The definitions that were read last, by their texts; bounded by their number and by the size of the texts."""

    def __init__(self, read: Callable[[str], Document]) -> None:
        self._read = read
        self._definitions: OrderedDict[str, Definition] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, text: str) -> Definition:
        """The definition of `text`, read if need be."""
        with self._lock:
            if text in self._definitions:
                self._definitions.move_to_end(text)
                return self._definitions[text]
        definition = validate(self._read(text))
        if len(text) <= MAX_CACHED_TEXT:
            with self._lock:
                self._keep(text, definition)
        return definition

    def _keep(self, text: str, definition: Definition) -> None:
        self._size += 0 if text in self._definitions else len(text)
        self._definitions[text] = definition
        while len(self._definitions) > MAX_CACHED or self._size > MAX_CACHED_TEXT:
            oldest, _ = self._definitions.popitem(last=False)
            self._size -= len(oldest)


def _read_yaml(text: str) -> Document:
    from runfox.definition.yaml_text import read_yaml  # noqa: PLC0415  # PyYAML is optional

    return read_yaml(text)


def _checked(text: object, max_size: int | None) -> str:
    """The text; a subclass of `str` as the `str` that it is."""
    if not isinstance(text, str):
        kind = shown(type(text).__name__)
        advice = "use from_dict" if isinstance(text, Mapping) else "read the file and decode it"
        message = f"a text is wanted, not {kind}: {advice}"
        raise DefinitionError([Problem("", message)])
    plain = str.__str__(text)
    if max_size is not None and len(plain) > max_size:
        raise DefinitionError([Problem("", too_large(max_size))])
    return plain


_yaml_cache = TextCache(_read_yaml)
_json_cache = TextCache(read_json)
