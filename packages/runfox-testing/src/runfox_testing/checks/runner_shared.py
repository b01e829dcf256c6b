"""RUN-SHARED: what other processes see."""

from __future__ import annotations

from runfox.times import LATEST
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import (
    expect_equal_jobs,
    expect_gathered,
    expect_no_failures,
    expect_pending,
    expect_results,
    submit,
    told,
)
from runfox_testing.comparing import short
from runfox_testing.processes import race_of_processes
from runfox_testing.runner_calls import (
    dispatch_in_child,
    extend_all,
    gather_in_child,
    submit_each,
    take_all,
    take_and_stay,
    take_and_submit,
)
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs


@check(
    "RUN-SHARED-01",
    needs=("queue", "shared"),
    traits=("processes",),
    causes=["a process keeps what it knows, and does not look again", "an id of the process is part of a key"],
)
def jobs_and_results_go_from_process_to_process(case: RunnerCase) -> None:
    """What one process dispatches another takes and submits, and the first one gathers; and the other way round."""
    client, child = case.client(), case.process()
    for number in range(3):
        execution = f"flow#{number}"
        client.dispatch(execution, jobs(2, execution))
        case.pending(client, 2)
        taken = child.call(take_and_submit, case.harness.lag_seconds, 2, "in the child")
        expect_equal_jobs(taken, jobs(2, execution), "taken in another process")
        wanted = [(one.op, 1, "in the child") for one in taken]
        expect_gathered(client, wanted, "after another process had submitted", execution)
        child.call(dispatch_in_child, OTHER, jobs(2, OTHER, number))
        taken = case.take(client, 2)
        expect_equal_jobs(taken, jobs(2, OTHER, number), "taken after another process had dispatched")
        for one in taken:
            submit(client, one, "in the parent")
        results = child.call(gather_in_child, OTHER)
        expect_results(results, [(one.op, number, "in the parent") for one in taken], "gathered by another process")


@check(
    "RUN-SHARED-02",
    needs=("queue", "shared"),
    traits=("processes",),
    causes=["leases and known runs are remembered by the process that made them"],
)
def what_one_process_ends_is_over_in_the_others(case: RunnerCase) -> None:
    """A job that another process has taken is over there, too, when it is superseded, forgotten or submitted here."""
    client, child = case.client(), case.process()
    client.dispatch(EXECUTION, jobs(4))
    case.pending(client, 4)
    superseded, forgotten, submitted, living = sorted(
        child.call(take_all, case.harness.lag_seconds, 4), key=lambda one: one.op
    )
    client.dispatch(EXECUTION, [job(superseded.op, 2)])
    client.forget(EXECUTION, [(forgotten.op, 1)])
    submit(client, submitted, "here")
    lives = child.call(extend_all, [superseded, forgotten, submitted, living])
    expect(
        lives == [False, False, False, True],
        f"of a superseded, a forgotten, a submitted and a living lease another process could renew {lives}",
    )
    child.call(submit_each, [superseded, forgotten, submitted, living])
    expect_gathered(
        client, [(submitted.op, 1, "here"), (living.op, 1, "in the child")], "after another process submitted for all"
    )
    expect_pending(case, client, [job(superseded.op, 2)], "after another process submitted for all")


@check(
    "RUN-SHARED-03",
    needs=("queue", "shared"),
    traits=("processes",),
    causes=["a look whether the run is known, and its insertion, are two transactions"],
)
def processes_that_dispatch_the_same_jobs_make_one_entry_each(case: RunnerCase) -> None:
    """Of jobs that several processes dispatch at the same moment there is one entry each."""
    client = case.client()
    children = case.processes(case.profile.processes)
    for number in range(max(2, case.profile.rounds // 2)):
        case.history.clear()
        execution = f"flow#{number}"
        wanted = jobs(5, execution)
        answers = race_of_processes(children, dispatch_in_child, [(execution, wanted)] * len(children))
        expect_no_failures(answers)
        taken = case.take(client, 5) + client.take_pending_jobs()
        expect_equal_jobs(taken, wanted, f"taken after {len(children)} processes dispatched the same jobs at once")


@check(
    "RUN-SHARED-04",
    needs=("queue", "shared"),
    traits=("kills", "processes", "time"),
    causes=["a lease ends with a connection that the dead process does not close", "leases live in memory"],
)
def the_jobs_of_a_killed_process_come_back(case: RunnerCase) -> None:
    """Jobs that a killed process had taken are another's after the lease, each once, and not before; the results that
    it had submitted are there.
    """
    client, child = case.client(), case.process()
    client.dispatch(EXECUTION, jobs(5))
    case.pending(client, 5)
    child.start(take_and_stay, case.harness.lag_seconds, case.lease)
    held = next(child.items())
    child.kill()
    expect(list(child.items()) == [], "a process that was killed went on")
    expect(len(held) == 4, f"of five jobs another process took {len(held)} with limit 4")
    free = [one for one in jobs(5) if one.op not in {taken.op for taken in held}]
    taken = case.take(client, 1) + client.take_pending_jobs()
    expect_equal_jobs(taken, free, "taken while a killed process had the others")
    case.pass_time(case.lease + case.slack)
    again = case.take(client, 3) + client.take_pending_jobs()
    expect_equal_jobs(again, held[1:], "taken after the leases of a killed process were over")
    deliveries = {one.delivery for one in again}
    expect(deliveries == {2}, f"jobs of a killed process come again with `delivery` {short(deliveries)}, not 2")
    expect_gathered(client, [(held[0].op, 1, "before the kill")], "after the process that submitted was killed")
    held = case.held(client, LATEST, [EXECUTION])
    expect(held == [EXECUTION], f"not {EXECUTION} but {held} are held; taken were {told(again)}")
