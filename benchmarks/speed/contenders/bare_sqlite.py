"""The floor: what SQLite itself takes to make each step durable, driven by nothing but `sqlite3`.

For each step one ``BEGIN IMMEDIATE``, three upserts (the execution, a key of the state, the step) of the sizes that
our store writes, and ``COMMIT``, in the same file mode. It reads nothing and keeps no queue.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from serving import Measured, serve
from workloads import SMALL_STEPS, Workload

TIME = "2026-01-31T12:00:00.000000Z"
EXECUTION = "sha256-" + "0" * 64 + "#" + "0" * 32
HOST = "a-host-of-usual-name:12345"

TABLES = (
    "CREATE TABLE execution (id TEXT PRIMARY KEY, version INTEGER, status TEXT, created_at TEXT, updated_at TEXT)",
    "CREATE TABLE state (execution INTEGER, key TEXT, version INTEGER, value TEXT, PRIMARY KEY (execution, key))",
    "CREATE TABLE step (execution INTEGER, op TEXT, version INTEGER, status TEXT, run_id INTEGER, start_time TEXT,"
    " end_time TEXT, host TEXT, output TEXT, PRIMARY KEY (execution, op))",
)


def _upsert(table: str, columns: int, key: str, *changed: str) -> str:
    marks, changes = ", ".join("?" * columns), ", ".join(f"{name} = excluded.{name}" for name in changed)
    return f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changes}"


UPSERT_EXECUTION = _upsert("execution", 5, "id", "version", "status", "updated_at")
UPSERT_STATE = _upsert("state", 4, "execution, key", "version", "value")
UPSERT_STEP = _upsert("step", 9, "execution, op", "version", "status", "run_id", "end_time", "output")


def carry(workload: Workload, place: str, folder: Path) -> Measured:
    """Commit as many times as there are steps."""
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={place.removeprefix('sqlite ')}")
    for table in TABLES:
        connection.execute(table)
    begun = time.perf_counter()
    for step in range(workload.steps):
        execution, op = divmod(step, SMALL_STEPS) if workload.shape == "small" else (0, step)
        key = f"{EXECUTION}{execution}"
        name = "again" if workload.shape == "loop" else f"step-{op:05d}"
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(UPSERT_EXECUTION, (key, step, "in_progress", TIME, TIME))
        connection.execute(UPSERT_STATE, (execution, "value", step, str(step)))
        connection.execute(UPSERT_STEP, (execution, name, step, "complete", 0, TIME, TIME, HOST, f'{{"value":{step}}}'))
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begun
    connection.close()
    return {"seconds": seconds, "executed": workload.steps, "outcome": workload.outcome}


if __name__ == "__main__":
    serve(carry)
