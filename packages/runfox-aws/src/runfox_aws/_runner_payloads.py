"""JSON texts of the tasks table: in their row, or, where they are large, in parts beside it.

Parts are written before the row that refers to them, under a name that no other text has, and removed after it.
"""

from __future__ import annotations

from collections.abc import Iterable

from runfox.packed import Packed
from runfox_aws._items import Key, key_of
from runfox_aws._parts import split
from runfox_aws._rows import PayloadItem, Stored, token
from runfox_aws._table import Table

INLINE_INPUTS = 1_000
"""Bytes of inputs in a row: every change of it bills all of them."""

INLINE_RESULT = 1_000
"""Bytes of a result in a row, which changes once more, when it is gathered. The local index has it a second time."""


class PayloadMissing(Exception):
    """Parts are not there: their row was superseded or forgotten, or the table is damaged."""


class Payloads:
    """Reads and writes them. `partition` is always the partition key of the execution."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def store(self, partition: str, packed: Packed, inline: int) -> Stored:
        """What the row has to hold; the parts, if there are any, are written."""
        if fits(packed, inline):
            return packed
        data = packed.encode() if isinstance(packed, str) else packed
        parts = split(data)
        stored: list[object] = [token(), len(parts), "S" if isinstance(packed, str) else "B"]
        self._table.put_many({**key, "data": part} for key, part in zip(_keys(partition, stored), parts, strict=True))
        return stored

    def read(self, partition: str, stored: Stored) -> Packed:
        """The text. Raises `PayloadMissing`."""
        if not isinstance(stored, list):
            return stored
        keys = _keys(partition, stored)
        found = self._table.get_many(keys)
        if len(found) < len(keys):
            raise PayloadMissing
        data = b"".join(found[key["PK"], key["SK"]]["data"] for key in keys)
        return data.decode() if stored[2] == "S" else data

    def remove(self, partition: str, stored: Iterable[Stored | None]) -> None:
        """Remove the parts of texts that no row refers to."""
        keys = [key for one in stored if isinstance(one, list) for key in _keys(partition, one)]
        if keys:
            self._table.delete_many(keys)


def fits(packed: Packed, inline: int) -> bool:
    """True if the text goes into its row."""
    if len(packed) > inline:
        return False
    return len(packed.encode() if isinstance(packed, str) else packed) <= inline


def _keys(partition: str, stored: list[object]) -> list[Key]:
    payload, parts, _ = stored
    assert isinstance(payload, str)
    assert isinstance(parts, int)
    keys = [key_of(PayloadItem, execution="", payload=payload, part=part) for part in range(parts)]
    return [{"PK": partition, "SK": key["SK"]} for key in keys]
