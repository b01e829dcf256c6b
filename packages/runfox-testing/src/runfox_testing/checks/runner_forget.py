"""RUN-FORGET: what is gone afterwards, and what is not."""

from __future__ import annotations

from collections.abc import Callable

from runfox.times import LATEST
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import dispatch, expect_gathered, expect_no_errors, expect_pending, submit, told
from runfox_testing.observing import ObservedRunner
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs


@check("RUN-FORGET-01", needs=("queue",), causes=["only what has a result is removed", "the message stays queued"])
def forgotten_pending_jobs_are_gone(case: RunnerCase) -> None:
    """After a forget of the execution its pending jobs are pending for nobody and can't be taken."""
    one, two = case.clients(2)
    one.dispatch(EXECUTION, jobs(3))
    two.forget(EXECUTION)
    expect_pending(case, one, [], "after the execution was forgotten")
    taken = one.take_pending_jobs()
    expect(taken == [], f"after the execution was forgotten {told(taken)} of its jobs could be taken")
    expect(case.held(one, LATEST, []) == [], "after the execution was forgotten it is held")


@check(
    "RUN-FORGET-02",
    needs=("queue",),
    traits=("time",),
    causes=["leases are kept apart, and a lapse brings the job back", "only pending jobs are removed"],
)
def a_forgotten_taken_job_never_comes_back(case: RunnerCase) -> None:
    """A taken job that is forgotten is not pending after the end of its lease, and its token is dead."""
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, jobs(2))
    taken = case.take(worker, 2, lease_seconds=case.lease)
    driver.forget(EXECUTION)
    expect([worker.extend_lease(one) for one in taken] == [False, False], "a forgotten job's lease could be renewed")
    case.pass_time(case.lease + case.slack)
    expect_pending(case, driver, [], "after the leases of forgotten jobs were over")
    again = driver.take_pending_jobs()
    expect(again == [], f"after the leases of forgotten jobs were over {told(again)} could be taken")


@check("RUN-FORGET-03", needs=("queue",), causes=["jobs are removed, and results are kept elsewhere"])
def forgotten_results_are_gone(case: RunnerCase) -> None:
    """Results of a forgotten execution, gathered or not, are not gathered, also not after a dispatch: that is of new
    runs.
    """
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, jobs(2))
    submit(worker, jobs(2)[0], "gathered")
    expect_gathered(driver, [("step0", 1, "gathered")], "after the submit")
    submit(worker, jobs(2)[1], "waiting")
    driver.forget(EXECUTION)
    expect_gathered(driver, [], "after the execution was forgotten")
    driver.dispatch(EXECUTION, jobs(2))
    expect_gathered(driver, [], "after forgotten runs were dispatched anew")
    expect_pending(case, driver, jobs(2), "after forgotten runs were dispatched anew")
    deliveries = {one.delivery for one in case.take(worker, 2)}
    expect(deliveries == {1}, f"the first delivery of jobs that were forgotten before has `delivery` {deliveries}")


@check("RUN-FORGET-04", needs=("queue",), causes=["the pairs are ignored", "op and run_id are looked for apart"])
def only_the_given_runs_are_forgotten(case: RunnerCase) -> None:
    """Given runs are forgotten, be they pending, taken, submitted or gathered, and the execution's others stay as they
    are.
    """
    driver, worker = case.clients(2)
    states = ("taken", "submitted", "gathered", "pending")
    every = {state: [job(f"{state}{run_id}", run_id) for run_id in (1, 2)] for state in states}
    driver.dispatch(EXECUTION, every["taken"])
    gone, stays = sorted(case.take(worker, 2), key=lambda taken: taken.op)
    driver.dispatch(EXECUTION, [*every["submitted"], *every["gathered"], *every["pending"]])
    for done in every["gathered"]:
        submit(worker, done, done.op)
    expect(len(driver.gather(EXECUTION)) == 2, "two results were submitted, and not two could be gathered")
    for done in every["submitted"]:
        submit(worker, done, done.op)
    driver.forget(EXECUTION, [(f"{state}1", 1) for state in states])
    expect_pending(case, driver, [every["pending"][1]], "after given runs were forgotten")
    lives = [worker.extend_lease(one) for one in (gone, stays)]
    expect(lives == [False, True], f"one of two taken runs was forgotten; of it and the other the lease lives: {lives}")
    expect_gathered(driver, [("submitted2", 2, "submitted2")], "after given runs were forgotten")
    driver.dispatch(EXECUTION, every["gathered"])
    expect_gathered(driver, [("gathered2", 2, "gathered2")], "after a forgotten and another run were dispatched again")
    expect_pending(
        case, driver, [every["gathered"][0], every["pending"][1]], "after a forgotten and another run were dispatched"
    )


