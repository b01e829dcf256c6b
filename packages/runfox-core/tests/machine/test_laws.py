"""The laws of the machine, one by one: pure, without store, runner or clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from runfox import machine
from runfox.definition import parse_dict
from runfox.errors import ExecutionEnded, ExpressionError, UnknownStep
from runfox.machine import Decision, Snapshot
from runfox.machine.steps import TRANSITIONS, IllegalTransition, StepEvent, claimed, reset
from runfox.machine.transitions import retry_delay
from runfox.plan import Plan
from runfox.records import UNSET, StepRecord, WorkflowRecord
from runfox.results import Complete, Dispatch, Halt, Pending, Result, StepResult
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import add_seconds

T0 = "2026-01-31T12:00:00.000000Z"


class Execution:
    """A snapshot, a clock that the test moves, and commits that always succeed."""

    def __init__(self, *steps: Mapping[str, Any], inputs: Mapping[str, Any] | None = None, **definition: Any) -> None:
        plan = Plan(parse_dict({"steps": list(steps), **definition}))
        self.now = T0
        self.random = 0.0
        self.snapshot = Snapshot(
            plan,
            WorkflowRecord(
                workflow_id="w",
                execution_id="e",
                spec=plan.definition.spec,
                inputs=dict(inputs or {}),
                version=1,
                created_at=T0,
                updated_at=T0,
                wake_at=add_seconds(T0, 60),
            ),
        )

    @property
    def record(self) -> WorkflowRecord:
        return self.snapshot.record

    def commit(self, decision: Decision) -> Result:
        if decision.patch is not None:
            decision.committed()
        return decision.answer

    def advance(self) -> Result:
        return self.commit(machine.advance(self.snapshot, now=self.now, host="h"))

    def result(self, op: str, output: Any, run_id: int | None = None) -> Decision:
        decision = machine.on_step_result(
            self.snapshot, StepResult(op, output, run_id), now=self.now, random=self.random
        )
        self.commit(decision)
        return decision

    def settle(self, *results: tuple[Any, ...]) -> Result:
        decision = machine.settle(
            self.snapshot, [StepResult(*result) for result in results], now=self.now, random=self.random, host="h"
        )
        return self.commit(decision)

    def jobs(self) -> dict[str, Any]:
        answer = self.advance()
        assert isinstance(answer, Dispatch)
        return {job.op: job.inputs for job in answer.jobs}

    def status(self, op: str) -> StepStatus:
        return self.record.steps[op].status

    def later(self, seconds: float) -> None:
        self.now = add_seconds(self.now, seconds)


def ops(answer: Result) -> Sequence[str]:
    assert isinstance(answer, Dispatch)
    return [job.op for job in answer.jobs]


# Claims


def test_advance_claims_every_step_whose_dependencies_are_complete_in_the_order_of_the_definition() -> None:
    run = Execution({"op": "b"}, {"op": "a"}, {"op": "c", "depends_on": ["a", "b"]})
    assert ops(run.advance()) == ["b", "a"]
    assert run.record.status is WorkflowStatus.IN_PROGRESS
    assert run.advance() == Pending(None)
    run.result("a", {})
    assert run.advance() == Pending(None)
    run.result("b", {})
    assert ops(run.advance()) == ["c"]


def test_a_claim_says_when_where_and_which_run() -> None:
    run = Execution({"op": "a"})
    run.advance()
    assert run.record.steps["a"] == StepRecord(op="a", status=StepStatus.IN_PROGRESS, start_time=T0, host="h")


def test_a_job_carries_what_its_step_declares() -> None:
    run = Execution({"op": "a", "call": "fetch", "queue": "gpu", "input": {"n": 1}})
    answer = run.advance()
    assert isinstance(answer, Dispatch)
    (job,) = answer.jobs
    assert (job.workflow_execution_id, job.op, job.call, job.queue, job.inputs, job.run_id) == (
        "w#e",
        "a",
        "fetch",
        "gpu",
        {"n": 1},
        0,
    )


def test_asking_changes_nothing_until_the_decision_is_committed() -> None:
    run = Execution({"op": "a"})
    first = machine.advance(run.snapshot, now=T0)
    second = machine.advance(run.snapshot, now=T0)
    assert first.patch == second.patch
    assert run.status("a") is StepStatus.READY
    assert run.record.version == 1


def test_inputs_are_copies_of_what_the_record_holds() -> None:
    run = Execution(
        {"op": "a"},
        {"op": "b", "depends_on": "a", "input": {"all": {"var": "steps.a.output.list"}, "one": {"var": "input.x"}}},
        inputs={"x": [1]},
    )
    run.advance()
    run.result("a", {"list": [1, 2]})
    jobs = run.jobs()
    jobs["b"]["all"].append(3)
    jobs["b"]["one"].append(3)
    assert run.record.steps["a"].output == {"list": [1, 2]}
    assert run.record.inputs == {"x": [1]}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1, False),
        ({"var": "input.x"}, False),
        ({"var": "steps.a.output.n"}, False),
        ({"var": ["steps.a.output.n", 0]}, False),
        ({"var": "state.n"}, True),
        ({"vars": "steps[*].output.n"}, True),
        ({"var": ["steps.other.output.n", 0]}, True),
        ({"var": {"cat": ["steps.", "a"]}}, True),
    ],
)
def test_inputs_are_kept_with_the_claim_only_where_they_could_not_be_derived_again(value: Any, kept: bool) -> None:
    run = Execution({"op": "a"}, {"op": "other"}, {"op": "b", "depends_on": "a", "input": {"v": value}})
    run.advance()
    run.result("a", {"n": 7})
    jobs = run.jobs()
    assert run.record.steps["b"].inputs == (jobs["b"] if kept else None)


def test_a_job_handed_out_again_has_the_inputs_of_its_claim() -> None:
    run = Execution(
        {"op": "a", "input": {"n": {"var": ["state.n", 0]}}},
        {"op": "b", "input": {"n": {"var": "input.x"}}},
        inputs={"x": 5},
    )
    first = run.jobs()
    run.commit(machine.merge_state(run.snapshot, None, {"n": 99}, now=T0))
    again = {job.op: job.inputs for job in machine.look(run.snapshot).running_jobs()}
    assert again == first == {"a": {"n": 0}, "b": {"n": 5}}


def test_inputs_kept_with_a_claim_go_with_its_result() -> None:
    run = Execution({"op": "a", "input": {"n": {"var": "state.n"}}})
    run.advance()
    run.result("a", {})
    assert run.record.steps["a"].inputs is None


# Results


def test_a_result_is_stored_and_merged_and_completes_the_step() -> None:
    run = Execution({"op": "a"}, {"op": "b"})
    run.advance()
    run.later(2)
    assert run.result("a", {"x": 1, "y": None}).applied is StepStatus.COMPLETE
    run.result("b", {"x": 2})
    assert run.record.state == {"x": 2, "y": None}
    step = run.record.steps["a"]
    assert (step.output, step.start_time, step.end_time) == ({"x": 1, "y": None}, T0, add_seconds(T0, 2))


@pytest.mark.parametrize("run_id", [0, 1, 7])
def test_a_result_for_another_run_or_a_step_that_is_not_in_progress_is_stale(run_id: int) -> None:
    run = Execution({"op": "a"}, {"op": "b", "depends_on": "a"})
    assert run.result("a", {}, 0).patch is None
    run.advance()
    assert run.result("b", {}, 0).patch is None
    decision = run.result("a", {"n": 1}, run_id)
    assert (decision.patch is not None) == (run_id == 0)
    run.result("a", {"n": 1})
    assert run.result("a", {"n": 2}).patch is None
    assert run.record.state == {"n": 1}


def test_a_result_without_a_run_id_has_no_fence() -> None:
    run = Execution({"op": "a"})
    run.advance()
    assert run.result("a", {"n": 1}, None).applied is StepStatus.COMPLETE


def test_a_result_for_an_unknown_step_is_an_error() -> None:
    run = Execution({"op": "a"})
    with pytest.raises(UnknownStep, match="no step 'zzz'"):
        run.result("zzz", {})


def test_no_output_counts_as_an_empty_one() -> None:
    run = Execution({"op": "a"})
    run.advance()
    run.result("a", None)
    assert run.record.steps["a"].output == {}


@pytest.mark.parametrize("output", [[1], "text", 3, {1: 2}, {"x": float("nan")}, {"x": object()}])
def test_an_output_that_is_no_json_mapping_is_an_error_result_that_says_so(output: Any) -> None:
    run = Execution({"op": "a"})
    run.advance()
    run.result("a", output)
    stored = run.record.steps["a"].output
    assert stored is not None
    assert stored["ok"] is False
    assert "the output of step 'a'" in str(stored["error"])
    assert stored["error_type"] == "InvalidJSON"


def test_what_a_result_holds_can_be_changed_afterwards_without_reaching_the_record() -> None:
    run = Execution({"op": "a"})
    run.advance()
    output = {"list": [1]}
    run.result("a", output)
    output["list"].append(2)
    assert run.record.state == {"list": [1]}


# Branches


def test_a_halt_ends_step_and_workflow_with_its_resolved_result() -> None:
    branch = {"condition": {"var": "bad"}, "action": "halt", "result": {"why": {"var": "reason"}}}
    run = Execution({"op": "a", "branch": [branch]}, {"op": "b"})
    run.advance()
    decision = run.result("a", {"bad": True, "reason": "unsafe"})
    assert decision.answer == Halt({"why": "unsafe"})
    assert run.status("a") is StepStatus.HALTED
    assert run.record.status is WorkflowStatus.HALTED
    assert run.record.wake_at is None


def test_after_a_halt_late_results_are_stale_and_every_answer_is_the_halt() -> None:
    run = Execution({"op": "a", "branch": [{"condition": True, "action": "halt"}]}, {"op": "b"})
    run.advance()
    run.result("a", {})
    version = run.record.version
    assert run.result("b", {"late": 1}, 0).answer == Halt({})
    assert run.settle(("b", {"late": 1}, 0)) == Halt({})
    assert run.advance() == Halt({})
    assert run.record.version == version
    assert run.record.state == {}


def test_the_first_truthy_branch_acts() -> None:
    branches = [
        {"condition": {"var": "zero"}, "action": "halt"},
        {"condition": {"var": "one"}, "action": "complete"},
        {"condition": True, "action": "halt"},
    ]
    run = Execution({"op": "a", "branch": branches})
    run.advance()
    run.result("a", {"zero": 0, "one": 1})
    assert run.settle() == Complete({})


def test_a_condition_sees_the_state_after_the_merge_and_its_own_output() -> None:
    both = {"and": [{"var": "state.n"}, {"var": "steps.a.output.n"}, {"var": "n"}]}
    run = Execution({"op": "a", "branch": [{"condition": both, "action": "halt", "result": both}]})
    run.advance()
    assert run.result("a", {"n": 3}).answer == Halt(3)


def test_a_root_wins_over_a_field_of_its_name() -> None:
    result = {"root": {"var": "input.x"}, "field": {"var": "steps.a.output.input"}, "all": {"var": ""}}
    run = Execution(
        {"op": "a", "branch": [{"condition": True, "action": "halt", "result": result}]}, inputs={"x": "theirs"}
    )
    run.advance()
    run.result("a", {"input": {"x": "mine"}, "other": 1})
    assert run.record.outcome == {
        "root": "theirs",
        "field": {"x": "mine"},
        "all": {
            "other": 1,
            "input": {"x": "theirs"},
            "steps": {"a": {"output": {"input": {"x": "mine"}, "other": 1}}},
            "state": {"input": {"x": "mine"}, "other": 1},
        },
    }


def test_complete_ends_the_step_whatever_budget_is_left() -> None:
    run = Execution({"op": "a", "max_attempts": 9, "branch": [{"condition": True, "action": "complete"}]})
    run.advance()
    assert run.result("a", {"ok": False}).applied is StepStatus.COMPLETE


def diamond(**last: Any) -> Execution:
    return Execution(
        {"op": "a"},
        {"op": "b", "depends_on": "a"},
        {"op": "c", "depends_on": "a"},
        {"op": "d", "depends_on": ["b", "c"], **last},
        {"op": "aside"},
    )


def test_set_resets_the_targets_the_step_and_all_that_depend_on_them_each_once() -> None:
    run = diamond(
        branch=[{"condition": {"var": "again"}, "action": {"set": "a"}}, {"condition": 1, "action": "complete"}]
    )
    run.advance()
    run.settle(("a", {}), ("aside", {}))
    run.settle(("b", {}), ("c", {}))
    run.result("d", {"again": True})
    assert {op: (s.status, s.run_id, s.output) for op, s in run.record.steps.items()} == {
        "a": (StepStatus.READY, 1, None),
        "b": (StepStatus.READY, 1, None),
        "c": (StepStatus.READY, 1, None),
        "d": (StepStatus.READY, 1, None),
        "aside": (StepStatus.COMPLETE, 0, {}),
    }
    assert run.record.state == {"again": True}
    assert ops(run.advance()) == ["a"]


def test_a_run_in_flight_when_its_step_is_reset_is_stale() -> None:
    again = [{"condition": {"var": "again"}, "action": {"set": "a"}}, {"condition": 1, "action": "complete"}]
    run = Execution({"op": "a"}, {"op": "b", "depends_on": "a"}, {"op": "c", "depends_on": "a", "branch": again})
    run.advance()
    run.settle(("a", {}))
    decision = run.result("c", {"again": True})
    assert ("b", 0) in decision.retired
    assert run.result("b", {"late": 1}, 0).patch is None
    assert ops(run.advance()) == ["a"]
    answer = run.settle(("a", {}, 1))
    assert isinstance(answer, Dispatch)
    assert [(job.op, job.run_id) for job in answer.jobs] == [("b", 1), ("c", 1)]


def test_a_step_that_was_not_claimed_since_its_last_reset_is_left_as_it_is() -> None:
    again = [{"condition": True, "action": {"set": ["b"]}}, {"condition": 1, "action": "complete"}]
    run = Execution({"op": "a", "branch": again}, {"op": "z"}, {"op": "b", "depends_on": ["a", "z"]})
    run.advance()
    run.result("a", {})
    assert run.record.steps["b"] == StepRecord(op="b")
    assert run.record.steps["a"].run_id == 1


def test_a_reset_clears_a_waiting_retry() -> None:
    again = [{"condition": True, "action": {"set": ["a"]}}, {"condition": 1, "action": "complete"}]
    run = Execution({"op": "a", "retry": {"max_attempts": 3, "delay": 10}}, {"op": "b", "branch": again})
    run.advance()
    run.result("a", {"ok": False})
    assert run.status("a") is StepStatus.RETRY
    run.result("b", {})
    step = run.record.steps["a"]
    assert (step.status, step.run_id, step.attempt, step.ready_at) == (StepStatus.READY, 2, 0, None)
    assert ops(run.advance()) == ["a", "b"]


def test_a_loop_counts_its_runs_and_not_its_attempts() -> None:
    more = {"condition": {"<": [{"var": "n"}, 3]}, "action": {"set": "a", "value": "ready"}}
    run = Execution(
        {"op": "a", "input": {"n": {"var": ["state.n", 0]}}, "branch": [more, {"condition": 1, "action": "complete"}]},
        outputs={"n": {"var": "state.n"}},
    )
    answer = run.advance()
    while isinstance(answer, Dispatch):
        (job,) = answer.jobs
        answer = run.settle(("a", {"n": job.inputs["n"] + 1}, job.run_id))  # type: ignore[operator]  # a number
    assert answer == Complete({"n": 3})
    assert (run.record.steps["a"].run_id, run.record.steps["a"].attempt) == (2, 0)


# Retries


def test_an_error_result_runs_again_until_the_budget_is_used_up() -> None:
    run = Execution({"op": "a", "max_attempts": 3})
    run.advance()
    for run_id in (0, 1):
        decision = run.result("a", {"ok": False}, run_id)
        assert decision.applied is StepStatus.RETRY
        assert decision.answer == Pending(T0)
        assert (run.record.steps["a"].run_id, run.record.steps["a"].attempt) == (run_id + 1, run_id + 1)
        assert ops(run.advance()) == ["a"]
    assert run.result("a", {"ok": False}, 2).applied is StepStatus.COMPLETE
    assert run.advance() == Complete({})


@pytest.mark.parametrize("output", [{}, {"ok": True}, {"ok": 0}, {"ok": None}, {"error": "x"}])
def test_what_has_succeeded_does_not_run_twice(output: Any) -> None:
    run = Execution({"op": "a", "max_attempts": 3})
    run.advance()
    assert run.result("a", output).applied is StepStatus.COMPLETE


def test_when_decides_what_an_error_is() -> None:
    run = Execution({"op": "a", "retry": {"max_attempts": 2, "when": {"==": [{"var": "code"}, 503]}}})
    run.advance()
    assert run.result("a", {"code": 503}).applied is StepStatus.RETRY
    run.advance()
    assert run.result("a", {"ok": False, "code": 200}).applied is StepStatus.COMPLETE


def test_when_true_repeats_regardless() -> None:
    run = Execution({"op": "a", "retry": {"max_attempts": 2, "when": True}})
    run.advance()
    assert run.result("a", {"ok": True}).applied is StepStatus.RETRY


@pytest.mark.parametrize(
    ("retry", "random", "delays"),
    [
        ({"delay": 1}, 0.0, [1, 2, 4]),
        ({"delay": 2, "backoff": 3, "max_delay": 10}, 0.0, [2, 6, 10]),
        ({"delay": 4, "backoff": 1, "jitter": 0.5}, 0.5, [3, 3, 3]),
        ({"delay": 1, "backoff": 1e200, "max_delay": 5}, 0.0, [1, 5, 5]),
        ({}, 0.9, [0, 0, 0]),
    ],
)
def test_a_retry_waits_longer_each_time(retry: dict[str, Any], random: float, delays: list[float]) -> None:
    run = Execution({"op": "a", "retry": {"max_attempts": 4, **retry}})
    run.random = random
    run.advance()
    for delay in delays:
        run.result("a", {"ok": False})
        assert run.record.steps["a"].ready_at == add_seconds(run.now, delay)
        if delay:
            run.later(delay - 0.001)
            assert run.advance() == Pending(run.record.steps["a"].ready_at)
            run.later(0.001)
        assert ops(run.advance()) == ["a"]


def test_a_backoff_beyond_all_numbers_is_the_longest_delay() -> None:
    run = Execution({"op": "a", "retry": {"max_attempts": 9, "delay": 1, "backoff": 1e200, "max_delay": 7}})
    run.advance()
    for _ in range(3):
        run.result("a", {"ok": False})
        run.later(7)
        run.advance()
    run.result("a", {"ok": False})
    assert run.record.steps["a"].ready_at == add_seconds(run.now, 7)


def test_the_retries_of_one_batch_do_not_all_come_at_the_same_time() -> None:
    step = {"retry": {"max_attempts": 2, "delay": 10, "jitter": 1}}
    run = Execution({"op": "a", **step}, {"op": "b", **step}, {"op": "c", **step})
    run.advance()
    run.settle(*((op, {"ok": False}, 0) for op in "abc"))
    assert len({run.record.steps[op].ready_at for op in "abc"}) == 3


def test_an_error_that_is_not_retried_completes_the_step_unless_it_shall_halt() -> None:
    run = Execution({"op": "a"}, {"op": "b", "on_error": "halt", "max_attempts": 2})
    run.advance()
    assert run.result("a", {"ok": False, "error": "x"}).applied is StepStatus.COMPLETE
    run.result("b", {"ok": False})
    run.advance()
    decision = run.result("b", {"ok": False, "error": {"why": ["boom"]}})
    assert decision.answer == Halt({"status": "error", "op": "b", "error": {"why": ["boom"]}})
    assert run.status("b") is StepStatus.HALTED


# Timeouts


def test_a_run_that_is_not_settled_in_time_counts_as_an_error_result() -> None:
    run = Execution({"op": "a", "timeout": 5, "on_error": "halt"})
    run.advance()
    assert run.settle() == Pending(add_seconds(T0, 5))
    run.later(4.999999)
    assert run.settle() == Pending(add_seconds(T0, 5))
    run.later(0.000001)
    assert run.settle() == Halt({"status": "error", "op": "a", "error": "timed out after 5 s"})
    assert run.record.steps["a"].output == {"ok": False, "error": "timed out after 5 s", "timeout": True}


def test_results_in_hand_come_before_timeouts() -> None:
    run = Execution({"op": "a", "timeout": 5})
    run.advance()
    run.later(60)
    assert run.settle(("a", {"n": 1}, 0)) == Complete({})
    assert run.record.state == {"n": 1}


def test_a_timeout_is_retried_and_its_late_result_is_stale() -> None:
    run = Execution({"op": "a", "timeout": 5, "max_attempts": 2})
    run.advance()
    run.later(5)
    answer = run.settle()
    assert isinstance(answer, Dispatch)
    assert answer.jobs[0].run_id == 1
    run.settle(("a", {"late": 1}, 0))
    assert "late" not in run.record.state
    assert run.settle(("a", {"n": 2}, 1)) == Complete({})


def test_the_earliest_timer_is_the_one_that_is_told() -> None:
    run = Execution(
        {"op": "a", "timeout": 50},
        {"op": "b", "timeout": 20},
        {"op": "c", "retry": {"max_attempts": 2, "delay": 30}},
    )
    run.advance()
    run.result("c", {"ok": False})
    assert run.advance() == Pending(add_seconds(T0, 20))
    run.result("b", {})
    assert run.advance() == Pending(add_seconds(T0, 30))


# Settle


def test_settle_applies_everything_in_one_commit() -> None:
    run = diamond()
    run.settle()
    version = run.record.version
    answer = run.settle(("a", {"n": 1}, 0), ("aside", {"m": 2}, 0))
    assert ops(answer) == ["b", "c"]
    assert run.record.version == version + 1
    assert run.record.state == {"n": 1, "m": 2}


def test_settle_goes_through_a_step_that_completes_at_once() -> None:
    run = diamond()
    run.settle()
    run.settle(("a", {}, 0), ("aside", {}, 0))
    assert ops(run.settle(("b", {}, 0), ("c", {}, 0), ("b", {}, 0))) == ["d"]
    assert run.settle(("d", {}, 0)) == Complete({})


def test_a_patch_holds_only_what_changed() -> None:
    run = diamond()
    run.settle()
    decision = machine.settle(run.snapshot, [StepResult("aside", {"n": 1}, 0)], now=T0, random=0.0)
    assert decision.patch is not None
    assert decision.patch.steps is not UNSET
    assert set(decision.patch.steps) == {"aside"}
    assert decision.patch.state == {"n": 1}
    assert (decision.patch.status, decision.patch.outcome, decision.patch.wake_at) == (UNSET, UNSET, UNSET)


def test_settle_with_nothing_to_do_commits_nothing() -> None:
    run = Execution({"op": "a"})
    run.advance()
    assert machine.settle(run.snapshot, [], now=T0, random=0.0).patch is None
    assert machine.settle(run.snapshot, [StepResult("a", {}, 9)], now=T0, random=0.0).patch is None


def test_results_after_a_halt_in_the_same_batch_are_stale() -> None:
    run = Execution(
        {"op": "a", "branch": [{"condition": True, "action": "halt"}]}, {"op": "b"}, {"op": "c", "timeout": 1}
    )
    run.advance()
    run.later(5)
    assert run.settle(("a", {}, 0), ("b", {"n": 1}, 0)) == Halt({})
    assert run.record.state == {}
    assert run.status("b") is run.status("c") is StepStatus.IN_PROGRESS


# Outputs and the end


def test_the_outcome_is_the_resolved_outputs() -> None:
    run = Execution(
        {"op": "a"},
        outputs={"n": {"var": "steps.a.output.n"}, "all": {"vars": "steps.*.output.n"}, "plain": ["x"]},
    )
    run.advance()
    run.result("a", {"n": 4})
    assert run.record.status is WorkflowStatus.IN_PROGRESS
    assert run.advance() == Complete({"n": 4, "all": [4], "plain": ["x"]})
    assert run.advance() == Complete({"n": 4, "all": [4], "plain": ["x"]})
    assert run.record.wake_at is None


def test_a_workflow_ended_from_outside_stays_as_it_was_ended() -> None:
    run = Execution({"op": "a"})
    run.advance()
    assert run.commit(machine.halt(run.snapshot, {"by": "hand"}, now=T0)) == Halt({"by": "hand"})
    assert run.commit(machine.halt(run.snapshot, {"by": "another"}, now=T0)) == Halt({"by": "hand"})
    assert machine.look(run.snapshot).running_jobs() == []


# Expressions that fail

BROKEN = {"/": [1, 0]}


def test_an_expression_that_fails_in_advance_is_raised_and_nothing_is_decided() -> None:
    run = Execution({"op": "a", "input": {"x": BROKEN}})
    with pytest.raises(ExpressionError) as caught:
        run.advance()
    assert (caught.value.op, caught.value.place) == ("a", "input.x")
    assert run.status("a") is StepStatus.READY


def test_an_expression_that_fails_in_a_branch_is_raised_and_the_result_can_come_again() -> None:
    run = Execution({"op": "a", "branch": [{"condition": {"/": [1, {"var": "n"}]}, "action": "complete"}]})
    run.advance()
    with pytest.raises(ExpressionError, match=r"step 'a', branch\[0\]\.condition"):
        run.result("a", {"n": 0})
    assert run.record.state == {}
    assert run.result("a", {"n": 1}).applied is StepStatus.COMPLETE


@pytest.mark.parametrize(
    ("steps", "outputs", "op", "place"),
    [
        ([{"op": "a", "branch": [{"condition": BROKEN, "action": "complete"}]}], {}, "a", "branch[0].condition"),
        ([{"op": "a", "branch": [{"condition": 1, "action": "halt", "result": BROKEN}]}], {}, "a", "branch[0].result"),
        ([{"op": "a", "retry": {"when": BROKEN}}], {}, "a", "retry.when"),
        ([{"op": "a"}, {"op": "b", "depends_on": "a", "input": {"x": BROKEN}}], {}, "b", "input.x"),
        ([{"op": "a"}, {"op": "b", "depends_on": "a", "input": {"x": {"*": [1e308, 10]}}}], {}, "b", "input.x"),
        ([{"op": "a"}], {"x": BROKEN}, None, "outputs.x"),
    ],
)
def test_an_expression_that_fails_in_settle_ends_the_workflow(
    steps: list[Any], outputs: Any, op: str | None, place: str
) -> None:
    run = Execution(*steps, outputs=outputs)
    run.advance()
    answer = run.settle(("a", {"n": 1}, 0))
    assert isinstance(answer, Halt)
    assert isinstance(answer.result, dict)
    assert answer.result.pop("error")
    assert answer.result == {"status": "error", "op": op, "place": place}
    assert run.record.state == {"n": 1}
    assert run.status("a") is (StepStatus.HALTED if op == "a" else StepStatus.COMPLETE)


def test_an_expression_that_fails_when_it_is_attended_to_ends_the_workflow() -> None:
    run = Execution({"op": "a", "input": {"x": BROKEN}})
    assert isinstance(run.commit(machine.attend(run.snapshot, now=T0, recover_after=60)), Halt)


# Attention


def test_a_commit_only_brings_wake_at_nearer() -> None:
    run = Execution({"op": "a", "timeout": 90}, {"op": "b", "retry": {"max_attempts": 2, "delay": 30}})
    run.advance()
    assert run.record.wake_at == add_seconds(T0, 60)
    run.result("b", {"ok": False})
    assert run.record.wake_at == add_seconds(T0, 30)
    run.later(45)
    run.advance()
    run.settle(("b", {}, 1))
    assert run.record.wake_at == add_seconds(T0, 30)


def test_attending_puts_wake_at_off_to_the_next_timer_at_most() -> None:
    run = Execution({"op": "a", "timeout": 70}, {"op": "b", "timeout": 500})
    run.advance()
    run.later(50)
    run.commit(machine.attend(run.snapshot, now=run.now, recover_after=60))
    assert run.record.wake_at == add_seconds(T0, 70)
    run.later(100)
    run.commit(machine.attend(run.snapshot, now=run.now, recover_after=60))
    assert run.record.wake_at == add_seconds(run.now, 60)


def test_attending_claims_what_can_run_and_leaves_timeouts_alone() -> None:
    run = Execution({"op": "a", "timeout": 5})
    assert ops(run.commit(machine.attend(run.snapshot, now=T0, recover_after=60))) == ["a"]
    assert run.record.wake_at == add_seconds(T0, 5)
    run.later(10)
    run.commit(machine.attend(run.snapshot, now=run.now, recover_after=60))
    assert run.status("a") is StepStatus.IN_PROGRESS


def test_attending_to_what_has_ended_changes_nothing() -> None:
    run = Execution({"op": "a"})
    run.commit(machine.halt(run.snapshot, None, now=T0))
    assert machine.attend(run.snapshot, now=T0, recover_after=60).patch is None


def test_a_record_without_wake_at_gets_one_from_its_timers() -> None:
    run = Execution({"op": "a", "timeout": 5}, {"op": "b"})
    run.record.wake_at = None
    run.advance()
    assert run.record.wake_at == add_seconds(T0, 5)
    run.record.wake_at = None
    run.result("b", {})
    assert run.record.wake_at is None


# Snapshots


def test_steps_that_a_store_left_out_are_filled_in_the_order_of_the_definition() -> None:
    run = diamond()
    assert list(run.record.steps) == ["a", "b", "c", "d", "aside"]


def test_a_snapshot_follows_a_later_record_as_if_it_had_been_made_from_it() -> None:
    mine, theirs = diamond(), diamond()
    for run in (mine, theirs):
        run.advance()
    theirs.settle(("a", {"n": 1}, 0), ("aside", {}, 0))
    theirs.settle(("b", {}, 0))
    machine.follow(mine.snapshot, theirs.record)
    fresh = Snapshot(theirs.snapshot.plan, theirs.record)
    for name in ("waiting", "ready", "running", "remaining"):
        assert getattr(mine.snapshot, name) == getattr(fresh, name)


def test_following_fills_in_steps_that_a_store_left_out() -> None:
    mine, theirs = diamond(), diamond()
    theirs.advance()
    del theirs.record.steps["d"]
    machine.follow(mine.snapshot, theirs.record)
    assert mine.record.steps["d"] == StepRecord(op="d")


# The table


@pytest.mark.parametrize("status", list(StepStatus))
@pytest.mark.parametrize("event", list(StepEvent))
def test_what_is_not_in_the_table_names_state_and_event(status: StepStatus, event: StepEvent) -> None:
    step = StepRecord(op="a", status=status)
    if event is StepEvent.CLAIM and event not in TRANSITIONS[status]:
        with pytest.raises(IllegalTransition, match=f"step 'a' is '{status.value}' and can't 'claim'"):
            claimed(step, now=T0, host=None, inputs=None)
    if event is StepEvent.RESET and event not in TRANSITIONS[status]:
        with pytest.raises(IllegalTransition, match="can't 'reset'"):
            reset(step)


# Contexts


def test_a_step_that_there_is_not_is_missing_and_not_an_error() -> None:
    path = {"var": {"cat": ["steps.", {"var": "input.name"}, ".output"]}}
    run = Execution({"op": "a", "input": {"x": path}}, inputs={"name": "nobody"})
    assert run.jobs() == {"a": {"x": None}}


# Edges of the laws


def test_no_delay_stays_no_delay_however_often_it_is_doubled() -> None:
    plan = Plan(parse_dict({"steps": [{"op": "a", "max_attempts": 5000}]})).steps["a"]
    assert retry_delay(plan, 4000, 0.0) == 0.0


@pytest.mark.parametrize(
    ("timeout", "text"), [(5, "5 s"), (0.25, "0.25 s"), (1234567.5, "1234567.5 s"), (86400.25, "86400.25 s")]
)
def test_a_timeout_says_its_seconds_as_they_are(timeout: float, text: str) -> None:
    run = Execution({"op": "a", "timeout": timeout})
    run.advance()
    run.later(timeout)
    run.settle()
    assert run.record.state["error"] == f"timed out after {text}"


def test_an_input_that_is_no_json_names_its_expression() -> None:
    run = Execution({"op": "a", "input": {"x": {"*": [1e308, 10]}}})
    with pytest.raises(ExpressionError) as caught:
        run.advance()
    assert caught.value.expression == '{"*": [1e+308, 10]}'
    assert caught.value.cause == "the value: inf is no JSON number"


def test_steps_in_another_order_are_put_in_that_of_the_definition() -> None:
    run = diamond()
    shuffled = replace(run.record, steps=dict(reversed(run.record.steps.items())))
    assert list(Snapshot(run.snapshot.plan, shuffled).record.steps) == ["a", "b", "c", "d", "aside"]


def test_nothing_is_merged_into_what_has_ended() -> None:
    run = Execution({"op": "a"})
    run.commit(machine.halt(run.snapshot, None, now=T0))
    with pytest.raises(ExecutionEnded):
        machine.merge_state(run.snapshot, None, {"n": 1}, now=T0)


def test_overdue_are_runs_and_not_retries() -> None:
    run = Execution({"op": "a", "timeout": 5}, {"op": "b", "retry": {"max_attempts": 2, "delay": 1}})
    run.advance()
    run.result("b", {"ok": False})
    assert not run.snapshot.overdue(add_seconds(T0, 4))
    assert run.snapshot.overdue(add_seconds(T0, 5))
