"""RUN-SUBMIT, continued: results that come at the same moment, and outputs that are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from runfox.errors import InvalidJSON
from runfox.jsonvalue import JSONValue
from runfox.results import DispatchJob
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect, expect_raises
from runfox_testing.checks.runner_jobs import (
    expect_gathered,
    expect_no_errors,
    expect_no_failures,
    expect_pending,
    submit,
)
from runfox_testing.comparing import short
from runfox_testing.json_samples import no_json
from runfox_testing.observing import ObservedRunner
from runfox_testing.processes import race_of_processes
from runfox_testing.runner_calls import submit_all
from runfox_testing.sample_jobs import EXECUTION, job, jobs


@check(
    "RUN-SUBMIT-10",
    needs=("queue",),
    traits=("threads",),
    causes=["a look whether there is a result, and its writing, are two steps"],
)
def of_results_submitted_at_once_one_is_kept(case: RunnerCase) -> None:
    """Of several results of a run that are submitted at the same moment exactly one is gathered; all calls return
    None.
    """
    clients = case.clients(case.profile.contenders)
    for number in range(case.profile.rounds):
        case.history.clear()
        execution = f"flow#{number}"
        clients[0].dispatch(execution, [job(execution=execution)])
        answers = case.race(*[_submitting(client, execution, place) for place, client in enumerate(clients)])
        expect_no_errors(answers, "submits")
        outputs = [result.output for result in clients[0].gather(execution)]
        expect(len(outputs) == 1, f"of {len(clients)} results submitted at once {len(outputs)} were gathered")
        later = clients[0].gather(execution)
        expect(later == [], f"of {len(clients)} results submitted at once {len(later)} were gathered later")
        clients[0].dispatch(execution, [job(execution=execution)])
        again = [result.output for result in clients[0].gather(execution)]
        expect(again == outputs, f"the result of one run was first {short(outputs)}, and is {short(again)} later")


def _submitting(client: ObservedRunner, execution: str, place: int) -> Callable[[], None]:
    return lambda: submit(client, job(execution=execution), {"by": place})


@check(
    "RUN-SUBMIT-11",
    needs=("queue", "shared"),
    traits=("processes",),
    causes=["a lock of this process guards what other processes change, too"],
)
def of_results_of_several_processes_one_is_kept(case: RunnerCase) -> None:
    """Of several results of a run that processes submit at the same moment exactly one is gathered."""
    client = case.client()
    children = case.processes(case.profile.processes)
    for number in range(max(2, case.profile.rounds // 2)):
        case.history.clear()
        execution = f"flow#{number}"
        client.dispatch(execution, jobs(5, execution))
        answers = race_of_processes(children, submit_all, [(execution, 5, place) for place in range(len(children))])
        expect_no_failures(answers)
        gathered = [result.op for result in client.gather(execution)]
        doubled = len(gathered) - len(set(gathered))
        expect(
            len(gathered) == 5 and not doubled,
            f"{len(children)} processes submitted results of the same 5 runs; {len(gathered)} were gathered, "
            f"{doubled} of them for a run that had one",
        )
        expect(client.gather(execution) == [], "after all runs had results more came from processes that were later")


@check(
    "RUN-SUBMIT-12",
    needs=("queue",),
    causes=["json.dumps writes NaN, and turns keys into strings", "the entry is changed before the output is checked"],
)
def an_output_that_is_no_json_is_refused(case: RunnerCase) -> None:
    """An output that is no JSON raises InvalidJSON, and the run stays as it was: taken, its lease alive, open for a
    result.
    """
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, [job()])
    taken = case.take_one(worker)
    for what, value in no_json().items():
        case.history.clear()
        for output in (value, {"a": [value]}):
            if what.endswith("levels"):
                output = value  # noqa: PLW2901  # deeper still says nothing more
            expect_raises(
                InvalidJSON,
                f"a submit of {what}",
                lambda: worker.submit_work_result(EXECUTION, "step", cast("JSONValue", output), 1),  # noqa: B023
            )
        expect_gathered(driver, [], f"after a submit of {what} was refused")
        expect(worker.extend_lease(taken), f"a submit of {what} was refused, and the lease is over")
    submit(worker, taken, "well")
    expect_gathered(driver, [("step", 1, "well")], "after outputs that are no JSON were refused")


@check(
    "RUN-SUBMIT-13",
    needs=("queue",),
    traits=("threads",),
    causes=["a submit reads the run, and writes the result without looking whether it is still the newest"],
)
def a_submit_and_a_newer_dispatch_at_once_leave_the_newer_run(case: RunnerCase) -> None:
    """When a result comes while a newer run of the step is dispatched, the newer run is pending afterwards, and the
    older one's result is not gathered.
    """
    driver, worker = case.clients(2)
    for number in range(case.profile.rounds):
        case.history.clear()
        execution = f"flow#{number}"
        old = job(execution=execution)
        new = replace(old, run_id=2)
        driver.dispatch(execution, [old])
        answers = case.race(_superseding(driver, new), _submitting(worker, execution, 0))
        expect_no_errors(answers, "calls")
        expect_gathered(driver, [], "after an older run's result and a newer run came at once", execution)
        expect_pending(case, driver, [new], "after an older run's result and a newer run came at once")
        driver.forget(execution)


def _superseding(client: ObservedRunner, new: DispatchJob) -> Callable[[], None]:
    def call() -> None:
        client.dispatch(new.workflow_execution_id, [new])

    return call
