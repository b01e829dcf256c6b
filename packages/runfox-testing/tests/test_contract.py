"""The checks against the contract's text, the mutants, and the pages that are made of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from pathlib import Path

import pytest

import runfox_testing
from runfox_testing import reference
from runfox_testing.check import all_checks
from runfox_testing.clauses import CONTRACT, laws
from runfox_testing.mutants import all_mutants
from runfox_testing.mutants.matrix import Kill, to_markdown
from runfox_testing.verdict import version

ROOT = Path(__file__).parents[3]
CHECKS = all_checks()
EXPORTED = {
    "Faults",
    "FaultyRunner",
    "FaultyStore",
    "ManualClock",
    "MissingFake",
    "NO_ANSWER",
    "RunnerConformance",
    "RunnerHarness",
    "StoreConformance",
    "StoreHarness",
    "Waiver",
    "WorkflowConformance",
    "WorkflowDidNotEnd",
    "WorkflowRun",
    "echo",
    "run_workflow",
}


def test_every_check_is_of_a_clause_that_the_protocols_state() -> None:
    assert {check.clause for check in CHECKS.values()} <= laws().keys()


def test_every_clause_of_the_protocols_has_a_check() -> None:
    assert laws().keys() <= {check.clause for check in CHECKS.values()}


def test_there_are_checks_enough() -> None:
    kinds = Counter(check.kind for check in CHECKS.values())
    assert kinds["store"] >= 35
    assert kinds["runner"] >= 40
    assert kinds["workflow"] >= 8


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_a_check_tells_its_law_and_causes(check) -> None:
    assert check.law.endswith(".")
    assert check.causes
    assert version(check.since) <= version(CONTRACT)


def test_checks_of_a_clause_stand_together_and_in_the_order_of_their_numbers() -> None:
    clauses = list(dict.fromkeys(check.clause for check in CHECKS.values()))
    in_order = [check_id for clause in clauses for check_id in sorted(CHECKS) if CHECKS[check_id].clause == clause]
    assert list(CHECKS) == in_order


def test_every_check_has_a_mutant_and_every_mutant_a_check() -> None:
    assert all_mutants().keys() == CHECKS.keys()


def test_the_page_of_the_contract_is_up_to_date() -> None:
    page = ROOT / "docs" / "reference" / "contract.md"
    assert page.read_text(encoding="utf-8") == reference.to_markdown(), "run: nox -s reference"


def test_the_page_of_the_kill_matrix_is_up_to_date_and_without_survivors() -> None:
    killed = [Kill(mutant=mutant, outcome="failed", observed=mutant.observed) for mutant in all_mutants().values()]
    page = ROOT / "docs" / "reference" / "kill-matrix.md"
    assert page.read_text(encoding="utf-8") == to_markdown(killed), "run: nox -s reference"


@pytest.mark.parametrize("name", runfox_testing.__all__)
def test_a_name_that_is_exported_is_there(name: str) -> None:
    assert getattr(runfox_testing, name).__module__.startswith("runfox_testing.")


def test_what_is_exported_is_known() -> None:
    assert set(runfox_testing.__all__) == EXPORTED
    assert set(dir(runfox_testing)) >= EXPORTED


def test_every_module_can_be_imported_by_itself() -> None:
    for module in pkgutil.walk_packages(runfox_testing.__path__, "runfox_testing."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
