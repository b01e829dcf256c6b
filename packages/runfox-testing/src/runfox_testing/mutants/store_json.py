"""Mutants of stores: STORE-JSON."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import replace
from typing import Any

from runfox.backend import InMemoryStore
from runfox.errors import WorkflowNotFound
from runfox.records import RecordPatch, WorkflowRecord
from runfox_testing.memory import MemoryStoreHarness
from runfox_testing.mutants.mutant import mutant
from runfox_testing.mutants.recoding import each_object, each_scalar, recoded, recoded_patch, recoded_step


def _through_utf8(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@mutant("STORE-JSON-01", observed="with a text: a lone high surrogate", harness=MemoryStoreHarness)
class ThroughUtf8(InMemoryStore):
    """Texts go through UTF-8, and question marks stand for lone surrogates."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(recoded(record, each_scalar(_through_utf8)))


@mutant("STORE-JSON-02", observed="with a text as key: composed and decomposed", harness=MemoryStoreHarness)
class NormalisedKeys(InMemoryStore):
    """Keys are normalised."""

    def write(self, record: WorkflowRecord) -> None:
        normalise = each_object(lambda value: {unicodedata.normalize("NFC", key): item for key, item in value.items()})
        super().write(recoded(record, normalise))


@mutant("STORE-JSON-03", observed="named with: NUL", harness=MemoryStoreHarness)
class HostEndsAtNul(InMemoryStore):
    """The host of a step ends at NUL."""

    def write(self, record: WorkflowRecord) -> None:
        steps = {
            op: replace(step, host=None if step.host is None else step.host.partition("\0")[0])
            for op, step in record.steps.items()
        }
        super().write(replace(record, steps=steps))


def _with_38_digits(value: Any) -> Any:
    if type(value) is not int or abs(value) < 10**38:
        return value
    digits = str(abs(value))
    rounded = int(digits[:38]) * 10 ** (len(digits) - 38)
    return rounded if value > 0 else -rounded


@mutant("STORE-JSON-04", observed="with an integer", harness=MemoryStoreHarness)
class ThirtyEightDigits(InMemoryStore):
    """Integers have 38 digits of precision."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(recoded(record, each_scalar(_with_38_digits)))


@mutant("STORE-JSON-05", observed="0.0, not -0.0", harness=MemoryStoreHarness)
class NoNegativeZero(InMemoryStore):
    """-0.0 becomes 0.0."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(recoded(record, each_scalar(lambda value: 0.0 if type(value) is float and not value else value)))


@mutant("STORE-JSON-06", observed="a value that equals it in Python", harness=MemoryStoreHarness)
class EqualIsUnchanged(InMemoryStore):
    """A state that equals the stored one is not written again."""

    def write(self, record: WorkflowRecord) -> None:
        try:
            old = self.load(record.workflow_execution_id)
        except WorkflowNotFound:
            old = record
        super().write(replace(record, state=old.state) if old.state == record.state else record)


def _cut(value: Any, levels: int = 200) -> Any:
    if not isinstance(value, (dict, list)):
        return value
    if not levels:
        return None
    if isinstance(value, dict):
        return {key: _cut(item, levels - 1) for key, item in value.items()}
    return [_cut(item, levels - 1) for item in value]


@mutant("STORE-JSON-07", observed="with 250 levels", harness=MemoryStoreHarness)
class TwoHundredLevels(InMemoryStore):
    """Below 200 levels there is nothing."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(recoded(record, _cut))


@mutant("STORE-JSON-08", observed="another order of keys", harness=MemoryStoreHarness)
class SortedKeys(InMemoryStore):
    """Keys are sorted."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(recoded(record, each_object(lambda value: dict(sorted(value.items())))))


@mutant("STORE-JSON-09", observed="the key 'a' is missing", harness=MemoryStoreHarness)
class NoneIsAbsence(InMemoryStore):
    """Keys whose value is None are left out."""

    def write(self, record: WorkflowRecord) -> None:
        without = each_object(lambda value: {key: item for key, item in value.items() if item is not None})
        super().write(recoded(record, without))


@mutant("STORE-JSON-10", observed="steps['third'].inputs", harness=MemoryStoreHarness)
class InputsGoAnotherWay(InMemoryStore):
    """The inputs of a step are kept with sorted keys."""

    def write(self, record: WorkflowRecord) -> None:
        by_key = each_object(lambda value: dict(sorted(value.items())))
        steps = {op: replace(step, inputs=recoded_step(step, by_key).inputs) for op, step in record.steps.items()}
        super().write(replace(record, steps=steps))


@mutant("STORE-JSON-11", observed="with generated values, load gives another record", harness=MemoryStoreHarness)
class NumbersArePositive(InMemoryStore):
    """Numbers lose their sign."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(recoded(record, each_scalar(lambda value: abs(value) if type(value) in (int, float) else value)))


def _null_for_nan(value: Any) -> Any:
    return None if type(value) is float and math.isnan(value) else value


@mutant("STORE-JSON-12", observed="a write with NaN in the state was acknowledged", harness=MemoryStoreHarness)
class NullForNaN(InMemoryStore):
    """A write keeps None for NaN."""

    def write(self, record: WorkflowRecord) -> None:
        super().write(recoded(record, each_scalar(_null_for_nan)))


@mutant("STORE-JSON-13", observed="a patch with NaN in the state was acknowledged", harness=MemoryStoreHarness)
class PatchesNullForNaN(InMemoryStore):
    """A patch keeps None for NaN."""

    def patch(self, patch: RecordPatch) -> None:
        super().patch(recoded_patch(patch, each_scalar(_null_for_nan)))


def _with_4000_digits(value: Any) -> Any:
    return value % 10**4_000 if type(value) is int and value >= 10**4_000 else value


@mutant("STORE-JSON-14", observed="after the acknowledged write of 4001 digits", harness=MemoryStoreHarness)
class DigitsCutOff(InMemoryStore):
    """Of an integer the last 4,000 digits are kept."""

    def write(self, record: WorkflowRecord) -> None:
        try:
            changed = recoded(record, each_scalar(_with_4000_digits))
        except RecursionError:
            changed = record  # what is too deep is refused as ever
        super().write(changed)
