"""No vacuous and no hidden pass: what lazy, unlucky and sly tests do to a verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from runfox_testing.check import Violation, all_checks
from runfox_testing.harness import HarnessFailure, OpenFailure
from runfox_testing.memory import MemoryStoreHarness
from runfox_testing.processes import HarnessPlan
from runfox_testing.session import judged
from runfox_testing.verdict import Accounts, CheckResult, Outcome, Subject, Verdict

INCOMPLETE = 6
# pytester takes what a run imports out of sys.modules again: the checks are to stay.
CHECKS = all_checks()

MINE = """
import os, sys
import pytest
from runfox.backend import InMemoryStore
from runfox_testing import StoreConformance, StoreHarness, Waiver
from runfox_testing.memory import MemoryStoreHarness

class Forgetful(InMemoryStore):
    def load(self, workflow_execution_id):
        record = super().load(workflow_execution_id)
        record.state = {}
        return record

class ForgetfulHarness(MemoryStoreHarness):
    implementation = Forgetful
"""
CHECK = ("-k", "STORE-LOAD-03", "--runfox-partial")


def run(pytester: pytest.Pytester, code: str, *options: str) -> tuple[pytest.RunResult, str]:
    pytester.makepyfile(MINE + code)
    result = pytester.runpytest(*(options or CHECK))
    return result, result.stdout.str() + result.stderr.str()


def test_classes_of_one_factory_have_accounts_of_their_own(pytester: pytest.Pytester) -> None:
    result, _ = run(
        pytester,
        """
def made(opens):
    class TestStore(StoreConformance):
        harness = opens
    return TestStore
TestGood = made(MemoryStoreHarness)
TestBad = made(ForgetfulHarness)
""",
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert (result.parseoutcomes()["passed"], result.parseoutcomes()["failed"]) == (1, 1)


@pytest.mark.parametrize("call", ["sys.exit('no')", "pytest.skip('no')", "pytest.xfail('no')"])
def test_a_store_that_ends_its_test_has_failed(pytester: pytest.Pytester, call: str) -> None:
    code = f"""
class Ending(InMemoryStore):
    def due(self, now, limit=100):
        {call}
class Harness(MemoryStoreHarness):
    implementation = Ending
@pytest.mark.xfail
class TestMine(StoreConformance):
    harness = Harness
"""
    result, text = run(pytester, code, "-k", "STORE-WAKE-01", "--runfox-partial")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "FAILED: 0 of" in text


def test_a_class_is_run_whatever_it_is_called(pytester: pytest.Pytester) -> None:
    result, _ = run(pytester, "class MyStoreConformance(StoreConformance):\n    harness = ForgetfulHarness\n")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_class_that_pytest_cannot_make_is_an_error(pytester: pytest.Pytester) -> None:
    code = """
class TestMine(StoreConformance):
    harness = MemoryStoreHarness
    def __init__(self):
        pass
"""
    result, text = run(pytester, code)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "TestMine has an __init__" in text


def test_a_class_whose_checks_pytest_does_not_find_is_incomplete(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\npython_functions = check_*\n")
    code = "class TestMine(StoreConformance):\n    harness = MemoryStoreHarness\ndef check_me():\n    pass\n"
    result, text = run(pytester, code, "-q")
    assert result.ret == INCOMPLETE
    assert "INCOMPLETE: 0 of" in text


def test_a_pair_that_was_asked_for_is_not_forgotten(pytester: pytest.Pytester) -> None:
    asked = ("--runfox-store=memory", "--runfox-runner=memory", "-k", "LOAD-01 or LIST-01")
    result = pytester.runpytest("--pyargs", "runfox_testing.suite::StoreSuite", *asked)
    assert result.ret == INCOMPLETE
    assert "store memory and runner memory: nothing was opened" in result.stdout.str()


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_harness_that_fails_to_stop_hides_nothing(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    code = """
class Harness(ForgetfulHarness):
    def stop(self):
        raise RuntimeError("can't stop")
@pytest.mark.xfail
class TestMine(StoreConformance):
    harness = Harness
"""
    pytester.makepyfile(MINE + code)
    result = pytester.runpytest_subprocess(*CHECK, *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "FAILED: 0 of" in result.stdout.str()
    assert "stopping the harness raised RuntimeError" in result.stdout.str()


def test_a_failing_destroy_is_the_harness_and_excuses_no_waiver(pytester: pytest.Pytester) -> None:
    code = """
class Harness(MemoryStoreHarness):
    def destroy(self, namespace):
        raise RuntimeError("can't drop")
class TestMine(StoreConformance):
    harness = Harness
    waivers = [Waiver("STORE-LOAD-03", "whatever")]
"""
    result, text = run(pytester, code)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "the harness failed" in text
    assert "destroy raised RuntimeError" in text


def test_a_run_with_several_values_of_a_fixture_has_no_verdict(pytester: pytest.Pytester) -> None:
    code = """
@pytest.fixture(autouse=True, params=["good", "bad"])
def variant(request):
    if request.param == "bad":
        pytest.skip("not today")
class TestMine(StoreConformance):
    harness = MemoryStoreHarness
