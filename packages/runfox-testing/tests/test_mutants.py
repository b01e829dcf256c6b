"""The kit's teeth: for every check an implementation that is wrong in one way, and the real kit run on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from runfox_testing.mutants import Mutant, all_mutants
from runfox_testing.mutants.matrix import Kill, run

MUTANTS = all_mutants()


@pytest.fixture(scope="module")
def kills(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Kill]]]:
    """The runs of the mutants that were selected, as many at a time as there are processors."""
    calls = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    selected = [call.params["mutant"] for call in calls if call is not None]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {mutant.check: pool.submit(run, mutant) for mutant in selected}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_a_mutant_is_killed_by_its_check(mutant: Mutant, kills: dict[str, Future[Kill]]) -> None:
    kill = kills[mutant.check].result()
    assert kill.outcome == "failed", f"{mutant.name}: {kill.outcome}: {kill.observed}"
    assert mutant.observed in kill.observed
