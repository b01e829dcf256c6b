"""The kill matrix: the real kit, run on each mutant, and what came of it."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runfox_testing.check import all_checks
from runfox_testing.mutants.mutant import Mutant, all_mutants


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """What the kit said of a mutant, by the check that the mutant is for.

    `outcome` is the check's (``failed`` is what is wanted), or what kept it from one; `observed` its message.
    """

    mutant: Mutant
    outcome: str
    observed: str

    @property
    def is_right(self) -> bool:
        """True if the check failed, and with its own message."""
        return self.outcome == "failed" and self.mutant.observed in self.observed


def run(mutant: Mutant) -> Kill:
    """Run the kit on a mutant, in a process of its own: the one node that the mutant is for.

    The process is one of multiprocessing's: a script that calls this does so under ``if __name__ == "__main__"``.
    """
    with tempfile.TemporaryDirectory() as folder:
        report, said = Path(folder, "report.json"), Path(folder, "said")
        said.touch()
        arguments = ["--pyargs", "runfox_testing.suite", *mutant.options, "-k", mutant.check]
        arguments += [f"--runfox-report={report}", "-p", "no:cacheprovider", "-q"]
        process = _processes().Process(target=_run_pytest, args=(arguments, folder, said))
        process.start()
        process.join()
        told = f"{said.read_text(encoding='utf-8', errors='replace')}exit status {process.exitcode}"
        if not report.exists():
            return Kill(mutant=mutant, outcome="no report", observed=told)
        subjects = json.loads(report.read_text(encoding="utf-8"))["subjects"]
    for subject in subjects:
        if mutant.check in subject["checks"]:
            result = subject["checks"][mutant.check]
            return Kill(mutant=mutant, outcome=result["outcome"], observed=result["observed"])
    return Kill(mutant=mutant, outcome="not collected", observed=told)


def _run_pytest(arguments: list[str], folder: str, said: Path) -> None:
    """In the process: what pytest says goes to a file."""
    os.chdir(folder)
    # What the session around this one was told is not for this one.
    os.environ.pop("PYTEST_ADDOPTS", None)
    with said.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    raise SystemExit(pytest.main(arguments))


@functools.cache
def _processes() -> Any:  # typeshed's BaseContext has no Process
    """Where the platform can, processes are forked from one that has imported what takes a second to import."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # Not the kit itself, whose asserts pytest rewrites when it is imported.
    context.set_forkserver_preload(["pytest", "hypothesis", "hypothesis.strategies", "runfox", "runfox.worker"])
    return context


def run_all(mutants: Iterable[Mutant]) -> list[Kill]:
    """Run the kit on each, as many at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(run, mutants))


def to_markdown(kills: Iterable[Kill]) -> str:
    """The matrix as a page."""
    checks, by_check = all_checks(), {kill.mutant.check: kill for kill in kills}
    lines = [
        "# The kill matrix",
        "",
        "For every check of the conformance kit an implementation that is wrong in one way, and what comes of it.",
        "Made by `python -m runfox_testing.mutants`; the tests of runfox-testing run the same.",
        "",
        "| check | what it proves | mutant | what is wrong with it | killed |",
        "|---|---|---|---|---|",
    ]
    for check in checks.values():
        kill = by_check.get(check.id)
        if kill is None:
            lines.append(f"| {check.id} | {_cell(check.law)} | none | | no |")
            continue
        mutant = kill.mutant
        told = "yes" if kill.is_right else f"no: {kill.outcome}"
        lines.append(f"| {check.id} | {_cell(check.law)} | `{mutant.name}` | {_cell(mutant.summary)} | {told} |")
    killed = sum(kill.is_right for kill in by_check.values())
    lines += ["", f"{killed} of {len(checks)} checks have killed their mutant.", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Print the matrix; 1 where a mutant lives, or a check has none."""
    mutants = all_mutants()
    kills = run_all(mutants.values())
    sys.stdout.write(to_markdown(kills))
    return 0 if mutants.keys() == all_checks().keys() and all(kill.is_right for kill in kills) else 1
