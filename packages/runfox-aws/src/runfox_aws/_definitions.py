"""Definitions: kept once for all executions, under the digest of their text."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from runfox.jsonvalue import JSONObject
from runfox.packed import pack_json
from runfox_aws._documents import document_of
from runfox_aws._history import Moved
from runfox_aws._items import item_of, key_of
from runfox_aws._locks import new_lock
from runfox_aws._parts import split
from runfox_aws._state_items import DefinitionItem
from runfox_aws._table import Table

_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Definition:
    """The JSON text of a definition."""

    digest: str
    data: bytes

    @property
    def parts(self) -> int:
        """The number of its items."""
        return len(split(self.data))


def definition_of(spec: JSONObject) -> Definition:
    """Raises `InvalidJSON`."""
    packed = pack_json(spec, "the definition")
    data = packed.encode() if isinstance(packed, str) else packed
    return Definition(hashlib.sha256(data).hexdigest(), data)


class Definitions:
    """The definitions in a table, of which the latest are remembered. Safe between threads."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._lock = new_lock(self)
        self._known: OrderedDict[str, bytes] = OrderedDict()

    def keep(self, definition: Definition) -> None:
        """Write it, if it is not there. The last part is written last: where it is, all are."""
        with self._lock:
            if definition.digest in self._known:
                return
        *others, last = [
            {**key_of(DefinitionItem, digest=definition.digest, part=number), **DefinitionItem(data=part).to_dict()}
            for number, part in enumerate(split(definition.data))
        ]
        if self._table.get({"PK": last["PK"], "SK": last["SK"]}) is None:
            self._table.put_many(others)
            self._table.put(last)
        self._remember(definition.digest, definition.data)

    def read(self, digest: str, parts: int) -> JSONObject:
        """The definition, new with each call. Raises `Moved` where it is not there, `StorageCorrupt`."""
        with self._lock:
            data = self._known.get(digest)
        if data is None:
            keys = [key_of(DefinitionItem, digest=digest, part=number) for number in range(parts)]
            found = self._table.get_many(keys)
            if len(found) < parts:
                raise Moved
            data = b"".join(item_of(DefinitionItem, found[key["PK"], key["SK"]]).data for key in keys)
            self._remember(digest, data)
        return document_of(data)

    def _remember(self, digest: str, data: bytes) -> None:
        with self._lock:
            self._known[digest] = data
            self._known.move_to_end(digest)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
