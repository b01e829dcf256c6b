"""Bytes over several items: DynamoDB keeps 400 KiB in one."""

from __future__ import annotations

from collections.abc import Iterator

PART = 360_000
"""Bytes of an item's data; its key and the names have room beside it."""


def split(data: bytes | bytearray) -> list[bytes]:
    """The parts of `data`, in order; none where it is empty."""
    return [bytes(data[first : first + PART]) for first in range(0, len(data), PART)]


def numbers(offset: int, length: int) -> Iterator[int]:
    """The parts in which so many bytes from `offset` on lie."""
    yield from range(offset // PART, (offset + length - 1) // PART + 1)
