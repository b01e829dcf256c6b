"""moto's DynamoDB and SQS for one run: the harness's server, which notes every write. ``aws_server.py FILE``

The notes are what a stream of DynamoDB has, in the order of the writes to all tables; with each comes the number of the
process that wrote, which its client tells in the user agent.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

from moto.dynamodb.models import table as tables

from runfox_aws import _moto

_FILE = Path(sys.argv[1]).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115  # for as long as this runs
_SERIAL = re.compile(r"chaos/(\d+)")


class _Server(_moto.Exact):
    """Remembers whose request is answered, one at a time."""

    serial = 0

    def _answer(self, call: _moto.Call, body: bytes | None = None) -> _moto.Reply:
        found = _SERIAL.search(call.environ.get("HTTP_USER_AGENT", ""))
        _Server.serial = int(found[1]) if found else 0
        return super()._answer(call, body)


class _Notes:
    """In the place of a table's stream: gets what was there and what is there now, of each item that is changed."""

    def __init__(self, _: str, table: Any) -> None:
        self.table = table

    def add(self, old: Any, new: Any) -> None:
        keys = (self.table.hash_key_attr, self.table.range_key_attr)
        item = (old or new).to_json()["Attributes"]
        key = [item[name]["S"] for name in keys]
        image = None if new is None else new.to_json()["Attributes"]
        _FILE.write(json.dumps([_Server.serial, self.table.name, *key, image], default=_text) + "\n")


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


if __name__ == "__main__":
    _moto.Exact = _Server  # type: ignore[misc]
    tables.StreamShard = _Notes  # type: ignore[misc]
    _moto.main()
