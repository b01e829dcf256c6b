"""One run of the kit: opens the harnesses, runs checks, and keeps what came of them."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
import tempfile
import textwrap
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from runfox_testing import observing
from runfox_testing.abilities import abilities_of, abilities_of_pair, unseen_abilities
from runfox_testing.case import Case, Pool, RunnerCase, StoreCase, WorkflowCase
from runfox_testing.check import Check, Kind, Violation, describe
from runfox_testing.clauses import laws
from runfox_testing.conformance import Conformance
from runfox_testing.harness import Harness, HarnessFailure
from runfox_testing.probes import probe_store
from runfox_testing.profiles import Profile
from runfox_testing.runner_probes import probe_runner
from runfox_testing.verdict import CheckResult, Outcome, Subject, checks_of

_CASES: Mapping[Kind, Callable[..., Case]] = {"store": StoreCase, "runner": RunnerCase, "workflow": WorkflowCase}
_SHOWN_CALLS = 12
_SHOWN_FRAMES = 5
_WIDTH = 116
_INDENT = "    "


class KitSession:
    """Everything that one run of pytest does with the kit."""

    def __init__(self, *, profile: Profile, seed: int, contract: str, endpoint_url: str | None) -> None:
        self.profile = profile
        self.seed = seed
        self.contract = contract
        self.subjects: dict[str, Subject] = {}
        self._endpoint_url = endpoint_url
        self._benches: dict[str, _Bench | HarnessFailure] = {}
        self._commands: dict[str, Callable[[str], str]] = {}
        self._pool = Pool(profile.patience)

    def declare(self, cls: type[Conformance], name: str, command: Callable[[str], str]) -> list[Check]:
        """A class was collected: gives its checks. `command` gives the command that runs the check of an id again.

        Raises `ValueError` for a waiver of a check that there is not, and for two of one check.
        """
        checks = checks_of(cls.kind, self.contract)
        stated = cls.all_waivers()
        waivers = {waiver.clause: waiver.reason for waiver in stated}
        unknown = sorted(waivers.keys() - {check.id for check in checks})
        if unknown:
            raise ValueError(f"{cls.__name__} waives {unknown[0]}, which is no check of a {cls.kind}")
        if len(waivers) < len(stated):
            raise ValueError(f"{cls.__name__} waives a check twice")
        self.subjects.setdefault(_key(cls), Subject(name=name, kind=cls.kind, waivers=waivers))
        self._commands[_key(cls)] = command
        return checks

    def run(self, cls: type[Conformance], check: Check) -> None:
        """Run a check as the body of its pytest node, and end as it does: well, failed, skipped or xfailed."""
        subject = self.subjects[_key(cls)]
        try:
            bench = self._bench(cls, subject)
        except HarnessFailure as error:
            subject.add(check.id, CheckResult(outcome=Outcome.BROKEN, seconds=0.0, observed=str(error)))
            raise
        assert subject.abilities is not None
        reason = subject.waivers.get(check.id)
        lacking = ", ".join(sorted(check.needs - subject.abilities))
        if lacking and reason is None:
            pytest.skip(f"not claimed: {lacking}")
        if lacking:
            self._fail(cls, check, f"it is waived, but it does not apply: {lacking} is not claimed. Remove the waiver")
        case = bench.case(f"{self.seed}/{check.id}", subject.abilities)
        began = time.perf_counter()
        raised = _error_of(check, case, self.profile.deadline)
        seconds = time.perf_counter() - began
        if isinstance(raised, HarnessFailure):
            subject.add(check.id, CheckResult(outcome=Outcome.BROKEN, seconds=seconds, observed=str(raised)))
            raise raised
        if raised is None and reason is None:
            subject.add(check.id, CheckResult(outcome=Outcome.PASSED, seconds=seconds))
        elif raised is None:
            self._fail(cls, check, f"it passes although it is waived ({reason}). Remove the waiver", seconds)
        elif reason is None:
            self._fail(cls, check, _observed(raised), seconds, case.history.latest(_SHOWN_CALLS))
        else:
            result = CheckResult(outcome=Outcome.WAIVED, seconds=seconds, observed=_observed(raised))
            subject.add(check.id, result)
            pytest.xfail(f"waived: {reason}")

    def close(self) -> None:
        """End child processes, stop harnesses, remove folders."""
        self._pool.end()
        for bench in self._benches.values():
            if isinstance(bench, _Bench):
                bench.close()
        self._benches.clear()

    def _bench(self, cls: type[Conformance], subject: Subject) -> _Bench:
        """The class's bench, set up at its first check. Raises `HarnessFailure`, and then always."""
        key = _key(cls)
        if key not in self._benches:
            bench = _Bench(cls.kind, self.profile, self._pool)
            try:
                bench.start(cls.harness_types(), self._endpoint_url)
                bench.look(subject, f"{self.seed}/look")
            except Exception as error:
                bench.close()
                self._benches[key] = failure = HarnessFailure(f"the harness failed: {describe(error)}")
                raise failure from error
            self._benches[key] = bench
        found = self._benches[key]
        if isinstance(found, HarnessFailure):
            raise found
        return found

    def _fail(
        self, cls: type[Conformance], check: Check, observed: str, seconds: float = 0.0, history: Sequence[str] = ()
    ) -> NoReturn:
        key = _key(cls)
        result = CheckResult(outcome=Outcome.FAILED, seconds=seconds, observed=observed)
        self.subjects[key].add(check.id, result)
        pytest.fail(failure_text(check, observed, history, self._commands[key](check.id)), pytrace=False)


