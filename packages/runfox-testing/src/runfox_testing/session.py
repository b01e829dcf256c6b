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
from typing import Any

import pytest

from runfox_testing import observing
from runfox_testing.abilities import abilities_of, abilities_of_pair, unseen_abilities
from runfox_testing.case import Case, Pool, RunnerCase, StoreCase, WorkflowCase
from runfox_testing.check import Check, Kind, Violation, all_checks, describe, kind_of
from runfox_testing.clauses import laws
from runfox_testing.conformance import Conformance
from runfox_testing.harness import Harness, HarnessFailure, OpenFailure
from runfox_testing.probes import probe_runner, probe_store
from runfox_testing.processes import ChildDied
from runfox_testing.profiles import Profile
from runfox_testing.verdict import Accounts, CheckResult, Outcome, Subject, checks_of

_CASES: Mapping[Kind, Callable[..., Case]] = {"store": StoreCase, "runner": RunnerCase, "workflow": WorkflowCase}
_SHOWN_CALLS = 12
_SHOWN_FRAMES = 5
_WIDTH = 116
_INDENT = "    "
_OWN_FILES = (__file__, observing.__file__)


class KitSession:
    """Everything that one run of pytest does with the kit. A subject is known by the node id of its class."""

    def __init__(
        self, *, profile: Profile, seed: int, contract: str, endpoint_url: str | None, asked: Sequence[str]
    ) -> None:
        self.profile = profile
        self.seed = seed
        self.accounts = Accounts(contract=contract, asked=list(asked))
        self._endpoint_url = endpoint_url
        self._classes: dict[str, type[Conformance]] = {}
        self._commands: dict[str, Callable[[str], str]] = {}
        self._benches: dict[str, _Bench | BaseException] = {}
        self._pool = Pool(profile.patience)

    def declare(self, key: str, cls: type[Conformance], name: str, command: Callable[[str], str]) -> list[Check]:
        """A class was collected: gives its checks. `command` gives the command that runs the check of an id again.

        Raises `ValueError` for a missing harness, a waiver of a check that there is not, and for two of one check.
        """
        waivers: dict[str, str] = {}
        for waiver in cls.all_waivers():
            if kind_of(waiver.clause) != cls.kind or waiver.clause not in all_checks():
                raise ValueError(f"{cls.__name__} waives {waiver.clause}, which is no check of a {cls.kind}")
            if waiver.clause in waivers:
                raise ValueError(f"{cls.__name__} waives {waiver.clause} twice")
            waivers[waiver.clause] = waiver.reason
        checks = checks_of(cls.kind, self.accounts.contract)
        self.accounts.subjects.setdefault(key, Subject(name=name, kind=cls.kind, waivers=waivers))
        self._classes[key] = cls
        self._commands[key] = command
        return checks

    def run(self, key: str, check: Check) -> None:
        """Run a check as the body of its pytest node, and end as it does: well, failed, skipped or xfailed."""
        subject = self.accounts.subjects[key]
        before = subject.begin(check.id)
        bench = self._bench(key, subject)
        if isinstance(bench, BaseException):
            is_skip = isinstance(bench, pytest.skip.Exception)
            observed = f"skipped: {bench}" if is_skip else _observed(bench, "the harness")
            subject.end(check.id, before, CheckResult(outcome=Outcome.BROKEN, seconds=0.0, observed=observed))
            if is_skip:
                raise bench
            pytest.fail(f"the harness failed: {observed}", pytrace=False)
        assert subject.abilities is not None
        reason = subject.waivers.get(check.id)
        lacking = ", ".join(sorted(check.needs - subject.abilities))
        if lacking and reason is None:
            subject.leave(check.id, before)
            pytest.skip(f"not claimed: {lacking}")
        if lacking:
            outcome = Outcome.FAILED
            observed = f"it is waived, but it does not apply: {lacking} is not claimed. Remove the waiver"
            history, seconds = [], 0.0
        else:
            case = bench.case(f"{self.seed}/{check.id}", subject.abilities)
            began = time.perf_counter()
            raised = _errors_of(self.profile.deadline, lambda: check.function(case), case.end)
            seconds = time.perf_counter() - began
            outcome, observed = judged(raised, reason)
            history = case.history.latest(_SHOWN_CALLS)
        subject.end(check.id, before, CheckResult(outcome=outcome, seconds=seconds, observed=observed))
        match outcome:
            case Outcome.FAILED:
                pytest.fail(failure_text(check, observed, history, self._commands[key](check.id)), pytrace=False)
            case Outcome.BROKEN:
                pytest.fail(f"the harness failed: {observed}", pytrace=False)
            case Outcome.WAIVED:
                pytest.xfail(f"waived: {reason}")
            case Outcome.PASSED:
                pass

    def close(self) -> None:
        """End child processes, stop harnesses, remove folders. What fails is a problem of the run."""
        self._pool.end()
        for key, bench in self._benches.items():
            if isinstance(bench, _Bench):
                errors = _errors_of(self.profile.deadline, *bench.closing())
                self.accounts.problems += [f"{key}: stopping the harness raised {describe(error)}" for error in errors]
        self._benches.clear()

    def _bench(self, key: str, subject: Subject) -> _Bench | BaseException:
        """The class's bench, set up at its first check, or what kept it from that."""
        if key not in self._benches:
            bench = _Bench(self._classes[key].kind, self.profile, self._pool)

            def set_up() -> None:
                bench.start(self._classes[key].harness_types(), self._endpoint_url)
                # Who runs a few checks does not ask what could be claimed.
                is_whole = subject.selected >= {check.id for check in checks_of(subject.kind, self.accounts.contract)}
                bench.look(subject, f"{self.seed}/look", with_probes=is_whole)

            errors = _errors_of(self.profile.deadline, set_up)
            self._benches[key] = bench
            if errors:
                # What hangs may still use what a stop would take away.
                if not isinstance(errors[0], Violation):
                    _errors_of(self.profile.deadline, *bench.closing())
                self._benches[key] = errors[0]
        return self._benches[key]


