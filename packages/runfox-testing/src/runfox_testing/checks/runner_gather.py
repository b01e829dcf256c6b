"""RUN-GATHER: which results a driver gets."""

from __future__ import annotations

import time
from collections.abc import Callable

from runfox.results import StepResult
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import BETWEEN, expect_gathered, expect_no_errors, submit
from runfox_testing.comparing import short
from runfox_testing.observing import ObservedRunner
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs

_MANY = 300

_AT_ONCE = 1.0
"""Seconds that the fastest of three calls which have nothing to wait for may take."""


@check("RUN-GATHER-01", needs=("queue",), causes=["results are read and not marked as gathered"])
def a_result_is_gathered_once(case: RunnerCase) -> None:
    """Each result is gathered once, by whichever client asks first; later ones go on from there."""
    one, two = case.clients(2)
    one.dispatch(EXECUTION, jobs(3))
    for done in jobs(2):
        submit(two, done, {"of": done.op})
    expect_gathered(one, [("step0", 1, {"of": "step0"}), ("step1", 1, {"of": "step1"})], "after two submits")
    expect_gathered(one, [], "a second time")
    expect_gathered(two, [], "by another client after everything was gathered")
    submit(two, jobs(3)[2], "third")
    expect_gathered(two, [("step2", 1, "third")], "by another client after one more submit")
    one.dispatch(OTHER, jobs(_MANY, OTHER))
    for done in jobs(_MANY, OTHER):
        submit(two, done, done.op)
    runs = sorted(result.op for _ in range(2) for result in one.gather(OTHER))
    problem = f"of {_MANY} results of one execution two gathers gave {len(runs)}, {len(set(runs))} of them different"
    expect(runs == sorted(done.op for done in jobs(_MANY, OTHER)), problem)


@check("RUN-GATHER-02", needs=("queue",), causes=["results are found by the beginning of a key", "one list for all"])
def only_the_executions_own_results_are_gathered(case: RunnerCase) -> None:
    """A gather gives only the execution's own results, and leaves those of others, however similar their names are."""
    client = case.client()
    executions = ["flow#1", "flow#12", "flow#1:2", "flo#1", "flow#2"]
    for execution in executions:
        client.dispatch(execution, [job(execution=execution)])
        submit(client, job(execution=execution), execution)
    expect_gathered(client, [], "for an execution that nobody knows", "flow")
    for execution in executions:
        expect_gathered(client, [("step", 1, execution)], "among results of others", execution)


@check("RUN-GATHER-03", needs=("queue",), causes=["results are in the order of dispatch, of op, or of a random id"])
def results_are_gathered_in_the_order_submitted(case: RunnerCase) -> None:
    """Results are gathered in the order in which they were submitted, whatever the order of steps and dispatches."""
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, jobs(60))
    driver.dispatch(EXECUTION, [job("a"), job("z")])
    order = [*jobs(60), job("a"), job("z")]
    case.random.shuffle(order)
    for done in order:
        submit(worker, done, done.op)
        case.pass_time(BETWEEN)
    expect_gathered(driver, [(done.op, 1, done.op) for done in order], "after submits in another order than dispatched")


@check("RUN-GATHER-04", needs=("queue",), causes=["a result that is gatherable again gets a new place"])
def results_that_come_again_keep_their_order(case: RunnerCase) -> None:
    """Results that are gatherable again after a dispatch come in the order in which they were submitted, before those
    that were submitted since.
    """
    client = case.client()
    client.dispatch(EXECUTION, jobs(4))
    order = [jobs(4)[number] for number in (2, 0, 3, 1)]
    for done in order[:3]:
        submit(client, done, done.op)
        case.pass_time(BETWEEN)
    expect(len(client.gather(EXECUTION)) == 3, "three results were submitted, and not three could be gathered")
    submit(client, order[3], order[3].op)
    case.pass_time(BETWEEN)
    client.dispatch(EXECUTION, [order[1]])
    case.pass_time(BETWEEN)
    client.dispatch(EXECUTION, [order[0], order[2]])
    expect_gathered(client, [(done.op, 1, done.op) for done in order], "after gathered runs were dispatched again")


