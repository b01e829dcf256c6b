"""The external worker of the document's "Async local": polls, takes, executes, submits; in a process of its own.

It uses nothing but `pending_tasks`, `take_tasks` and `submit_result`, and goes on until it is ended.
"""

import sys
import time
from typing import Any

import runfox as rfx
from runfox_sqlite import SqliteRunner, SqliteStore


def execute(op: str, inputs: dict[str, Any]) -> dict[str, Any]:
    if op == "make_greeting":
        return {"text": f"hello, {inputs['name']}"}
    return {"text": inputs["text"].upper()}


path = sys.argv[1]
backend = rfx.Backend(store=SqliteStore(path), runner=SqliteRunner(path))
print("ready", flush=True)
while True:
    if backend.pending_tasks():
        for job in backend.take_tasks():
            backend.submit_result(job.workflow_execution_id, job.op, execute(job.op, job.inputs))
    time.sleep(0.002)
