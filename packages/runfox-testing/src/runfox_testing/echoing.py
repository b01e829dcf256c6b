"""What a runner that executes jobs inside `dispatch` is opened with, so that the kit knows what has to come out."""

from __future__ import annotations

from runfox.jsonvalue import JSONObject


def echo(op: str, inputs: JSONObject) -> JSONObject:
    """An executor that tells what it was called with."""
    return {"op": op, "inputs": inputs}
