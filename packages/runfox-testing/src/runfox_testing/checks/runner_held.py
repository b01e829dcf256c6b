"""RUN-HELD: what has been lying here for long."""

from __future__ import annotations

import math
from collections.abc import Callable

from runfox.results import DispatchJob
from runfox.times import LATEST, format_time
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import dispatch, expect_gathered, submit
from runfox_testing.observing import ObservedRunner
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs


@check("RUN-HELD-01", causes=["times are compared as local time", "the comparison is the wrong way round"])
def executions_are_held_before_a_later_time(case: RunnerCase) -> None:
    """An execution is held before a time after its dispatch, also the last one that there is, and not before an earlier
    time.
    """
    one, two = case.clients(2)
    expect(one.held(LATEST) == [], "in a new namespace executions are held")
    earlier = case.utc(-case.margin)
    one.dispatch(EXECUTION, jobs(2))
    held = case.held(two, case.utc(case.margin + case.slack), [EXECUTION])
    expect(held == [EXECUTION], f"after a dispatch {held} are held before a later time, not {[EXECUTION]}")
    held = case.held(two, LATEST, [EXECUTION])
    expect(held == [EXECUTION], f"after a dispatch the execution is not held before {LATEST}")
    for before in (earlier, "1970-01-01T00:00:00.000000Z"):
        held = case.held(two, before, [])
        expect(held == [], f"after a dispatch {held} are held before {before}, which is earlier than it")


@check(
    "RUN-HELD-02",
    needs=("clock",),
    causes=["`<=` for `<`", "touches are kept in whole seconds or milliseconds"],
)
def held_means_strictly_before(case: RunnerCase) -> None:
    """An execution that was last touched at a time is not held before that time, and is held before the next
    microsecond.
    """
    client = case.client()
    # A whole second, so that its text is exact.
    case.pass_time(math.ceil(case.now()) - case.now())
    client.dispatch(EXECUTION, [job()])
    held = case.held(client, case.utc(), [])
    expect(held == [], f"{held} are held before the very time at which they were dispatched")
    held = case.held(client, format_time(case.now() + 1e-6), [EXECUTION])
    expect(held == [EXECUTION], f"a microsecond after the dispatch {held} are held, not {[EXECUTION]}")


@check("RUN-HELD-03", causes=["one line for each entry"])
def each_execution_is_held_once(case: RunnerCase) -> None:
    """An execution with several entries is named once, and each of several executions is named."""
    client = case.client()
    dispatch(client, *jobs(5), *jobs(3, OTHER), job("step0", 2))
    held = case.held(client, LATEST, [EXECUTION, OTHER])
    expect(held == sorted([EXECUTION, OTHER]), f"of two executions with several entries {held} are held")
    many = [f"many#{number}" for number in range(60)]
    dispatch(client, *[job(execution=execution) for execution in many])
    held = [execution for execution in case.held(client, LATEST, [EXECUTION, OTHER, *many]) if execution in many]
    expect(held == sorted(many), f"of {len(many)} executions {len(set(held))} are held, in {len(held)} lines")


@check("RUN-HELD-04", traits=("time",), causes=["the latest touch of all the execution's entries counts"])
def any_old_entry_holds_its_execution(case: RunnerCase) -> None:
    """An execution is held if any of its entries was last touched before, although others were touched since."""
    client = case.client()
    client.dispatch(EXECUTION, [job("old")])
    before = _next_moment(case)
    client.dispatch(EXECUTION, [job("new")])
    client.dispatch(OTHER, [job("new", execution=OTHER)])
    held = case.held(client, before, [EXECUTION])
    expect(held == [EXECUTION], f"before a time between the touches of two entries {held} are held, not {[EXECUTION]}")


def _next_moment(case: RunnerCase) -> str:
    """A time after what was, and before what comes."""
    case.pass_time(case.margin)
    moment = case.utc()
    case.pass_time(case.margin)
    return moment


def _expect_touched(
    case: RunnerCase, act: Callable[[ObservedRunner, DispatchJob], object], what: str, *, taken: bool = False
) -> None:
    """The job of an execution is no longer held before a moment after which `act` was called, and another's is."""
    client, actor = case.clients(2)
    client.dispatch(OTHER, [job("other", execution=OTHER, queue="other")])
    client.dispatch(EXECUTION, [job()])
    one = job()
    if taken:
        found = case.take(actor, 1, queues=[None], lease_seconds=60 * case.lease)
        expect(len(found) == 1, "a pending job could not be taken")
        one = found[0]
    before = _next_moment(case)
    act(actor, one)
    held = case.held(client, before, [OTHER])
    expect(EXECUTION not in held, f"an execution is held before a time after which {what}")
    expect(held == [OTHER], f"{what}, of another execution than {OTHER}, and {held} are held, not {[OTHER]}")
    held = case.held(client, LATEST, [EXECUTION, OTHER])
    expect(held == sorted([EXECUTION, OTHER]), f"after {what} {held} are held before {LATEST}")


