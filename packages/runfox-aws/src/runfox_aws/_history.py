"""What a head names, read from the table: base, log and blobs.

Everything named was written before the head and never changes, so what is read is one version, whole, whatever others
commit meanwhile. A part that is missing was named by an older head and is superseded: `Moved` says to begin anew.
"""

from __future__ import annotations

from collections.abc import Iterable

from runfox.jsonvalue import JSONValue
from runfox.packed import unpack_json
from runfox_aws._documents import Document, Slot, document_of
from runfox_aws._items import item_of, key_of, key_part
from runfox_aws._parts import PART, numbers
from runfox_aws._state_items import BlobItem, LogItem, WorkflowStateItem
from runfox_aws._table import Table


class Moved(Exception):
    """Something that a head names is not there."""


class History:
    """What one head names. Bytes that were read are kept for as long as this object lives."""

    def __init__(self, table: Table, head: WorkflowStateItem) -> None:
        self._table = table
        self._head = head
        self._key = key_part(head.workflow_execution_id)
        self._parts: dict[tuple[str, int], bytes] = {}

    def base(self) -> Document:
        """The document of the record at the head's `base_version`."""
        (base,) = self._whole([document_of(self._head.base)])
        return base

    def entries(self, since: int) -> list[Document]:
        """The entries of all versions after `since`, which is `log_from` or later. Raises `Moved`."""
        head = self._head
        packed = list(head.tail)
        if since < head.flushed:
            packed += self._log(since)
        found = {entry["version"]: entry for entry in map(document_of, packed)}
        wanted = range(since + 1, head.version + 1)
        if any(version not in found for version in wanted):
            raise Moved
        return self._whole([found[version] for version in wanted])

    def _log(self, since: int) -> list[str | bytes]:
        first, last = (
            key_of(LogItem, key=self._key, epoch=self._head.epoch, version=version)
            for version in (since + 1, self._head.flushed)
        )
        items = self._table.query(
            "PK = :key AND SK BETWEEN :first AND :last",
            {":key": first["PK"], ":first": first["SK"], ":last": last["SK"]},
        )
        return [packed for item in items for packed in item_of(LogItem, item).entries]

    def _whole(self, documents: list[Document]) -> list[Document]:
        """The documents, each with what was put elsewhere."""
        self.fetch(document["at"] for document in documents if "at" in document)
        return [self._with_rest(document) if "at" in document else document for document in documents]

    def _with_rest(self, document: Document) -> Document:
        slot = document.pop("at")  # where this one is placed says nothing of what it is merged into
        return {**document_of(self._bytes(slot)), **document}

    def fetch(self, slots: Iterable[Slot]) -> None:
        """Read what `value` needs for these slots. Raises `Moved`."""
        wanted = {
            (slot[0], number) for slot in slots if len(slot) > 1 for number in numbers(slot[1], slot[2])
        } - self._parts.keys()
        keys = {part: self._key_of(*part) for part in sorted(wanted)}
        found = self._table.get_many(keys.values())
        for part, key in keys.items():
            item = found.get((key["PK"], key["SK"]))
            if item is None:
                raise Moved
            self._parts[part] = item_of(BlobItem, item).data

    def value(self, slot: Slot) -> JSONValue:
        """The value of a slot that was fetched."""
        return slot[0] if len(slot) == 1 else unpack_json(self._bytes(slot))

    def _bytes(self, slot: Slot) -> bytes:
        commit, offset, length = slot
        parts = list(numbers(offset, length))
        data = b"".join(self._parts[commit, number] for number in parts)
        first = offset - parts[0] * PART
        return data[first : first + length]

    def _key_of(self, commit: str, part: int) -> dict[str, str]:
        return key_of(BlobItem, key=self._key, epoch=self._head.epoch, commit=commit, part=part)
