"""The kit's own promises: what it collects, what it says, and that no verdict is vacuous."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import runfox_testing
from runfox_testing import Waiver
from runfox_testing.verdict import CheckResult, Outcome, Subject

INCOMPLETE = 6

STORE = """
from runfox.backend import InMemoryStore
from runfox_testing import StoreConformance, StoreHarness, Waiver
from runfox_testing.memory import MemoryStoreHarness
"""

FORGETFUL = (
    STORE
    + """
class Forgetful(InMemoryStore):
    def load(self, workflow_execution_id):
        record = super().load(workflow_execution_id)
        record.state = {}
        return record

class ForgetfulHarness(MemoryStoreHarness):
    implementation = Forgetful
"""
)

# A few checks of the group are enough to see what the kit makes of them.
SOME = ("-k", "STORE-LOAD or STORE-PATCH-01")


def run_suite(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    return pytester.runpytest("--pyargs", "runfox_testing.suite", "-p", "no:cacheprovider", *options)


def text_of(result: pytest.RunResult) -> str:
    return result.stdout.str() + result.stderr.str()


def report_of(pytester: pytest.Pytester) -> dict:
    return json.loads((pytester.path / "report.json").read_text(encoding="utf-8"))


# Verdicts


def test_what_passes_everything_is_conformant_and_the_exit_status_is_0(pytester: pytest.Pytester) -> None:
    result = run_suite(pytester, "--runfox-store=memory", "--runfox-report=report.json")
    assert result.ret == 0
    (subject,) = report_of(pytester)["subjects"]
    expected = sum(clause["expected"] for clause in subject["clauses"].values())
    assert expected >= 35
    assert all(clause["passed"] == clause["expected"] for clause in subject["clauses"].values())
    assert f"CONFORMANT: {expected} of {expected} checks passed" in text_of(result)


def test_a_run_of_some_checks_is_incomplete_and_names_the_others(pytester: pytest.Pytester) -> None:
    result = run_suite(pytester, "--runfox-store=memory", "-k", "STORE-LOAD-01", "--runfox-report=report.json")
    assert result.ret == INCOMPLETE
    result.assert_outcomes(passed=1, deselected=result.parseoutcomes()["deselected"])
    assert "INCOMPLETE: 1 of" in text_of(result)
    report = report_of(pytester)
    assert report["verdict"] == "INCOMPLETE"
    assert "STORE-LOAD-02" in report["subjects"][0]["missing"]


def test_who_says_that_it_is_partial_on_purpose_is_not_failed(pytester: pytest.Pytester) -> None:
    result = run_suite(pytester, "--runfox-store=memory", "-k", "STORE-LOAD-01", "--runfox-partial")
    assert result.ret == 0
    assert "INCOMPLETE" in text_of(result)


def test_a_run_that_selects_nothing_is_incomplete(pytester: pytest.Pytester) -> None:
    assert run_suite(pytester, "--runfox-store=memory", "-k", "nothing-of-that-name").ret == INCOMPLETE


@pytest.mark.parametrize("skip", ["pytest.skip('no server')", "raise RuntimeError('no server')"])
def test_a_harness_that_cannot_open_makes_the_verdict_incomplete(pytester: pytest.Pytester, skip: str) -> None:
    pytester.makepyfile(
        STORE
        + f"""
import pytest
class Harness(StoreHarness):
    def open(self, namespace):
        {skip}
class TestMine(StoreConformance):
    harness = Harness
"""
    )
    result = pytester.runpytest(*SOME)
    assert result.ret != 0
    assert "INCOMPLETE: 0 of" in text_of(result)


def test_a_skipped_class_is_incomplete(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        STORE
        + """
import pytest
@pytest.mark.skip(reason="later")
class TestMine(StoreConformance):
    harness = MemoryStoreHarness
