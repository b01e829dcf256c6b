"""Nothing is lost, whoever dies: the short run of `tests/chaos`, and what its audit finds. ``nox -s chaos`` is long."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CHAOS = Path(__file__).parent / "chaos"

each_system_with_signals = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")


def run(*arguments: str) -> str:
    """What the suite prints; it has to be content."""
    command = [sys.executable, "-W", "error", str(CHAOS / "chaos.py"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout + result.stderr
    return result.stdout


@each_system_with_signals
def test_deaths_at_random_and_at_every_named_point_lose_nothing() -> None:
    report = run("--executions", "200", "--rounds", "1", "--deaths", "15", "--crowd", "0")
    assert "nothing is wrong" in report


@each_system_with_signals
def test_hundreds_of_executions_live_at_once_on_ten_workers() -> None:
    report = run("--executions", "0", "--crowd", "400")
    assert "nothing is wrong" in report


# The audit, on forged notes


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(CHAOS)
    return importlib.import_module("audit")


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(CHAOS)
    return importlib.import_module("ledger")


Row = dict[str, Any]

PENDING, TAKEN, SUBMITTED, GATHERED = range(4)


def record(version: int, status: str = "in_progress") -> Row:
    return {"subject": "record", "version": version, "status": status}


def step(version: int, status: str, run_id: int = 0) -> Row:
    return {"subject": "step", "name": "s", "version": version, "status": status, "run_id": run_id}


def merge(version: int, number: int, value: int = 5) -> list[Row]:
    return [
        {"subject": "state", "name": "n_s", "version": version, "value": number},
        {"subject": "state", "name": "s", "version": version, "value": value},
    ]


def job(status: int, run_id: int = 0, **more: Any) -> Row:
    return {"subject": "job", "name": "s", "status": status, "run_id": run_id} | more


def leased(lease: str, at: float, delivery: int = 1, run_id: int = 0) -> Row:
    return job(TAKEN, run_id, lease=lease, leased_at=at, leased_until=at + 10, delivery=delivery)


def submitted(number: int, run_id: int = 0, value: int = 5) -> Row:
    return job(SUBMITTED, run_id, delivery=1, value={"n_s": number, "s": value})


FORGOTTEN = {"subject": "forgotten job", "name": "s", "status": GATHERED}

CREATED = [record(1, "pending")]
CLAIMED = [*CREATED, record(2), step(2, "in_progress"), job(PENDING)]
DONE = [*CLAIMED, leased("a", 100), submitted(1)]
SETTLED = [*DONE, record(3), *merge(3, 1), step(3, "retry", 1)]
AGAIN = [*SETTLED, record(4), step(4, "in_progress", 1), FORGOTTEN, job(PENDING, 1), leased("b", 200, run_id=1)]


def problems(audit: ModuleType, *rows: Row) -> list[str]:
    return audit.check([audit.Note(execution="x", **row) for row in rows]).problems


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(
            [*AGAIN, submitted(2, 1), record(5, "complete"), *merge(5, 2), step(5, "complete", 1)], id="retry"
        ),
        pytest.param([*CLAIMED, leased("a", 100), leased("b", 110, 2)], id="taken again when the lease has lapsed"),
        pytest.param([*CLAIMED, leased("a", 100), leased("a", 105)], id="renewed"),
        pytest.param([*CLAIMED, leased("a", 100), job(PENDING, delivery=1), leased("b", 101, 2)], id="given back"),
        pytest.param([*DONE, record(3), *merge(3, 1), step(3, "in_progress", 1)], id="retried and claimed at once"),
    ],
)
def test_the_audit_finds_nothing_in_what_is_right(audit: ModuleType, rows: list[Row]) -> None:
    assert problems(audit, *rows) == []


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        pytest.param(
            [*CLAIMED, leased("a", 100), leased("b", 109, 2)],
            "run 0 of step s was leased again at 109.000, while a lease until 110.000 was alive",
            id="leased beside a living lease",
        ),
        pytest.param(
            [*CLAIMED, leased("a", 100), leased("a", 111)],
            "a lease of run 0 of step s that was over at 110.000 was renewed at 111.000",
            id="renewed when it was over",
        ),
        pytest.param(
            [*CLAIMED, leased("a", 100), leased("b", 110, 1)],
            "run 0 of step s was delivery 1, and became 1",
            id="not counted",
        ),
        pytest.param(
            [*DONE, job(PENDING, delivery=1)],
            "run 0 of step s was handed out again after its result had been submitted",
            id="handed out when it was done",
        ),
        pytest.param(
            [*DONE, submitted(1) | {"version": 2}],
            "a second result of run 0 of step s was kept",
            id="two results",
        ),
        pytest.param(
            [*DONE, submitted(2)],
            "the result of run 0 of step s was replaced by another one",
            id="another result",
        ),
        pytest.param(
            [*CREATED, job(PENDING)],
            "run 0 of step s was dispatched before it was claimed",
            id="dispatched before its claim",
        ),
        pytest.param(
            [*CLAIMED, record(3), *merge(3, 1), step(3, "complete")],
            "a result was applied to run 0 of step s, for which nobody had submitted one",
            id="a result of another run",
        ),
        pytest.param(
            [*SETTLED, record(4), *merge(4, 2), step(4, "retry", 1)],
            "a result of step s was applied while it was retry (run 1)",
            id="a result too late",
        ),
        pytest.param(
            [*AGAIN, submitted(1, 1), record(5), *merge(5, 1), step(5, "complete", 1)],
            "the result of run 1 of step s is that of application 1, and was applied as number 2",
            id="one result applied twice",
        ),
        pytest.param(
            [*DONE, record(3), step(3, "complete")],
            "run 0 of step s was settled without its merge in version 3",
            id="not merged",
        ),
        pytest.param(
            [*DONE, record(3), *merge(3, 1, 6), step(3, "complete")],
            "run 0 of step s was submitted as {'s': 5, 'n_s': 1}, and merged as {'s': 6, 'n_s': 1}",
            id="merged as something else",
        ),
        pytest.param(
            [*DONE, record(3), *merge(3, 1)],
            "version 3 merged n_s, of a step that it did not settle",
            id="merged and not settled",
        ),
        pytest.param(
            [*CLAIMED, record(3), step(3, "in_progress")],
            "step s went from in_progress (run 0) to in_progress (run 0) in version 3",
            id="claimed twice",
        ),
        pytest.param(
            [*CREATED, record(3)],
            "version 3 was committed 1 times, after version 1",
            id="a version left out",
        ),
        pytest.param(
            [*CREATED, record(2, "halted"), record(3)],
            "version 3 was committed after the execution had ended (halted)",
            id="changed when it had ended",
        ),
    ],
)
def test_the_audit_says_what_is_wrong(audit: ModuleType, rows: list[Row], problem: str) -> None:
    assert f"x: {problem}" in problems(audit, *rows)


def executed(ledger: ModuleType, *lines: tuple[float, int, str, Any]) -> dict[Any, Any]:
    return ledger.executions(ledger.Line(at, serial, kind, tuple(values)) for at, serial, kind, values in lines)


@pytest.mark.parametrize(
    ("first_ends", "lapse", "count"),
    [
        pytest.param((3.0, 1, "end", (0,)), 10.0, 1, id="beside each other"),
        pytest.param((3.0, 1, "exit", (-9,)), 10.0, 1, id="before the first one died"),
        pytest.param((3.0, 1, "end", (0,)), 1.5, 0, id="after the lease had lapsed"),
        pytest.param((1.5, 1, "end", (0,)), 10.0, 0, id="after the end"),
        pytest.param((1.5, 1, "exit", (-9,)), 10.0, 0, id="after the death"),
    ],
)
def test_a_run_is_executed_twice_at_once_only_when_its_lease_has_lapsed(
    ledger: ModuleType, first_ends: tuple[float, int, str, Any], lapse: float, count: int
) -> None:
    lines = [
        (1.0, 1, "take", ("x", "s", 0, "a")),
        (1.0, 1, "begin", (0, "x", "s", 0)),
        (2.0, 2, "take", ("x", "s", 0, "b")),
        (2.0, 2, "begin", (0, "x", "s", 0)),
        first_ends,
    ]
    found = executed(ledger, *sorted(lines, key=lambda line: line[0]))
    assert len(list(ledger.overlaps(found, {"a": lapse, "b": 12.0}))) == count