@check("RUN-HELD-05", traits=("time",), causes=["an insert that finds the entry there leaves it as it is"])
def a_dispatch_of_a_pending_job_touches_it(case: RunnerCase) -> None:
    """Dispatching a pending job again touches it."""
    _expect_touched(case, lambda client, one: client.dispatch(EXECUTION, [one]), "its pending job was dispatched again")


@check("RUN-HELD-06", needs=("queue",), traits=("time",), causes=["a take changes the lease only"])
def a_take_touches(case: RunnerCase) -> None:
    """Taking a job touches it."""
    _expect_touched(case, lambda client, _: case.take(client, 1, queues=[None]), "its job was taken")


@check("RUN-HELD-07", needs=("queue",), traits=("time",), causes=["a renewal changes the lease's end only"])
def a_renewal_touches(case: RunnerCase) -> None:
    """Renewing a lease touches the job."""
    _expect_touched(case, lambda client, one: client.extend_lease(one), "its job's lease was renewed", taken=True)


@check("RUN-HELD-08", needs=("queue",), traits=("time",), causes=["a submit writes the result only"])
def a_submit_touches(case: RunnerCase) -> None:
    """Submitting a result touches the run."""
    _expect_touched(case, lambda client, one: submit(client, one, None), "its job's result was submitted", taken=True)


@check("RUN-HELD-09", needs=("queue",), traits=("time",), causes=["a gather only marks the result as gathered"])
def a_gather_touches(case: RunnerCase) -> None:
    """Gathering a result touches the run."""

    def gather(client: ObservedRunner, one: DispatchJob) -> None:
        submit(client, one, None)
        moment.append(_next_moment(case))
        expect_gathered(client, [("step", 1, None)], "after the submit")

    moment: list[str] = []
    _expect_touched(case, gather, "its job's result was submitted and gathered")
    held = case.held(case.client(), moment[0], [OTHER])
    expect(EXECUTION not in held, "an execution is held before a time after which its job's result was gathered")


@check(
    "RUN-HELD-10",
    needs=("queue",),
    traits=("time",),
    causes=["a dispatch that makes a result gatherable again touches nothing", "a taken job is left as it is"],
)
def a_dispatch_of_taken_and_known_runs_touches_them(case: RunnerCase) -> None:
    """Dispatching a taken job, or a run whose result was gathered, touches it."""
    client = case.client()
    taken, done = job("taken"), job("done", execution=OTHER)
    client.dispatch(EXECUTION, [taken])
    case.take_one(client, lease_seconds=60 * case.lease)
    client.dispatch(OTHER, [done])
    submit(client, done, None)
    expect_gathered(client, [("done", 1, None)], "after the submit", OTHER)
    before = _next_moment(case)
    held = case.held(client, before, [EXECUTION, OTHER])
    expect(held == [EXECUTION, OTHER], "two executions with old entries are not both held")
    dispatch(client, taken, done)
    held = case.held(client, before, [])
    expect(held == [], f"before a time after which taken and gathered runs were dispatched again {held} are held")


@check("RUN-HELD-11", needs=("queue",), causes=["what was gathered counts as gone", "only pending jobs are looked at"])
def entries_in_every_state_are_held(case: RunnerCase) -> None:
    """An execution is held as long as anything of it was not forgotten: pending, taken, submitted or gathered."""
    client = case.client()
    states = ("pending", "taken", "submitted", "gathered")
    executions = {state: f"flow#{state}" for state in states}
    client.dispatch(executions["taken"], [job(execution=executions["taken"])])
    case.take_one(client)
    for state in ("pending", "submitted", "gathered"):
        client.dispatch(executions[state], [job(execution=executions[state])])
    for state in ("submitted", "gathered"):
        submit(client, job(execution=executions[state]), None)
    expect(len(client.gather(executions["gathered"])) == 1, "one result was submitted, and could not be gathered")
    held = case.held(client, LATEST, executions.values())
    missing = [state for state in states if executions[state] not in held]
    expect(not missing, f"executions whose only entry is {' or '.join(missing)} are not held")
    client.forget(executions["gathered"], [("step", 1)])
    client.forget(executions["pending"], [("step", 1)])
    wanted = sorted([executions["taken"], executions["submitted"]])
    held = case.held(client, LATEST, wanted)
    expect(held == wanted, f"after the only runs of two executions were forgotten {held} are held")
