"""STORE-MODEL: any sequence of calls of any number of clients gives what the laws say."""

from __future__ import annotations

from collections import Counter
from typing import Any

import hypothesis
from hypothesis.stateful import run_state_machine_as_test

from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect
from runfox_testing.checks.store_machine import StoreMachine
from runfox_testing.shrinking import ShrinkBudget


def _run(case: StoreCase, *, with_faults: bool) -> None:
    count = 0
    examples = (case.profile.examples + 1) // 2

    class Machine(StoreMachine):
        def __init__(self) -> None:
            nonlocal count
            count += 1
            super().__init__()

    Machine.case, Machine.with_faults = case, with_faults
    Machine.answers, Machine.budget = Counter(), ShrinkBudget(case.history)
    seeded: Any = hypothesis.seed(case.seed)(Machine)
    # Few but long sequences: what takes time is to open clients of a new namespace.
    settings = hypothesis.settings(case.settings(examples=examples), stateful_step_count=2 * case.profile.steps)
    Machine.budget.search(lambda: run_state_machine_as_test(seeded, settings=settings))
    expect(count >= examples // 2, f"only {count} sequences of calls were tried")
    kinds = {"acknowledged", "refused", "asked by load"}
    optional = {"SupportsRefresh": "asked by refresh", "SupportsListing": "listed", "SupportsWake": "due"}
    kinds |= {kind for ability, kind in optional.items() if ability in case.abilities}
    missing = sorted(kinds - Machine.answers.keys())
    expect(not missing, f"in {count} sequences of calls there was never an answer of the kind: {', '.join(missing)}")


@check(
    "STORE-MODEL-01",
    traits=("property",),
    causes=["a sequence of calls that the other checks do not try; the latest of them are above"],
)
def any_sequence_of_calls_gives_what_the_laws_say(case: StoreCase) -> None:
    """Generated sequences of all calls that the store claims, by several clients that are closed and opened again, give
    at every call what a model of the contract gives.
    """
    _run(case, with_faults=False)


@check(
    "STORE-MODEL-02",
    traits=("property",),
    causes=[
        "a call that is repeated after a lost reply has a second effect, or is taken for the first one",
        "a client that was never closed holds something that others wait for",
    ],
)
def faults_change_nothing_of_that(case: StoreCase) -> None:
    """The same holds where clients crash, and where replies are lost after the effect and the call is repeated."""
    _run(case, with_faults=True)