class _Bench:
    """The harnesses of a subject."""

    def __init__(self, kind: Kind, profile: Profile, pool: Pool) -> None:
        self._kind = kind
        self._profile = profile
        self._pool = pool
        self._folder = Path(tempfile.mkdtemp(prefix="runfox-kit-"))
        self._harnesses: list[Harness[Any]] = []
        self._started: list[Harness[Any]] = []

    def start(self, harness_types: Sequence[type[Harness[Any]]], endpoint_url: str | None) -> None:
        """Make and start the harnesses."""
        self._harnesses = [make() for make in harness_types]
        for number, harness in enumerate(self._harnesses):
            harness.folder = self._folder / str(number)
            harness.folder.mkdir()
            if endpoint_url is not None:
                harness.endpoint_url = endpoint_url
            harness.start()
            self._started.append(harness)

    def look(self, subject: Subject, seed: str) -> None:
        """Find out what the implementation claims, and what it could."""
        case = self.case(seed, frozenset())
        try:
            clients = [(harness, case.open_client(harness)) for harness in self._harnesses]
            claims = [abilities_of(client, harness) for harness, client in clients]
            subject.parts = [_described(client) for _, client in clients]
            for harness, client in clients:
                subject.notes += [
                    f"{name}: the methods are there, but isinstance does not see them"
                    for name in unseen_abilities(client, harness)
                ]
            case.abilities = claims[0] if len(claims) == 1 else abilities_of_pair(*claims)
            if isinstance(case, StoreCase):
                subject.notes += probe_store(case)
            elif isinstance(case, RunnerCase):
                subject.notes += probe_runner(case)
            subject.abilities = case.abilities
        finally:
            case.end()

    def case(self, seed: str, abilities: frozenset[str]) -> Case:
        """The surroundings of a check."""
        return _CASES[self._kind](
            self._harnesses,
            namespace=f"kit-{uuid.uuid4().hex[:12]}",
            abilities=abilities,
            profile=self._profile,
            seed=seed,
            pool=self._pool,
        )

    def close(self) -> None:
        """Stop what was started, remove the folder."""
        for harness in self._started:
            harness.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _key(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _described(client: object) -> str:
    """The class of a client and its distribution: ``runfox_sqlite.SqliteStore (runfox-sqlite 0.1.0)``."""
    kind = type(client)
    told = f"{kind.__module__}.{kind.__qualname__}"
    package = kind.__module__.partition(".")[0]
    names = importlib.metadata.packages_distributions().get(package) or [package]  # an editable one is not listed
    try:
        return f"{told} ({names[0].replace('_', '-')} {importlib.metadata.version(names[0])})"
    except importlib.metadata.PackageNotFoundError:
        return told


# Running


def _error_of(check: Check, case: Case, deadline: float) -> Exception | None:
    """What the check raises; a `Violation` if it hangs. It runs in a thread, so that the session survives that."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            try:
                check.function(case)
            finally:
                case.end()
        except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
            raised.append(error)

    thread = threading.Thread(target=run, name=check.id, daemon=True)
    thread.start()
    thread.join(deadline)
    if thread.is_alive():
        assert thread.ident is not None
        stack = "".join(traceback.format_stack(sys._current_frames()[thread.ident])[-3:])
        return Violation(f"it had not ended after {deadline:g} s; it stands at\n{stack}")
    if not raised:
        return None
    if isinstance(raised[0], Exception):
        return raised[0]
    raise raised[0]


# Telling


def failure_text(check: Check, observed: str, history: Sequence[str], command: str) -> str:
    """The whole report of a failed check."""
    law = laws()[check.clause]
    parts = [
        f"{check.id} does not hold",
        _paragraph("the law", f"{check.clause}: {law}"),
        _paragraph("this check", check.law),
        _paragraph("observed", observed),
    ]
    if history:
        parts.append("\n".join(["  what led to it:", *(f"    {line}" for line in history)]))
    parts.append("\n".join(["  usual causes:", *(_filled("  - ", cause) for cause in check.causes)]))
    parts.append(f"  to run it again:\n    {command}")
    return "\n".join(parts)


def _paragraph(title: str, text: str) -> str:
    """A title and a text; a text of one line is wrapped, others stay as they are."""
    if "\n" in text:
        return f"  {title}:\n{textwrap.indent(text, _INDENT)}"
    return _filled(f"  {title}: ", text)


def _filled(head: str, text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=head, subsequent_indent=_INDENT, break_long_words=False)


def _observed(error: Exception) -> str:
    """What a check saw; for an error that it did not expect, with the way to it."""
    notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
    if isinstance(error, Violation):
        return f"{error}{notes}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != observing.__file__]
    way = "\n".join(
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames[-_SHOWN_FRAMES:]
    )
    return f"a call raised {describe(error)}, which the contract does not provide for here\n{way}{notes}"
