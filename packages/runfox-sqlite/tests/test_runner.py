"""The runner's contract, clause by clause, on a file and in memory."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from runfox.errors import InvalidJSON, PayloadTooLarge
from runfox.protocols import SupportsWait
from runfox.results import DispatchJob, StepResult
from runfox.times import format_time
from runfox_sqlite import SqliteRunner, _json
from runfox_sqlite import _runner_sql as sql

W = "w#e"


def job(op: str = "a", run_id: int = 0, key: str = W, **changes: Any) -> DispatchJob:
    return DispatchJob(key, op, changes.pop("inputs", {"n": run_id}), run_id, **changes)


def ops(jobs: list[DispatchJob]) -> list[str]:
    return [one.op for one in jobs]


def test_a_runner_can_wait(runner: SqliteRunner) -> None:
    assert isinstance(runner, SupportsWait)


def test_an_empty_queue_answers_with_nothing(runner: SqliteRunner) -> None:
    assert [*runner.take_pending_jobs(), *runner.list_pending_jobs(), *runner.gather(W), *runner.held("9")] == []
    assert runner.dispatch(W, []) == []


def test_a_job_is_listed_and_taken_as_it_was_dispatched(runner: SqliteRunner) -> None:
    given = [
        job("z", 3, inputs={"b": "\0\ud800", "a": [None, -0.0]}, call="other", queue="q\ud800"),
        job("a", lease="ignored", delivery=7),
    ]
    assert runner.dispatch(W, given) == []
    listed = runner.list_pending_jobs()
    assert listed == runner.list_pending_jobs() == given
    assert [(one.lease, one.delivery) for one in listed] == [(None, 0), (None, 0)]
    taken = runner.take_pending_jobs()
    assert taken == given
    assert [one.delivery for one in taken] == [1, 1]
    assert len({None, taken[0].lease, taken[1].lease}) == 3
    assert list(taken[0].inputs) == ["b", "a"]
    assert runner.take_pending_jobs() == runner.list_pending_jobs() == []


def test_a_job_of_another_execution_is_refused(runner: SqliteRunner) -> None:
    with pytest.raises(ValueError, match="not of the execution"):
        runner.dispatch(W, [job(), job("b", key="w#other")])
    assert runner.list_pending_jobs() == []


def test_inputs_that_are_not_json_are_refused(runner: SqliteRunner) -> None:
    with pytest.raises(InvalidJSON, match="the inputs of step 'a'"):
        runner.dispatch(W, [job(inputs={"x": object()})])


def test_dispatching_again_leaves_pending_and_taken_jobs_alone(runner: SqliteRunner, clock: Any) -> None:
    runner.dispatch(W, [job("a"), job("b")])
    taken = runner.take_pending_jobs(1)
    clock.now += 1
    runner.dispatch(W, [job("b", inputs={"other": 1}), job("a"), job("a")])
    assert runner.list_pending_jobs() == [job("b")]
    # Whoever dispatches looks after the execution, so a sweep need not do it again at once.
    assert runner.held(format_time(clock.now)) == []
    assert runner.extend_lease(taken[0])


def test_a_known_result_becomes_gatherable_again_and_does_not_run_again(runner: SqliteRunner) -> None:
    runner.dispatch(W, [job("a"), job("b")])
    runner.submit_work_result(W, "b", {"n": 1})
    runner.submit_work_result(W, "a", {"n": 2})
    expected = [StepResult("b", {"n": 1}, 0), StepResult("a", {"n": 2}, 0)]
    assert runner.gather(W) == expected
    assert runner.gather(W) == []
    runner.dispatch(W, [job("a"), job("b")])
    assert runner.take_pending_jobs() == []
    assert runner.gather(W) == expected
    assert runner.gather(W) == []


def test_dispatching_again_before_gathering_does_not_double_a_result(runner: SqliteRunner) -> None:
    runner.dispatch(W, [job()])
    runner.submit_work_result(W, "a", 1)
    runner.dispatch(W, [job()])
    assert len(runner.gather(W)) == 1
    assert runner.gather(W) == []


def test_an_older_run_is_ignored_and_a_newer_one_replaces_it(runner: SqliteRunner) -> None:
    runner.dispatch(W, [job("a", 2), job("b")])
    runner.dispatch(W, [job("a", 1)])
    assert runner.list_pending_jobs() == [job("a", 2), job("b")]
    (taken,) = runner.take_pending_jobs(1)
    runner.dispatch(W, [job("a", 3)])
    assert not runner.extend_lease(taken)
    assert runner.list_pending_jobs() == [job("b"), job("a", 3)]
    runner.submit_work_result(W, "a", "late", 2)
    assert runner.gather(W) == []
    runner.submit_work_result(W, "a", "right", 3)
    runner.dispatch(W, [job("a", 4)])
    assert runner.gather(W) == []
    assert runner.list_pending_jobs() == [job("b"), job("a", 4)]


def test_of_two_runs_in_one_dispatch_the_newer_counts(runner: SqliteRunner) -> None:
    runner.dispatch(W, [job("a", 1), job("b"), job("a", 2), job("c", 5), job("c", 4)])
    assert runner.list_pending_jobs() == [job("b"), job("a", 2), job("c", 5)]


def test_a_job_over_the_limit_is_named_and_the_others_are_dispatched(
    runner: SqliteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_json, "MAX_TEXT", 100)
    large, larger = job("a", inputs={"x": "y" * 100}), job("c", inputs={"x": "y" * 200})
    with pytest.raises(PayloadTooLarge, match="at most 100") as caught:
        runner.dispatch(W, [large, job("b"), larger])
    assert caught.value.jobs == (large, larger)
    assert runner.list_pending_jobs() == [job("b")]


def test_the_oldest_are_taken_first_within_the_limit(runner: SqliteRunner) -> None:
    runner.dispatch("w#2", [job("z", key="w#2")])
    runner.dispatch("w#1", [job(op, key="w#1") for op in "cab"])
    assert ops(runner.take_pending_jobs(0)) == ops(runner.take_pending_jobs(-1)) == []
    assert ops(runner.take_pending_jobs(2)) == ["z", "c"]
    assert ops(runner.take_pending_jobs()) == ["a", "b"]


def test_only_the_queues_asked_for_are_taken(runner: SqliteRunner) -> None:
    runner.dispatch(W, [job("a", queue="x"), job("b"), job("c", queue="y"), job("d", queue="x"), job("e")])
    assert ops(runner.take_pending_jobs(queues=[])) == ops(runner.take_pending_jobs(queues={"none"})) == []
    assert ops(runner.take_pending_jobs(1, ["y", "x"])) == ["a"]
    assert ops(runner.take_pending_jobs(1, [None])) == ["b"]
    assert ops(runner.take_pending_jobs(queues=(None, "y"))) == ["c", "e"]
    assert ops(runner.take_pending_jobs()) == ["d"]


@pytest.mark.parametrize("seconds", [None, 30.0])
def test_a_lease_ends_at_its_time_and_not_before(runner: SqliteRunner, clock: Any, seconds: float | None) -> None:
    length = 600.0 if seconds is None else seconds
    runner.dispatch(W, [job("a"), job("b")])
    (first, _) = runner.take_pending_jobs(lease_seconds=seconds)
    clock.now += length - 0.001
    assert runner.take_pending_jobs() == runner.list_pending_jobs() == []
    clock.now += 0.001
    assert ops(runner.list_pending_jobs()) == ["a", "b"]
    assert not runner.extend_lease(first)
    (second,) = runner.take_pending_jobs(1)
    assert (second, second.delivery) == (first, 2)
    assert second.lease != first.lease
    assert ops(runner.take_pending_jobs()) == ["b"]
    assert not runner.extend_lease(first)
    assert runner.extend_lease(second)


def test_pending_and_lapsed_jobs_are_taken_in_the_order_of_dispatch(runner: SqliteRunner, clock: Any) -> None:
    runner.dispatch(W, [job(op, queue="q") for op in "abcd"])
    runner.take_pending_jobs(1, lease_seconds=1)
    runner.take_pending_jobs(1, lease_seconds=9)
    clock.now += 1
    assert ops(runner.list_pending_jobs()) == ["a", "c", "d"]
    assert ops(runner.take_pending_jobs(2, ["q"])) == ["a", "c"]


def test_a_lease_from_the_future_counts_as_lapsed(runner: SqliteRunner, clock: Any) -> None:
    runner.dispatch(W, [job()])
    (taken,) = runner.take_pending_jobs()
    clock.now -= 0.001
    assert runner.list_pending_jobs() == [job()]
    assert not runner.extend_lease(taken)
    assert len(runner.take_pending_jobs()) == 1


def test_a_lease_is_renewed_for_its_own_length_or_the_one_given(runner: SqliteRunner, clock: Any) -> None:
    runner.dispatch(W, [job()])
    (taken,) = runner.take_pending_jobs(lease_seconds=10)
    clock.now += 9
    assert runner.extend_lease(taken)
    clock.now += 9
    assert runner.take_pending_jobs() == []
    assert runner.extend_lease(taken, 100)
    clock.now += 99
    assert runner.take_pending_jobs() == []
    clock.now += 1
    assert len(runner.take_pending_jobs()) == 1


def test_a_job_that_is_given_back_is_pending_at_once_in_its_old_place(runner: SqliteRunner) -> None:
    runner.dispatch(W, [job("a"), job("b")])
    (taken,) = runner.take_pending_jobs(1)
    assert runner.extend_lease(taken, 0)
    assert not runner.extend_lease(taken)
    again = runner.take_pending_jobs()
    assert [(one.op, one.delivery) for one in again] == [("a", 2), ("b", 1)]


def test_a_lease_that_is_not_the_living_one_is_not_extended(runner: SqliteRunner) -> None:
    runner.dispatch(W, [job()])
    assert not runner.extend_lease(job())
    (taken,) = runner.take_pending_jobs()
    assert not runner.extend_lease(job())
    assert not runner.extend_lease(job(lease="made up"))
    runner.submit_work_result(W, "a", 1)
    assert not runner.extend_lease(taken)


def test_a_lease_that_is_lost_while_it_is_extended_is_not_extended(
    runner: SqliteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.dispatch(W, [job()])
    (taken,) = runner.take_pending_jobs()
    write = runner._database.write

    def submitted_before(work: Any, **_: Any) -> Any:
        monkeypatch.undo()
        runner.submit_work_result(W, "a", 1)
        return write(work)

    monkeypatch.setattr(runner._database, "write", submitted_before)
    assert not runner.extend_lease(taken)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_lease_of_no_length_is_refused(runner: SqliteRunner, seconds: float) -> None:
    with pytest.raises(ValueError, match="a lease of"):
        runner.take_pending_jobs(lease_seconds=seconds)
    with pytest.raises(ValueError, match="a lease of"):
        runner.extend_lease(job(lease="x"), seconds)
    with pytest.raises(ValueError, match="a lease of"):
        SqliteRunner(":memory:", lease_seconds=seconds)


@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize("run_id", [0, None])
def test_the_first_result_is_kept(runner: SqliteRunner, taken: bool, run_id: int | None) -> None:
    runner.dispatch(W, [job("a"), job("b")])
    if taken:
        runner.take_pending_jobs()
    output: Any = {"z": ["\0\ud800", None], "a": 10**3999}
    runner.submit_work_result(W, "a", output, run_id)
    runner.submit_work_result(W, "a", "second", run_id)
    assert ops(runner.list_pending_jobs()) == ([] if taken else ["b"])
    (result,) = runner.gather(W)
    assert result == StepResult("a", output, 0)
    assert list(result.output) == ["z", "a"]  # type: ignore[arg-type]  # a dict
    runner.submit_work_result(W, "a", "third", run_id)
    assert runner.gather(W) == []


def test_a_result_counts_after_its_lease_has_lapsed(runner: SqliteRunner, clock: Any) -> None:
    runner.dispatch(W, [job()])
    runner.take_pending_jobs(lease_seconds=1)
    clock.now += 2
    runner.submit_work_result(W, "a", None, 0)
    assert runner.take_pending_jobs() == []
    assert runner.gather(W) == [StepResult("a", None, 0)]


def test_a_result_for_an_unknown_run_changes_nothing(runner: SqliteRunner) -> None:
    runner.dispatch(W, [job("a", 1)])
    runner.submit_work_result(W, "a", 1, 0)
    runner.submit_work_result(W, "a", 1, 2)
    runner.submit_work_result(W, "b", 1)
    runner.submit_work_result("w#other", "a", 1, 1)
    assert runner.list_pending_jobs() == [job("a", 1)]
    assert runner.gather(W) == []


def test_a_result_that_cannot_be_kept_leaves_the_run_as_it_was(
    runner: SqliteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.dispatch(W, [job()])
    with pytest.raises(InvalidJSON, match="the output of step 'a'"):
        runner.submit_work_result(W, "a", object(), 0)  # type: ignore[arg-type]  # the subject
    monkeypatch.setattr(_json, "MAX_TEXT", 100)
    with pytest.raises(PayloadTooLarge, match="'a'"):
        runner.submit_work_result(W, "a", "x" * 100)
    assert runner.list_pending_jobs() == [job()]


def test_of_two_results_that_come_at_once_the_first_to_write_is_kept(
    runner: SqliteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.dispatch(W, [job()])
    write = runner._database.write

    def submitted_before(work: Any, **_: Any) -> Any:
        monkeypatch.undo()
        runner.submit_work_result(W, "a", "first")
        return write(work)

    monkeypatch.setattr(runner._database, "write", submitted_before)
    runner.submit_work_result(W, "a", "second")
    assert runner.gather(W) == [StepResult("a", "first", 0)]


def test_results_are_gathered_in_the_order_submitted_and_only_of_their_execution(runner: SqliteRunner) -> None:
    runner.dispatch(W, [job(op) for op in "abcd"])
    runner.dispatch("w#2", [job("a", key="w#2")])
    runner.submit_work_result(W, "c", 1)
    runner.submit_work_result("w#2", "a", 2)
    runner.submit_work_result(W, "a", 3)
    assert [result.op for result in runner.gather(W)] == ["c", "a"]
    runner.submit_work_result(W, "d", 4)
    runner.dispatch(W, [job("a"), job("c")])
    runner.submit_work_result(W, "b", 5)
    assert [result.op for result in runner.gather(W)] == ["c", "a", "d", "b"]
    assert runner.gather("w#2") == [StepResult("a", 2, 0)]


def test_a_gather_that_another_one_overtakes_gets_nothing(
    runner: SqliteRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.dispatch(W, [job()])
    runner.submit_work_result(W, "a", 1)
    write = runner._database.write

    def gathered_before(work: Any, **_: Any) -> Any:
        monkeypatch.undo()
        assert len(runner.gather(W)) == 1
        return write(work)

    monkeypatch.setattr(runner._database, "write", gathered_before)
    assert runner.gather(W) == []


def test_what_is_forgotten_is_unknown(runner: SqliteRunner) -> None:
    runner.dispatch(W, [job(op, 1) for op in "abcd"])
    runner.dispatch("w#2", [job("a", key="w#2")])
    runner.submit_work_result(W, "a", 1)
    runner.forget(W, [])
    runner.forget(W, iter([("a", 1), ("b", 0), ("c", 1), ("nobody", 1)]))
    assert runner.gather(W) == []
    runner.submit_work_result(W, "c", 1)
    assert runner.list_pending_jobs() == [job("b", 1), job("d", 1), job("a", key="w#2")]
    runner.forget(W)
    runner.forget(W)
    runner.forget("w#nobody")
    runner.submit_work_result(W, "b", 1)
    assert runner.gather(W) == []
    assert runner.list_pending_jobs() == [job("a", key="w#2")]
    runner.dispatch(W, [job("a")])
    assert len(runner.list_pending_jobs()) == 2


def test_held_names_the_executions_that_nobody_touched_for_long(runner: SqliteRunner, clock: Any) -> None:
    def now() -> str:
        return format_time(clock.now)

    runner.dispatch(W, [job()])
    runner.dispatch("w#2", [job("a", key="w#2"), job("b", key="w#2")])
    assert runner.held(now()) == []
    clock.now += 1
    assert set(runner.held(now())) == {W, "w#2"}
    (taken,) = runner.take_pending_jobs(1)
    assert runner.held(now()) == ["w#2"]
    for touch in (
        lambda: runner.extend_lease(taken),
        lambda: runner.extend_lease(taken, 0),
        lambda: runner.submit_work_result(W, "a", 1),
        lambda: runner.gather(W),
        lambda: runner.dispatch(W, [job()]),
    ):
        clock.now += 1
        assert runner.held(now()) == ["w#2", W]
        touch()
        assert runner.held(now()) == ["w#2"]
    runner.forget("w#2")
    clock.now += 1
    assert runner.held(now()) == [W]


def test_wait_says_at_once_whether_something_can_be_gathered(runner: SqliteRunner) -> None:
    runner.dispatch(W, [job()])
    assert not runner.wait(W, 0)
    assert not runner.wait(W, 0.02)
    runner.submit_work_result(W, "a", 1)
    assert runner.wait(W, 0)
    assert not runner.wait("w#other", 0)


def wait_in_thread(runner: SqliteRunner) -> tuple[threading.Thread, list[bool]]:
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(runner.wait(W, 60)))
    thread.start()
    return thread, woken


def test_wait_is_woken_by_a_result_and_by_a_dispatch_that_brings_one_again(runner: SqliteRunner) -> None:
    runner.dispatch(W, [job()])
    thread, woken = wait_in_thread(runner)
    runner.submit_work_result(W, "a", 1)
    thread.join(30)
    runner.gather(W)
    thread, more = wait_in_thread(runner)
    runner.dispatch(W, [job()])
    thread.join(30)
    assert woken + more == [True, True]


def test_what_finds_nothing_to_do_does_not_take_the_write_lock(file: str) -> None:
    with SqliteRunner(file, busy_timeout=0) as runner, SqliteRunner(file, busy_timeout=1) as other:
        runner.dispatch(W, [job(run_id=1)])
        (taken,) = runner.take_pending_jobs()

        def idle(_: Any) -> None:
            runner.dispatch(W, [job(run_id=0)])
            assert [*runner.take_pending_jobs(), *runner.gather(W)] == []
            assert not runner.extend_lease(job(lease="x"))
            runner.submit_work_result(W, "nobody", 1)
            runner.submit_work_result(W, "a", 1, 7)
            runner.forget("w#nobody")
            assert not runner.wait(W, 0)

        other._database.write(idle)
        assert runner.extend_lease(taken)


def test_taking_and_gathering_go_by_an_index(file: str) -> None:
    with SqliteRunner(file) as runner:
        plans = {
            sql.take(lapsed=False): ("jobs_open", 1),
            sql.take(lapsed=True): ("jobs_open", 3),
            sql.take(lapsed=False, queues=1, without=True): ("jobs_open", 2),
            sql.LIST_PENDING: ("jobs_open", 0),
            sql.RESULTS: ("jobs_done", 1),
            sql.GATHERABLE: ("jobs_done", 1),
            sql.NEXT: ("jobs_done", 2),
        }
        for statement, (index, count) in plans.items():
            plan = runner._database.query("EXPLAIN QUERY PLAN " + statement, (1,) * count)
            assert all("TEMP B-TREE" not in row[3] for row in plan), plan
            assert any(index in row[3] for row in plan), plan
