"""JSON texts as SQLite keeps them: packed as `runfox.packed` has it (`bytes` are a BLOB), and not too long."""

from __future__ import annotations

from runfox.packed import Packed, pack_json

MAX_TEXT = 400_000_000
"""Bytes of one JSON text. SQLite keeps 1,000,000,000 in a row, and no row here has more than two such texts."""


class TextTooLong(Exception):
    """A JSON text is over `MAX_TEXT`; the message says of what and how long it is. Store and runner make it theirs."""

    def __init__(self, subject: str, length: int) -> None:
        super().__init__(f"{subject} has {length:,} bytes of JSON, at most {MAX_TEXT:,} can be kept")


def encode(value: object, subject: str) -> Packed:
    """The JSON text of `value`.

    Raises `InvalidJSON` that starts with `subject` where it is no JSON, `TextTooLong` where it is too long.
    """
    packed = pack_json(value, subject)
    if len(packed) > MAX_TEXT:
        raise TextTooLong(subject, len(packed))
    return packed
