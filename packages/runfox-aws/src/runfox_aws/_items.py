"""The items of both tables by class, and their keys.

Item classes and key patterns are dynawrap's. Its own reading and writing is not used: it has no conditions, and takes a
missing part of a key for a prefix. `key_of` and `item_of` are strict.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from dynawrap import DBItem

from runfox.errors import StorageCorrupt

_LONGEST_PART = 400
"""Characters. A sort key has 1,024 bytes at most, a partition key 2,048."""

Key: TypeAlias = "dict[str, str]"
"""``{"PK": …, "SK": …}``"""

ItemT = TypeVar("ItemT", bound=DBItem)


def key_part(text: str) -> str:
    """A text as part of a key: ASCII without ``#``, another one for each text.

    Long texts go by their SHA-256, after a ``*``, which no other part has.
    """
    quoted = quote(text.encode("utf-8", "surrogatepass"), safe="")
    if len(quoted) <= _LONGEST_PART:
        return quoted
    return "*" + hashlib.sha256(quoted.encode("ascii")).hexdigest()


def key_of(item: type[DBItem], **parts: str | int) -> Key:
    """The key of an item. Raises `KeyError` where a part of it is missing."""
    return {"PK": _filled(item.pk_pattern, parts), "SK": _filled(item.sk_pattern, parts)}


def _filled(pattern: str, parts: Mapping[str, str | int]) -> str:
    return string.Formatter().vformat(pattern, (), parts)


def item_of(item: type[ItemT], values: Mapping[str, Any]) -> ItemT:
    """An item as it was read. Raises `StorageCorrupt` where it is none of this class."""
    names = {known.name for known in fields(item)}
    try:
        made: ItemT = item.from_dict({name: value for name, value in values.items() if name in names})
    except TypeError as error:
        raise StorageCorrupt(f"an item of the table is no {item.__name__}: {error}") from error
    return made
