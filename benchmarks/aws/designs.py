"""The arithmetic of two other designs of a store, for the commits that were made: what they would have been billed.

``whole`` reads the record before each commit and writes it whole, one item for every 400 KB. ``transaction`` writes a
head and one item for each step that changed, in transactions of 100 items at most, at double price, and reads nothing.
Both get the best of every doubt: the definition, untouched steps, names of attributes, keys and indexes cost nothing.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from aws.capacity import LARGEST_ITEM, read_units, write_units
from aws.meter import Count

from runfox.records import UNSET, RecordPatch, StepRecord, WorkflowRecord

_MOST_ITEMS = 100
_HEAD = 300
"""Bytes of ids, times, status and version."""


class Designs:
    """Follows the commits of one execution."""

    def __init__(self) -> None:
        self.commits = 0
        self.whole = Count()
        self.transaction = Count()
        self._sizes: dict[tuple[str, str], int] = {}

    @property
    def record_size(self) -> int:
        """Bytes of the record as JSON."""
        return _HEAD + sum(self._sizes.values())

    def write(self, record: WorkflowRecord) -> None:
        """The record was written whole: the first commit."""
        self._sizes = {
            ("inputs", ""): _size(record.inputs),
            **{("state", key): _size(value) for key, value in record.state.items()},
            **{("steps", op): _size(_plain(step)) for op, step in record.steps.items() if step != StepRecord(op=op)},
        }
        self.commits += 1
        self.whole += Count(requests=self._items(), write_units=write_units(self.record_size))
        self.transaction += Count(requests=1, write_units=2 * write_units(_HEAD))

    def patch(self, patch: RecordPatch) -> None:
        """A patch was written."""
        read = Count(requests=self._items(), read_units=read_units(self.record_size))
        steps = {} if patch.steps is UNSET else patch.steps
        self._sizes |= {("steps", op): _size(_plain(step)) for op, step in steps.items()}
        if patch.state is not UNSET:
            self._sizes |= {("state", key): _size(value) for key, value in patch.state.items()}
        if patch.outcome is not UNSET:
            self._sizes["outcome", ""] = _size(patch.outcome)
        self.commits += 1
        self.whole += read
        self.whole += Count(requests=self._items(), write_units=write_units(self.record_size))
        others = self._sizes_of_others()
        transactions = max(1, math.ceil(len(steps) / (_MOST_ITEMS - 1)))
        units = transactions * write_units(_HEAD + others)
        units += sum(write_units(self._sizes["steps", op]) for op in steps)
        self.transaction += Count(requests=transactions, write_units=2 * units)

    def _items(self) -> int:
        return math.ceil(self.record_size / LARGEST_ITEM)

    def _sizes_of_others(self) -> int:
        """Bytes of what would stand in the head."""
        return sum(size for (part, _), size in self._sizes.items() if part != "steps")


def _plain(step: StepRecord) -> dict[str, Any]:
    return {name: value for name, value in asdict(step).items() if value is not None}


def _size(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":")))