"""
    )
    result = pytester.runpytest(*SOME)
    assert result.ret == INCOMPLETE
    assert "INCOMPLETE: 0 of" in text_of(result)


def test_an_xfail_mark_hides_no_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        FORGETFUL
        + """
import pytest
@pytest.mark.xfail
class TestMine(StoreConformance):
    harness = ForgetfulHarness
"""
    )
    result = pytester.runpytest(*SOME)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "FAILED: " in text_of(result)


def test_what_was_asked_for_and_not_collected_is_incomplete(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_something():\n    pass\n")
    result = pytester.runpytest("--runfox-store=memory")
    assert result.ret == INCOMPLETE
    assert "store memory was not collected: run --pyargs runfox_testing.suite" in text_of(result)


def test_to_collect_only_is_no_verdict(pytester: pytest.Pytester) -> None:
    result = run_suite(pytester, "--runfox-store=memory", "--collect-only", "-q")
    assert result.ret == 0
    assert "test_clause[STORE-CAS-01]" in text_of(result)
    assert "INCOMPLETE" not in text_of(result)


def test_the_checks_cannot_be_overridden(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        STORE
        + """
class TestMine(StoreConformance):
    harness = MemoryStoreHarness
    def test_clause(self):
        pass
"""
    )
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "TestMine.test_clause is the kit's" in text_of(result)


@pytest.mark.parametrize("workers", ["2"])
def test_with_xdist_the_verdict_is_that_of_all_workers(pytester: pytest.Pytester, workers: str) -> None:
    chosen = ("--runfox-store=memory", "-n", workers, "--runfox-report=report.json")
    result = pytester.runpytest_subprocess("--pyargs", "runfox_testing.suite", *chosen, "-k", "STORE-LOAD")
    assert result.ret == INCOMPLETE
    (subject,) = report_of(pytester)["subjects"]
    assert subject["clauses"]["STORE-LOAD"]["passed"] == subject["clauses"]["STORE-LOAD"]["expected"] > 0
    assert subject["clauses"]["STORE-CAS"]["passed"] == 0


# Waivers


def run_waived(pytester: pytest.Pytester, harness: str, clause: str) -> pytest.RunResult:
    pytester.makepyfile(
        FORGETFUL
        + f"""
class TestMine(StoreConformance):
    harness = {harness}
    waivers = [Waiver("{clause}", "our state is elsewhere")]
"""
    )
    return pytester.runpytest("-k", clause, "--runfox-partial")


def test_a_waived_check_runs_and_has_to_fail(pytester: pytest.Pytester) -> None:
    result = run_waived(pytester, "ForgetfulHarness", "STORE-LOAD-03")
    assert result.ret == 0
    result.assert_outcomes(xfailed=1, deselected=result.parseoutcomes()["deselected"])
    assert "waived: STORE-LOAD-03: our state is elsewhere" in text_of(result)


def test_a_waiver_that_is_not_needed_fails(pytester: pytest.Pytester) -> None:
    result = run_waived(pytester, "MemoryStoreHarness", "STORE-LOAD-03")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "it passes although it is waived (our state is elsewhere). Remove the waiver" in text_of(result)


def test_a_waiver_of_what_is_not_claimed_fails(pytester: pytest.Pytester) -> None:
    result = run_waived(pytester, "MemoryStoreHarness", "STORE-DURABLE-01")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "durable is not claimed. Remove the waiver" in text_of(result)


def test_a_harness_can_have_waivers_for_those_who_run_the_suite(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        mine=FORGETFUL
        + """
class Waived(ForgetfulHarness):
    waivers = [Waiver("STORE-LOAD-03", "our state is elsewhere"), Waiver("FLOW-STEP-01", "and so are our workflows")]