def judged(errors: Sequence[BaseException], reason: str | None) -> tuple[Outcome, str]:
    """What a check's errors, the first of which counts, say where it is waived for a `reason`, or is not (None).

    A waiver is for what the check sees. It does not excuse a harness, nor a client that can't be opened.
    """
    if not errors:
        if reason is None:
            return Outcome.PASSED, ""
        return Outcome.FAILED, f"it passes although it is waived ({reason}). Remove the waiver"
    first = errors[0]
    observed = _observed(first)
    if isinstance(first, HarnessFailure) or (reason is not None and isinstance(first, OpenFailure | ChildDied)):
        return Outcome.BROKEN, observed
    return (Outcome.FAILED if reason is None else Outcome.WAIVED), observed


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

    def look(self, subject: Subject, seed: str, *, with_probes: bool) -> None:
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
            if with_probes and isinstance(case, StoreCase):
                subject.notes += probe_store(case)
            elif with_probes and isinstance(case, RunnerCase):
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

    def closing(self) -> list[Callable[[], object]]:
        """The calls that stop what was started and remove the folder, each of which is due whatever others raise."""
        return [*(harness.stop for harness in self._started), lambda: shutil.rmtree(self._folder, ignore_errors=True)]


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


def _errors_of(deadline: float, *calls: Callable[[], object]) -> list[BaseException]:
    """What the calls raise, which are all made, in a thread of their own, so that the session survives one that does
    not return: that is a `Violation`.
    """
    raised: list[BaseException] = []

    def run() -> None:
        for call in calls:
            try:
                call()
            except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
                raised.append(error)

    thread = threading.Thread(target=run, name="runfox-kit", daemon=True)
    thread.start()
    thread.join(deadline)
    if thread.is_alive():
        frame = sys._current_frames().get(thread.ident or 0)
        stack = [] if frame is None else traceback.extract_stack(frame)[-3:]
        return [Violation(f"it had not ended after {deadline:g} s; it stands at\n{_way(stack)}")]
    return raised


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
    return textwrap.fill(
        text, _WIDTH, initial_indent=head, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False
    )


def _observed(error: BaseException, whose: str = "a call") -> str:
    """What a check saw; for an error that it did not expect, with the way to it."""
    notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
    if isinstance(error, Violation | HarnessFailure):
        return f"{error}{notes}"
    if isinstance(error, OpenFailure) and error.__cause__ is not None:
        return f"a client can't be opened: {_observed(error.__cause__)}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename not in _OWN_FILES]
    return f"{whose} raised {describe(error)}, which is not provided for here\n{_way(frames[-_SHOWN_FRAMES:])}{notes}"


def _way(frames: Sequence[traceback.FrameSummary]) -> str:
    """Places in code, without their folders."""
    return "\n".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames)