@check("RUN-GATHER-05", needs=("queue",), causes=["gather waits for a result", "an unknown execution is an error"])
def a_gather_of_nothing_answers_at_once(case: RunnerCase) -> None:
    """A gather gives [] at once where there is nothing: for an unknown execution, and while jobs are pending, taken or
    gathered.
    """
    client = case.client()

    def expect_nothing(when: str) -> None:
        seconds = []
        for _ in range(3):
            begun = time.monotonic()
            answer = client.gather(EXECUTION)
            seconds.append(time.monotonic() - begun)
            expect(answer == [], f"a gather {when} gave {short(answer)}")
        expect(min(seconds) < _AT_ONCE, f"a gather {when} waited {min(seconds):.1f} s before it gave []")

    expect_nothing("of an unknown execution")
    client.dispatch(EXECUTION, [job()])
    expect_nothing("while the only job is pending")
    taken = case.take_one(client)
    expect_nothing("while the only job is taken")
    submit(client, taken, None)
    expect_gathered(client, [("step", 1, None)], "after the submit")
    expect_nothing("after the only result was gathered")


@check("RUN-GATHER-06", needs=("queue",), causes=["a gathered result is kept for one more gather only"])
def a_result_comes_again_as_often_as_it_is_dispatched(case: RunnerCase) -> None:
    """A gathered result, whose gatherer may never have got the reply, comes again after each dispatch of its run, to
    any client, and once.
    """
    one, two = case.clients(2)
    one.dispatch(EXECUTION, [job()])
    submit(one, job(), {"n": 1})
    gatherer, dispatcher = one, two
    for number in range(4):
        expect_gathered(gatherer, [("step", 1, {"n": 1})], f"after {number + 1} dispatches")
        expect_gathered(gatherer, [], f"a second time after {number + 1} dispatches")
        dispatcher.dispatch(EXECUTION, [job()])
        gatherer, dispatcher = dispatcher, gatherer
    for number in range(3):
        when = f"by the client that had gathered before, after {number + 1} dispatches of another one"
        expect_gathered(gatherer, [("step", 1, {"n": 1})], when)
        dispatcher.dispatch(EXECUTION, [job()])


@check("RUN-GATHER-07", needs=("queue",), causes=["a plain pair is given", "the run_id that was submitted is given"])
def a_result_tells_its_run(case: RunnerCase) -> None:
    """A gathered result is a StepResult with op, output and the run's id, and iterates as the pair of op and output."""
    client = case.client()
    client.dispatch(EXECUTION, [job(run_id=4)])
    client.submit_work_result(EXECUTION, "step", {"n": 1})
    results = client.gather(EXECUTION)
    expect(len(results) == 1, f"one result was submitted and {len(results)} were gathered")
    expect(isinstance(results[0], StepResult), f"a gather gave {short(results[0])}, which is no StepResult")
    expect(results[0].run_id == 4, f"the result of run 4 has the run_id {results[0].run_id!r}")
    pair = tuple(results[0])
    expect(pair == ("step", {"n": 1}), f"a result iterates as {short(pair)}, not as op and output")


@check(
    "RUN-GATHER-08",
    needs=("queue",),
    traits=("threads",),
    causes=["results are read first and marked as gathered later"],
)
def of_gatherers_at_once_one_gets_a_result(case: RunnerCase) -> None:
    """Of results that several clients gather at the same moment each goes to exactly one of them."""
    clients = case.clients(case.profile.contenders)
    for number in range(case.profile.rounds):
        case.history.clear()
        execution = f"flow#{number}"
        wanted = jobs(6, execution)
        clients[0].dispatch(execution, wanted)
        for done in wanted:
            submit(clients[0], done, done.op)
        answers = case.race(*[_gathering(client, execution) for client in clients])
        expect_no_errors(answers, "gathers")
        ops = sorted(result.op for answer in answers for result in answer.value or [])
        ops += sorted(result.op for result in clients[0].gather(execution))
        doubled = len(ops) - len(set(ops))
        expect(
            len(ops) == len(wanted) and not doubled,
            f"of {len(wanted)} results {len(clients)} gatherers at once got {len(ops)}, {doubled} of them twice",
        )


def _gathering(client: ObservedRunner, execution: str) -> Callable[[], list[StepResult]]:
    return lambda: client.gather(execution)
