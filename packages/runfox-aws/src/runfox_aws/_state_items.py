"""The items of the workflows table.

Of each execution there is one head, the only item that ever changes: it has the version, and names everything else. Log
and blobs are written before the head that names them, and never changed. An epoch begins with each write of the whole
record, and what belongs to it has its id in the key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from dynawrap import DBItem

from runfox.packed import Packed, unpack
from runfox_aws._items import Key, key_of, key_part
from runfox_aws._schema import SHARDS

_LONGEST_TIME = 100


@dataclass(frozen=True, kw_only=True)
class WorkflowStateItem(DBItem):
    """The head of an execution.

    `base` is the document of the record at `base_version`, `tail` has the entries of the latest versions, up to
    `version`; those between are in the log, which goes back to `log_from` at least, and takes `log_size` bytes.
    `commit` is the id of the write that made this version. `definition` is the digest of the definition's text, which
    has `definition_parts` items. `shard`, `listed` and `wake_hint` are keys of the global indexes; `wake_hint` is never
    later than `wake_at`, and is there only with it.
    """

    pk_pattern: ClassVar[str] = "EXECUTION#{key}"
    sk_pattern: ClassVar[str] = "HEAD"

    workflow_id: Packed
    execution_id: Packed
    name: Packed
    status: str
    created_at: Packed
    updated_at: Packed
    wake_at: Packed | None = None
    version: int
    commit: str
    epoch: str
    definition: str
    definition_parts: int
    base: Packed
    base_version: int
    base_size: int
    tail: list[Packed]
    log_from: int
    log_size: int
    shard: str
    listed: str
    wake_hint: str | None = None

    @property
    def workflow_execution_id(self) -> str:
        """``workflow_id#execution_id``."""
        return f"{unpack(self.workflow_id)}#{unpack(self.execution_id)}"

    @property
    def flushed(self) -> int:
        """The latest version that is in the log, or in the base."""
        return self.version - len(self.tail)


@dataclass(frozen=True, kw_only=True)
class LogItem(DBItem):
    """Entries that were moved out of the head; `version` is the last one's."""

    pk_pattern: ClassVar[str] = WorkflowStateItem.pk_pattern
    sk_pattern: ClassVar[str] = "{epoch}#LOG#{version:015d}"

    entries: list[Packed]


@dataclass(frozen=True, kw_only=True)
class BlobItem(DBItem):
    """One part of the bytes that a commit keeps beside the head."""

    pk_pattern: ClassVar[str] = WorkflowStateItem.pk_pattern
    sk_pattern: ClassVar[str] = "{epoch}#BLOB#{commit}#{part:06d}"

    data: bytes


@dataclass(frozen=True, kw_only=True)
class DefinitionItem(DBItem):
    """One part of the JSON text of a definition, which all executions of it share."""

    pk_pattern: ClassVar[str] = "DEFINITION#{digest}"
    sk_pattern: ClassVar[str] = "PART#{part:06d}"

    data: bytes


def head_key(workflow_execution_id: str) -> Key:
    """The key of an execution's head."""
    return key_of(WorkflowStateItem, key=key_part(workflow_execution_id))


def shards() -> list[str]:
    """The partitions of the global indexes."""
    return [f"executions#{number}" for number in range(SHARDS)]


def shard_of(workflow_execution_id: str) -> str:
    """The partition in which an execution is listed."""
    digest = hashlib.sha256(workflow_execution_id.encode("utf-8", "surrogatepass")).digest()
    return shards()[digest[0] % SHARDS]


def place_in_index(time: str, workflow_execution_id: str) -> str:
    """The sort key of a global index: time and id, so that no two executions have the same."""
    return f"{sortable(time)} {key_part(workflow_execution_id)}"


def end_of(time: str) -> str:
    """What is after all places of a time, and before all of later ones."""
    return f"{sortable(time)}!"


def sortable(time: str) -> str:
    """A time in a sort key, which takes UTF-8 of limited length: UTC text as it is; of other texts the order is lost,
    or the end.
    """
    return quote(time.encode("utf-8", "surrogatepass"), safe=":+")[:_LONGEST_TIME]
