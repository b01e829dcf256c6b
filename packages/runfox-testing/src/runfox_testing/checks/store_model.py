"""What a store has to hold after a sequence of calls: for each execution the JSON text of each part of its record.

The model of STORE-MODEL. It shares nothing with any store, the reference included.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from typing import Any

from runfox.records import UNSET, RecordPatch, StepRecord, WorkflowRecord

_STEP_FIELDS = tuple(field.name for field in fields(StepRecord))


def _text(value: object) -> str:
    """JSON text in which lone surrogates stay apart."""
    return json.dumps(value, ensure_ascii=False)


def _texts(parts: dict[str, Any]) -> dict[str, str]:
    return {key: _text(value) for key, value in parts.items()}


@dataclass(slots=True)
class Kept:
    """What is stored of one execution: JSON texts."""

    version: int
    fields: dict[str, str]
    state: dict[str, str]
    steps: dict[str, str]
    """Those that were touched."""

    @classmethod
    def of(cls, record: WorkflowRecord) -> Kept:
        """The texts of a record."""
        fields = {
            name: _text(getattr(record, name))
            for name in (
                "workflow_id",
                "execution_id",
                "spec",
                "inputs",
                "status",
                "outcome",
                "created_at",
                "updated_at",
                "wake_at",
            )
        }
        return cls(record.version, fields, _texts(record.state), _steps(record.steps))

    def difference(self, found: Kept) -> str | None:
        """What another one first differs in; the order of the state's keys counts."""
        if found.version != self.version:
            return f"version is {found.version}, not {self.version}"
        for name in ("fields", "state", "steps"):
            mine, theirs = getattr(self, name), getattr(found, name)
            for key in {**mine, **theirs}:
                if mine.get(key) != theirs.get(key):
                    return f"{name} differ: {key!r} is {theirs.get(key)}, not {mine.get(key)}"
        if list(found.state) != list(self.state):
            return f"state has the keys {list(found.state)}, not {list(self.state)} in that order"
        return None

    def told(self, name: str) -> Any:
        """The value of a field."""
        return json.loads(self.fields[name])


def _steps(steps: dict[str, StepRecord]) -> dict[str, str]:
    return {
        op: _text({name: getattr(step, name) for name in _STEP_FIELDS})
        for op, step in steps.items()
        if step != StepRecord(op=op)
    }


@dataclass(slots=True)
class Model:
    """What a store has to hold."""

    kept: dict[str, Kept] = field(default_factory=dict)
    born: int = 0

    def version(self, execution_id: str) -> int:
        """The stored version, 0 for none."""
        known = self.kept.get(execution_id)
        return known.version if known else 0

    def write(self, record: WorkflowRecord) -> bool:
        """True if the write has to succeed."""
        if record.version != self.version(record.execution_id):
            return False
        self.kept[record.execution_id] = Kept.of(replace(record, version=record.version + 1))
        return True

    def patch(self, execution_id: str, patch: RecordPatch) -> bool:
        """True if the patch has to succeed."""
        known = self.kept.get(execution_id)
        if known is None or known.version != patch.version:
            return False
        known.version += 1
        known.fields["updated_at"] = _text(patch.updated_at)
        for name in ("status", "outcome", "wake_at"):
            if getattr(patch, name) is not UNSET:
                known.fields[name] = _text(getattr(patch, name))
        if patch.state is not UNSET:
            known.state.update(_texts(patch.state))
        if patch.steps is not UNSET:
            for op in patch.steps:
                known.steps.pop(op, None)
            known.steps.update(_steps(patch.steps))
        return True

    def listed(self, status: str | None, name: str | None, since: str | None) -> list[str]:
        """The execution ids that a listing has, newest first; those of one moment in any order."""
        found = [
            (known.told("created_at"), execution_id)
            for execution_id, known in self.kept.items()
            if (status is None or known.told("status") == status)
            and (name is None or known.told("spec").get("name", "workflow") == name)
            and (since is None or known.told("created_at") >= since)
        ]
        return [execution_id for _, execution_id in sorted(found, reverse=True)]

    def due(self, now: str) -> list[str]:
        """The execution ids that are due, earliest first."""
        found = [(known.told("wake_at"), execution_id) for execution_id, known in self.kept.items()]
        passed = [(wake_at, execution_id) for wake_at, execution_id in found if wake_at is not None and wake_at <= now]
        return [execution_id for _, execution_id in sorted(passed)]
