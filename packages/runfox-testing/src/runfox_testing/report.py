"""What a run says: the terminal's summary, JSON, Markdown. Counts by clause, never a bare "passed"."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runfox_testing.session import KitSession
from runfox_testing.verdict import Outcome, Subject, Verdict, checks_of

_WIDTH = 110
_SHOWN_IDS = 12


def conditions(kit: KitSession) -> str:
    """What the run was like."""
    return f"contract {kit.accounts.contract}, profile {kit.profile.name}, seed {kit.seed}"


def write_summary(terminal: Any, subject: Subject, contract: str) -> None:
    """A subject's part of the terminal's summary."""
    verdict = subject.verdict(contract)
    terminal.line(f"{subject.name}: {', '.join(subject.parts) or 'nothing was opened'}", bold=True)
    for title, text in _details(subject, contract):
        for line in _wrapped(f"{title}: {text}"):
            terminal.line(line)
    colour = {"green": True} if verdict in (Verdict.CONFORMANT, Verdict.WAIVED) else {"red": True}
    for line in _wrapped(sentence(subject, contract)):
        terminal.line(line, **colour)


def sentence(subject: Subject, contract: str) -> str:
    """The verdict with its figures: ``CONFORMANT: 60 of 60 checks passed``."""
    expected = subject.expected(contract)
    passed = sum(count for count, _ in subject.groups(contract).values())
    told = f"{subject.verdict(contract)}: {passed} of {len(expected)} checks passed"
    for outcome in (Outcome.FAILED, Outcome.WAIVED):
        ids = subject.with_outcome(outcome)
        if ids:
            told += f", {len(ids)} {outcome}"
    missing = [check.id for check in subject.missing(contract)]
    if missing:
        more = f" and {len(missing) - _SHOWN_IDS} more" if len(missing) > _SHOWN_IDS else ""
        told += f", {len(missing)} did not run ({', '.join(missing[:_SHOWN_IDS])}{more})"
    return told


def _details(subject: Subject, contract: str) -> Iterator[tuple[str, str]]:
    """Titles and texts."""
    if subject.abilities is not None:
        yield "claims", ", ".join(sorted(subject.abilities)) or "nothing"
    counts = subject.groups(contract)
    yield "clauses", ", ".join(f"{_name(clause)} {got}/{due}" for clause, (got, due) in counts.items())
    not_claimed = len(checks_of(subject.kind, contract)) - len(subject.expected(contract))
    if not_claimed:
        yield "not claimed", f"{not_claimed} checks do not apply"
    for note in subject.notes:
        yield "could be claimed", note
    for check_id in subject.with_outcome(Outcome.FAILED):
        yield "failed", f"{check_id}: {_first_line(subject.results[check_id].observed)}"
    broken = [subject.results[check_id].observed for check_id in subject.with_outcome(Outcome.BROKEN)]
    for reason in dict.fromkeys(map(_first_line, broken)):
        yield "could not run", reason
    for check_id in subject.with_outcome(Outcome.WAIVED):
        yield "waived", f"{check_id}: {subject.waivers[check_id]}"


def _name(clause: str) -> str:
    return clause.partition("-")[2].lower()


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,  # they are part of ids
    )


def write(path: str, kit: KitSession) -> None:
    """Write a report, as the file's name says."""
    text = to_markdown(kit) if path.endswith(".md") else json.dumps(to_data(kit), indent=2) + "\n"
    Path(path).write_text(text, encoding="utf-8")


def to_data(kit: KitSession) -> dict[str, Any]:
    """The whole run as JSON has it. Of paths and hosts it has only what an implementation's own errors say."""
    return {
        "contract": kit.accounts.contract,
        "profile": kit.profile.name,
        "seed": kit.seed,
        "verdict": kit.accounts.verdict().value,
        "gaps": kit.accounts.gaps(),
        "versions": {
            "python": platform.python_version(),
            "runfox-core": importlib.metadata.version("runfox-core"),
            "runfox-testing": importlib.metadata.version("runfox-testing"),
        },
        "subjects": [_subject_data(subject, kit.accounts.contract) for subject in kit.accounts.subjects.values()],
    }


def _subject_data(subject: Subject, contract: str) -> dict[str, Any]:
    data = subject.to_data()
    known = {check.id: check for check in checks_of(subject.kind, contract)}
    return {
        **{key: data[key] for key in ("name", "kind", "parts", "abilities", "notes", "waivers")},
        "verdict": subject.verdict(contract).value,
        "clauses": {
            clause: {"passed": passed, "expected": expected}
            for clause, (passed, expected) in subject.groups(contract).items()
        },
        "missing": [check.id for check in subject.missing(contract)],
        "checks": {
            check_id: {**result, "seconds": round(result["seconds"], 3), "law": known[check_id].law}
            for check_id, result in data["results"].items()
        },
    }


def to_markdown(kit: KitSession) -> str:
    """The run as a page."""
    data = to_data(kit)
    versions = ", ".join(f"{name} {number}" for name, number in data["versions"].items())
    lines = ["# runfox conformance", "", f"{data['verdict']}. {conditions(kit)}; {versions}.", ""]
    lines += [f"- {gap}" for gap in data["gaps"]]
    for subject in kit.accounts.subjects.values():
        lines += [
            f"## {subject.name}",
            "",
            f"{', '.join(subject.parts)}",
            "",
            f"**{sentence(subject, kit.accounts.contract)}**",
        ]
        lines += ["", "| clause | passed |", "|---|---|"]
        lines += [f"| {clause} | {got}/{due} |" for clause, (got, due) in subject.groups(kit.accounts.contract).items()]
        told = [(title, text) for title, text in _details(subject, kit.accounts.contract) if title != "clauses"]
        lines += ["", *(f"- {title}: {text}" for title, text in told), ""]
    return "\n".join(lines)
