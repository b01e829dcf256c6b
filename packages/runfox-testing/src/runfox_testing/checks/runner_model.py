"""RUN-MODEL: any sequence of calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis.stateful import run_state_machine_as_test

from runfox_testing.case import RunnerCase
from runfox_testing.check import check
from runfox_testing.checks.runner_machine import CrashingMachine, RunnerMachine
from runfox_testing.shrinking import ShrinkBudget


def _run(case: RunnerCase, machine: type[RunnerMachine]) -> None:
    run_test: Callable[..., Any] = run_state_machine_as_test
    budget = ShrinkBudget(case.history)

    @hypothesis.seed(case.seed)
    def make() -> RunnerMachine:
        return machine(case, budget)

    settings = hypothesis.settings(
        case.settings(),
        # No explanation: it traces every line.
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
    )
    budget.search(lambda: run_test(make, settings=settings))


@check(
    "RUN-MODEL-01",
    needs=("queue",),
    traits=("property", "time"),
    causes=["two laws are kept each by itself and not together: the steps of the example say which"],
)
def any_sequence_of_calls_gives_what_the_laws_say(case: RunnerCase) -> None:
    """Any sequence of calls of three clients, on a clock that goes forth and back where it can be moved, gives what the
    laws of the contract say.
    """
    _run(case, RunnerMachine)


@check(
    "RUN-MODEL-02",
    needs=("queue",),
    traits=("property", "time"),
    causes=["a repeated call is not the same as one call", "something is kept by the client that has to be stored"],
)
def crashes_and_lost_replies_change_nothing_of_it(case: RunnerCase) -> None:
    """Any sequence of calls gives what the laws say also where clients are gone, reopened, and repeat calls whose reply
    was lost.
    """
    _run(case, CrashingMachine)