"""
    )
    pytester.syspathinsert()
    result = run_suite(pytester, "--runfox-store=mine:Waived", "-k", "STORE-LOAD-03", "--runfox-partial")
    assert result.ret == 0
    assert "waived: STORE-LOAD-03: our state is elsewhere" in text_of(result)


def test_a_waiver_of_no_check_is_an_error(pytester: pytest.Pytester) -> None:
    result = run_waived(pytester, "MemoryStoreHarness", "STORE-NOTHING-01")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "TestMine waives STORE-NOTHING-01, which is no check of a store" in text_of(result)


def test_a_waiver_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        Waiver("STORE-CAS-01", " ")


# What a failure says


def test_a_failure_says_the_law_what_was_seen_the_causes_and_the_command(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        FORGETFUL
        + """
class TestMine(StoreConformance):
    harness = ForgetfulHarness
"""
    )
    result = pytester.runpytest("-k", "STORE-LOAD-03")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "STORE-LOAD-03 does not hold",
            "*the law: STORE-LOAD: *",
            "*this check: *",
            "*observed: *",
            "*what led to it:",
            "*client1.write(*",
            "*usual causes:",
            "*to run it again:",
            "*pytest 'test_a_failure_says*.py::TestMine::test_clause[[]STORE-LOAD-03]'*",
        ]
    )


def test_the_command_of_the_suite_runs_the_check_again(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(mine=FORGETFUL)
    pytester.syspathinsert()
    options = ("--runfox-store=mine:ForgetfulHarness", "--runfox-seed=7")
    result = run_suite(pytester, *options, "-k", "STORE-LOAD-03")
    command = f"pytest --pyargs runfox_testing.suite {' '.join(options)} --runfox-partial -k STORE-LOAD-03"
    assert command in text_of(result)


def test_a_check_that_hangs_fails_and_says_where(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
import dataclasses
from runfox_testing import profiles
profiles.PROFILES = {"quick": dataclasses.replace(profiles.PROFILES["quick"], deadline=5)}
"""
    )
    pytester.makepyfile(
        STORE
        + """
import threading
class Hanging(InMemoryStore):
    def due(self, now, limit=100):
        threading.Event().wait()
class Harness(MemoryStoreHarness):
    implementation = Hanging
class TestMine(StoreConformance):
    harness = Harness
"""
    )
    result = pytester.runpytest_subprocess("-k", "STORE-WAKE-01")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*it had not ended after 5 s; it stands at", "*in due:*"])


# Options


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "nothing to check: give --runfox-store=NAME or --runfox-runner=NAME"),
        (("--runfox-store=nope",), "no store is registered as 'nope' (known: "),
        (("--runfox-runner=runfox_testing.memory:MemoryStoreHarness",), "is no subclass of runfox_testing.Runner"),
        (("--runfox-store=no_such_module:Harness",), "can't be imported: No module named 'no_such_module'"),
    ],
)
def test_what_cannot_be_checked_is_told(pytester: pytest.Pytester, options: tuple[str, ...], told: str) -> None:
    result = run_suite(pytester, *options)
    assert result.ret not in (0, INCOMPLETE)
    assert told in text_of(result)


