"""`DynamoDBStore`: records of executions in one DynamoDB table.

Whatever a commit holds, it is one conditional write of one small item, the head; what does not fit there is written
before it, under keys that nobody else writes, and read only by way of the head. So commits are atomic at any size, and
a load can't be torn. ADR 9 has the reasons and the arithmetic.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from runfox.errors import RecordTooLarge, StorageCorrupt, StorageError, WorkflowNotFound, WriteConflict
from runfox.packed import unpack, unpack_optional
from runfox.records import ExecutionSummary, RecordPatch, WorkflowRecord
from runfox.status import WorkflowStatus
from runfox_aws._attributes import size_of, to_attributes
from runfox_aws._clients import Client
from runfox_aws._commit import Commit, commit_of_patch, commit_of_record
from runfox_aws._definitions import Definitions, definition_of
from runfox_aws._documents import Blob, Document, apply, base_of, changes_of, merge, slots_of, with_untouched_steps
from runfox_aws._heads import Heads
from runfox_aws._history import History, Moved
from runfox_aws._items import Key, key_of, key_part
from runfox_aws._listing import Listing
from runfox_aws._state_items import LogItem, WorkflowStateItem, head_key
from runfox_aws._table import MAX_ITEM, Table

logger = logging.getLogger("runfox")

T = TypeVar("T")

_READS = 8
"""How often a record is read anew while others replace what it is made of."""

_PAUSE = 0.02

_SECONDS = 8
"""Digits of an id that are its time."""

_ABANDONED = 86_400
"""Seconds after which nobody is about to put a head over what he has written: no clock is that wrong."""


class DynamoDBStore:
    """A store in the DynamoDB table `table`, which `create_tables` makes. Safe between threads, processes and machines.

    `client` is a client of boto3, with its own settings; else one is made when it is first needed, from the
    environment, `region` and `endpoint_url`, with retries in botocore's standard mode.
    """

    durable = True
    shared = True

    def __init__(
        self, table: str, client: Any = None, *, region: str | None = None, endpoint_url: str | None = None
    ) -> None:
        self._client = Client("dynamodb", client, region=region, endpoint_url=endpoint_url)
        self._table = Table(self._client, table)
        self._heads = Heads(self._table)
        self._definitions = Definitions(self._table)
        self._listing = Listing(self._table)

    def close(self) -> None:
        """Close the connections, if they are this store's own. A later call opens them again."""
        self._client.close()

    # Store

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        """The record as last written. Raises `WorkflowNotFound`."""
        return self._whole(workflow_execution_id, self._read_all)

    def write(self, record: WorkflowRecord) -> None:
        """Persist the whole record. Raises `WriteConflict`, `InvalidJSON`, `RecordTooLarge`."""
        blob = Blob(_new_id())
        definition = definition_of(record.spec)
        commit = commit_of_record(record, base_of(record, blob), blob, definition)
        _check_size(commit)
        workflow_execution_id = record.workflow_execution_id
        old = None
        if record.version:
            # Not from memory: another execution may have been made in its place, and be at the same version.
            self._heads.forget(workflow_execution_id)
            old = self._heads.at(workflow_execution_id, record.version)
        self._definitions.keep(definition)
        self._commit(commit, old)
        if old is not None:
            self._clear_epoch(workflow_execution_id, old.epoch)

    # SupportsPatch

    def patch(self, patch: RecordPatch) -> None:
        """Write what the patch holds. Raises `WriteConflict` and `InvalidJSON`."""
        blob = Blob(_new_id())
        changes = changes_of(patch, blob)  # what can't be kept is refused before any call
        head = self._heads.at(patch.workflow_execution_id, patch.version)
        try:
            self._patch(head, patch, changes, blob)
        except WriteConflict:
            # The head was one from memory, perhaps of an execution that was deleted since.
            fresh = self._heads.at(patch.workflow_execution_id, patch.version)
            if fresh.epoch == head.epoch:
                raise
            blob = Blob(_new_id())
            self._patch(fresh, patch, changes_of(patch, blob), blob)

    def _patch(self, head: WorkflowStateItem, patch: RecordPatch, changes: Document, blob: Blob) -> None:
        try:
            commit = commit_of_patch(head, patch, changes, blob, History(self._table, head))
        except Moved:
            self._heads.forget(patch.workflow_execution_id)
            if self._heads.at(patch.workflow_execution_id, patch.version).epoch != head.epoch:
                raise WriteConflict(patch.workflow_execution_id, patch.version) from None
            raise self._missing(head) from None
        self._commit(commit, head)

    # SupportsRefresh

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        """The record as `load` gives it, `record` itself where nothing changed. Raises `WorkflowNotFound`."""
        return self._whole(record.workflow_execution_id, lambda head: self._read_changes(head, record))

    # SupportsListing and SupportsWake

    def list_executions(
        self,
        *,
        status: WorkflowStatus | None = None,
        name: str | None = None,
        since: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        """Summaries, newest first. What was written a moment ago may be missing: the index follows the table."""
        if after is not None and " " not in after:
            head = self._heads.read(after)
            after = f"{unpack(head.created_at)} {after}"
        wanted = None if status is None else WorkflowStatus(status).value
        return self._listing.newest(status=wanted, name=name, since=since, limit=limit, after=after)

    def due(self, now: str, limit: int = 100) -> list[str]:
        """The ids of records whose `wake_at` is `now` or earlier, earliest first. The index follows the table."""
        return self._listing.due(now, limit)

    # SupportsDelete

    def delete(self, workflow_execution_id: str) -> None:
        """Remove the execution. Its definition, which others may have, stays. Raises `WorkflowNotFound`."""
        try:
            removed = self._heads.remove(workflow_execution_id).epoch
        except WorkflowNotFound:
            self._clear(workflow_execution_id, None)
            raise
        self._clear(workflow_execution_id, removed)

    # Reading

    def _whole(self, workflow_execution_id: str, read: Callable[[WorkflowStateItem], T]) -> T:
        """What `read` makes of a head and of all that it names."""
        for attempt in range(_READS):
            head = self._heads.read(workflow_execution_id)
            try:
                return read(head)
            except Moved:
                time.sleep(_PAUSE * attempt * random.random())
        raise self._missing(head)

    def _read_all(self, head: WorkflowStateItem) -> WorkflowRecord:
        history = History(self._table, head)
        document = history.base()
        for entry in history.entries(head.base_version):
            merge(document, entry)
        record = WorkflowRecord(
            workflow_id=unpack(head.workflow_id),
            execution_id=unpack(head.execution_id),
            spec=self._definitions.read(head.definition, head.definition_parts),
            created_at=unpack(head.created_at),
        )
        record = _applied(head, document, history, record)
        return record if document["explicit"] else with_untouched_steps(record)

    def _read_changes(self, head: WorkflowStateItem, record: WorkflowRecord) -> WorkflowRecord:
        same = unpack(head.created_at) == record.created_at
        if same and (head.version, unpack(head.updated_at), head.status) == (
            record.version,
            record.updated_at,
            record.status,
        ):
            return record
        if not same or not head.log_from <= record.version < head.version:
            return self._read_all(head)
        history = History(self._table, head)
        document: Document = {}
        for entry in history.entries(record.version):
            merge(document, entry)
        if not document.get("steps", {}).keys() <= record.steps.keys():
            return self._read_all(head)  # where a new step stands is in the base
        return _applied(head, document, history, replace(record, state=dict(record.state), steps=dict(record.steps)))

    def _missing(self, head: WorkflowStateItem) -> StorageCorrupt:
        return StorageCorrupt(
            f"parts of the record of {head.workflow_execution_id!r} are missing in the table {self._table.name!r}: "
            "restore the table to a point in time, or delete() the execution"
        )

    # Writing

    def _commit(self, commit: Commit, old: WorkflowStateItem | None) -> None:
        self._table.put_many(commit.before)
        try:
            if old is None:
                self._heads.create(commit.head)
            else:
                self._heads.replace(old, commit.head)
        except WriteConflict:
            self._remove(self._left_by(commit))
            raise
        self._remove(commit.dead)
        if commit.shortens_log:
            self._shorten_log(commit.head)

    def _left_by(self, commit: Commit) -> Iterable[Key]:
        """What a commit that was refused has left: what is its own, and the log of an epoch that is over."""
        yield from commit.own
        logs = [key for key in map(_key_in, commit.before) if key not in commit.own]
        if logs and self._heads.epoch_of(commit.head.workflow_execution_id) != commit.head.epoch:
            yield from logs

    def _shorten_log(self, head: WorkflowStateItem) -> None:
        first, last = (
            key_of(LogItem, key=key_part(head.workflow_execution_id), epoch=head.epoch, version=version)
            for version in (0, head.log_from)
        )
        condition = "PK = :key AND SK BETWEEN :first AND :last"
        values = {":key": first["PK"], ":first": first["SK"], ":last": last["SK"]}
        self._remove(self._keys(condition, values))

    def _clear_epoch(self, workflow_execution_id: str, epoch: str) -> None:
        values = {":key": head_key(workflow_execution_id)["PK"], ":epoch": f"{epoch}#"}
        self._remove(self._keys("PK = :key AND begins_with(SK, :epoch)", values))

    def _clear(self, workflow_execution_id: str, removed: str | None) -> None:
        """Remove what is left of the epoch of a head that was `removed`, and of those in which a process died long ago
        between two requests. A recent one may be somebody's who is about to begin it.
        """
        keys = list(self._keys("PK = :key", {":key": head_key(workflow_execution_id)["PK"]}))
        epochs = {key["SK"].partition("#")[0] for key in keys if "#" in key["SK"]}
        over = {epoch for epoch in epochs if epoch == removed or _begun(epoch) < time.time() - _ABANDONED}
        if over - {removed}:
            over.discard(self._heads.epoch_of(workflow_execution_id) or "")
        self._remove(key for key in keys if key["SK"].partition("#")[0] in over)

    def _keys(self, condition: str, values: Mapping[str, object]) -> Iterable[Key]:
        return map(_key_in, self._table.query(condition, values, ProjectionExpression="PK, SK"))

    def _remove(self, keys: Iterable[Key]) -> None:
        """Remove what nobody needs any more. What stays, stays until the execution is deleted, at the latest."""
        try:
            self._table.delete_many(keys)
        except StorageError:
            logger.warning("what a commit left over could not be removed", exc_info=True)


def _key_in(item: Mapping[str, Any]) -> Key:
    return {"PK": item["PK"], "SK": item["SK"]}


def _new_id() -> str:
    """An id for a commit: seconds since the epoch, then a random part."""
    return f"{int(time.time()):0{_SECONDS}x}{secrets.token_hex(5)}"


def _begun(commit: str) -> int:
    """When a commit was made, in seconds since the epoch."""
    return int(commit[:_SECONDS], 16)


def _check_size(commit: Commit) -> None:
    size = size_of(to_attributes(commit.head.to_dict()))
    if size > MAX_ITEM:
        head = commit.head
        raise RecordTooLarge(head.workflow_execution_id, f"ids, name and times take {size:,} of {MAX_ITEM:,} bytes")


def _applied(head: WorkflowStateItem, document: Document, history: History, record: WorkflowRecord) -> WorkflowRecord:
    """The record with what a document has, at the version of `head`."""
    history.fetch(slots_of(document))
    try:
        apply(document, record, history.value)
    except (LookupError, TypeError, ValueError) as error:
        raise StorageCorrupt(
            f"the record of {head.workflow_execution_id!r} can't be read ({type(error).__name__})"
        ) from error
    record.status = WorkflowStatus(head.status)
    record.version = head.version
    record.updated_at = unpack(head.updated_at)
    record.wake_at = unpack_optional(head.wake_at)
    return record