@check("RUN-FORGET-05", needs=("queue",), causes=["only the op of a pair is looked at", "older runs go, too"])
def another_run_of_a_step_is_not_forgotten(case: RunnerCase) -> None:
    """A pair with another run_id than the step's newest run leaves that alone, be it pending, taken or submitted."""
    driver, worker = case.clients(2)
    others = [("step", 1), ("step", 3), ("step", 0), ("Step", 2), ("other", 2)]
    driver.dispatch(EXECUTION, [job(run_id=2)])
    driver.forget(EXECUTION, others)
    expect_pending(case, driver, [job(run_id=2)], "after other runs of the step were forgotten")
    taken = case.take_one(worker)
    driver.forget(EXECUTION, others)
    expect(worker.extend_lease(taken), "other runs of the step were forgotten, and the taken one's lease is over")
    submit(worker, taken, "kept")
    driver.forget(EXECUTION, others)
    expect_gathered(driver, [("step", 2, "kept")], "after other runs of the step were forgotten")


@check("RUN-FORGET-06", needs=("queue",), causes=["a submit writes an entry where there is none"])
def a_result_of_a_forgotten_run_changes_nothing(case: RunnerCase) -> None:
    """A result that is submitted for a forgotten run, by its former taker or by somebody else, changes nothing."""
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, jobs(2))
    taken = case.take(worker, 1)[0]
    driver.forget(EXECUTION)
    for one in (taken, *jobs(2)):
        submit(worker, one, "late")
    worker.submit_work_result(EXECUTION, "step0", "late")
    expect_gathered(driver, [], "after results of forgotten runs were submitted")
    held = case.held(driver, LATEST, [])
    expect(held == [], "after results of forgotten runs were submitted the execution is held")
    expect_pending(case, driver, [], "after results of forgotten runs were submitted")
    driver.dispatch(EXECUTION, jobs(2))
    expect_gathered(driver, [], "after forgotten runs, which late results had come for, were dispatched anew")


@check(
    "RUN-FORGET-07", causes=["a missing row is an error", "an empty list of keys is sent, which the service refuses"]
)
def forgetting_what_is_unknown_is_no_error(case: RunnerCase) -> None:
    """Forgetting an unknown execution or run is no error and changes nothing; so is forgetting twice."""
    client = case.client()
    client.dispatch(EXECUTION, [job()])
    client.forget(OTHER)
    client.forget(OTHER, [("step", 1)])
    client.forget(EXECUTION, [("unknown", 1), ("step", 7)])
    held = case.held(client, LATEST, [EXECUTION])
    expect(held == [EXECUTION], f"after unknown executions and runs were forgotten {held} are held")
    for _ in range(2):
        client.forget(EXECUTION)
    expect(case.held(client, LATEST, []) == [], "after the execution was forgotten twice it is held")