@pytest.mark.parametrize("version", ["0.9", "2.0", "one"])
def test_a_contract_that_is_not_known_is_a_usage_error(pytester: pytest.Pytester, version: str) -> None:
    result = run_suite(pytester, "--runfox-store=memory", f"--runfox-contract={version}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "this kit knows 1.0 to 1.0" in text_of(result)


def test_a_report_is_json_or_markdown(pytester: pytest.Pytester) -> None:
    result = run_suite(pytester, "--runfox-store=memory", "--runfox-report=report.txt")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "write FILE.json or FILE.md" in text_of(result)


def test_reports_give_versions_abilities_counts_and_seeds_and_no_path(pytester: pytest.Pytester) -> None:
    options = ("--runfox-report=report.json", "--runfox-report=report.md", "--runfox-seed=3")
    run_suite(pytester, "--runfox-store=memory", "-k", "STORE-LOAD", *options)
    report = report_of(pytester)
    assert (report["contract"], report["profile"], report["seed"]) == ("1.0", "quick", 3)
    assert set(report["versions"]) == {"python", "runfox-core", "runfox-testing"}
    (subject,) = report["subjects"]
    assert "SupportsPatch" in subject["abilities"]
    assert subject["checks"]["STORE-LOAD-01"]["outcome"] == "passed"
    page = (pytester.path / "report.md").read_text(encoding="utf-8")
    assert "| STORE-LOAD | " in page
    for text in (json.dumps(report), page):
        assert str(pytester.path) not in text
        assert str(Path.home()) not in text


def test_markers_select(pytester: pytest.Pytester) -> None:
    chosen = ("--runfox-store=memory", "--runfox-runner=memory", "--collect-only", "-q", "--strict-markers")
    lines = run_suite(pytester, *chosen, "-m", "runfox_runner and runfox_threads").outlines
    nodes = [line for line in lines if "test_clause" in line]
    assert nodes
    assert all("RunnerSuite" in node for node in nodes)


def test_the_suite_has_workflows_where_both_parts_are_given(pytester: pytest.Pytester) -> None:
    collect = ("--collect-only", "-q")
    both = text_of(run_suite(pytester, "--runfox-store=memory", "--runfox-runner=memory", *collect))
    assert all(f"{kind}Suite" in both for kind in ("Store", "Runner", "Workflow"))
    assert "WorkflowSuite" not in text_of(run_suite(pytester, "--runfox-store=memory", *collect))


def test_a_class_without_a_harness_is_told_what_is_missing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(STORE + "class TestMine(StoreConformance):\n    pass\n")
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "TestMine.harness is None: state a subclass of runfox_testing.StoreHarness" in text_of(result)


def test_a_harness_that_child_processes_cannot_find_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
from runfox_testing import StoreConformance
from runfox_testing.mutants.served import ServedStoreHarness
def make():
    class Harness(ServedStoreHarness):
        pass
    return Harness
class TestMine(StoreConformance):
    harness = make()
"""
    )
    result = pytester.runpytest("-k", "STORE-SHARED-01")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "INCOMPLETE" in text_of(result)
    assert "move the class to the top level of its module" in text_of(result)


# Abilities


def test_what_could_be_claimed_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        STORE
        + """
class Wrapper:
    def __init__(self):
        self._store = InMemoryStore()
    def load(self, workflow_execution_id):
        return self._store.load(workflow_execution_id)
    def write(self, record):
        self._store.write(record)
    def __getattr__(self, name):
        if name in ("delete", "due"):
            return getattr(self._store, name)
        raise AttributeError(name)
class Harness(MemoryStoreHarness):
    implementation = Wrapper
class TestMine(StoreConformance):
    harness = Harness
"""
    )
    told = text_of(pytester.runpytest("-k", "STORE-LOAD-01"))
    if sys.version_info >= (3, 12):
        assert "could be claimed: SupportsDelete: the methods are there, but isinstance does not see them" in told
    else:
        assert "claims: SupportsDelete, SupportsWake" in told


# What ships


def test_the_plugin_is_light_to_load() -> None:
    code = "import sys, runfox_testing.plugin; print(*sorted({'hypothesis', 'runfox'} & sys.modules.keys()))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == ""


def test_nothing_that_ships_is_named_like_a_test() -> None:
    folder = Path(runfox_testing.__file__).parent
    files = sorted(folder.rglob("*.py"))
    assert files
    assert [file.name for file in files if file.name.startswith("test_")] == []
    assert [file.name for file in files if re.search(r"^class Test", file.read_text("utf-8"), re.MULTILINE)] == []


def test_a_check_that_failed_once_has_failed() -> None:
    subject = Subject(name="s", kind="store")
    for outcome in (Outcome.FAILED, Outcome.PASSED):
        subject.add("STORE-CAS-01", CheckResult(outcome=outcome, seconds=0.0))
    assert subject.with_outcome(Outcome.FAILED) == ["STORE-CAS-01"]
