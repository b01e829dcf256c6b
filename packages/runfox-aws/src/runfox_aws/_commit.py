"""The next head of an execution, and what has to be written before it: all that a commit is, before it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from runfox.packed import Packed, pack, pack_optional, pack_plain
from runfox.records import UNSET, RecordPatch, WorkflowRecord
from runfox_aws._definitions import Definition
from runfox_aws._documents import Blob, Document, commit_of, document_of, entry_of, merge, slots_of
from runfox_aws._history import History
from runfox_aws._items import Key, key_of, key_part
from runfox_aws._state_items import BlobItem, LogItem, WorkflowStateItem, place_in_index, shard_of
from runfox_aws._table import Item

TAIL_SIZE = 1_000
"""Bytes of entries in the head, which is billed whole with each commit; then they move to the log. See ADR 9."""

_SMALLEST_LOG = 32_000
"""Bytes that a log has before it is merged into a new base, however small the base is."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """`before` are the items to be written first, `own` the keys of those that are of no use without `head`. Once that
    is there nobody needs what has the keys `dead`, nor the log up to `log_from`, if it says so.
    """

    head: WorkflowStateItem
    before: list[Item]
    own: list[Key]
    dead: list[Key] = field(default_factory=list)
    shortens_log: bool = False


def commit_of_record(record: WorkflowRecord, base: Document, blob: Blob, definition: Definition) -> Commit:
    """What a write of the whole record is: a new epoch."""
    workflow_execution_id = record.workflow_execution_id
    size = len(pack_plain(base))
    placed = document_of(blob.place(base))
    parts = len(blob.parts())
    if parts:
        placed["blobs"] = {blob.commit: parts}
    head = WorkflowStateItem(
        workflow_id=pack(record.workflow_id),
        execution_id=pack(record.execution_id),
        name=pack(record.name),
        status=record.status.value,
        created_at=pack(record.created_at),
        updated_at=pack(record.updated_at),
        version=record.version + 1,
        commit=blob.commit,
        epoch=blob.commit,
        definition=definition.digest,
        definition_parts=definition.parts,
        base=pack_plain(placed),
        base_version=record.version + 1,
        base_size=size,
        tail=[],
        log_from=record.version + 1,
        log_size=0,
        shard=shard_of(workflow_execution_id),
        listed=place_in_index(record.created_at, workflow_execution_id),
    )
    return _with_blob(with_wake_at(head, record.wake_at), blob, [])


def commit_of_patch(
    head: WorkflowStateItem, patch: RecordPatch, changes: Document, blob: Blob, history: History
) -> Commit:
    """What a patch of the version of `head` is. May read what `history` has, and raise `Moved`."""
    merged = _merged(blob, history, head) if head.log_size > max(_SMALLEST_LOG, head.base_size) else None
    entry = entry_of(changes, head.version + 1, blob)
    tail = [*head.tail, entry]
    log: list[Item] = []
    log_size = head.log_size
    if head.tail and (merged is not None or _size(tail) > TAIL_SIZE):
        log.append(log_item(head))
        log_size += _size(head.tail) + sum(map(_size_elsewhere, head.tail))
        tail = [entry]
    following = replace(
        head,
        version=head.version + 1,
        commit=blob.commit,
        updated_at=pack(patch.updated_at),
        tail=tail,
        log_size=log_size,
    )
    if patch.status is not UNSET:
        following = replace(following, status=patch.status.value)
    if patch.wake_at is not UNSET:
        following = with_wake_at(following, patch.wake_at)
    if merged is None:
        return _with_blob(following, blob, log)
    following = replace(
        following,
        base=merged.base,
        base_version=head.version,
        base_size=merged.size,
        log_from=head.base_version,
        log_size=0,
    )
    return replace(_with_blob(following, blob, log), dead=merged.dead, shortens_log=True)


def with_wake_at(head: WorkflowStateItem, wake_at: str | None) -> WorkflowStateItem:
    """The head with another `wake_at`. The hint stays while it is no later: an index that is written costs as much as
    the head itself, and `due` reads the head anyway.
    """
    hint = None if wake_at is None else place_in_index(wake_at, head.workflow_execution_id)
    if hint is not None and head.wake_hint is not None:
        hint = min(hint, head.wake_hint)
    return replace(head, wake_at=pack_optional(wake_at), wake_hint=hint)


def log_item(head: WorkflowStateItem) -> Item:
    """The entries in the head as an item of the log. It is the same whoever writes it: a version has one head."""
    key = key_of(LogItem, key=key_part(head.workflow_execution_id), epoch=head.epoch, version=head.version)
    return {**key, **LogItem(entries=head.tail).to_dict()}


def _with_blob(head: WorkflowStateItem, blob: Blob, before: list[Item]) -> Commit:
    keys = _blob_keys(head, blob.commit, len(blob.parts()))
    blobs = [{**key, **BlobItem(data=part).to_dict()} for key, part in zip(keys, blob.parts(), strict=True)]
    return Commit(head=head, before=[*before, *blobs], own=keys)


def _blob_keys(head: WorkflowStateItem, commit: str, parts: int) -> list[Key]:
    key = key_part(head.workflow_execution_id)
    return [key_of(BlobItem, key=key, epoch=head.epoch, commit=commit, part=part) for part in range(parts)]


def _size(entries: list[Packed]) -> int:
    return sum(map(len, entries))


def _size_elsewhere(entry: Packed) -> int:
    """Bytes of the document for which an entry stands."""
    _, _, length = document_of(entry).get("at", ("", 0, 0))
    return int(length)


# Merging the log into a new base


@dataclass(frozen=True, kw_only=True)
class _Merged:
    """A base of the version of a head. `dead` are the keys of blobs that it does without."""

    base: Packed
    size: int
    dead: list[Key]


def _merged(blob: Blob, history: History, head: WorkflowStateItem) -> _Merged:
    """All that `head` stands for as a new base, put into `blob` if it is large.

    The blobs of the entries that are merged stay for this time: whoever refreshes an older record reads these entries.
    """
    base = history.base()
    known: dict[str, int] = base["blobs"]
    fresh: dict[str, int] = {}
    for entry in history.entries(head.base_version):
        merge(base, entry)
        if entry["parts"]:
            fresh[entry["commit"]] = entry["parts"]
    needed = {commit_of(slot) for slot in slots_of(base)}
    base["blobs"] = {commit: parts for commit, parts in known.items() if commit in needed} | fresh
    dead = [key for commit, parts in known.items() if commit not in needed for key in _blob_keys(head, commit, parts)]
    return _Merged(base=blob.place(base), size=len(pack_plain(base)), dead=dead)
