"""The audit on AWS: what the server has noted of every write, told as the notes that `audit` holds against the laws.

A commit is one write of a head; what it changed is read from the head, the log and the blobs, as the store would read
them, in what was ever written. A write of a row is a note on its job.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit import GATHERED, PENDING, SUBMITTED, TAKEN, Note

from runfox.packed import unpack, unpack_json
from runfox.records import WorkflowRecord
from runfox_aws._attributes import from_attributes
from runfox_aws._documents import apply, slots_of
from runfox_aws._history import History, Moved
from runfox_aws._items import item_of
from runfox_aws._rows import MICROSECONDS, WorkflowTaskItem
from runfox_aws._runner_payloads import Payloads
from runfox_aws._runner_tasks import row_of
from runfox_aws._state_items import WorkflowStateItem

WORKFLOWS, TASKS = "workflows", "tasks"
"""The tables."""

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """The process `serial` has written an item, or removed it."""

    serial: int
    table: str
    partition: str
    sort: str
    item: Item | None


class Reader:
    """The server's file, read on where it was left. `items` are what is in each table now."""

    def __init__(self, path: Path) -> None:
        self.items: dict[str, dict[tuple[str, str], Item]] = {WORKFLOWS: {}, TASKS: {}}
        self.writes: list[Write] = []
        path.touch()
        self._file = path.open("rb")
        self._rest = b""

    def read(self) -> None:
        """Take in what was written since."""
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        for text in whole:
            serial, table, partition, sort, image = json.loads(text)
            item = None if image is None else from_attributes(_with_bytes(image))
            self.writes.append(Write(serial, table, partition, sort, item))
            if item is None:
                self.items[table].pop((partition, sort), None)
            else:
                self.items[table][partition, sort] = item

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _with_bytes(image: Mapping[str, Any]) -> Item:
    """The attributes with bytes where JSON has base64."""
    return {name: _tagged(value) for name, value in image.items()}


def _tagged(value: Mapping[str, Any]) -> Item:
    ((kind, content),) = value.items()
    if kind == "B":
        content = base64.b64decode(content)
    elif kind == "L":
        content = [_tagged(one) for one in content]
    return {kind: content}


class Past:
    """All items that were ever written to a table, in the place of it: what is named never changes."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], Item] = {}

    def add(self, write: Write) -> None:
        """An item was written."""
        if write.item is not None:
            self._items[write.partition, write.sort] = write.item

    def get_many(self, keys: Iterable[Mapping[str, str]]) -> dict[tuple[str, str], Item]:
        """The items of these keys."""
        wanted = [(key["PK"], key["SK"]) for key in keys]
        return {key: self._items[key] for key in wanted if key in self._items}

    def query(self, _: str, values: Mapping[str, str]) -> list[Item]:
        """The items of a partition between two keys."""
        places = sorted(
            key for key in self._items if key[0] == values[":key"] and values[":first"] <= key[1] <= values[":last"]
        )
        return [self._items[key] for key in places]


@dataclass(slots=True)
class Tale:
    """What the writes tell. `unreadable` says of which commits nobody can read what they changed."""

    notes: list[Note] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    _workflows: Past = field(default_factory=Past)
    _tasks: Past = field(default_factory=Past)
    _commits: dict[str, str] = field(default_factory=dict)
    _rows: dict[tuple[str, str], WorkflowTaskItem] = field(default_factory=dict)

    def add(self, write: Write) -> None:
        """Note a write."""
        if write.table == WORKFLOWS:
            self._workflows.add(write)
            if write.sort == "HEAD" and write.item is not None:
                self.notes += self._committed(item_of(WorkflowStateItem, write.item))
        else:
            self._tasks.add(write)
            if write.sort.startswith("TASK#"):
                self.notes += self._job_changed(write)

    def _committed(self, head: WorkflowStateItem) -> Iterator[Note]:
        execution = unpack(head.execution_id)
        if self._commits.get(execution) == head.commit:
            return  # a new hint
        self._commits[execution] = head.commit
        version = head.version
        yield Note(subject="record", execution=execution, version=version, status=head.status)
        record = WorkflowRecord(workflow_id="", execution_id=execution, spec={}, created_at="")
        history = History(self._workflows, head)  # type: ignore[arg-type]
        try:
            [document] = history.entries(version - 1) if version > head.base_version else [history.base()]
            history.fetch(slots_of(document))
        except Moved:
            self.unreadable.append(f"{execution}: version {version} can't be read")
            return
        apply(document, record, history.value)
        for key, value in record.state.items():
            yield Note(subject="state", execution=execution, name=key, version=version, value=value)
        for op, step in record.steps.items():
            yield Note(
                subject="step",
                execution=execution,
                name=op,
                version=version,
                status=step.status.value,
                run_id=step.run_id,
                value=step.output,
            )

    def _job_changed(self, write: Write) -> Iterator[Note]:
        key = (write.partition, write.sort)
        before, after = self._rows.pop(key, None), row_of(write.item)
        if before is not None and (after is None or after.run_id != before.run_id):
            yield self._job(before, "forgotten job")
        if after is not None:
            self._rows[key] = after
            yield self._job(after, "job")

    def _job(self, row: WorkflowTaskItem, subject: str) -> Note:
        state, value = TAKEN if row.lease is not None else PENDING, None
        if row.result is not None:
            state = GATHERED if row.ready is None else SUBMITTED
            value = unpack_json(Payloads(self._tasks).read(row.key["PK"], row.result))  # type: ignore[arg-type]
        return Note(
            subject=subject,
            execution=unpack(row.workflow_execution_id).rpartition("#")[2],
            name=unpack(row.op),
            version=int((row.submitted or "0").partition("-")[0]),
            status=state,
            run_id=row.run_id,
            lease=row.lease,
            leased_at=(row.leased_at or 0) / MICROSECONDS,
            leased_until=(row.leased_until or 0) / MICROSECONDS,
            delivery=row.delivery,
            value=value,
        )


def named_by(head: WorkflowStateItem, items: Past) -> set[str]:
    """The sort keys of the parts of blobs, and of the items of the log, that a head names."""
    history = History(items, head)  # type: ignore[arg-type]
    blobs: dict[str, int] = dict(history.base()["blobs"])
    blobs |= {entry["commit"]: entry["parts"] for entry in history.entries(head.base_version)}
    epoch = head.epoch
    return {f"{epoch}#BLOB#{commit}#{part:06d}" for commit, parts in blobs.items() for part in range(parts)} | {
        f"{epoch}#LOG#{version:015d}" for version in range(head.log_from + 1, head.flushed + 1)
    }
