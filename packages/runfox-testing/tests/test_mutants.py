"""The kit's teeth: for every check an implementation that is wrong in one way, and the real kit run on it."""

from __future__ import annotations

import pytest

from runfox_testing.mutants import Mutant, all_mutants
from runfox_testing.mutants.matrix import run

MUTANTS = all_mutants()


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_a_mutant_is_killed_by_its_check(mutant: Mutant) -> None:
    kill = run(mutant)
    assert kill.outcome == "failed", f"{mutant.name}: {kill.outcome}: {kill.observed}"
    assert mutant.observed in kill.observed
