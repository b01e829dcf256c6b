"""RUN-WAIT: when a waiting driver hears of a result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import Result, dispatch, expect_gathered, expect_no_errors, submit
from runfox_testing.checks.waking import BEGUN, LONG, woken_by
from runfox_testing.observing import ObservedRunner
from runfox_testing.runner_calls import submit_in_child
from runfox_testing.sample_jobs import EXECUTION, OTHER, job

_SHORT = 0.2
_AMONG_OTHERS = 1.0
"""Seconds of a wait in which other things happen."""


@check("RUN-WAIT-01", needs=("queue", "SupportsWait"), causes=["wait looks for what comes after it began only"])
def wait_is_true_at_once_where_something_is_there(case: RunnerCase) -> None:
    """A wait returns True at once where something can be gathered, and takes nothing of it."""
    one, two = case.clients(2)
    one.dispatch(EXECUTION, [job()])
    submit(two, job(), None)
    for _ in range(2):
        begun = time.monotonic()
        answer = one.wait(EXECUTION, LONG)
        seconds = time.monotonic() - begun
        expect(answer is True, f"a wait gave {answer!r} although a result could be gathered")
        expect(seconds < LONG / 2, f"a wait took {seconds:.1f} s although a result could be gathered")
    expect(two.wait(EXECUTION, 0) is True, "a wait of 0 s did not see that a result could be gathered")
    expect_gathered(one, [("step", 1, None)], "after waits")


@check("RUN-WAIT-02", needs=("SupportsWait",), causes=["a wake-up for another reason ends the wait", "seconds as ms"])
def wait_is_false_after_the_timeout(case: RunnerCase) -> None:
    """A wait returns False after its timeout, and not before, where nothing can be gathered: for an unknown execution,
    for jobs that are pending and taken, and for what was gathered.
    """
    client = case.client()

    def expect_false(when: str) -> None:
        begun = time.monotonic()
        answer = client.wait(EXECUTION, _SHORT)
        seconds = time.monotonic() - begun
        expect(answer is False, f"a wait {when} gave {answer!r} although nothing can be gathered")
        # Some clocks tick 60 times a second.
        expect(seconds > _SHORT - 0.02, f"a wait of {_SHORT:g} s {when} gave False after {seconds:.3f} s")
        expect(client.wait(EXECUTION, 0) is False, f"a wait of 0 s {when} did not give False")

    expect_false("for an unknown execution")
    if "queue" in case.abilities:
        client.dispatch(EXECUTION, [job()])
        expect_false("for a pending job")
        submit(client, case.take_one(client), None)
        expect_gathered(client, [("step", 1, None)], "after the submit")
        expect_false("for a gathered result")


def _expect_woken(case: RunnerCase, what: str, act: Callable[[], object]) -> None:
    """A wait that has begun ends, with True, when `act` is called, long before its timeout."""
    waiting = case.client()
    answer = woken_by(
        act,
        lambda: waiting.wait(EXECUTION, LONG),
        kind="a wait",
        too_early="before anything could be gathered",
        after=what,
    )
    expect(answer is True, f"a wait gave {answer!r} after {what}")


@check(
    "RUN-WAIT-03",
    needs=("queue", "SupportsWait"),
    traits=("threads",),
    causes=["a submit of another client wakes nobody", "wait holds the lock that a submit needs"],
)
def wait_is_woken_by_a_submit(case: RunnerCase) -> None:
    """A wait that has begun ends with True when another client, or another thread with this one, submits a result."""
    worker = case.client()
    worker.dispatch(EXECUTION, [job()])
    _expect_woken(case, "a result was submitted by another client", lambda: submit(worker, job(), None))
    execution = "flow#same"
    same = case.client()

    def use() -> bool:
        time.sleep(BEGUN)
        same.dispatch(execution, [job(execution=execution)])
        same.gather(execution)
        same.take_pending_jobs()
        submit(same, job(execution=execution), None)
        return True

    outcomes = case.race(lambda: same.wait(execution, case.profile.patience / 2), use)
    expect_no_errors(outcomes, "calls of one client")
    answer = outcomes[0].value
    expect(
        answer is True, f"a wait gave {answer!r} although another thread had submitted a result with the same client"
    )


@check(
    "RUN-WAIT-04",
    needs=("queue", "SupportsWait", "shared"),
    traits=("threads", "processes"),
    causes=["wait hears of what this process submits only"],
)
def wait_is_woken_by_another_process(case: RunnerCase) -> None:
    """A wait that has begun ends with True when another process submits a result."""
    child = case.process()
    case.client().dispatch(EXECUTION, [job()])
    _expect_woken(case, "another process had submitted a result", lambda: child.call(submit_in_child))


@check(
    "RUN-WAIT-05",
    needs=("queue", "SupportsWait"),
    traits=("threads",),
    causes=["only submits wake, and a dispatch makes results gatherable, too"],
)
def wait_is_woken_by_a_dispatch_of_a_known_result(case: RunnerCase) -> None:
    """A wait that has begun ends with True when a dispatch makes a known result gatherable again."""
    client = case.client()
    client.dispatch(EXECUTION, [job()])
    submit(client, job(), None)
    expect_gathered(client, [("step", 1, None)], "after the submit")
    _expect_woken(case, "a run whose result is known was dispatched again", lambda: client.dispatch(EXECUTION, [job()]))


@check(
    "RUN-WAIT-06",
    needs=("queue", "SupportsWait"),
    traits=("threads",),
    causes=["any result of any execution counts", "any change wakes, and counts as a result"],
)
def wait_heeds_its_own_execution_only(case: RunnerCase) -> None:
    """A wait does not heed the results of other executions, however similar their names are, nor what else happens."""
    client = case.client()
    others = [job(execution=execution) for execution in (OTHER, f"{EXECUTION}1", EXECUTION[:-1])]
    dispatch(client, job(), *others)
    for one in others:
        submit(client, one, None)
    submit(client, replace(job(), run_id=2), None)
    answer = client.wait(EXECUTION, _SHORT)
    expect(answer is False, f"a wait gave {answer!r} although only other executions have results")
    wanted: list[Result] = [("step", 1, None)]
    expect_gathered(client, wanted, "for another execution", OTHER)
    acting = case.client()

    def wait() -> tuple[object, float]:
        begun = time.monotonic()
        return client.wait(EXECUTION, _AMONG_OTHERS), time.monotonic() - begun

    def act() -> tuple[object, float]:
        time.sleep(BEGUN)
        _do_other_things(case, acting)
        return None, 0.0

    outcomes = case.race(wait, act)
    expect_no_errors(outcomes, "calls")
    found, seconds = cast("tuple[object, float]", outcomes[0].value)
    expect(found is False, f"a wait gave {found!r} when other things happened than a result of its execution")
    # Some clocks tick 60 times a second.
    shown = f"a wait of {_AMONG_OTHERS:g} s ended after {seconds:.3f} s, when other things happened"
    expect(seconds > _AMONG_OTHERS - 0.02, shown)
    own = job("own")
    acting.dispatch(EXECUTION, [own])

    def submit_after_others() -> None:
        _do_other_things(case, acting)
        time.sleep(BEGUN)
        submit(acting, own, None)

    _expect_woken(case, "other things, and then a submit of its own execution", submit_after_others)


def _do_other_things(case: RunnerCase, client: ObservedRunner) -> None:
    """Everything that may wake a driver which waits for a result of the execution, and gives it nothing to gather."""
    client.dispatch(EXECUTION, [job("pending")])
    taken = case.take_one(client)
    client.extend_lease(taken, 0)
    for execution in ("flow#third", "flow#fourth"):
        client.dispatch(execution, [job(execution=execution)])
        submit(client, job(execution=execution), None)
    client.gather("flow#third")
    client.dispatch("flow#third", [job(execution="flow#third")])
    client.forget("flow#third")
    client.forget("flow#fourth")
    client.forget(EXECUTION, [("pending", 1)])
