"""The reference of runners that execute jobs inside dispatch, and the probe of what a runner does not claim."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import pytest

from runfox.backend import InProcessRunner
from runfox.errors import InvalidJSON
from runfox.protocols import SupportsWait
from runfox.results import DispatchJob, StepResult
from runfox_testing import ManualClock, RunnerConformance
from runfox_testing.case import Pool, RunnerCase
from runfox_testing.echoing import echo
from runfox_testing.memory import MemoryRunnerHarness
from runfox_testing.mutants.local import LocalRunner, LocalRunnerHarness
from runfox_testing.mutants.served import RunnerClientHarness, RunnerStub, ServedRunnerHarness
from runfox_testing.probes import probe_runner
from runfox_testing.profiles import PROFILES

EXECUTION = "flow#1"
LATEST = "9999-12-31T23:59:59.999999Z"


class TestLocalRunner(RunnerConformance):
    harness = LocalRunnerHarness


def job(op: str = "a", run_id: int = 0, **inputs: Any) -> DispatchJob:
    return DispatchJob(EXECUTION, op, inputs, run_id)


def test_echo_tells_what_it_was_called_with() -> None:
    assert echo("a", {"n": 1}) == {"op": "a", "inputs": {"n": 1}}


def test_an_executor_gets_the_call_and_a_copy_of_the_inputs() -> None:
    calls: list[tuple[str, Any]] = []

    def execute(call: str, inputs: dict[str, Any]) -> Any:
        calls.append((call, dict(inputs)))
        inputs["changed"] = True
        return {"done": call}

    given = DispatchJob(EXECUTION, "a", {"n": 1}, 3, call="function")
    assert LocalRunner(execute).dispatch(EXECUTION, [given]) == [StepResult("a", {"done": "function"}, 3)]
    assert calls == [("function", {"n": 1})]
    assert given.inputs == {"n": 1}


def test_what_an_executor_raises_is_the_steps_output_and_the_others_are_executed() -> None:
    def execute(call: str, inputs: dict[str, Any]) -> Any:
        return {"ok": 1 / inputs["by"]}

    results = LocalRunner(execute).dispatch(EXECUTION, [job("a", by=0), job("b", by=1)])
    wrong = {"ok": False, "error": "division by zero", "error_type": "ZeroDivisionError"}
    assert [result.output for result in results] == [wrong, {"ok": 1.0}]


def test_inputs_that_are_no_json_are_refused_before_anything_is_executed() -> None:
    calls: list[str] = []

    def execute(call: str, inputs: dict[str, Any]) -> Any:
        calls.append(call)
        return {}

    with pytest.raises(InvalidJSON, match="the inputs of step 'b'"):
        LocalRunner(execute).dispatch(EXECUTION, [job("a"), job("b", n=float("nan"))])
    assert calls == []


def test_a_run_is_executed_once_however_many_threads_dispatch_it() -> None:
    calls: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def execute(call: str, inputs: dict[str, Any]) -> Any:
        calls.append(call)
        begun.set()
        assert go_on.wait(10)
        return {"n": len(calls)}

    runner = LocalRunner(execute)
    results: list[list[StepResult]] = []
    threads = [threading.Thread(target=lambda: results.append(runner.dispatch(EXECUTION, [job()]))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go_on.set()
    for thread in threads:
        thread.join()
    assert results == [[StepResult("a", {"n": 1}, 0)]] * 3


def test_an_executor_may_dispatch() -> None:
    def execute(call: str, inputs: dict[str, Any]) -> Any:
        if call == "outer":
            return {"inner": [result.op for result in runner.dispatch(EXECUTION, [job("inner")])]}
        return {}

    runner = LocalRunner(execute)
    assert runner.dispatch(EXECUTION, [job("outer")]) == [StepResult("outer", {"inner": ["inner"]}, 0)]


def test_nothing_is_ever_queued_and_arguments_are_checked_all_the_same() -> None:
    runner = LocalRunner(echo)
    assert not isinstance(runner, SupportsWait)
    runner.dispatch(EXECUTION, [job()])
    assert (runner.gather(EXECUTION), runner.list_pending_jobs(), runner.take_pending_jobs()) == ([], [], [])
    assert runner.extend_lease(job()) is False
    with pytest.raises(ValueError, match="-1"):
        runner.take_pending_jobs(lease_seconds=-1)
    with pytest.raises(ValueError, match="-1"):
        runner.extend_lease(job(), -1)
    with pytest.raises(InvalidJSON, match="the output of step 'a'"):
        runner.submit_work_result(EXECUTION, "a", float("nan"))


def test_what_was_dispatched_is_held_until_it_is_forgotten() -> None:
    clock = ManualClock()
    runner = LocalRunner(echo, clock=clock)
    runner.dispatch(EXECUTION, [job("a"), job("b")])
    runner.forget(EXECUTION, [("a", 0), ("b", 7)])
    assert runner.held(LATEST) == [EXECUTION]
    runner.forget(EXECUTION, [("b", 0)])
    assert runner.held(LATEST) == []
    runner.forget("unknown")


class ClaimsNothing(RunnerStub):
    durable = False
    shared = False


class ClaimsNothingHarness(RunnerClientHarness):
    implementation: ClassVar[Any] = ClaimsNothing


class BreaksHarness(ServedRunnerHarness):
    def open(self, namespace: str) -> Any:
        raise OSError("nothing listens there")


def probed(harness: Any, tmp_path: Any, *claims: str) -> list[str]:
    pool = Pool(60.0)
    harness.folder = tmp_path
    harness.start()
    try:
        case = RunnerCase(
            [harness],
            namespace="probe",
            abilities=frozenset(claims),
            profile=PROFILES["quick"],
            seed="0",
            pool=pool,
        )
        try:
            return probe_runner(case)
        finally:
            case.end()
    finally:
        harness.stop()
        pool.end()


def test_what_works_and_is_not_claimed_is_told(tmp_path: Any) -> None:
    notes = probed(ClaimsNothingHarness(), tmp_path)
    assert [note.partition(" is not claimed")[0] for note in notes] == ["shared", "durable"]
    (note,) = probed(ClaimsNothingHarness(), tmp_path, "durable")
    assert note.startswith("shared is not claimed")


@pytest.mark.parametrize(
    ("harness", "claims"),
    [
        (MemoryRunnerHarness, ()),
        (LocalRunnerHarness, ()),
        (ServedRunnerHarness, ("durable", "shared")),
        (BreaksHarness, ()),
    ],
)
def test_what_is_claimed_or_does_not_work_is_not_told(harness: Any, claims: tuple[str, ...], tmp_path: Any) -> None:
    assert probed(harness(), tmp_path, *claims) == []


def test_the_reference_in_memory_claims_nothing_that_outlives_it() -> None:
    assert (InProcessRunner.durable, InProcessRunner.shared) == (False, False)
