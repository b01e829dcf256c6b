"""RUN-SUBMIT: whose result of a run is kept."""

from __future__ import annotations

from typing import cast

from runfox.jsonvalue import JSONValue
from runfox.times import LATEST
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import expect_gathered, expect_pending, expect_results, submit, told
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs


@check("RUN-SUBMIT-01", needs=("queue",), causes=["the result is committed later than the call returns"])
def a_result_is_kept_and_ends_the_run(case: RunnerCase) -> None:
    """A submitted result is gathered by whoever asks, and its job is neither pending nor taken any more."""
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, [job()])
    taken = case.take_one(worker)
    submit(worker, taken, {"n": 1})
    expect_gathered(driver, [("step", 1, {"n": 1})], "after a submit")
    expect_pending(case, driver, [], "after the result was submitted")
    expect(not worker.extend_lease(taken), "the lease of a run whose result was submitted could be renewed")
    expect(driver.take_pending_jobs() == [], "a run whose result was submitted could be taken")


@check(
    "RUN-SUBMIT-02",
    needs=("queue",),
    traits=("time",),
    causes=["a submit keeps the result, and the lease's end brings the job back", "the message is not deleted"],
)
def a_submitted_run_does_not_come_back(case: RunnerCase) -> None:
    """A run whose result was submitted is not pending after the end of the lease that its taker had."""
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, jobs(2))
    for taken in case.take(worker, 2, lease_seconds=case.lease):
        submit(worker, taken, None)
    expect(len(driver.gather(EXECUTION)) == 2, "two results were submitted, and not two could be gathered")
    case.pass_time(case.lease + case.slack)
    expect_pending(case, driver, [], "after the leases of submitted runs were over")
    again = driver.take_pending_jobs()
    expect(again == [], f"after the leases of submitted runs were over there were {told(again)} to be taken")


@check("RUN-SUBMIT-03", needs=("queue",), causes=["the latest result overwrites the first", "results are appended"])
def a_second_result_is_ignored(case: RunnerCase) -> None:
    """A second result of a run changes nothing, whoever brings it, and whether it is equal (a repeated call whose reply
    was lost) or not.
    """
    driver, one, two = case.clients(3)
    driver.dispatch(EXECUTION, jobs(2))
    first, repeated = jobs(2)
    submit(one, first, "first")
    submit(two, first, "second")
    submit(one, repeated, "same")
    submit(one, repeated, "same")
    expect_gathered(driver, [("step0", 1, "first"), ("step1", 1, "same")], "after two results of each run")
    expect_gathered(driver, [], "a second time")


@check(
    "RUN-SUBMIT-04",
    needs=("queue",),
    causes=["a gathered result is removed, and the run forgotten", "a gathered result counts as none"],
)
def a_second_result_after_the_gather_is_ignored(case: RunnerCase) -> None:
    """A second result after the first was gathered is not gathered; after another dispatch the first one comes
    again.
    """
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, [job()])
    submit(worker, job(), "first")
    expect_gathered(driver, [("step", 1, "first")], "after the first submit")
    for output in ("second", "first"):
        submit(worker, job(), output)
        expect_gathered(driver, [], "after a second result of a run whose first one was gathered")
    driver.dispatch(EXECUTION, [job()])
    expect_gathered(driver, [("step", 1, "first")], "after another dispatch of a run that has two results")


@check(
    "RUN-SUBMIT-05",
    needs=("queue",),
    causes=["a submit writes an entry where there is none", "a missing row is an error of the driver"],
)
def a_result_of_an_unknown_run_is_ignored(case: RunnerCase) -> None:
    """A result for an unknown execution, step or run changes nothing and is no error."""
    client = case.client()
    unknown = [job(execution=OTHER), job("unknown"), job(run_id=1), job(run_id=3), job(run_id=0)]
    client.dispatch(EXECUTION, [job(run_id=2)])
    for one in unknown:
        submit(client, one, "stray")
    client.submit_work_result(OTHER, "step", "stray")
    client.submit_work_result(EXECUTION, "unknown", "stray")
    expect_gathered(client, [], "after results of unknown runs were submitted")
    expect_gathered(client, [], "of an unknown execution after a result of it was submitted", OTHER)
    expect_pending(case, client, [job(run_id=2)], "after results of unknown runs were submitted")
    held = case.held(client, LATEST, [EXECUTION])
    expect(held == [EXECUTION], f"after results of unknown executions were submitted {held} are held")
    client.dispatch(OTHER, [job(execution=OTHER)])
    expect_gathered(client, [], "after a run was dispatched that a result had come for before", OTHER)


