"""For authors of backends: values and names in a form that a store keeps exactly, JSON as ASCII text, names as text.

A JSON text and a name are `str` wherever that is exact. Surrogates that UTF-8 has no form for, and split pairs that a
JSON reader would join, are `bytes` of UTF-8 in which they pass. Equal values have equal packed forms, so both serve as
keys. A backend keeps the two kinds apart: as TEXT and BLOB, or as string and binary.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from json.encoder import encode_basestring_ascii
from typing import TypeAlias, TypeVar

from runfox.errors import StorageCorrupt
from runfox.jsonvalue import JSONValue, copy_json

Packed: TypeAlias = "str | bytes"

_CONSTANTS = {None: "null", True: "true", False: "false"}
_SMALL = 1 << 63

_ascii = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
_raw = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False, ensure_ascii=False).encode

Result = TypeVar("Result")


def pack_json(value: object, subject: str) -> Packed:
    """The JSON text of `value`, without white space, keys in their order. Raises `InvalidJSON` that starts with
    `subject` (``the output of step 'a'``) where it is no JSON.
    """
    if value is None or value is True or value is False:
        return _CONSTANTS[value]
    if type(value) is int and -_SMALL < value < _SMALL:
        return repr(value)
    plain = copy_json(value, subject)
    try:
        return _pack(plain)
    except RecursionError:
        return _on_fresh_stack(lambda: _pack(plain))


def pack_plain(value: JSONValue) -> Packed:
    """As `pack_json`, for what is known to be plain JSON, a copy that `copy_json` made: nothing is checked. How deep
    the caller's stack is does not matter.
    """
    try:
        return _pack(value)
    except RecursionError:
        return _on_fresh_stack(lambda: _pack(value))


def unpack_json(packed: Packed) -> JSONValue:
    """The value of a JSON text that `pack_json` made. Raises `StorageCorrupt` for what is no JSON text."""
    try:
        value: JSONValue = json.loads(unpack(packed))
    except RecursionError:
        value = _on_fresh_stack(lambda: json.loads(unpack(packed)))
    except ValueError as error:
        raise StorageCorrupt(f"a stored value is not the JSON that was written: {error}") from error
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


def _pack(value: JSONValue) -> Packed:
    text = encode_basestring_ascii(value) if type(value) is str else _ascii(value)
    if "\\ud" not in text:
        return text
    # Two surrogates that stand side by side without being a pair would be read back as one character.
    raw = pack(_raw(value))
    return text if isinstance(raw, str) else raw


def _on_fresh_stack(function: Callable[[], Result]) -> Result:
    """Call `function` in a new thread: the standard library's C code recurses, and counts the caller's frames, too."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()
