"""RUN-JSON and RUN-ISO: what comes out is what went in, and nothing of it is shared with the runner."""

from __future__ import annotations

from typing import Any, cast

import hypothesis
from hypothesis import strategies as st

from runfox.errors import RunfoxError
from runfox.jsonvalue import MAX_DEPTH, JSONObject, JSONValue
from runfox.results import DispatchJob
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, describe, expect, violated
from runfox_testing.checks.runner_jobs import (
    expect_equal_job,
    expect_equal_jobs,
    expect_gathered,
    expect_pending,
    submit,
)
from runfox_testing.json_samples import FLOATS, INTEGERS, TEXTS, everything, nested, no_json
from runfox_testing.json_strategies import objects, texts, values
from runfox_testing.sample_jobs import EXECUTION, job
from runfox_testing.shrinking import ShrinkBudget

# Inputs are an object themselves, so what is in them has a level less.
_DEEP = nested(MAX_DEPTH - 1)


@check(
    "RUN-JSON-01",
    needs=("queue",),
    causes=["a JSON library or column type normalises numbers, keys or text", "text is cut at NUL"],
)
def inputs_arrive_whole(case: RunnerCase) -> None:
    """Inputs with everything that JSON can say are listed and taken as they were dispatched, to the letter."""
    driver, worker = case.clients(2)
    wanted = [job("everything", inputs=everything()), job("deep", inputs={"deep": _DEEP}), job("none", inputs={})]
    driver.dispatch(EXECUTION, wanted)
    expect_pending(case, driver, wanted, "after jobs with all kinds of inputs were dispatched")
    expect_equal_jobs(case.take(worker, 3), wanted, "taken")


@check(
    "RUN-JSON-02",
    needs=("queue",),
    causes=["a JSON library or column type normalises numbers, keys or text", "deep values end the recursion"],
)
def outputs_arrive_whole(case: RunnerCase) -> None:
    """Outputs with everything that JSON can say are gathered as they were submitted, to the letter."""
    driver, worker = case.clients(2)
    driver.dispatch(EXECUTION, [job("everything"), job("deep")])
    worker.submit_work_result(EXECUTION, "everything", everything(), 1)
    worker.submit_work_result(EXECUTION, "deep", {"deep": _DEEP}, 1)
    expect_gathered(driver, [("everything", 1, everything()), ("deep", 1, {"deep": _DEEP})], "after the submits")


@check(
    "RUN-JSON-03",
    needs=("queue",),
    causes=['`if output:` where None, 0, "" or {} are outputs like others', "None stands for no result yet"],
)
def an_output_may_be_any_json_value(case: RunnerCase) -> None:
    """None, booleans, numbers, texts and lists are outputs like objects; None is a result."""
    driver, worker = case.clients(2)
    samples: list[JSONValue] = [None, False, True, "", [], {}, [None], *INTEGERS, *FLOATS, *TEXTS.values()]
    wanted = [(f"step{number}", 1, output) for number, output in enumerate(samples)]
    driver.dispatch(EXECUTION, [job(op) for op, _, _ in wanted])
    for op, run_id, output in wanted:
        worker.submit_work_result(EXECUTION, op, output, run_id)
    expect_gathered(driver, wanted, "after outputs of every kind were submitted")
    expect_pending(case, driver, [], "after outputs of every kind were submitted")


