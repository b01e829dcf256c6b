"""Every clause of the runner contract on `InProcessRunner`, its reference."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runfox import protocols
from runfox.backend.inprocess_runner import InProcessRunner
from runfox.errors import InvalidJSON
from runfox.jsonvalue import JSONObject
from runfox.results import DispatchJob, StepResult
from runfox.times import format_time

KEY = "w#e"


def a_job(op: str = "a", run_id: int = 0, **changes: Any) -> DispatchJob:
    return DispatchJob(**{"workflow_execution_id": KEY, "op": op, "inputs": {}, "run_id": run_id, **changes})


def a_runner(clock: Any, *jobs: DispatchJob, **options: Any) -> InProcessRunner:
    runner = InProcessRunner(clock=clock, **options)
    for job in jobs:
        runner.dispatch(job.workflow_execution_id, [job])
    return runner


def ops(jobs: list[DispatchJob]) -> list[str]:
    return [job.op for job in jobs]


def take_one(runner: InProcessRunner, **options: Any) -> DispatchJob:
    (job,) = runner.take_pending_jobs(1, **options)
    return job


# Dispatch


def test_a_dispatched_job_is_pending_and_nothing_is_executed(clock: Any) -> None:
    runner = InProcessRunner(clock=clock)
    assert runner.dispatch(KEY, [a_job("a"), a_job("b")]) == []
    assert runner.list_pending_jobs() == [a_job("a"), a_job("b")]
    assert runner.gather(KEY) == []


def test_a_dispatch_of_nothing_holds_nothing(clock: Any) -> None:
    runner = InProcessRunner(clock=clock)
    assert runner.dispatch(KEY, []) == []
    assert runner.held(format_time(clock.now + 1)) == []


def test_a_pending_job_that_is_dispatched_again_is_left_alone(clock: Any) -> None:
    runner = a_runner(clock, a_job("a"), a_job("b"), a_job("a"))
    assert ops(runner.take_pending_jobs()) == ["a", "b"]


def test_a_taken_job_that_is_dispatched_again_is_left_alone(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    taken = take_one(runner)
    runner.dispatch(KEY, [a_job()])
    assert runner.list_pending_jobs() == []
    assert runner.extend_lease(taken)


def test_a_gathered_result_comes_again_after_a_dispatch_and_the_job_does_not_run(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    runner.submit_work_result(KEY, "a", {"x": 1}, 0)
    for _ in range(3):
        assert runner.gather(KEY) == [StepResult("a", {"x": 1}, 0)]
        assert runner.gather(KEY) == []
        runner.dispatch(KEY, [a_job()])
        assert runner.list_pending_jobs() == []


def test_what_is_done_to_a_gathered_output_is_not_gathered_again(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    runner.submit_work_result(KEY, "a", {"x": [1]}, 0)
    runner.gather(KEY)[0].output["x"].append(2)  # type: ignore[index]  # an object
    runner.dispatch(KEY, [a_job()])
    assert runner.gather(KEY) == [StepResult("a", {"x": [1]}, 0)]


def test_a_result_nobody_gathered_is_there_once_after_another_dispatch(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    runner.submit_work_result(KEY, "a", {}, 0)
    runner.dispatch(KEY, [a_job(), a_job()])
    assert runner.gather(KEY) == [StepResult("a", {}, 0)]
    assert runner.gather(KEY) == []


@pytest.mark.parametrize("state", ["pending", "taken", "submitted", "gathered"])
def test_a_run_older_than_the_newest_is_ignored(clock: Any, state: str) -> None:
    runner = a_runner(clock, a_job(run_id=5))
    bring_to(runner, state, 5)
    before = (runner.list_pending_jobs(), runner.take_pending_jobs(0))
    runner.dispatch(KEY, [a_job(run_id=4)])
    assert (runner.list_pending_jobs(), runner.take_pending_jobs(0)) == before
    runner.submit_work_result(KEY, "a", {"late": True}, 4)
    assert StepResult("a", {"late": True}, 4) not in runner.gather(KEY)


@pytest.mark.parametrize("state", ["pending", "taken", "submitted", "gathered"])
def test_a_newer_run_removes_the_older_ones_entry(clock: Any, state: str) -> None:
    runner = a_runner(clock, a_job(run_id=0))
    taken = bring_to(runner, state, 0)
    runner.dispatch(KEY, [a_job(run_id=1)])
    assert [job.run_id for job in runner.list_pending_jobs()] == [1]
    assert taken is None or not runner.extend_lease(taken, 0)
    assert runner.gather(KEY) == []
    runner.submit_work_result(KEY, "a", {"late": True}, 0)
    assert runner.gather(KEY) == []
    clock.now += 1_000
    assert [(job.run_id, job.delivery) for job in runner.take_pending_jobs()] == [(1, 1)]


def bring_to(runner: InProcessRunner, state: str, run_id: int) -> DispatchJob | None:
    taken = take_one(runner) if state == "taken" else None
    if state in ("submitted", "gathered"):
        runner.submit_work_result(KEY, "a", {}, run_id)
    if state == "gathered":
        runner.gather(KEY)
    return taken


def test_a_dispatch_with_inputs_that_are_not_json_enqueues_nothing(clock: Any) -> None:
    runner = InProcessRunner(clock=clock)
    with pytest.raises(InvalidJSON, match="inputs of step 'b'"):
        runner.dispatch(KEY, [a_job("a"), a_job("b", inputs={"x": math.nan})])
    assert runner.list_pending_jobs() == []


# Taking


def test_a_taken_job_is_whole_and_equal_to_what_was_dispatched(clock: Any) -> None:
    job = a_job(inputs={"x": ["\0\ud800", -0.0, None, 10**3999]}, run_id=7, call="f", queue="gpu")
    taken = take_one(a_runner(clock, job))
    assert taken == job
    assert (taken.call, taken.queue, taken.delivery) == ("f", "gpu", 1)
    assert taken.lease
    assert repr(taken.inputs) == repr(job.inputs)


def test_jobs_are_taken_oldest_first_and_at_most_so_many(clock: Any) -> None:
    runner = a_runner(clock, *[a_job(op) for op in "edcba"])
    assert ops(runner.take_pending_jobs(0)) == []
    assert ops(runner.take_pending_jobs(2)) == ["e", "d"]
    assert ops(runner.take_pending_jobs(9)) == ["c", "b", "a"]
    assert runner.take_pending_jobs() == []


@pytest.mark.parametrize(
    ("queues", "expected"),
    [
        (None, "abcd"),
        ([], ""),
        (["gpu"], "b"),
        ({"gpu", "cpu"}, "bc"),
        ([None], "ad"),
        ((None, "cpu"), "acd"),
        (["nobody"], ""),
    ],
)
def test_only_jobs_of_the_queues_asked_for_are_taken(clock: Any, queues: Any, expected: str) -> None:
    runner = a_runner(clock, a_job("a"), a_job("b", queue="gpu"), a_job("c", queue="cpu"), a_job("d"))
    assert ops(runner.take_pending_jobs(queues=queues)) == list(expected)
    assert sorted(expected + "".join(ops(runner.list_pending_jobs()))) == list("abcd")


def test_a_limit_counts_only_jobs_of_the_queues_asked_for(clock: Any) -> None:
    runner = a_runner(clock, a_job("a"), a_job("b", queue="gpu"), a_job("c", queue="gpu"))
    assert ops(runner.take_pending_jobs(1, ["gpu"])) == ["b"]


def test_every_job_goes_to_exactly_one_taker(clock: Any, together: Callable[..., list[Any]]) -> None:
    runner = InProcessRunner(clock=clock)
    jobs = [a_job(f"op{n}") for n in range(400)]
    runner.dispatch(KEY, jobs)

    def take_all(number: int) -> list[DispatchJob]:
        mine: list[DispatchJob] = []
        while taken := runner.take_pending_jobs(1 + number % 3):
            mine += taken
        return mine

    taken = [job for mine in together(4, take_all) for job in mine]
    assert sorted(ops(taken)) == sorted(ops(jobs))
    assert len({job.lease for job in taken}) == len(jobs)


def test_a_look_at_the_pending_jobs_changes_nothing_and_shows_all_executions(clock: Any) -> None:
    runner = a_runner(clock, a_job(), a_job(workflow_execution_id="w#other"))
    runner.list_pending_jobs()[0].inputs["x"] = 1
    assert [job.workflow_execution_id for job in runner.list_pending_jobs()] == [KEY, "w#other"]
    assert [(job.inputs, job.delivery) for job in runner.take_pending_jobs()] == [({}, 1), ({}, 1)]


# Leases


def test_a_lapsed_lease_makes_the_job_pending_again_at_its_end_and_not_before(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    first = take_one(runner, lease_seconds=10)
    start = clock.now
    clock.now = math.nextafter(start + 10, 0)
    assert runner.list_pending_jobs() == runner.take_pending_jobs() == []
    clock.now = start + 10
    assert runner.list_pending_jobs() == [a_job()]
    second = take_one(runner)
    assert (second, second.delivery) == (first, 2)
    assert second.lease != first.lease
    assert runner.take_pending_jobs() == []


def test_a_lease_is_as_long_as_the_runner_says_where_the_take_does_not(clock: Any) -> None:
    runner = a_runner(clock, a_job(), lease_seconds=5)
    take_one(runner)
    clock.now += 4.9
    assert runner.list_pending_jobs() == []
    clock.now += 0.1
    assert ops(runner.list_pending_jobs()) == ["a"]
    assert InProcessRunner().lease_seconds == 600


def test_a_job_comes_back_to_its_old_place(clock: Any) -> None:
    runner = a_runner(clock, a_job("a"), a_job("b"), a_job("c"))
    take_one(runner, lease_seconds=1)
    take_one(runner, lease_seconds=2)
    clock.now += 2
    assert ops(runner.take_pending_jobs()) == ["a", "b", "c"]


def test_each_delivery_is_counted(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    for delivery in range(1, 8):
        assert take_one(runner, lease_seconds=1).delivery == delivery
        clock.now += 1


def test_a_lease_can_be_renewed_as_long_as_it_lives(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    job = take_one(runner, lease_seconds=10)
    for _ in range(5):
        clock.now += 9
        assert runner.extend_lease(job)
    clock.now += 9.5
    assert runner.list_pending_jobs() == []
    clock.now += 0.5
    assert not runner.extend_lease(job)
    assert ops(runner.list_pending_jobs()) == ["a"]


def test_a_lease_can_be_renewed_for_another_time_longer_or_shorter(clock: Any) -> None:
    runner = a_runner(clock, a_job("a"), a_job("b"))
    longer, shorter = (take_one(runner, lease_seconds=10) for _ in range(2))
    assert runner.extend_lease(longer, 20)
    assert runner.extend_lease(shorter, 5)
    clock.now += 5
    assert ops(runner.list_pending_jobs()) == ["b"]
    clock.now += 14.9
    assert ops(runner.list_pending_jobs()) == ["b"]
    clock.now += 0.2
    assert ops(runner.list_pending_jobs()) == ["a", "b"]


def test_a_leases_own_length_is_the_one_it_was_last_given(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    job = take_one(runner, lease_seconds=100)
    runner.extend_lease(job, 10)
    clock.now += 5
    runner.extend_lease(job)
    clock.now += 9
    assert ops(runner.list_pending_jobs()) == []
    clock.now += 1
    assert ops(runner.list_pending_jobs()) == ["a"]


def test_a_limit_below_zero_takes_nothing(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    assert runner.take_pending_jobs(-1) == []


def test_a_lease_has_no_negative_length(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    with pytest.raises(ValueError, match="a lease of -1 s"):
        runner.take_pending_jobs(lease_seconds=-1)


def test_a_job_of_another_execution_is_refused(clock: Any) -> None:
    runner = a_runner(clock)
    with pytest.raises(ValueError, match="not of the execution 'w#other'"):
        runner.dispatch("w#other", [a_job()])


def test_a_finished_job_leaves_nothing_behind_however_long_its_lease(clock: Any) -> None:
    runner = a_runner(clock)
    for number in range(500):
        key = f"w#{number}"
        runner.dispatch(key, [DispatchJob(key, "a", {})])
        runner.take_pending_jobs()
        runner.submit_work_result(key, "a", {})
        runner.forget(key)
    assert len(runner._leases._ends) < 100
    assert runner._leases._taken == {}


def test_zero_seconds_give_the_job_back_at_once(clock: Any) -> None:
    runner = a_runner(clock, a_job("a"), a_job("b"))
    job = take_one(runner)
    assert runner.extend_lease(job, 0)
    assert not runner.extend_lease(job, 0)
    assert ops(runner.list_pending_jobs()) == ["a", "b"]
    again = take_one(runner)
    assert (again, again.delivery) == (job, 2)


def test_only_the_living_token_renews(clock: Any) -> None:
    runner = a_runner(clock, a_job("a"), a_job("b"))
    old = take_one(runner, lease_seconds=1)
    other = take_one(runner)
    clock.now += 1
    new = take_one(runner)
    assert not runner.extend_lease(old)
    assert not runner.extend_lease(old, 0)
    assert not runner.extend_lease(a_job())
    assert not runner.extend_lease(a_job("unknown", lease=new.lease))
    assert not runner.extend_lease(replace(new, run_id=1))
    assert not runner.extend_lease(a_job("a", lease=other.lease))
    assert not runner.extend_lease(a_job(workflow_execution_id="w#other", lease=new.lease))
    assert runner.extend_lease(new)
    assert runner.list_pending_jobs() == []


@pytest.mark.parametrize("end", ["submitted", "forgotten", "superseded"])
def test_a_lease_ends_with_its_run(clock: Any, end: str) -> None:
    runner = a_runner(clock, a_job())
    job = take_one(runner, lease_seconds=1)
    if end == "submitted":
        runner.submit_work_result(KEY, "a", {}, 0)
    elif end == "forgotten":
        runner.forget(KEY)
    else:
        runner.dispatch(KEY, [a_job(run_id=1)])
        take_one(runner)
    assert not runner.extend_lease(job)
    clock.now += 2
    assert runner.list_pending_jobs() == []


def test_a_lease_further_ahead_than_its_own_length_counts_as_lapsed(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    job = take_one(runner, lease_seconds=10)
    clock.now -= 0.001
    assert ops(runner.list_pending_jobs()) == ["a"]
    assert not runner.extend_lease(job)
    assert take_one(runner).delivery == 2


def test_a_clock_that_goes_back_leaves_leases_that_began_before_alone(clock: Any) -> None:
    runner = a_runner(clock, a_job("a"), a_job("b"), a_job("c"))
    begin = clock.now
    early = take_one(runner, lease_seconds=100)
    clock.now = begin + 50
    take_one(runner, lease_seconds=100)
    clock.now = begin + 20
    assert ops(runner.list_pending_jobs()) == ["b", "c"]
    assert runner.extend_lease(early, 10)
    clock.now = begin + 29.9
    assert ops(runner.list_pending_jobs()) == ["b", "c"]
    clock.now = begin + 30
    assert ops(runner.list_pending_jobs()) == ["a", "b", "c"]


def test_a_clock_that_goes_back_twice_and_forth_gives_each_job_back_once(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    for forth in (0, 3, 7):
        clock.now += forth
        take_one(runner, lease_seconds=10)
        clock.now -= 5
        assert ops(runner.list_pending_jobs()) == ["a"]
    clock.now += 1_000
    assert ops(runner.take_pending_jobs()) == ["a"]
    assert runner.take_pending_jobs() == []


# Submitting and gathering


@pytest.mark.parametrize("state", ["pending", "taken", "lapsed", "taken again", "given back"])
def test_the_first_result_is_kept_whoever_brings_it(clock: Any, state: str) -> None:
    runner = a_runner(clock, a_job())
    if state != "pending":
        job = take_one(runner, lease_seconds=1)
        if state in ("lapsed", "taken again"):
            clock.now += 1
        if state == "taken again":
            take_one(runner)
        if state == "given back":
            runner.extend_lease(job, 0)
    runner.submit_work_result(KEY, "a", {"first": True}, 0)
    runner.submit_work_result(KEY, "a", {"second": True}, 0)
    assert runner.gather(KEY) == [StepResult("a", {"first": True}, 0)]
    runner.submit_work_result(KEY, "a", {"third": True}, 0)
    clock.now += 10_000
    assert runner.gather(KEY) == []
    assert runner.list_pending_jobs() == runner.take_pending_jobs() == []
    runner.dispatch(KEY, [a_job()])
    assert runner.gather(KEY) == [StepResult("a", {"first": True}, 0)]


def test_of_racing_results_of_one_run_exactly_one_is_kept(clock: Any, together: Callable[..., list[Any]]) -> None:
    for _ in range(30):
        runner = a_runner(clock, a_job())
        assert together(4, lambda n, r=runner: r.submit_work_result(KEY, "a", {"n": n}, 0)) == [None] * 4
        assert len(runner.gather(KEY)) == 1


@pytest.mark.parametrize(
    ("key", "op", "run_id"), [("w#other", "a", 1), (KEY, "b", 1), (KEY, "a", 0), (KEY, "a", 2), ("w#other", "a", None)]
)
def test_a_result_for_an_unknown_run_changes_nothing(clock: Any, key: str, op: str, run_id: int | None) -> None:
    runner = a_runner(clock, a_job(run_id=1))
    runner.submit_work_result(key, op, {}, run_id)
    assert runner.list_pending_jobs() == [a_job(run_id=1)]
    assert runner.gather(KEY) == runner.gather(key) == []


def test_a_result_without_run_id_is_for_the_newest_run(clock: Any) -> None:
    runner = a_runner(clock, a_job(run_id=0), a_job(run_id=3))
    runner.submit_work_result(KEY, "a", {})
    assert runner.gather(KEY) == [StepResult("a", {}, 3)]


def test_results_come_in_the_order_submitted_and_only_of_this_execution(clock: Any) -> None:
    runner = a_runner(clock, *[a_job(op) for op in "abc"], a_job("a", workflow_execution_id="w#other"))
    for op in "cab":
        runner.submit_work_result(KEY, op, {}, 0)
    runner.submit_work_result("w#other", "a", {}, 0)
    assert [result.op for result in runner.gather(KEY)] == ["c", "a", "b"]
    assert [result.op for result in runner.gather("w#other")] == ["a"]


def test_results_that_come_again_keep_the_order_submitted(clock: Any) -> None:
    jobs = [a_job(op) for op in "abc"]
    runner = a_runner(clock, *jobs)
    for op in "cab":
        runner.submit_work_result(KEY, op, {}, 0)
    runner.gather(KEY)
    runner.dispatch(KEY, jobs)
    assert [result.op for result in runner.gather(KEY)] == ["c", "a", "b"]


@pytest.mark.parametrize("output", [None, {}, [], "text", 0, False, {"x": ["\0\ud800", -0.0, 10**3999]}], ids=repr)
def test_an_output_may_be_any_json_value(clock: Any, output: Any) -> None:
    runner = a_runner(clock, a_job())
    runner.submit_work_result(KEY, "a", output, 0)
    (result,) = runner.gather(KEY)
    assert repr(result.output) == repr(output)


@pytest.mark.parametrize("output", [math.nan, {"x": object()}, b""], ids=str)
def test_an_output_that_is_not_json_is_refused_and_the_run_stays_as_it_was(clock: Any, output: Any) -> None:
    runner = a_runner(clock, a_job())
    job = take_one(runner)
    with pytest.raises(InvalidJSON):
        runner.submit_work_result(KEY, "a", output, 0)
    assert runner.gather(KEY) == []
    assert runner.extend_lease(job)
    runner.submit_work_result(KEY, "a", {}, 0)
    assert len(runner.gather(KEY)) == 1


# Isolation


def test_what_was_dispatched_taken_or_submitted_shares_nothing_with_the_runner(clock: Any) -> None:
    inputs: JSONObject = {"x": [1]}
    runner = a_runner(clock, a_job(inputs=inputs))
    inputs["x"].append(2)  # type: ignore[union-attr]  # a list
    taken = take_one(runner, lease_seconds=1)
    assert taken.inputs == {"x": [1]}
    taken.inputs["x"].append(3)  # type: ignore[union-attr]
    clock.now += 1
    assert take_one(runner).inputs == {"x": [1]}
    output: JSONObject = {"y": [1]}
    runner.submit_work_result(KEY, "a", output, 0)
    output["y"].append(2)  # type: ignore[union-attr]
    assert runner.gather(KEY) == [StepResult("a", {"y": [1]}, 0)]


# Forgetting and what is held


def test_a_forgotten_execution_leaves_nothing_and_takes_no_result(clock: Any) -> None:
    runner = a_runner(clock, *[a_job(op) for op in "abc"], a_job(workflow_execution_id="w#other"))
    take_one(runner, lease_seconds=1)
    runner.submit_work_result(KEY, "b", {}, 0)
    runner.forget(KEY)
    runner.forget(KEY)
    for op in "abc":
        runner.submit_work_result(KEY, op, {}, 0)
    clock.now += 10
    assert runner.gather(KEY) == []
    assert [job.workflow_execution_id for job in runner.list_pending_jobs()] == ["w#other"]
    assert runner.held(format_time(clock.now)) == ["w#other"]


def test_only_the_named_runs_are_forgotten(clock: Any) -> None:
    runner = a_runner(clock, a_job("a"), a_job("b", run_id=2), a_job("c"))
    runner.submit_work_result(KEY, "a", {}, 0)
    runner.forget(KEY, iter([("a", 0), ("a", 0), ("b", 1), ("unknown", 0)]))
    assert runner.gather(KEY) == []
    assert ops(runner.list_pending_jobs()) == ["b", "c"]
    runner.forget(KEY, [])
    runner.forget("w#unknown", [("a", 0)])
    assert ops(runner.list_pending_jobs()) == ["b", "c"]
    runner.forget(KEY, [("b", 2), ("c", 0)])
    assert runner.held(format_time(clock.now + 1)) == []


def test_a_forgotten_result_is_gathered_no_more_but_its_neighbours_are(clock: Any) -> None:
    runner = a_runner(clock, a_job("a"), a_job("b"))
    for op in "ab":
        runner.submit_work_result(KEY, op, {}, 0)
    runner.forget(KEY, [("a", 0)])
    assert [result.op for result in runner.gather(KEY)] == ["b"]


def test_an_execution_is_held_until_it_is_touched(clock: Any) -> None:
    runner = a_runner(clock, a_job("a"), a_job("b"))
    job: list[DispatchJob] = []

    def submit() -> None:
        for op in "ab":
            runner.submit_work_result(KEY, op, {}, 0)

    touches: list[Callable[[], object]] = [
        lambda: runner.dispatch(KEY, [a_job("a"), a_job("b")]),
        lambda: job.extend(runner.take_pending_jobs()),
        lambda: [runner.extend_lease(each) for each in job],
        submit,
        lambda: runner.gather(KEY),
    ]
    for touch in touches:
        clock.now += 10
        assert runner.held(format_time(clock.now)) == [KEY]
        touch()
        assert runner.held(format_time(clock.now)) == []
        assert runner.held(format_time(clock.now + 0.001)) == [KEY]


def test_what_is_touched_in_a_microsecond_is_not_held_before_it(clock: Any) -> None:
    clock.now = 1_700_000_000.002  # no float is that moment
    assert a_runner(clock, a_job()).held(format_time(clock.now)) == []


def test_one_old_entry_is_enough_to_be_held(clock: Any) -> None:
    runner = a_runner(clock, a_job("a"))
    clock.now += 10
    runner.dispatch(KEY, [a_job("b")])
    runner.dispatch("w#young", [a_job(workflow_execution_id="w#young")])
    assert runner.held(format_time(clock.now)) == [KEY]


# Waiting


def test_a_wait_for_what_is_there_is_no_wait(clock: Any) -> None:
    runner = a_runner(clock, a_job())
    runner.submit_work_result(KEY, "a", {}, 0)
    assert runner.wait(KEY, 0)
    assert runner.wait(KEY, 1_000)
    runner.gather(KEY)
    assert not runner.wait(KEY, 0)


@pytest.mark.parametrize("event", ["submit", "dispatch again"])
def test_a_wait_ends_as_soon_as_something_can_be_gathered(clock: Any, event: str) -> None:
    runner = a_runner(clock, a_job())
    if event == "dispatch again":
        runner.submit_work_result(KEY, "a", {}, 0)
        runner.gather(KEY)
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(runner.wait(KEY, 1_000)))
    thread.start()
    runner.dispatch("w#other", [a_job(workflow_execution_id="w#other")])
    runner.submit_work_result("w#other", "a", {}, 0)
    if event == "submit":
        runner.submit_work_result(KEY, "a", {}, 0)
    else:
        runner.dispatch(KEY, [a_job()])
    thread.join()
    assert answers == [True]


def test_it_can_wait_and_is_neither_durable_nor_shared() -> None:
    runner = InProcessRunner()
    assert isinstance(runner, protocols.SupportsWait)
    assert (runner.durable, runner.shared) == (False, False)
