"""What is known of one subject (a store, a runner, or a pair), and the verdict: data, and nothing else.

No vacuous pass: a subject is expected to run every check that applies to what it claims. Whatever did not run, for
whatever reason, makes the verdict INCOMPLETE.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runfox_testing.check import Check, Kind, all_checks


class Outcome(enum.StrEnum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    WAIVED = "waived"
    """It failed, as its waiver said."""

    BROKEN = "broken"
    """It could not run: the harness failed."""


_WORST_LAST = [Outcome.PASSED, Outcome.WAIVED, Outcome.BROKEN, Outcome.FAILED]


class Verdict(enum.StrEnum):
    """What the checks say of a subject."""

    CONFORMANT = "CONFORMANT"
    FAILED = "FAILED"
    INCOMPLETE = "INCOMPLETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """`observed` is what was seen where it did not pass; `seconds` how long it took."""

    outcome: Outcome
    seconds: float
    observed: str = ""


@dataclass(slots=True, kw_only=True)
class Subject:
    """A store, a runner, or a pair of them.

    `parts` are the classes under test with their distributions, `abilities` what they claim (None until one was
    opened), `notes` what they could claim and don't, `waivers` reasons by check.
    """

    name: str
    kind: Kind
    parts: list[str] = field(default_factory=list)
    abilities: frozenset[str] | None = None
    notes: list[str] = field(default_factory=list)
    waivers: Mapping[str, str] = field(default_factory=dict)
    results: dict[str, CheckResult] = field(default_factory=dict)

    def expected(self, contract: str) -> list[Check]:
        """The checks that have to run: of the contract's version, and of what is claimed."""
        return [
            check for check in checks_of(self.kind, contract) if self.abilities is None or check.needs <= self.abilities
        ]

    def missing(self, contract: str) -> list[Check]:
        """The expected checks that did not run."""
        return [
            check
            for check in self.expected(contract)
            if check.id not in self.results or self.results[check.id].outcome is Outcome.BROKEN
        ]

    def with_outcome(self, outcome: Outcome) -> list[str]:
        """The ids of the checks that ended so."""
        return [check_id for check_id, result in self.results.items() if result.outcome is outcome]

    def add(self, check_id: str, result: CheckResult) -> None:
        """Remember a result. What failed once has failed, whatever a second run says."""
        known = self.results.get(check_id)
        if known is None or _WORST_LAST.index(known.outcome) < _WORST_LAST.index(result.outcome):
            self.results[check_id] = result

    def verdict(self, contract: str) -> Verdict:
        """FAILED before INCOMPLETE before CONFORMANT."""
        if self.with_outcome(Outcome.FAILED):
            return Verdict.FAILED
        if self.missing(contract) or not self.expected(contract):
            return Verdict.INCOMPLETE
        return Verdict.CONFORMANT

    def groups(self, contract: str) -> dict[str, tuple[int, int]]:
        """For each clause how many checks passed, and how many were expected: ``{"STORE-CAS": (9, 9)}``."""
        counts: dict[str, tuple[int, int]] = {}
        for check in self.expected(contract):
            passed, expected = counts.get(check.clause, (0, 0))
            result = self.results.get(check.id)
            is_passed = result is not None and result.outcome is Outcome.PASSED
            counts[check.clause] = passed + is_passed, expected + 1
        return counts

    def merge(self, other: Subject) -> None:
        """Take over what another process knows of the same subject."""
        self.parts = self.parts or other.parts
        self.abilities = other.abilities if self.abilities is None else self.abilities
        self.notes = self.notes or other.notes
        for check_id, result in other.results.items():
            self.add(check_id, result)

    def to_data(self) -> dict[str, Any]:
        """As JSON has it, for another process."""
        return {
            "name": self.name,
            "kind": self.kind,
            "parts": self.parts,
            "abilities": None if self.abilities is None else sorted(self.abilities),
            "notes": self.notes,
            "waivers": dict(self.waivers),
            "results": {
                check_id: {"outcome": result.outcome.value, "seconds": result.seconds, "observed": result.observed}
                for check_id, result in self.results.items()
            },
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Subject:
        """What `to_data` gave."""
        results = {
            check_id: CheckResult(
                outcome=Outcome(result["outcome"]), seconds=result["seconds"], observed=result["observed"]
            )
            for check_id, result in data["results"].items()
        }
        abilities = data["abilities"]
        return cls(
            name=data["name"],
            kind=data["kind"],
            parts=data["parts"],
            abilities=None if abilities is None else frozenset(abilities),
            notes=data["notes"],
            waivers=data["waivers"],
            results=results,
        )


def checks_of(kind: Kind, contract: str) -> list[Check]:
    """The checks of a kind that the version of the contract has."""
    return [
        check for check in all_checks().values() if check.kind == kind and version(check.since) <= version(contract)
    ]


def version(text: str) -> tuple[int, ...]:
    """``1.0`` as (1, 0). Raises `ValueError`."""
    return tuple(int(part) for part in text.split("."))


def overall(subjects: Iterable[Subject], contract: str) -> Verdict:
    """The worst verdict of all."""
    verdicts = {subject.verdict(contract) for subject in subjects}
    for verdict in (Verdict.FAILED, Verdict.INCOMPLETE):
        if verdict in verdicts:
            return verdict
    return Verdict.CONFORMANT
