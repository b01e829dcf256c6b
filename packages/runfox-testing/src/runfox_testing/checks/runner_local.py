"""RUN-LOCAL: runners that execute jobs inside `dispatch`. They are opened with `runfox_testing.echo` as the executor,
whose output has the inputs that it was called with: other inputs would show that a run was executed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from runfox.jsonvalue import JSONObject, JSONValue
from runfox.results import DispatchJob, StepResult
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect
from runfox_testing.checks.runner_jobs import (
    Result,
    expect_gathered,
    expect_no_errors,
    expect_pending,
    expect_results,
    submit,
    told,
)
from runfox_testing.comparing import difference, short
from runfox_testing.echoing import echo
from runfox_testing.json_samples import everything
from runfox_testing.observing import ObservedRunner
from runfox_testing.sample_jobs import EXECUTION, OTHER, job, jobs


def _due(*done: DispatchJob) -> list[Result]:
    return [(one.op, one.run_id, cast("JSONValue", echo(one.op, one.inputs))) for one in done]


def _expect_dispatched(client: ObservedRunner, given: Sequence[DispatchJob], wanted: list[Result], when: str) -> None:
    """The dispatch gives these results, in whatever order."""
    found = sorted(client.dispatch(given[0].workflow_execution_id, given), key=_place)
    expect_results(found, sorted(wanted, key=lambda result: (result[0], result[1] or 0)), f"given by dispatch {when}")


def _place(result: StepResult) -> tuple[str, int]:
    return result.op, result.run_id or 0


@check(
    "RUN-LOCAL-01",
    needs=("local",),
    causes=["results are kept for gather", "the result has no run_id", "a job that fails ends the whole dispatch"],
)
def a_local_dispatch_gives_each_result_once(case: RunnerCase) -> None:
    """A dispatch gives the result of each of its jobs, once, with op and run_id."""
    client = case.client()
    wanted = [*jobs(3), job("other", 7, inputs={"a": [1]})]
    _expect_dispatched(client, wanted, _due(*wanted), "of new jobs")


@check(
    "RUN-LOCAL-02",
    needs=("local",),
    causes=["what dispatch returns is offered to gather, too"],
)
def what_a_local_dispatch_gave_is_not_gathered(case: RunnerCase) -> None:
    """What was executed inside a dispatch is not gathered, by no client, also after another dispatch of it."""
    one, two = case.clients(2)
    for when in ("after a dispatch gave the result", "after a second dispatch of the same run"):
        one.dispatch(EXECUTION, [job()])
        expect_gathered(one, [], when)
        expect_gathered(two, [], f"by another client {when}")


@check("RUN-LOCAL-03", needs=("local",), causes=["an entry is pending before it is executed, and stays so"])
def nothing_is_left_to_be_taken_of_a_local_dispatch(case: RunnerCase) -> None:
    """Jobs that were executed inside a dispatch are neither pending nor to be taken, nor is there a lease of them."""
    client = case.client()
    client.dispatch(EXECUTION, jobs(2))
    expect_pending(case, client, [], "after a dispatch that executed its jobs")
    taken = client.take_pending_jobs()
    expect(taken == [], f"after a dispatch that executed its jobs there were {told(taken)} to be taken")
    expect(not client.extend_lease(jobs(2)[0]), "the lease of a job that was executed in dispatch could be renewed")


@check(
    "RUN-LOCAL-04",
    needs=("local",),
    causes=["results are not kept, so each dispatch executes", "results are known by their inputs"],
)
def a_known_run_is_not_executed_again(case: RunnerCase) -> None:
    """A run that was executed is not executed by another dispatch, which gives the known result."""
    one, two = case.clients(2)
    first = job(inputs={"dispatch": 1})
    _expect_dispatched(one, [first], _due(first), "of a new run")
    again = job(inputs={"dispatch": 2})
    _expect_dispatched(one, [again], _due(first), "of a run that was executed before")
    _expect_dispatched(two, [again], _due(first), "of a run that was executed before, by another client,")


@check("RUN-LOCAL-05", needs=("local",), causes=["the run_id is not part of what an entry is known by"])
def newer_runs_are_executed_and_older_ones_ignored(case: RunnerCase) -> None:
    """A newer run is executed, and then the older one is ignored: it is not executed and has no result any more."""
    client = case.client()
    old, new = job(run_id=1), job(run_id=2)
    client.dispatch(EXECUTION, [old])
    _expect_dispatched(client, [new], _due(new), "of a newer run")
    _expect_dispatched(client, [old], [], "of an older run than the newest")
    _expect_dispatched(client, [new], _due(new), "of the newest run, again")


@check(
    "RUN-LOCAL-06",
    needs=("local",),
    causes=["inputs or outputs go through a JSON library that changes them"],
)
def local_inputs_and_outputs_are_whole(case: RunnerCase) -> None:
    """An executor gets the inputs as they were dispatched, and its output is the result, to the letter."""
    client = case.client()
    wanted = job(inputs=everything())
    _expect_dispatched(client, [wanted], _due(job(inputs=everything())), "of a job with all kinds of inputs")
    _expect_dispatched(client, [wanted], _due(job(inputs=everything())), "of the same job, again")


@check("RUN-LOCAL-07", needs=("local",), causes=["the known result is given itself, not a copy of it"])
def a_local_result_shares_nothing_with_the_runner(case: RunnerCase) -> None:
    """What a caller does to the inputs or to a result does not reach the result that the next dispatch gives."""
    client = case.client()
    given: dict[str, Any] = {"list": [1]}
    results = client.dispatch(EXECUTION, [job(inputs=given)])
    expect(len(results) == 1, f"a dispatch of one job gave {len(results)} results")
    given["list"].append("changed by the caller")
    cast("dict[str, Any]", results[0].output)["op"] = "changed in the result"
    wanted = job(inputs={"list": [1]})
    _expect_dispatched(client, [wanted], _due(wanted), "after what was given and what was got had been changed")


@check("RUN-LOCAL-08", needs=("local",), causes=["forget removes jobs, and the known results stay"])
def a_forgotten_local_run_is_new(case: RunnerCase) -> None:
    """After a forget of an execution, or of one of its runs, a dispatch executes just what was forgotten."""
    client = case.client()
    first, other = [job(op, inputs={"dispatch": 1}) for op in ("step", "other")]
    again = [job(op, inputs={"dispatch": 2}) for op in ("step", "other")]
    client.dispatch(EXECUTION, [first, other])
    client.forget(EXECUTION, [("step", 1)])
    _expect_dispatched(client, again, _due(again[0], other), "after one of two runs was forgotten")
    client.forget(OTHER)
    client.forget(EXECUTION)
    last = [job(op, inputs={"dispatch": 3}) for op in ("step", "other")]
    _expect_dispatched(client, last, _due(*last), "after the execution was forgotten")


@check("RUN-LOCAL-09", needs=("local",), causes=["a submit overwrites the result of the execution"])
def a_submit_does_not_change_a_local_result(case: RunnerCase) -> None:
    """The result of a run that was executed inside a dispatch is the first one: a submitted one changes nothing."""
    client = case.client()
    client.dispatch(EXECUTION, [job()])
    for run_id in (1, None, 2):
        client.submit_work_result(EXECUTION, "step", "from elsewhere", run_id)
        expect_gathered(client, [], f"after a submit (run_id {run_id}) for a run that was executed in dispatch")
    _expect_dispatched(client, [job()], _due(job()), "after others had submitted results for the run")


@check(
    "RUN-LOCAL-10",
    needs=("local",),
    traits=("threads",),
    causes=["a look whether the run is known, and its execution, are two steps"],
)
def a_run_that_is_dispatched_at_once_has_one_result(case: RunnerCase) -> None:
    """Of a run that several clients dispatch at the same moment every one of them gets the same result."""
    clients = case.clients(case.profile.contenders)
    for number in range(case.profile.rounds):
        case.history.clear()
        execution = f"flow#{number}"
        answers = case.race(*[_dispatching(client, execution, place) for place, client in enumerate(clients)])
        expect_no_errors(answers, "dispatches")
        outputs = [result.output for answer in answers for result in answer.value or []]
        expect(len(outputs) == len(clients), f"{len(clients)} dispatches of one run gave {len(outputs)} results")
        others = [output for output in outputs if difference(output, outputs[0]) is not None]
        expect(not others, f"one run has two results, {short(outputs[0])} and {short(others[:1])}")


def _dispatching(client: ObservedRunner, execution: str, place: int) -> Callable[[], list[StepResult]]:
    inputs: JSONObject = {"dispatched by": place}
    return lambda: client.dispatch(execution, [job(execution=execution, inputs=inputs)])


@check(
    "RUN-LOCAL-11",
    needs=("queue",),
    causes=["a known result is returned by dispatch and made gatherable as well"],
)
def what_dispatch_gives_is_not_gathered_as_well(case: RunnerCase) -> None:
    """A runner that queues jobs gives a known result once after another dispatch: by it or by the gather after it."""
    client = case.client()
    client.dispatch(EXECUTION, jobs(2))
    for one in jobs(2):
        submit(client, one, {"of": one.op})
    wanted = [(one.op, 1, {"of": one.op}) for one in jobs(2)]
    expect_gathered(client, cast("list[Result]", wanted), "after the submits")
    found = [*client.dispatch(EXECUTION, jobs(2)), *client.gather(EXECUTION)]
    expect_results(
        sorted(found, key=_place), cast("list[Result]", wanted), "given by a dispatch of known runs and the next gather"
    )