"""
    result, text = run(pytester, code)
    assert result.ret == INCOMPLETE
    assert "is run with several values of 'variant', and has one verdict" in text


def test_partial_on_purpose_excuses_no_skip(pytester: pytest.Pytester) -> None:
    code = """
@pytest.mark.skip(reason="later")
class TestMine(StoreConformance):
    harness = MemoryStoreHarness
"""
    assert run(pytester, code)[0].ret == INCOMPLETE


def test_a_report_of_another_run_does_not_stay(pytester: pytest.Pytester) -> None:
    report = pytester.path / "report.json"
    report.write_text('{"verdict": "CONFORMANT"}', encoding="utf-8")
    pytester.makepyfile("def test_nothing():\n    pass\n")
    pytester.runpytest("--runfox-report=report.json")
    assert not report.exists()


def test_a_report_needs_a_folder_that_exists(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--runfox-report=nowhere/report.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "there is no folder nowhere" in result.stderr.str()


def test_a_harness_whose_name_leads_elsewhere_is_not_taken_for_another() -> None:
    harness = MemoryStoreHarness()
    assert HarnessPlan.of(with_folder(harness)).make().__class__ is MemoryStoreHarness
    other = with_folder(
        type("MemoryStoreHarness", (MemoryStoreHarness,), {"__module__": MemoryStoreHarness.__module__})()
    )
    with pytest.raises(HarnessFailure, match="leads to something else than the harness of that name"):
        HarnessPlan.of(other)


def with_folder(harness: MemoryStoreHarness) -> MemoryStoreHarness:
    harness.folder = Path("folder")
    return harness


# The rules, without pytest


@pytest.mark.parametrize(
    ("errors", "reason", "outcome"),
    [
        ([], None, Outcome.PASSED),
        ([], "known", Outcome.FAILED),
        ([Violation("lost")], None, Outcome.FAILED),
        ([Violation("lost")], "known", Outcome.WAIVED),
        ([SystemExit(1)], None, Outcome.FAILED),
        ([HarnessFailure("no")], None, Outcome.BROKEN),
        ([HarnessFailure("no")], "known", Outcome.BROKEN),
        ([OpenFailure("no")], None, Outcome.FAILED),
        ([OpenFailure("no")], "known", Outcome.BROKEN),
        ([Violation("lost"), HarnessFailure("no")], None, Outcome.FAILED),
    ],
)
def test_what_a_checks_errors_say(errors: list[BaseException], reason: str | None, outcome: Outcome) -> None:
    assert judged(errors, reason)[0] is outcome


def subject_with(*outcomes: Outcome) -> Subject:
    """Its first checks ended so, all others passed."""
    subject = Subject(name="s", kind="store", abilities=frozenset())
    for number, check in enumerate(subject.expected("1.0")):
        outcome = outcomes[number] if number < len(outcomes) else Outcome.PASSED
        subject.add(check.id, CheckResult(outcome=outcome, seconds=0.0))
    return subject


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Outcome.PASSED, Verdict.CONFORMANT),
        (Outcome.WAIVED, Verdict.WAIVED),
        (Outcome.BROKEN, Verdict.INCOMPLETE),
        (Outcome.FAILED, Verdict.FAILED),
    ],
)
def test_one_check_decides_the_verdict(outcome: Outcome, verdict: Verdict) -> None:
    subject = subject_with(outcome)
    assert subject.verdict("1.0") is verdict
    assert Accounts(contract="1.0", subjects={"s": subject}).verdict() is verdict


def test_what_is_waived_altogether_is_not_conformant() -> None:
    assert subject_with(*[Outcome.WAIVED] * len(CHECKS)).verdict("1.0") is Verdict.INCOMPLETE


def test_nothing_at_all_is_incomplete() -> None:
    assert Accounts(contract="1.0").verdict() is Verdict.INCOMPLETE
    assert Accounts(contract="1.0", subjects={"s": subject_with()}, asked=["t"]).verdict() is Verdict.INCOMPLETE


def test_a_check_that_began_has_failed_until_it_ends() -> None:
    subject = Subject(name="s", kind="store")
    before = subject.begin("STORE-CAS-01")
    assert subject.with_outcome(Outcome.FAILED) == ["STORE-CAS-01"]
    subject.end("STORE-CAS-01", before, CheckResult(outcome=Outcome.PASSED, seconds=0.0))
    assert subject.with_outcome(Outcome.PASSED) == ["STORE-CAS-01"]


def test_a_check_that_was_ended_from_outside_stays_failed_when_it_is_run_again() -> None:
    subject = Subject(name="s", kind="store")
    subject.begin("STORE-CAS-01")
    again = subject.begin("STORE-CAS-01")
    subject.end("STORE-CAS-01", again, CheckResult(outcome=Outcome.PASSED, seconds=0.0))
    assert subject.with_outcome(Outcome.FAILED) == ["STORE-CAS-01"]


def test_what_one_worker_saw_claimed_is_claimed() -> None:
    one = Subject(name="s", kind="store", abilities=frozenset())
    one.merge(Subject(name="s", kind="store", abilities=frozenset({"durable"})))
    assert one.abilities == {"durable"}
