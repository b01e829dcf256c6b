"""Values and names as SQLite keeps them: JSON as ASCII text, names as text, whatever UTF-8 can't say as bytes.

A JSON text and a name are TEXT wherever that is exact. Surrogates that UTF-8 has no form for, and split pairs that a
JSON reader would join, are kept as a BLOB of UTF-8 in which they pass. Equal values have equal bytes, so both forms
serve as keys.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from runfox.errors import InvalidJSON
from runfox.jsonvalue import MAX_DEPTH, JSONValue, copy_json

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
    try:
        packed = _pack_json(copy_json(value, subject))
    except RecursionError:
        packed = _on_fresh_stack(lambda: _pack_json(_copy_deep(value, subject)))
    if len(packed) > MAX_TEXT:
        raise TextTooLong(subject, len(packed))
    return packed


def decode(packed: Packed) -> JSONValue:
    """The value of a JSON text that `encode` made."""
    text = unpack(packed)
    try:
        value: JSONValue = json.loads(text)
    except RecursionError:
        value = _on_fresh_stack(lambda: json.loads(text))
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


def _copy_deep(value: object, subject: str) -> JSONValue:
    """`copy_json` with a work list instead of recursion, for what is too deep for the interpreter's stack."""
    root: list[JSONValue] = [None]
    work: list[tuple[Any, int | str, object, int]] = [(root, 0, value, 0)]
    while work:
        target, place, source, depth = work.pop()
        if isinstance(source, Mapping):
            # The keys with None for their values: checked, plain, and in their order.
            copy: Any = copy_json(dict.fromkeys(source), subject)
            work.extend((copy, key, item, depth + 1) for key, item in zip(copy, source.values(), strict=True))
        elif isinstance(source, (list, tuple)):
            copy = [None] * len(source)
            work.extend((copy, index, item, depth + 1) for index, item in enumerate(source))
        else:
            target[place] = copy_json(source, subject)
            continue
        if depth >= MAX_DEPTH:
            raise InvalidJSON(subject, "", f"nested more than {MAX_DEPTH} deep")
        target[place] = copy
    return root[0]


def _on_fresh_stack(function: Callable[[], Result]) -> Result:
    """Call `function` in a new thread, which has the whole of the recursion limit before it."""
    outcome: list[Result] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            outcome.append(function())
        except BaseException as error:  # noqa: BLE001  # raised again below, in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=call, name="runfox-sqlite-json")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return outcome[0]
