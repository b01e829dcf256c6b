"""What has to be true when all processes of a run have ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import ledger
from hanging import indented
from herd import Herd
from workload import End, Work, end_of, small_work, undisturbed, work

from runfox import Backend

_ALL = 1_000_000


@dataclass(slots=True)
class Verdict:
    """The problems of a run, and its figures."""

    problems: list[str] = field(default_factory=list)
    executions: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    results: int = 0
    executed: int = 0
    again: int = 0
    late: int = 0


def judge(herd: Herd) -> Verdict:
    """Hold what a run has left behind against what it should be."""
    verdict = Verdict()
    found = ledger.executions(herd.lines)
    verdict.executed = sum(len(times) for times in found.values())
    verdict.again = verdict.executed - len(found)
    findings = herd.place.findings()
    verdict.results, verdict.late = findings.results, findings.late
    verdict.problems = [
        *findings.problems,
        *ledger.overlaps(found, findings.lapses),
        *_ends(herd, verdict),
        *herd.place.problems(herd.tale.killed),
        *herd.tale.problems,
        *chain.from_iterable(_complaints(path) for path in sorted(herd.folder.glob("*.stderr"))),
    ]
    return verdict


def _ends(herd: Herd, verdict: Verdict) -> Iterator[str]:
    """Every execution that was asked for is there, and has the end of the undisturbed run."""
    make: Callable[[int, int], Work] = small_work if herd.settings.crowd else work
    with Backend(store=herd.place.store()) as backend:
        summaries = backend.store.list_executions(limit=_ALL)
        ids = {key.rpartition("#")[2]: key for key in (summary.workflow_execution_id for summary in summaries)}
        for number in range(herd.created):
            todo = make(herd.settings.seed, number)
            key = ids.get(todo.execution_id)
            if key is None:
                yield f"{todo.execution_id}: was never created"
                continue
            end = end_of(backend.load(key), todo.free)
            verdict.executions += 1
            verdict.statuses[end.status] = verdict.statuses.get(end.status, 0) + 1
            yield from _differences(todo, end)


def _differences(todo: Work, end: End) -> Iterator[str]:
    if end.status in ("pending", "in_progress"):
        yield f"{todo.execution_id} ({todo.kind}): has not ended, it is {end.status}"
        return
    expected = undisturbed(todo)
    for name in End.__slots__:
        if getattr(end, name) != getattr(expected, name):
            yield (
                f"{todo.execution_id} ({todo.kind}): {name} is {getattr(end, name)!r}, "
                f"undisturbed it is {getattr(expected, name)!r}"
            )


_STACK = re.compile(r"(Current thread|Thread) 0x|  File |$")
"""The lines of the stacks that the parent has asked for, which it has told by then."""


def _complaints(path: Path) -> Iterator[str]:
    """Nobody has anything to complain of: a process that is killed says nothing, and what it leaves is repaired."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if not _STACK.match(line)]
    if lines:
        yield indented(f"{path.stem} said on standard error:", lines[:30])
