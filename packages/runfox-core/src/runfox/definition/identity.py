"""The id of a definition: the digest of all of it that is ever read."""

from __future__ import annotations

import hashlib

from runfox.jsonvalue import JSONObject, JSONValue, canonical_text

ID_DIGITS = 32


def workflow_id(spec: JSONObject) -> str:
    """32 hexadecimal digits of the SHA-256 of a valid spec's canonical text, without what is for people only.

    That is: without ``description``, the steps' ``label``, and the ``x-…`` keys of the definition and its steps.
    """
    read = _without(spec, "description")
    steps = spec["steps"]
    assert isinstance(steps, list)
    read["steps"] = [_without(step, "label") for step in steps]
    return hashlib.sha256(canonical_text(read).encode("ascii")).hexdigest()[:ID_DIGITS]


def _without(value: JSONValue, unread: str) -> JSONObject:
    assert isinstance(value, dict)
    return {key: item for key, item in value.items() if key != unread and not key.startswith("x-")}
