"""Leases, results, and what is forgotten."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from runfox.errors import StorageCorrupt, StorageError
from runfox.results import StepResult
from runfox.times import LATEST, format_time

EXECUTION = "flow#one"
LARGE = {"large": "l" * 3_000_000}


@pytest.fixture
def runner(aws: Any) -> Any:
    return aws.runner()


@pytest.fixture
def taken(aws: Any, runner: Any, job: Any) -> Any:
    runner.dispatch(EXECUTION, [job()])
    (taken,) = runner.take_pending_jobs()
    aws.requests.clear()
    aws.sent.clear()
    return taken


# Leases


def test_a_renewal_is_one_write_and_hides_the_message_for_as_long(aws: Any, runner: Any, taken: Any) -> None:
    aws.clock.now += 599
    assert runner.extend_lease(taken)
    assert runner.extend_lease(taken, 50.5)
    assert aws.requests == ["UpdateItem", "ChangeMessageVisibilityBatch"] * 2
    hidden = [sent["Entries"][0]["VisibilityTimeout"] for sent in aws.sent if "Entries" in sent]
    assert hidden == [600, 51]
    aws.clock.now += 50
    assert runner.extend_lease(taken)  # for its own length, which is the last one
    aws.clock.now += 50.5
    assert not runner.extend_lease(taken)


def test_a_job_that_is_given_back_can_be_taken_at_once(aws: Any, runner: Any, taken: Any) -> None:
    assert runner.extend_lease(taken, 0)
    assert not runner.extend_lease(taken)
    assert aws.messages() == (1, 0)
    assert [one.delivery for one in runner.take_pending_jobs()] == [2]


def test_what_sqs_refuses_changes_nothing_about_a_lease(aws: Any, runner: Any, taken: Any) -> None:
    aws.fail("ChangeMessageVisibilityBatch", "ReceiptHandleIsInvalid")
    assert runner.extend_lease(taken)
    aws.lose_reply("ChangeMessageVisibilityBatch")
    assert runner.extend_lease(taken, 43_300)
    aws.sqs.purge_queue(QueueUrl=aws.urls["one"])
    assert runner.extend_lease(taken)


def test_a_lease_that_is_not_the_living_one_is_not_renewed(aws: Any, runner: Any, taken: Any, job: Any) -> None:
    assert not runner.extend_lease(job())
    assert "UpdateItem" not in aws.requests
    other = type(taken)(**{name: getattr(taken, name) for name in taken.__slots__} | {"lease": "other"})
    assert not runner.extend_lease(other)
    runner.submit_work_result(EXECUTION, "step", 1, 1)
    assert not runner.extend_lease(taken)
    runner.forget(EXECUTION)
    assert not runner.extend_lease(taken)
    with pytest.raises(ValueError, match="lease"):
        runner.extend_lease(taken, -1)


def test_a_give_back_whose_reply_was_lost_is_one(aws: Any, runner: Any, taken: Any) -> None:
    aws.repeat("UpdateItem")
    assert runner.extend_lease(taken, 0)
    assert aws.messages() == (1, 0)


def test_a_give_back_that_somebody_else_did_is_none(aws: Any, runner: Any, taken: Any) -> None:
    assert runner.extend_lease(taken, 0)
    assert not runner.extend_lease(taken, 0)


# Results


def test_a_result_is_one_write_and_one_message_less(aws: Any, runner: Any, taken: Any) -> None:
    runner.submit_work_result(EXECUTION, "step", None, 1)
    assert aws.requests == ["UpdateItem", "DeleteMessageBatch"]
    assert aws.messages() == (0, 0)
    aws.requests.clear()
    assert runner.gather(EXECUTION) == [StepResult("step", None, 1)]
    assert aws.requests == ["Query", "UpdateItem"]
    aws.requests.clear()
    assert runner.gather(EXECUTION) == []
    assert aws.requests == ["Query"]


def test_a_message_that_can_not_be_removed_does_no_harm(aws: Any, runner: Any, taken: Any) -> None:
    aws.fail("DeleteMessageBatch", "ReceiptHandleIsInvalid")
    runner.submit_work_result(EXECUTION, "step", "done", 1)
    aws.put_back()
    assert runner.take_pending_jobs() == []
    assert aws.messages() == (0, 0)


def test_large_outputs_are_parts_beside_the_row(aws: Any, runner: Any, taken: Any) -> None:
    runner.submit_work_result(EXECUTION, "step", LARGE, 1)
    assert len(aws.parts()) == 9
    assert runner.gather(EXECUTION) == [StepResult("step", LARGE, 1)]
    aws.requests.clear()
    runner.submit_work_result(EXECUTION, "step", LARGE, 1)
    assert aws.requests == ["GetItem"]
    runner.forget(EXECUTION)
    assert aws.items() == []


def test_a_large_output_that_comes_second_leaves_nothing(aws: Any, runner: Any, taken: Any) -> None:
    aws.before("UpdateItem", lambda _: runner.submit_work_result(EXECUTION, "step", "first", 1))
    runner.submit_work_result(EXECUTION, "step", LARGE, 1)
    assert aws.parts() == []
    assert runner.gather(EXECUTION) == [StepResult("step", "first", 1)]


def test_a_large_output_whose_reply_was_lost_keeps_its_parts(aws: Any, runner: Any, taken: Any) -> None:
    aws.repeat("UpdateItem")
    runner.submit_work_result(EXECUTION, "step", LARGE, 1)
    assert runner.gather(EXECUTION) == [StepResult("step", LARGE, 1)]


def test_a_submit_of_which_nobody_knows_keeps_the_parts(aws: Any, runner: Any, taken: Any) -> None:
    aws.lose_reply("UpdateItem")
    with pytest.raises(StorageError):
        runner.submit_work_result(EXECUTION, "step", LARGE, 1)
    assert runner.gather(EXECUTION) == [StepResult("step", LARGE, 1)]


def test_results_for_runs_that_are_not_there_make_no_row(aws: Any, runner: Any) -> None:
    runner.submit_work_result(EXECUTION, "step", 1, 1)
    runner.submit_work_result(EXECUTION, "step", 1)
    runner.submit_work_result(EXECUTION, "step", LARGE)
    assert aws.items() == []


def test_results_are_gathered_in_the_order_submitted(runner: Any, job: Any) -> None:
    runner.dispatch(EXECUTION, [job(f"s{n}") for n in range(12)])
    order = [7, 3, 11, 0, 5, 1, 2, 10, 4, 9, 8, 6]
    for n in order:
        runner.submit_work_result(EXECUTION, f"s{n}", n)
    assert [result.output for result in runner.gather(EXECUTION)] == order
    runner.dispatch(EXECUTION, [job(f"s{n}") for n in range(12)])
    assert [result.output for result in runner.gather(EXECUTION)] == order


def test_a_gather_whose_reply_was_lost_gives_the_result(aws: Any, runner: Any, taken: Any) -> None:
    runner.submit_work_result(EXECUTION, "step", "done", 1)
    aws.repeat("UpdateItem")
    assert runner.gather(EXECUTION) == [StepResult("step", "done", 1)]


def test_of_two_who_gather_at_once_one_has_the_result(aws: Any, runner: Any, taken: Any) -> None:
    runner.submit_work_result(EXECUTION, "step", "done", 1)
    others: list[Any] = []
    aws.before("UpdateItem", lambda _: others.extend(runner.gather(EXECUTION)))
    assert runner.gather(EXECUTION) == []
    assert others == [StepResult("step", "done", 1)]


def test_a_gather_of_which_nobody_knows_is_repeated_after_a_dispatch(
    aws: Any, runner: Any, taken: Any, job: Any
) -> None:
    runner.submit_work_result(EXECUTION, "step", "done", 1)
    aws.lose_reply("UpdateItem")
    with pytest.raises(StorageError):
        runner.gather(EXECUTION)
    assert runner.gather(EXECUTION) == []
    aws.requests.clear()
    runner.dispatch(EXECUTION, [job()])
    assert "SendMessageBatch" not in aws.requests
    assert runner.gather(EXECUTION) == [StepResult("step", "done", 1)]


def test_a_result_that_is_superseded_while_it_is_gathered_is_left_out(
    aws: Any, runner: Any, taken: Any, job: Any
) -> None:
    runner.submit_work_result(EXECUTION, "step", LARGE, 1)
    aws.before("BatchGetItem", lambda _: runner.dispatch(EXECUTION, [job(run_id=2)]))
    assert runner.gather(EXECUTION) == []


def test_a_result_without_its_parts_is_named(aws: Any, runner: Any, taken: Any) -> None:
    runner.submit_work_result(EXECUTION, "step", LARGE, 1)
    part = aws.parts()[4]
    aws.dynamodb.delete_item(TableName="tasks", Key={"PK": part["PK"], "SK": part["SK"]})
    with pytest.raises(StorageCorrupt, match=r"\('step', 1\)"):
        runner.gather(EXECUTION)


def test_who_waits_is_woken_by_a_submit(aws: Any, runner: Any, taken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not runner.wait(EXECUTION, 0.01)
    monkeypatch.setattr("runfox_aws._runner_results._FIRST_POLL", 3600.0)
    monkeypatch.setattr("runfox_aws._runner_results._LONGEST_POLL", 3600.0)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(runner.wait(EXECUTION, 3600)), daemon=True)
    looked = threading.Event()
    aws.dynamodb.meta.events.register("after-call.dynamodb.Query", lambda **_: looked.set())
    waiting.start()
    assert looked.wait(30)
    runner.submit_work_result(EXECUTION, "step", 1, 1)
    waiting.join(30)  # nobody asks again within the hour
    assert answers == [True]
    runner.gather(EXECUTION)
    assert not runner.wait(EXECUTION, 0)


def test_who_waits_finds_what_others_submit(aws: Any, runner: Any, taken: Any) -> None:
    submit = threading.Timer(0.05, aws.runner().submit_work_result, (EXECUTION, "step", 1, 1))
    submit.start()
    assert runner.wait(EXECUTION, 60)
    submit.join()


# Forgetting


def test_runs_are_forgotten_with_their_parts_and_messages(aws: Any, runner: Any, job: Any) -> None:
    runner.dispatch(EXECUTION, [job("a", inputs=LARGE), job("b"), job("c", 3)])
    runner.take_pending_jobs(queues=[None])
    runner.submit_work_result(EXECUTION, "b", LARGE, 1)
    runner.forget(EXECUTION, [("a", 1), ("b", 1), ("c", 2), ("d", 1)])
    assert [row["op"]["S"] for row in aws.items()] == ["c"]
    assert sum(aws.messages()) == 1
    runner.forget(EXECUTION)
    runner.forget(EXECUTION)
    assert aws.items() == []
    assert sum(aws.messages()) == 0


def test_a_step_is_touched_by_all_that_is_done_to_it(aws: Any, runner: Any, job: Any) -> None:
    runner.dispatch("flow#two", [type(job())("flow#two", "old", {})])
    runner.dispatch(EXECUTION, [job()])
    acts: list[Any] = [
        lambda: runner.dispatch(EXECUTION, [job()]),
        lambda: acts.append(runner.take_pending_jobs(queues=[None])),
        lambda: runner.extend_lease(next(one for one in acts[-1] if one.op == "step")),
        lambda: runner.submit_work_result(EXECUTION, "step", 1, 1),
        lambda: runner.dispatch(EXECUTION, [job()]),
        lambda: runner.gather(EXECUTION),
    ]
    for act in acts[:6]:
        aws.clock.now += 10
        act()
        assert EXECUTION not in runner.held(format_time(aws.clock.now))
        assert EXECUTION in runner.held(format_time(aws.clock.now + 1e-6))
    assert sorted(runner.held(LATEST)) == [EXECUTION, "flow#two"]
    assert runner.held("") == []