@check(
    "RUN-SUBMIT-06",
    needs=("queue",),
    causes=["the run_id is not compared", "the newest run gets the result of an older one"],
)
def a_result_of_a_superseded_run_is_ignored(case: RunnerCase) -> None:
    """A result of a superseded run changes nothing, be the newer one pending, taken, submitted or gathered."""
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, [job(run_id=1)])
    old = case.take_one(worker)
    driver.dispatch(EXECUTION, [job(run_id=2)])
    submit(worker, old, "old")
    expect_pending(case, driver, [job(run_id=2)], "after the result of a superseded run was submitted")
    new = case.take_one(worker)
    submit(worker, old, "old")
    expect(worker.extend_lease(new), "the result of a superseded run ended the newer run's lease")
    submit(worker, new, "new")
    submit(worker, old, "old")
    expect_gathered(driver, [("step", 2, "new")], "after results of a superseded and of the newest run")
    submit(worker, old, "old")
    expect_gathered(driver, [], "after the result of a superseded run was submitted once more")


@check("RUN-SUBMIT-07", needs=("queue",), causes=["None is compared as a run_id", "without run_id it is for run 0"])
def without_run_id_a_result_is_for_the_newest_run(case: RunnerCase) -> None:
    """A result without `run_id` is for the step's newest run, and is gathered with that run's id; where that has one
    it is ignored.
    """
    client = case.client()
    client.dispatch(EXECUTION, [job(run_id=3)])
    client.dispatch(EXECUTION, [job(run_id=4), job("other", 7)])
    client.submit_work_result(EXECUTION, "step", "newest")
    expect_gathered(client, [("step", 4, "newest")], "after a submit without run_id")
    client.submit_work_result(EXECUTION, "step", "second")
    client.submit_work_result(EXECUTION, "other", "by position", None)
    expect_gathered(client, [("other", 7, "by position")], "after submits without run_id")
    expect_pending(case, client, [], "after submits without run_id")


@check("RUN-SUBMIT-08", needs=("queue",), causes=["only taken jobs have results", "only the holder may submit"])
def a_result_of_a_pending_run_is_kept(case: RunnerCase) -> None:
    """A result of a run that nobody has taken is kept: the run is not pending any more and can't be taken."""
    driver, stranger = case.clients(2)
    driver.dispatch(EXECUTION, jobs(2))
    submit(stranger, jobs(2)[0], "from elsewhere")
    expect_pending(case, driver, jobs(2)[1:], "after a pending run's result was submitted")
    taken = case.take(driver, 1) + driver.take_pending_jobs()
    expect([one.op for one in taken] == ["step1"], f"after a pending run's result came {told(taken)} could be taken")
    expect_gathered(driver, [("step0", 1, "from elsewhere")], "after a submit by somebody without a lease")


@check(
    "RUN-SUBMIT-09",
    needs=("queue",),
    traits=("time",),
    causes=["a submit with a lapsed lease is refused", "the present holder's result wins over the first one"],
)
def the_first_result_counts_also_after_a_lapse(case: RunnerCase) -> None:
    """When the lease has lapsed, and also when somebody else has taken the job, whoever submits first has the result
    that is kept.
    """
    driver, slow, quick = case.clients(3)
    driver.dispatch(EXECUTION, jobs(3))
    late = sorted(case.take(slow, 3, lease_seconds=case.lease), key=lambda one: one.op)
    case.pass_time(case.lease + case.slack)
    submit(slow, late[0], "by the former holder")
    retaken = sorted(case.take(quick, 2), key=lambda one: one.op)
    expect([one.op for one in retaken] == ["step1", "step2"], f"after a lapse {told(retaken)} could be taken again")
    submit(slow, late[1], "by the former holder")
    submit(quick, retaken[0], "by the second holder")
    submit(quick, retaken[1], "by the second holder")
    submit(slow, late[2], "by the former holder")
    expect(not quick.extend_lease(retaken[0]), "the former holder's result left the second one's lease alive")
    results = sorted(driver.gather(EXECUTION), key=lambda result: result.op)
    first = ["by the former holder", "by the former holder", "by the second holder"]
    wanted = [(f"step{number}", 1, cast("JSONValue", output)) for number, output in enumerate(first)]
    expect_results(results, wanted, "gathered after a lapse, a second take and two results")