@check(
    "RUN-JSON-04",
    needs=("queue",),
    causes=["names are joined by a character that may be in them", "text is cut at NUL, or can't hold a surrogate"],
)
def any_text_is_an_op_a_call_and_a_queue(case: RunnerCase) -> None:
    """An op, a call and a queue may be any text, also one with `#`, NUL, lone surrogates, or very long."""
    driver, worker = case.clients(2)
    odd = [*TEXTS.values(), "a#1", "x" * 2_000]
    wanted = [job(text, call=text, queue=text) for text in odd]
    driver.dispatch(EXECUTION, wanted)
    expect_pending(case, driver, wanted, "after jobs with odd names were dispatched")
    for one in wanted:
        taken = case.take(worker, 1, queues=[one.queue])
        expect(len(taken) == 1, f"from the queue {one.queue!a:.60} {len(taken)} jobs could be taken where one is due")
        expect_equal_job(taken[0], one, "taken from a queue with an odd name")
        expect(worker.extend_lease(taken[0]), f"the lease of a job of op {one.op!a:.60} can't be renewed")
        submit(worker, taken[0], one.op)
    expect_gathered(driver, [(text, 1, text) for text in odd], "after jobs with odd names were submitted")


@check(
    "RUN-JSON-05",
    needs=("queue",),
    causes=["keys are joined without escaping", "names are compared without case, accents or trailing space", "LIKE"],
)
def similar_names_are_different_names(case: RunnerCase) -> None:
    """Steps and executions whose names are similar, or equal when joined by `#`, are kept apart."""
    client = case.client()
    ops = ["a", "A", "a ", " a", "ab", "a%", "a_", "a*", "a#1", "1#a", "\u00e9", "e\u0301", "\ufb01", "fi", "a\0", "1"]
    executions = ["f#x", "f#x1", "f#X", "f#x.", "f#x-", "f#x_", "f#x:", "f#1", "f#x:a"]
    wanted = [job(op, run_id, execution=execution) for execution in executions for run_id, op in enumerate(ops)]
    for execution in executions:
        client.dispatch(execution, [one for one in wanted if one.workflow_execution_id == execution])
    expect_pending(case, client, wanted, "after jobs with similar names were dispatched")
    client.forget(executions[0], [("a", 0)])
    rest = wanted[1:]
    expect_pending(case, client, rest, "after one of many jobs with similar names was forgotten")
    for one in rest:
        submit(client, one, one.key)
    for execution in executions:
        due = [(one.op, one.run_id, one.key) for one in rest if one.workflow_execution_id == execution]
        expect_gathered(client, due, "after jobs with similar names were submitted", execution)


@check(
    "RUN-JSON-06",
    needs=("queue",),
    traits=("property",),
    causes=["some JSON value or text is not kept as it is: the example says which"],
)
def generated_jobs_and_results_arrive_whole(case: RunnerCase) -> None:
    """Whatever inputs, output, op, call and queue are, they arrive whole and equal."""
    driver, worker = case.clients(2)

    def survives(inputs: JSONObject, output: JSONValue, op: str, call: str, queue: str | None) -> None:
        case.history.clear()
        # What an example that failed has left.
        driver.forget(EXECUTION)
        wanted = DispatchJob(EXECUTION, op, inputs, 3, call, queue)
        driver.dispatch(EXECUTION, [wanted])
        taken = case.take(worker, 1, queues=[queue])
        expect_equal_jobs(taken, [wanted], "taken")
        submit(worker, taken[0], output)
        expect_gathered(driver, [(op, 3, output)], "after the submit")

    @hypothesis.seed(case.seed)
    @case.settings()
    @hypothesis.given(objects(), values(), texts(), texts(), st.none() | texts())
    def example(inputs: JSONObject, output: JSONValue, op: str, call: str, queue: str | None) -> None:
        budget.run(survives, inputs, output, op, call, queue)

    budget = ShrinkBudget(case.history)
    budget.search(example)


@check(
    "RUN-JSON-07",
    needs=("queue",),
    causes=["json.dumps writes NaN, and turns keys into strings", "default=str makes text of what is no JSON"],
)
def inputs_that_are_no_json_are_refused(case: RunnerCase) -> None:
    """A dispatch with inputs that are no JSON raises an error of runfox and enqueues nothing of that job."""
    client = case.client()
    for what, value in no_json().items():
        case.history.clear()
        wrong = job("wrong", inputs=cast("JSONObject", {"a": value}))
        try:
            client.dispatch(EXECUTION, [wrong])
        except RunfoxError:
            pass
        except Exception as error:  # noqa: BLE001  # anything else is the violation
            violated(f"a dispatch of inputs with {what} raised {describe(error)}, which is no RunfoxError")
        else:
            violated(f"a dispatch of inputs with {what} was acknowledged")
        expect_pending(case, client, [], f"after inputs with {what} were refused")


