"""RUN-DISPATCH: what a dispatch enqueues, and what a dispatch of known runs leaves alone."""

from __future__ import annotations

from runfox.results import DispatchJob
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import expect_equal_jobs, expect_gathered, expect_pending, submit, told
from runfox_testing.comparing import short
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs

_MANY = 500


@check(
    "RUN-DISPATCH-01",
    needs=("queue",),
    causes=["the write is committed later than the call returns", "a client keeps what it wrote to itself"],
)
def a_dispatched_job_is_pending(case: RunnerCase) -> None:
    """When dispatch returns, the jobs are pending for every client, also one that is opened later."""
    one, two = case.clients(2)
    wanted = [job("first", inputs={"a": 1}, queue="fast"), job("second", 7, call="function")]
    answer = one.dispatch(EXECUTION, wanted)
    expect(answer == [], f"dispatch gave {short(answer)} for jobs that nobody has executed")
    expect_pending(case, one, wanted, "for the client that dispatched")
    expect_pending(case, two, wanted, "for another client")
    expect_pending(case, case.client(), wanted, "for a client that was opened later")


@check(
    "RUN-DISPATCH-02",
    needs=("queue",),
    causes=["a batch is limited to what one request takes", "what a batch request did not process is not sent again"],
)
def many_jobs_are_dispatched_at_once(case: RunnerCase) -> None:
    """A dispatch of 500 jobs enqueues each of them, once."""
    one, two = case.clients(2)
    wanted = jobs(_MANY)
    one.dispatch(EXECUTION, wanted)
    taken: list[DispatchJob] = []
    # A queue may give ten at a time at most.
    while more := case.take(two, _MANY - len(taken)):
        taken += more
    expect_equal_jobs(taken, wanted, f"taken after a dispatch of {_MANY} jobs")


@check("RUN-DISPATCH-03", needs=("queue",), causes=["an entry is known by op and run_id, without the execution"])
def the_same_step_of_two_executions_is_two_jobs(case: RunnerCase) -> None:
    """The same op and run_id in two executions are two entries, and a result of one is none of the other."""
    client = case.client()
    mine, others = job("step"), job("step", execution=OTHER)
    client.dispatch(EXECUTION, [mine])
    client.dispatch(OTHER, [others])
    expect_pending(case, client, [mine, others], "after one step was dispatched in two executions")
    submit(client, mine, {"of": "one"})
    expect_pending(case, client, [others], "after the step's result was submitted for one of two executions")
    expect_gathered(client, [("step", 1, {"of": "one"})], "for the execution that has the result")


@check(
    "RUN-DISPATCH-04",
    needs=("queue",),
    causes=["a dispatch inserts without looking for the run", "each dispatch sends a message of its own"],
)
def a_pending_job_that_is_dispatched_again_is_there_once(case: RunnerCase) -> None:
    """Dispatching pending jobs again, by any client and among new ones, leaves one entry of each."""
    one, two = case.clients(2)
    old, new = jobs(3), job("new")
    one.dispatch(EXECUTION, old)
    two.dispatch(EXECUTION, old)
    one.dispatch(EXECUTION, [*old, new])
    expect_pending(case, two, [*old, new], "after three dispatches of the same jobs")
    taken = case.take(two, 4)
    expect_equal_jobs(taken, [*old, new], "taken after three dispatches of the same jobs")
    again = one.take_pending_jobs()
    expect(again == [], f"after all jobs were taken there were still {told(again)}: each dispatch made an entry")


@check(
    "RUN-DISPATCH-05",
    needs=("queue",),
    causes=["a dispatch makes a taken job pending again", "an upsert overwrites the lease"],
)
def a_taken_job_that_is_dispatched_again_is_left_alone(case: RunnerCase) -> None:
    """Dispatching a taken job again changes nothing: it is not pending, and its lease lives."""
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, [job()])
    taken = case.take_one(worker)
    driver.dispatch(EXECUTION, [job()])
    expect_pending(case, driver, [], "after a taken job was dispatched again")
    again = driver.take_pending_jobs()
    expect(again == [], "a taken job that was dispatched again was taken a second time")
    expect(worker.extend_lease(taken), "a taken job was dispatched again: its lease can't be renewed any more")


@check(
    "RUN-DISPATCH-06",
    needs=("queue",),
    traits=("time",),
    causes=["a dispatch starts the counting anew", "a dispatch of a taken job renews or ends its lease"],
)
def a_dispatch_does_not_change_a_lease(case: RunnerCase) -> None:
    """A taken job that is dispatched again comes back when its lease lapses, once, with `delivery` 2."""
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, [job()])
    case.take_one(worker, lease_seconds=case.lease)
    case.pass_time(case.lease / 2)
    driver.dispatch(EXECUTION, [job()])
    case.pass_time(case.lease / 2 + case.slack)
    driver.dispatch(EXECUTION, [job()])
    expect_pending(case, driver, [job()], "after the lease of a job that was dispatched again had lapsed")
    delivery = case.take_one(driver).delivery
    expect(delivery == 2, f"the second delivery of a job that was dispatched again has `delivery` {delivery}")


@check(
    "RUN-DISPATCH-07",
    needs=("queue",),
    causes=["a gathered result is removed", "a dispatch looks among pending and taken jobs only"],
)
def a_known_result_is_gatherable_again(case: RunnerCase) -> None:
    """A run whose result was gathered is not pending after another dispatch: its result is gatherable again."""
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, [job()])
    submit(worker, case.take_one(worker), {"n": 1})
    expect_gathered(driver, [("step", 1, {"n": 1})], "after the submit")
    driver.dispatch(EXECUTION, [job()])
    expect_pending(case, driver, [], "after a run whose result is known was dispatched again")
    expect(worker.take_pending_jobs() == [], "a run whose result is known was dispatched again and could be taken")
    expect_gathered(driver, [("step", 1, {"n": 1})], "after another dispatch")


@check(
    "RUN-DISPATCH-08",
    needs=("queue",),
    causes=["the result is put into the list of results again although it is still there"],
)
def a_result_that_nobody_gathered_stays_one(case: RunnerCase) -> None:
    """A run whose result nobody has gathered yet is dispatched again: the result is gathered once."""
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, [job()])
    submit(worker, case.take_one(worker), {"n": 1})
    driver.dispatch(EXECUTION, [job()])
    driver.dispatch(EXECUTION, [job()])
    expect_gathered(driver, [("step", 1, {"n": 1})], "after two more dispatches of a run with a result")
    expect_gathered(driver, [], "a second time")
    expect_pending(case, driver, [], "after two more dispatches of a run with a result")
