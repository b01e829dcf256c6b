"""`run_workflow`: a workflow from its beginning to its end, the same under every fault, in no time."""

from __future__ import annotations

import asyncio
import json
import pickle
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from runfox import (
    Complete,
    DefinitionError,
    Halt,
    InMemoryStore,
    InProcessRunner,
    InvalidJSON,
    NoCurrentJob,
    StepStatus,
    StorageUnavailable,
    UnknownStep,
    WorkflowRecord,
    WorkflowStatus,
    current_job,
)
from runfox.results import DispatchJob, StepResult
from runfox_testing import Faults, FaultyRunner, FaultyStore, ManualClock, run_workflow, running
from runfox_testing.fakes import NO_ANSWER, MissingFake
from runfox_testing.running import WorkflowDidNotEnd, WorkflowRun

CHAIN = """
name: chain
steps:
  - op: fetch
    input: {url: {var: input.url}}
  - op: count
    depends_on: fetch
    input: {rows: {var: steps.fetch.output.rows}}
outputs:
  count: {var: steps.count.output.n}
"""

ONE_STEP: dict[str, Any] = {"steps": [{"op": "a"}], "outputs": {"a": {"var": "steps.a.output"}}}


def count_rows(op: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    if op == "fetch":
        return {"rows": [inputs["url"]] * 3}
    return {"n": len(inputs["rows"])}


def one_step(**fields: Any) -> dict[str, Any]:
    return {"steps": [{"op": "a", **fields}], "outputs": {"a": {"var": "steps.a.output"}}}


# What a run tells


def test_a_workflow_runs_to_its_end() -> None:
    run = run_workflow(CHAIN, count_rows, inputs={"url": "x"})
    assert run.outcome == {"count": 3}
    assert run.result == Complete({"count": 3})
    assert run.status is WorkflowStatus.COMPLETE
    assert run.steps["fetch"].output == {"rows": ["x", "x", "x"]}
    assert list(run.steps) == ["fetch", "count"]
    assert run.record.inputs == {"url": "x"}
    assert run.injected == ()


def test_a_halted_workflow_tells_with_what() -> None:
    run = run_workflow(one_step(branch=[{"condition": True, "action": "halt", "result": {"by": "a"}}]), {"a": None})
    assert run.result == Halt({"by": "a"})
    assert run.outcome == {"by": "a"}
    assert run.status is WorkflowStatus.HALTED


def test_every_call_of_the_executor_is_told_in_order() -> None:
    definition: dict[str, Any] = {
        "steps": [
            {"op": "a", "call": "f", "input": {"n": 1}, "max_attempts": 2},
            {"op": "b", "input": {"n": 2}, "depends_on": "a"},
        ]
    }
    run = run_workflow(definition, lambda op, inputs: {"ok": op != "f"})
    told = [(call.op, call.call, call.inputs, call.run_id, call.delivery) for call in run.calls]
    assert told == [("a", "f", {"n": 1}, 0, 1), ("a", "f", {"n": 1}, 1, 1), ("b", "b", {"n": 2}, 0, 1)]
    assert run.calls_of("a") == 2
    assert run.calls_of("b") == 1


def test_what_an_executor_does_to_its_inputs_is_not_told() -> None:
    def execute(op: str, inputs: dict[str, Any]) -> None:
        inputs["list"].append(1)

    run = run_workflow(one_step(input={"list": []}), execute)
    assert run.calls[0].inputs == {"list": []}


def test_the_calls_of_a_step_that_there_is_not_are_an_error() -> None:
    run = run_workflow(ONE_STEP, {"a": None})
    with pytest.raises(UnknownStep, match="'typo'"):
        run.calls_of("typo")


def test_the_same_arguments_give_the_same_run() -> None:
    def run() -> WorkflowRun:
        faults = Faults(seed=3, lost_replies=0.3, failures=0.3, duplicates=0.3, delays=0.3, reorder=0.3)
        steps = [{"op": op, "max_attempts": 2} for op in "abcd"]
        return run_workflow({"steps": steps}, {"a": None, "b": {"ok": False}, "c": None, "d": None}, faults=faults)

    first, second = run(), run()
    assert first.calls == second.calls
    assert [(fault.kind, fault.method) for fault in first.injected] == [
        (fault.kind, fault.method) for fault in second.injected
    ]
    assert first.steps == second.steps


# Definitions


def test_a_definition_is_yaml_json_a_dict_or_a_path(tmp_path: Path) -> None:
    text = json.dumps(ONE_STEP)
    (tmp_path / "wf.json").write_text(text, encoding="utf-8")
    (tmp_path / "wf.yaml").write_text(CHAIN, encoding="utf-8")
    assert run_workflow(ONE_STEP, {"a": {"n": 1}}).outcome == {"a": {"n": 1}}
    assert run_workflow(f"\n  {text}", {"a": {"n": 1}}).outcome == {"a": {"n": 1}}
    assert run_workflow(tmp_path / "wf.json", {"a": {"n": 1}}).outcome == {"a": {"n": 1}}
    assert run_workflow(tmp_path / "wf.yaml", count_rows, inputs={"url": "x"}).outcome == {"count": 3}


def test_a_wrong_definition_is_told_before_anything_runs() -> None:
    with pytest.raises(DefinitionError):
        run_workflow({"steps": []}, {})
    with pytest.raises(DefinitionError):
        run_workflow("{broken", {})


def test_inputs_that_are_no_json_are_refused() -> None:
    with pytest.raises(InvalidJSON, match="the workflow's inputs"):
        run_workflow(ONE_STEP, {"a": None}, inputs={"x": object()})  # type: ignore[dict-item]


# Executors


def test_an_exception_becomes_an_error_result(caplog: pytest.LogCaptureFixture) -> None:
    def execute(op: str, inputs: dict[str, Any]) -> None:
        raise ConnectionError("no route")

    run = run_workflow(ONE_STEP, execute)
    error = {"ok": False, "error": "no route", "error_type": "ConnectionError"}
    assert run.outcome == {"a": error}
    assert "the executor raised in step 'a'" in caplog.text
    assert "no route" in caplog.text


def test_an_output_that_is_no_json_becomes_an_error_result() -> None:
    run = run_workflow(ONE_STEP, lambda op, inputs: {"when": object()})
    assert isinstance(run.outcome, dict)
    assert run.outcome["a"]["error_type"] == "InvalidJSON"  # type: ignore[index, call-overload]


def test_the_executor_knows_its_job_by_its_key() -> None:
    keys: list[str] = []

    def execute(op: str, inputs: dict[str, Any]) -> dict[str, bool]:
        keys.append(current_job().key)
        return {"ok": len(keys) > 1}

    run = run_workflow(one_step(max_attempts=2), execute)
    execution = run.record.workflow_execution_id
    assert keys == [f"{execution}#{run.calls[0].op}#0", f"{execution}#{run.calls[0].op}#1"]
    with pytest.raises(NoCurrentJob):
        current_job()


def test_a_function_that_stands_for_a_step_knows_its_job() -> None:
    run = run_workflow({"steps": [{"op": "a"}]}, {"a": lambda _: {"key": current_job().key}})
    assert run.steps["a"].output == {"key": f"{run.record.workflow_execution_id}#a#0"}


def test_coroutine_functions_run_as_in_a_worker() -> None:
    async def execute(op: str, inputs: dict[str, Any]) -> dict[str, str]:
        await asyncio.sleep(0)
        return {"key": current_job().key}

    run = run_workflow({"steps": [{"op": "a"}]}, execute)
    assert run.steps["a"].output == {"key": f"{run.record.workflow_execution_id}#a#0"}


def test_an_interrupt_ends_the_run() -> None:
    def execute(op: str, inputs: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_workflow(ONE_STEP, execute)


def test_a_fake_gives_the_same_output_to_every_run() -> None:
    run = run_workflow(one_step(retry={"max_attempts": 3, "when": True}), {"a": {"n": 1}})
    assert run.outcome == {"a": {"n": 1}}
    assert run.calls_of("a") == 3


def test_a_list_has_an_output_for_every_run_and_exceptions_are_raised() -> None:
    fakes = {"a": [{"ok": False}, TimeoutError("slow"), {"n": 3}]}
    run = run_workflow(one_step(max_attempts=3), fakes)
    assert run.outcome == {"a": {"n": 3}}
    assert run.calls_of("a") == 3


def test_a_function_makes_the_output_of_the_inputs() -> None:
    fakes = {"fetch": lambda inputs: {"rows": list(inputs["url"])}, "count": {"n": 0}}
    run = run_workflow(CHAIN, fakes, inputs={"url": "ab"})
    assert run.steps["fetch"].output == {"rows": ["a", "b"]}


def test_a_fake_is_found_by_the_op_or_by_what_the_step_calls() -> None:
    definition: dict[str, Any] = {"steps": [{"op": "a", "call": "f"}, {"op": "b", "call": "f"}]}
    run = run_workflow(definition, {"f": {"by": "call"}, "b": {"by": "op"}})
    assert run.steps["a"].output == {"by": "call"}
    assert run.steps["b"].output == {"by": "op"}


def test_a_run_that_is_delivered_again_gives_the_same_again() -> None:
    definition = one_step(max_attempts=3)
    for seed in range(20):
        faults = Faults(seed=seed, duplicates=0.5, lost_replies=0.3)
        run = run_workflow(definition, {"a": [{"ok": False}, {"ok": False}, {"n": 3}]}, faults=faults)
        assert run.outcome == {"a": {"n": 3}}
        assert {call.run_id for call in run.calls} == {0, 1, 2}


def test_a_step_without_a_fake_is_told_by_its_names_and_with_what_there_is() -> None:
    definition: dict[str, Any] = {"steps": [{"op": "publish-all", "call": "publish"}]}
    with pytest.raises(MissingFake) as caught:
        run_workflow(definition, {"fetch": None, "load": None})
    assert str(caught.value) == (
        "the fake executor does not know run 0 of step 'publish-all': add 'publish-all' or 'publish'; "
        "it has 'fetch', 'load'"
    )
    with pytest.raises(MissingFake, match="add 'a'; it has nothing"):
        run_workflow(ONE_STEP, {})


def test_a_list_that_ends_too_soon_is_told() -> None:
    with pytest.raises(MissingFake) as caught:
        run_workflow(one_step(max_attempts=2), {"a": [{"ok": False}]})
    assert str(caught.value) == (
        "the fake executor does not know run 1 of step 'a': its list for 'a' has 1, the first for run 0"
    )
    assert isinstance(caught.value, LookupError)


def test_a_step_that_is_not_reached_needs_no_fake() -> None:
    run = run_workflow(CHAIN.replace("  - op: count", "    on_error: halt\n  - op: count"), {"fetch": {"ok": False}})
    assert run.status is WorkflowStatus.HALTED


# Time


@pytest.fixture
def sleepless(monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(seconds: float) -> None:
        raise AssertionError(f"slept for {seconds} s")

    monkeypatch.setattr(time, "sleep", sleep)


@pytest.mark.usefixtures("sleepless")
def test_a_retry_s_delay_of_hours_takes_no_time() -> None:
    clock = ManualClock(1_000.0)
    retry = {"max_attempts": 3, "delay": 36_000, "max_delay": 1e9}
    run = run_workflow(one_step(retry=retry), {"a": [{"ok": False}, {"ok": False}, None]}, clock=clock)
    assert run.calls_of("a") == 3
    assert clock.now == 1_000.0 + 36_000 + 72_000


@pytest.mark.usefixtures("sleepless")
def test_a_run_without_an_answer_times_out_and_takes_no_time() -> None:
    clock = ManualClock(0.0)
    run = run_workflow(one_step(timeout=7_200, max_attempts=2), {"a": [NO_ANSWER, {"n": 2}]}, clock=clock)
    assert run.outcome == {"a": {"n": 2}}
    assert clock.now == 7_200
    assert run.calls_of("a") == 2
    run = run_workflow(one_step(timeout=7_200), {"a": NO_ANSWER})
    assert run.outcome == {"a": {"ok": False, "error": "timed out after 7200 s", "timeout": True}}


def test_no_time_passes_where_nothing_waits_for_it() -> None:
    clock = ManualClock()
    before = clock.now
    run_workflow(CHAIN, count_rows, inputs={"url": "x"}, clock=clock)
    assert clock.now == before


def test_time_that_an_executor_takes_is_what_the_record_tells() -> None:
    clock = ManualClock(0.0)

    def execute(op: str, inputs: dict[str, Any]) -> None:
        clock.advance(90)

    run = run_workflow(one_step(timeout=60), execute, clock=clock)
    assert run.calls_of("a") == 1
    assert run.steps["a"].end_time == "1970-01-01T00:01:30.000000Z"
    assert run.outcome == {"a": {}}, "a result that is there comes before a timeout"


def test_time_goes_on_where_it_is_too_late_for_microseconds() -> None:
    clock = ManualClock(250_000_000_000.3)
    retry = {"max_attempts": 20, "delay": 0.1, "backoff": 1.01}
    run = run_workflow(one_step(retry=retry), {"a": [*[{"ok": False}] * 19, None]}, clock=clock)
    assert run.calls_of("a") == 20


def test_no_answer_is_told_by_its_name() -> None:
    assert repr(NO_ANSWER) == "NO_ANSWER"


# Runs that do not end


def test_a_step_that_never_answers_and_has_no_timeout_is_told() -> None:
    definition: dict[str, Any] = {"steps": [{"op": "done"}, {"op": "a"}, {"op": "b", "depends_on": "a"}]}
    with pytest.raises(WorkflowDidNotEnd) as caught:
        run_workflow(definition, {"done": None, "a": NO_ANSWER, "b": None})
    error = caught.value
    assert error.why == "nothing can happen any more"
    assert error.steps == {"a": "in_progress, run 0, which gave NO_ANSWER", "b": "ready, run 0"}
    assert str(error).endswith(
        " did not end: nothing can happen any more\n"
        "  step 'a': in_progress, run 0, which gave NO_ANSWER\n"
        "  step 'b': ready, run 0"
    )
    assert isinstance(error, TimeoutError)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.steps) == (str(error), error.steps)


def test_a_queue_that_nobody_serves_is_told() -> None:
    class PickyRunner(InProcessRunner):
        def take_pending_jobs(self, *args: Any, **options: Any) -> list[DispatchJob]:
            return super().take_pending_jobs(queues=[None], lease_seconds=5)

    with pytest.raises(WorkflowDidNotEnd) as caught:
        run_workflow(one_step(queue="gpu"), {"a": None}, runner=PickyRunner())
    told = "in_progress, run 0, which the runner gives nobody (who serves all queues, by this clock)"
    assert caught.value.steps == {"a": told}


def test_a_loop_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MAX_ROUNDS", 50)
    again = [{"condition": {"var": "more"}, "action": {"set": "a"}}, {"condition": True, "action": "complete"}]
    with pytest.raises(WorkflowDidNotEnd, match="50 rounds were not enough: does a loop never end"):
        run_workflow(one_step(branch=again), {"a": {"more": True}})


def test_faults_that_never_let_anything_be_created_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MAX_ROUNDS", 50)
    with pytest.raises(WorkflowDidNotEnd, match="or do the faults never stop") as caught:
        run_workflow(ONE_STEP, {"a": None}, faults=Faults(failures=1.0, limit=1_000_000))
    assert caught.value.steps == {}


def test_the_time_that_is_allowed_is_the_clock_s() -> None:
    definition = one_step(retry={"max_attempts": 9, "delay": 60})
    assert run_workflow(definition, {"a": [{"ok": False}, None]}, timeout=60).status is WorkflowStatus.COMPLETE
    with pytest.raises(WorkflowDidNotEnd, match=r"59\.5 s on the clock were not enough") as caught:
        run_workflow(definition, {"a": {"ok": False}}, timeout=59.5)
    assert caught.value.steps == {"a": "retry, run 1"}


# Given parts


def test_given_parts_are_used_and_stay_open() -> None:
    clock, store = ManualClock(), InMemoryStore()
    runner = InProcessRunner(clock=clock)
    for faults in (None, Faults(seed=1, lost_replies=0.3, delays=0.3)):
        run = run_workflow(ONE_STEP, {"a": {"n": 1}}, store=store, runner=runner, clock=clock, faults=faults)
        assert store.load(run.record.workflow_execution_id) == run.record
    assert len(store.list_executions()) == 2
    assert runner.list_pending_jobs() == []


def test_what_a_given_store_or_runner_raises_is_raised() -> None:
    class Broken(InMemoryStore):
        def patch(self, patch: Any) -> None:
            raise StorageUnavailable("the disk is full")

    with pytest.raises(StorageUnavailable, match="the disk is full"):
        run_workflow(ONE_STEP, {"a": None}, store=Broken())
    with pytest.raises(StorageUnavailable, match="the disk is full"):
        run_workflow(ONE_STEP, {"a": None}, store=Broken(), faults=Faults(delays=0.5, limit=20))


def test_parts_with_faults_of_their_own_are_refused() -> None:
    with pytest.raises(TypeError, match="give it the bare store and runner, and faults="):
        run_workflow(ONE_STEP, {"a": None}, store=FaultyStore(InMemoryStore(), Faults()))
    with pytest.raises(TypeError, match="give it the bare store and runner, and faults="):
        run_workflow(ONE_STEP, {"a": None}, runner=FaultyRunner(InProcessRunner(), Faults()))


@pytest.mark.parametrize("local", [{"fetch", "count"}, {"fetch"}, {"count"}])
def test_results_that_a_runner_has_at_once_are_settled(local: set[str]) -> None:
    class LocalRunner(InProcessRunner):
        def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
            super().dispatch(workflow_execution_id, [job for job in jobs if job.op not in local])
            return [StepResult(job.op, count_rows(job.op, job.inputs), job.run_id) for job in jobs if job.op in local]

    run = run_workflow(CHAIN, count_rows, runner=LocalRunner(), inputs={"url": "x"})
    assert run.outcome == {"count": 3}
    assert {call.op for call in run.calls} == {"fetch", "count"} - local


# Faults


@pytest.mark.parametrize("kind", ["conflicts", "lost_replies", "failures", "duplicates", "delays", "reorder"])
def test_each_kind_of_fault_is_injected_and_survived(kind: str) -> None:
    definition: dict[str, Any] = {
        "steps": [{"op": "a"}, {"op": "b"}, {"op": "c", "depends_on": ["a", "b"]}],
        "outputs": {"c": {"var": "steps.c.output.n"}},
    }
    run = run_workflow(definition, {"a": None, "b": None, "c": {"n": 1}}, faults=Faults(limit=8, **{kind: 1.0}))
    assert run.outcome == {"c": 1}
    assert {fault.kind for fault in run.injected} == {kind}


def test_faults_without_a_limit_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MAX_FAULTS", 30)
    run = run_workflow(ONE_STEP, {"a": {"n": 1}}, faults=Faults(failures=1.0))
    assert run.outcome == {"a": {"n": 1}}
    assert len(run.injected) == 30


def test_a_limit_counts_the_faults_of_store_and_runner_together() -> None:
    run = run_workflow(ONE_STEP, {"a": None}, faults=Faults(lost_replies=1.0, limit=5))
    assert len(run.injected) == 5


def test_under_duplicates_a_run_is_executed_twice_and_applied_once() -> None:
    run = run_workflow(CHAIN, count_rows, inputs={"url": "x"}, faults=Faults(duplicates=1.0))
    assert run.outcome == {"count": 3}
    assert [(call.op, call.run_id, call.delivery) for call in run.calls] == [
        ("fetch", 0, 1),
        ("fetch", 0, 2),
        ("count", 0, 1),
    ]


ROUNDABOUT: dict[str, Any] = {
    "steps": [
        {"op": "a", "max_attempts": 3},
        {"op": "b", "timeout": 60, "max_attempts": 2},
        {
            "op": "c",
            "depends_on": ["a", "b"],
            "input": {"a": {"var": "steps.a.output.a"}, "b": {"var": "steps.b.output.b"}},
            "branch": [
                {"condition": {"var": "again"}, "action": {"set": "a"}},
                {"condition": True, "action": "complete"},
            ],
        },
    ],
    "outputs": {"c": {"var": "steps.c.output.c"}},
}


@pytest.mark.parametrize("seed", range(40))
def test_each_run_s_own_result_is_the_one_that_counts(seed: int) -> None:
    fakes = {
        "a": [{"ok": False}, ConnectionError("gone"), {"a": 2}, {"ok": False}, {"a": 4}],
        "b": [NO_ANSWER, {"b": 1}],
        "c": [{"again": True}, {"c": [1]}],
    }
    faults = Faults(seed=seed, conflicts=0.05, lost_replies=0.2, failures=0.1, duplicates=0.4, delays=0.3, reorder=0.3)
    run = run_workflow(ROUNDABOUT, fakes, faults=faults)
    assert run.outcome == {"c": [1]}
    assert {op: (step.run_id, step.output) for op, step in run.steps.items()} == {
        "a": (4, {"a": 4}),
        "b": (1, {"b": 1}),
        "c": (1, {"c": [1]}),
    }
    assert [call.inputs for call in run.calls if call.op == "c"][-1] == {"a": 4, "b": 1}


@st.composite
def workflows(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A definition and its fakes, whose outcome does not depend on the order of what runs side by side: each step has
    its own keys, at most one ends the workflow, and loops reset only what is before or after the looping step.
    """
    steps: list[dict[str, Any]] = []
    fakes: dict[str, Any] = {}
    above: dict[str, set[str]] = {}
    ended = False
    for number in range(draw(st.integers(1, 6))):
        op = f"s{number}"
        before = [step["op"] for step in steps]
        depends_on = draw(st.lists(st.sampled_from(before), unique=True, max_size=3)) if before else []
        above[op] = set(depends_on).union(*(above[other] for other in depends_on))
        step: dict[str, Any] = {"op": op, "depends_on": depends_on, "input": {}}
        for other in sorted(above[op]):
            root = draw(st.sampled_from([f"steps.{other}.output.{other}", f"state.{other}"]))
            step["input"][other] = {"var": root}
        troubles = st.sampled_from([{"ok": False}, ConnectionError("gone"), NO_ANSWER])
        runs: list[Any] = draw(st.lists(troubles, max_size=2))
        step["timeout"] = draw(st.sampled_from([60, 7_200])) if NO_ANSWER in runs else 86_400
        step["retry"] = {"max_attempts": draw(st.integers(1, 3)), "delay": draw(st.sampled_from([0, 30]))}
        if not ended and draw(st.integers(0, 3)) == 0:
            ended = True
            if draw(st.booleans()):
                step["on_error"] = "halt"
            else:
                step["branch"] = [{"condition": {"var": "done"}, "action": "halt", "result": {"by": op}}]
        elif draw(st.integers(0, 2)) == 0:
            step["loop"] = draw(st.integers(1, 2))
        fakes[op] = runs
        steps.append(step)
    for step in steps:
        op, loop = step["op"], step.pop("loop", 0)
        if loop:
            target = draw(st.sampled_from([op, *_resettable(op, above)]))
            step["branch"] = [
                {"condition": {"var": f"again_{op}"}, "action": {"set": target}},
                {"condition": {"==": [{"var": "done"}, True]}, "action": "complete"},
            ]
            fakes[op] += [{f"again_{op}": True}] * loop
    for op in fakes:
        fakes[op] += [{"done": True, op: op * 2, f"again_{op}": False}] * 60
    outputs = {step["op"]: {"var": f"steps.{step['op']}.output"} for step in steps}
    return {"steps": steps, "outputs": outputs}, fakes


def _resettable(op: str, above: dict[str, set[str]]) -> list[str]:
    """The steps before `op` of which everything that depends on them is before or after `op`, too."""
    return [
        target
        for target in sorted(above[op])
        if all(other == op or other in above[op] or op in above[other] for other in above if target in above[other])
    ]


rates = st.sampled_from([0.0, 0.0, 0.1, 0.4, 1.0])
any_faults = st.builds(
    Faults,
    seed=st.integers(0, 2**32),
    conflicts=rates,
    lost_replies=rates,
    failures=rates,
    duplicates=rates,
    delays=rates,
    reorder=rates,
    limit=st.integers(0, 12),
)


@settings(deadline=None)
@given(workflows(), any_faults)
def test_the_outcome_is_the_same_under_any_faults(workflow: tuple[Any, Any], faults: Faults) -> None:
    definition, fakes = workflow
    undisturbed = run_workflow(definition, fakes)
    disturbed = run_workflow(definition, fakes, faults=faults)
    note("\n".join(map(str, disturbed.injected)))
    assert disturbed.result == undisturbed.result
    if disturbed.status is WorkflowStatus.COMPLETE:
        assert what_counts(disturbed.record) == what_counts(undisturbed.record)
        assert {(call.op, call.run_id) for call in disturbed.calls} >= {
            (call.op, call.run_id) for call in undisturbed.calls
        }


def what_counts(record: WorkflowRecord) -> dict[str, tuple[StepStatus, Any, int, int]]:
    return {op: (step.status, step.output, step.run_id, step.attempt) for op, step in record.steps.items()}


def test_what_can_not_be_called_is_no_executor() -> None:
    wrong: Any = "execute"
    with pytest.raises(TypeError, match="an executor is a function"):
        run_workflow({"steps": [{"op": "a"}]}, wrong)
