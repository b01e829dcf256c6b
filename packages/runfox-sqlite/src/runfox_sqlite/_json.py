"""Values and names as SQLite keeps them: JSON as ASCII text, names as text, whatever UTF-8 can't say as bytes.

A JSON text and a name are TEXT wherever that is exact. Surrogates that UTF-8 has no form for, and split pairs that a
JSON reader would join, are kept as a BLOB of UTF-8 in which they pass. Equal values have equal bytes, so both forms
serve as keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias, TypeVar

from runfox.errors import StorageCorrupt
from runfox.jsonvalue import JSONValue, copy_json

Packed: TypeAlias = "str | bytes"

MAX_TEXT = 400_000_000
"""Bytes of one JSON text. SQLite keeps 1,000,000,000 in a row, and no row here has more than two such texts."""

_CONSTANTS = {None: "null", True: "true", False: "false"}
_SMALL = 1 << 63

_ascii = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
_raw = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False, ensure_ascii=False).encode

Result = TypeVar("Result")


class TextTooLong(Exception):
    """A JSON text is over `MAX_TEXT`; the message says of what and how long it is. Store and runner make it theirs."""

    def __init__(self, subject: str, length: int) -> None:
        super().__init__(f"{subject} has {length:,} bytes of JSON, at most {MAX_TEXT:,} can be kept")


def encode(value: object, subject: str) -> Packed:
    """The JSON text of `value`.

    Raises `InvalidJSON` that starts with `subject` where it is no JSON, `TextTooLong` where it is too long.
    """
    if value is None or value is True or value is False:
        return _CONSTANTS[value]
    if type(value) is int and -_SMALL < value < _SMALL:
        return repr(value)
    plain = copy_json(value, subject)
    try:
        packed = _pack_json(plain)
    except RecursionError:
        packed = _on_fresh_stack(lambda: _pack_json(plain))
    if len(packed) > MAX_TEXT:
        raise TextTooLong(subject, len(packed))
    return packed


def decode(packed: Packed) -> JSONValue:
    """The value of a JSON text that `encode` made. Raises `StorageCorrupt` for any other text."""
    text = unpack(packed)
    try:
        value: JSONValue = json.loads(text)
    except RecursionError:
        value = _on_fresh_stack(lambda: json.loads(text))
    except ValueError as error:
        raise StorageCorrupt(f"a value in the database is not the JSON that was written: {error}") from error
    return value


def pack(text: str) -> Packed:
    """A name or a time, exactly."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def pack_optional(text: str | None) -> Packed | None:
    """As `pack`; None stays None."""
    return None if text is None else pack(text)


def unpack(packed: Packed) -> str:
    """What `pack` was given."""
    return packed if isinstance(packed, str) else packed.decode("utf-8", "surrogatepass")


def unpack_optional(packed: Packed | None) -> str | None:
    """As `unpack`; None stays None."""
    return None if packed is None else unpack(packed)


def _pack_json(value: JSONValue) -> Packed:
    text = _ascii(value)
    if "\\ud" not in text:
        return text
    # Two surrogates that stand side by side without being a pair would be read back as one character.
    raw = pack(_raw(value))
    return text if isinstance(raw, str) else raw


def _on_fresh_stack(function: Callable[[], Result]) -> Result:
    """Call `function` in a new thread: the standard library's C code recurses, and counts the caller's frames, too."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()