@check("RUN-FORGET-08", needs=("queue",), causes=["entries are found by the beginning of a key"])
def other_executions_are_not_forgotten(case: RunnerCase) -> None:
    """Jobs, leases and results of other executions stay, however similar their names are."""
    driver, worker = case.clients(2)
    similar = [f"{EXECUTION}1", f"{EXECUTION}:1", f"{EXECUTION}-", EXECUTION[:-1], EXECUTION.upper(), OTHER]
    pending = [job("pending", execution=execution) for execution in similar]
    done = [job("done", execution=execution) for execution in similar]
    dispatch(driver, *jobs(2), *done, *pending)
    for one in done:
        submit(worker, one, one.workflow_execution_id)
    driver.forget(EXECUTION)
    expect_pending(case, driver, pending, "after another execution was forgotten")
    for execution in similar:
        expect_gathered(driver, [("done", 1, execution)], "after another execution was forgotten", execution)


@check("RUN-FORGET-09", needs=("queue",), causes=["the iterable is gone through twice", "only a list is taken"])
def runs_may_be_any_iterable(case: RunnerCase) -> None:
    """The runs may come as any iterable: a list, a set, the keys of a dict, a generator."""
    client = case.client()
    pairs = [(one.op, one.run_id) for one in jobs(3)]
    for runs in (tuple(pairs), set(pairs), dict.fromkeys(pairs).keys(), iter(pairs), (pair for pair in pairs)):
        client.dispatch(EXECUTION, jobs(4))
        client.forget(EXECUTION, runs)
        expect_pending(case, client, jobs(4)[3:], f"after runs were forgotten that came as {type(runs).__name__}")


@check("RUN-FORGET-10", needs=("queue",), causes=["`if not runs:` stands for all runs"])
def forgetting_no_runs_forgets_nothing(case: RunnerCase) -> None:
    """An empty iterable of runs is none of them: nothing is forgotten."""
    client = case.client()
    client.dispatch(EXECUTION, jobs(2))
    submit(client, jobs(2)[0], "kept")
    client.forget(EXECUTION, [])
    client.forget(EXECUTION, iter(()))
    expect_pending(case, client, jobs(2)[1:], "after an empty list of runs was forgotten")
    expect_gathered(client, [("step0", 1, "kept")], "after an empty list of runs was forgotten")


@check("RUN-FORGET-11", needs=("queue",), causes=["more keys than one request or statement takes"])
def many_runs_are_forgotten_at_once(case: RunnerCase) -> None:
    """A forget of 400 runs, and of an execution with as many, removes each of them."""
    client = case.client()
    for wanted in ([(one.op, one.run_id) for one in jobs(400)], None):
        client.dispatch(EXECUTION, jobs(401))
        client.forget(EXECUTION, wanted)
        rest = [] if wanted is None else jobs(401)[400:]
        expect_pending(
            case, client, rest, f"after {'400 runs' if wanted else 'an execution of 401 runs'} were forgotten"
        )


@check(
    "RUN-FORGET-12",
    needs=("queue",),
    traits=("threads",),
    causes=["a submit reads the entry, and writes it back after it was removed"],
)
def a_submit_and_a_forget_at_once_leave_nothing(case: RunnerCase) -> None:
    """When results come while their execution is forgotten, nothing is there afterwards."""
    driver, worker = case.clients(2)
    for number in range(case.profile.rounds):
        case.history.clear()
        execution = f"flow#{number}"
        driver.dispatch(execution, jobs(2, execution))
        answers = case.race(_forgetting(driver, execution), _submitting(worker, execution))
        expect_no_errors(answers, "calls")
        expect_gathered(driver, [], "after an execution was forgotten while results came", execution)
        held = case.held(driver, LATEST, [])
        expect(held == [], "after an execution was forgotten while results came it is held")


def _forgetting(client: ObservedRunner, execution: str) -> Callable[[], None]:
    return lambda: client.forget(execution)


def _submitting(client: ObservedRunner, execution: str) -> Callable[[], None]:
    def call() -> None:
        for one in jobs(2, execution):
            submit(client, one, None)

    return call
