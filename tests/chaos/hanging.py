"""Who hangs, and how: what is told when something has not come true in time."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

_MOST = 10
_STACKS = 60
_TO_WRITE = 1.0
_STATES = ("pending", "taken", "submitted", "gathered")


def executions(connection: sqlite3.Connection) -> Iterator[str]:
    """Some that have not ended, the most overdue first, with their steps."""
    rows = connection.execute(
        "SELECT id, execution_id, status, version, wake_at FROM executions WHERE wake_at IS NOT NULL "
        f"ORDER BY wake_at LIMIT {_MOST}"
    )
    for number, execution_id, status, version, wake_at in rows.fetchall():
        steps = connection.execute("SELECT op, status, run_id FROM steps WHERE execution = ?", (number,)).fetchall()
        told = ", ".join(f"{op} {status} (run {run_id})" for op, status, run_id in steps) or "no step was claimed"
        yield f"{execution_id} is {status} in version {version}, wakes at {wake_at}: {told}"


def jobs(connection: sqlite3.Connection) -> Iterator[str]:
    """Some that are left, the longest untouched first."""
    rows = connection.execute(
        "SELECT workflow_execution_id, op, run_id, state, touched_at, leased_until FROM jobs "
        f"ORDER BY touched_at LIMIT {_MOST}"
    )
    for key, op, run_id, state, touched_at, leased_until in rows.fetchall():
        run = f"{key.rpartition('#')[2]}/{op}/{run_id}"
        yield f"job {run} is {_STATES[state]}, touched at {touched_at}, leased until {leased_until}"


def stacks(processes: Iterable[tuple[str, subprocess.Popen[bytes], Path]]) -> Iterator[str]:
    """What each process is at: it writes its stacks where its standard error goes."""
    alive = [(name, process, stderr) for name, process, stderr in processes if process.poll() is None]
    for _, process, _ in alive:
        process.send_signal(signal.SIGUSR1)
    time.sleep(_TO_WRITE)  # nobody says when a stack has been written
    for name, _, stderr in alive:
        yield indented(f"{name} says", said(stderr, _STACKS))


def said(stderr: Path, most: int) -> list[str]:
    """The last lines of a process's standard error."""
    return stderr.read_text(encoding="utf-8", errors="replace").splitlines()[-most:]


def indented(what: str, lines: Iterable[str]) -> str:
    """A problem of several lines."""
    return "\n".join([what, *(f"    {line}" for text in lines for line in text.splitlines())])
