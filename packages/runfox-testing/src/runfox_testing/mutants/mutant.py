"""What a mutant is: an implementation made from the reference by one small change, and the check that has to see it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runfox_testing.harness import Harness, StoreHarness
from runfox_testing.mutants.served import ServedRunnerHarness, ServedStoreHarness

MODULES = (
    "runfox_testing.mutants.store",
    "runfox_testing.mutants.store_json",
    "runfox_testing.mutants.store_cas",
    "runfox_testing.mutants.store_durable",
    "runfox_testing.mutants.store_patch",
    "runfox_testing.mutants.store_refresh",
    "runfox_testing.mutants.store_list",
    "runfox_testing.mutants.store_delete",
    "runfox_testing.mutants.runner_json",
    "runfox_testing.mutants.runner_dispatch",
    "runfox_testing.mutants.runner_local",
    "runfox_testing.mutants.runner_gather",
    "runfox_testing.mutants.runner_take",
    "runfox_testing.mutants.runner_lease",
    "runfox_testing.mutants.runner_submit",
    "runfox_testing.mutants.runner_forget",
    "runfox_testing.mutants.runner_held",
    "runfox_testing.mutants.runner_poll",
    "runfox_testing.mutants.runner_surroundings",
    "runfox_testing.mutants.workflow",
)


_SERVED = "runfox_testing.mutants.served"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A wrong implementation. `check` is the id of the check that it is for, `observed` a part of the message with
    which that check has to fail, `summary` says what is wrong with it, `harness` opens it.
    """

    check: str
    observed: str
    summary: str
    harness: type[Harness[Any]]

    @property
    def name(self) -> str:
        """The class's name."""
        return self.harness.__qualname__

    @property
    def options(self) -> list[str]:
        """The suite's options for it. A workflow's mutant is a store or a runner; the other part is the reference of
        its kind: in the same process, or served.
        """
        option = "--runfox-store" if issubclass(self.harness, StoreHarness) else "--runfox-runner"
        options = [f"{option}={self.harness.__module__}:{self.harness.__qualname__}"]
        if self.check.startswith("FLOW-"):
            served = issubclass(self.harness, ServedStoreHarness | ServedRunnerHarness)
            if option == "--runfox-store":
                other = f"--runfox-runner={_SERVED}:ServedRunnerHarness" if served else "--runfox-runner=memory"
            else:
                other = f"--runfox-store={_SERVED}:ServedStoreHarness" if served else "--runfox-store=memory"
            options.append(other)
        return options


_mutants: dict[str, Mutant] = {}


def mutant(check: str, *, observed: str, harness: type[Any]) -> Callable[[type[Any]], Any]:
    """Turns an implementation into the harness that opens it, and registers it as the mutant of a check.

    `harness` has a class attribute `implementation`, which becomes the decorated class. The docstring of that says
    what is wrong. The harness stands where the class stood, so that child processes find it.
    """

    def register(implementation: type[Any]) -> Any:
        assert check not in _mutants, check
        summary = " ".join((implementation.__doc__ or "").split())
        assert summary, implementation
        names = {
            "__module__": implementation.__module__,
            "__qualname__": implementation.__qualname__,
            "__doc__": implementation.__doc__,
            "implementation": implementation,
        }
        opens = type(implementation.__name__, (harness,), names)
        _mutants[check] = Mutant(check=check, observed=observed, summary=summary, harness=opens)
        return opens

    return register


def all_mutants() -> Mapping[str, Mutant]:
    """Every mutant by the id of the check that it is for."""
    for module in MODULES:
        importlib.import_module(module)
    return _mutants
