"""What a mutant is: an implementation made from the reference by one small change, and the check that has to see it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runfox_testing.harness import Harness

MODULES = ("runfox_testing.mutants.store", "runfox_testing.mutants.runner", "runfox_testing.mutants.workflow")


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
    def import_string(self) -> str:
        """What ``--runfox-store`` or ``--runfox-runner`` takes."""
        return f"{self.harness.__module__}:{self.harness.__qualname__}"


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
