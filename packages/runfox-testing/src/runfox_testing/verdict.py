"""What is known of one subject (a store, a runner, or a pair), and the verdict: data, and nothing else.

No vacuous pass: a subject is expected to run every check that applies to what it claims. Whatever did not run, for
whatever reason, makes the verdict INCOMPLETE.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
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
_CONTRACT = re.compile(r"\d+\.\d+")


class Verdict(enum.StrEnum):
    """What the checks say of a subject."""

    CONFORMANT = "CONFORMANT"
    WAIVED = "CONFORMANT WITH WAIVERS"
    FAILED = "FAILED"
    INCOMPLETE = "INCOMPLETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """`observed` is what was seen where it did not pass; `seconds` how long it took."""

    outcome: Outcome
    seconds: float
    observed: str = ""


_UNFINISHED = CheckResult(outcome=Outcome.FAILED, seconds=0.0, observed="it began, and something ended it from outside")


@dataclass(slots=True, kw_only=True)
class Subject:
    """A store, a runner, or a pair of them.

    `parts` are the classes under test with their distributions, `abilities` what they claim (None until one was
    opened), `notes` what they could claim and don't, `waivers` reasons by check. `selected` are the checks that pytest
    was going to run.
    """

    name: str
    kind: Kind
    parts: list[str] = field(default_factory=list)
    abilities: frozenset[str] | None = None
    notes: list[str] = field(default_factory=list)
    waivers: Mapping[str, str] = field(default_factory=dict)
    results: dict[str, CheckResult] = field(default_factory=dict)
    selected: set[str] = field(default_factory=set)

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

    def begin(self, check_id: str) -> CheckResult | None:
        """A check begins: until it has a result, it has failed. Gives what was known of it before."""
        before = self.results.get(check_id)
        self.results[check_id] = _UNFINISHED
        return before

    def end(self, check_id: str, before: CheckResult | None, result: CheckResult) -> None:
        """A check that began has ended. What failed once has failed, whatever a second run says."""
        self.leave(check_id, before)
        self.add(check_id, result)

    def leave(self, check_id: str, before: CheckResult | None) -> None:
        """A check that began does not apply."""
        del self.results[check_id]
        if before is not None:
            self.results[check_id] = before

    def add(self, check_id: str, result: CheckResult) -> None:
        """Remember a result, if it is worse than what is known."""
        known = self.results.get(check_id)
        if known is None or _WORST_LAST.index(known.outcome) < _WORST_LAST.index(result.outcome):
            self.results[check_id] = result

    def verdict(self, contract: str) -> Verdict:
        """FAILED before INCOMPLETE before CONFORMANT."""
        if self.with_outcome(Outcome.FAILED):
            return Verdict.FAILED
        if self.missing(contract) or not self.with_outcome(Outcome.PASSED):
            return Verdict.INCOMPLETE
        return Verdict.WAIVED if self.with_outcome(Outcome.WAIVED) else Verdict.CONFORMANT

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
        if other.abilities is not None:
            # Who claims something once has to keep it.
            self.abilities = other.abilities | (self.abilities or frozenset())
        self.notes = self.notes or other.notes
        self.selected |= other.selected
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
            "selected": sorted(self.selected),
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
            selected=set(data["selected"]),
        )


@dataclass(slots=True, kw_only=True)
class Accounts:
    """All that a run knows. `asked` are the names of the subjects that the options ask for, `problems` what else keeps
    the run from being complete.
    """

    contract: str
    asked: list[str] = field(default_factory=list)
    subjects: dict[str, Subject] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def gaps(self) -> list[str]:
        """What is missing beyond the checks of the subjects."""
        known = {subject.name for subject in self.subjects.values()}
        lost = [
            f"{name} was not collected: run --pyargs runfox_testing.suite" for name in self.asked if name not in known
        ]
        return [*self.problems, *lost]

    def verdict(self) -> Verdict:
        """The worst of all."""
        verdicts = [subject.verdict(self.contract) for subject in self.subjects.values()]
        if self.gaps() or not verdicts:
            verdicts.append(Verdict.INCOMPLETE)
        return max(verdicts, key=_WORST_VERDICT_LAST.index)

    def is_partial_by_choice(self) -> bool:
        """True if nothing is missing but checks that were not selected."""
        return not self.gaps() and all(
            check.id not in subject.selected
            for subject in self.subjects.values()
            for check in subject.missing(self.contract)
        )


_WORST_VERDICT_LAST = [Verdict.CONFORMANT, Verdict.WAIVED, Verdict.INCOMPLETE, Verdict.FAILED]


def checks_of(kind: Kind, contract: str) -> list[Check]:
    """The checks of a kind that the version of the contract has."""
    return [
        check for check in all_checks().values() if check.kind == kind and version(check.since) <= version(contract)
    ]


def version(text: str) -> tuple[int, ...]:
    """``1.0`` as (1, 0). Raises `ValueError`."""
    if not _CONTRACT.fullmatch(text):
        raise ValueError(f"{text!r} is no version of the contract: write X.Y")
    return tuple(int(part) for part in text.split("."))