@check("RUN-ISO-01", needs=("queue",), causes=["the job's own inputs are kept, not a copy"])
def inputs_changed_after_the_dispatch_are_not_the_runners(case: RunnerCase) -> None:
    """What the caller does to a job's inputs after the dispatch does not reach the runner."""
    driver, worker = case.clients(2)
    given: dict[str, Any] = {"list": [1], "object": {"a": {}}}
    driver.dispatch(EXECUTION, [job(inputs=given)])
    _spoil(given)
    wanted = job(inputs={"list": [1], "object": {"a": {}}})
    expect_pending(case, driver, [wanted], "after the caller changed the inputs that it had dispatched")
    expect_equal_jobs(case.take(worker, 1), [wanted], "taken after the caller changed what it had dispatched")


@check("RUN-ISO-02", needs=("queue",), causes=["a taker gets the stored inputs, not a copy"])
def inputs_changed_by_a_taker_are_not_the_next_ones(case: RunnerCase) -> None:
    """What a taker does to a job's inputs does not reach the next taker, nor a run that is listed."""
    one, two = case.clients(2)
    wanted = job(inputs={"list": [1], "object": {"a": {}}})
    one.dispatch(EXECUTION, [wanted])
    listed = case.pending(two, 1)
    expect_equal_jobs(listed, [wanted], "pending after the dispatch")
    _spoil(listed[0].inputs)
    wanted = job(inputs={"list": [1], "object": {"a": {}}})
    taken = case.take_one(one)
    expect_equal_job(taken, wanted, "after what a listing had given was changed,")
    _spoil(taken.inputs)
    expect(one.extend_lease(taken, 0), "a living lease can't be given back")
    again = case.take_one(two)
    expect_equal_job(again, wanted, "after the first taker changed its inputs and gave the job back,")


@check("RUN-ISO-03", needs=("queue",), causes=["the submitted output itself is kept, not a copy"])
def an_output_changed_after_the_submit_is_not_the_runners(case: RunnerCase) -> None:
    """What a worker does to an output after the submit does not reach the runner."""
    client = case.client()
    client.dispatch(EXECUTION, [job()])
    output: dict[str, Any] = {"list": [1], "object": {"a": {}}}
    client.submit_work_result(EXECUTION, "step", output, 1)
    _spoil(output)
    wanted: JSONValue = {"list": [1], "object": {"a": {}}}
    expect_gathered(client, [("step", 1, wanted)], "after the worker changed the output that it had submitted")


@check("RUN-ISO-04", needs=("queue",), causes=["a gather gives the stored output, not a copy"])
def an_output_changed_after_the_gather_comes_again_unchanged(case: RunnerCase) -> None:
    """What a driver does to a gathered output does not reach the next gather of it."""
    client = case.client()
    client.dispatch(EXECUTION, [job()])
    client.submit_work_result(EXECUTION, "step", {"list": [1], "object": {"a": {}}}, 1)
    gathered = client.gather(EXECUTION)
    expect(len(gathered) == 1, f"{len(gathered)} results were gathered where one was submitted")
    _spoil(cast("dict[str, Any]", gathered[0].output))
    client.dispatch(EXECUTION, [job()])
    wanted: JSONValue = {"list": [1], "object": {"a": {}}}
    expect_gathered(client, [("step", 1, wanted)], "again, after what was gathered before had been changed")


def _spoil(value: dict[str, Any]) -> None:
    value["list"].append(2)
    value["object"]["a"]["b"] = "changed"
    value["new"] = None
