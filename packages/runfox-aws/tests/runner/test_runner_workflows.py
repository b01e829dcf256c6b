"""Workflows with the runner, as the documentation shows them."""

from __future__ import annotations

import importlib.resources
import re
from typing import Any

import runfox as rfx
from runfox.backend import InMemoryStore, InProcessWorker

EXECUTION = "flow#one"

SPEC = """
name: example
steps:
  - op: caption
    input:
      model_type: one
      image: {"var": "input.image"}
  - op: embed
    depends_on: [caption]
    input:
      model_type: two
      text: {"var": "steps.caption.output.text"}
outputs:
  text: {"var": "steps.embed.output.text"}
"""


def execute(op: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"text": f"{op} {inputs.get('image', inputs.get('text'))}"}


def test_the_event_driven_pattern_runs_over_queues_by_model_type(aws: Any) -> None:
    runner = rfx.backend.SQSRunner(queue_map=aws.urls, tasks_table="tasks", sqs_client=aws.sqs, ddb_client=aws.dynamodb)
    backend = rfx.Backend(store=InMemoryStore(), runner=runner)

    def dispatch(workflow: Any, result: Any) -> None:
        if isinstance(result, rfx.Dispatch):
            for op, output in backend.dispatch(workflow.id, result.jobs):
                workflow.on_step_result(op, output)

    workflow = rfx.Workflow.from_yaml(SPEC, backend, inputs={"image": "i.png"})
    dispatch(workflow, workflow.advance())
    result: Any = None
    for queue in ("one", "two"):
        assert len(backend.pending_tasks()) == 1
        ((task,), other) = runner.take_pending_jobs(queues=[queue]), runner.take_pending_jobs()
        assert other == []
        backend.submit_result(task.workflow_execution_id, task.op, execute(task.op, task.inputs))
        for op, output in backend.gather(workflow.id):
            workflow = rfx.Workflow.resume(workflow.id, backend)
            workflow.on_step_result(op, output)
            result = workflow.advance()
            dispatch(workflow, result)
    assert isinstance(result, rfx.Complete)
    assert result.outcome == {"text": "embed caption i.png"}


def test_a_workflow_runs_with_a_worker_and_leaves_nothing(aws: Any) -> None:
    runner = aws.runner()
    backend = rfx.Backend(store=InMemoryStore(), runner=runner)
    workflow = rfx.Workflow.from_yaml(SPEC, backend, inputs={"image": "i.png"})
    result = workflow.run(worker=InProcessWorker(runner, execute))
    assert result.outcome == {"text": "embed caption i.png"}
    assert aws.items() == []
    assert sum(aws.messages("one")) == sum(aws.messages("two")) == 0


def test_a_worker_calls_only_what_its_policy_allows(aws: Any, job: Any) -> None:
    runner = aws.runner(queue_url=lambda _: aws.urls["one"])
    runner.dispatch(EXECUTION, [job("damaged", inputs={"large": "l" * 5_000}), job("done"), job("given back")])
    (part,) = aws.parts()
    aws.dynamodb.delete_item(TableName="tasks", Key={"PK": part["PK"], "SK": part["SK"]})
    aws.requests.clear()
    worker = aws.runner(queue_url=lambda _: aws.urls["one"])
    taken = {one.op: one for one in worker.take_pending_jobs(queues=[None])}
    assert worker.extend_lease(taken["done"])
    worker.submit_work_result(EXECUTION, "done", {"large": "r" * 5_000}, 1)
    assert worker.extend_lease(taken["given back"], 0)
    called = {request.removesuffix("Batch") for request in aws.requests}
    assert len(aws.rows()) == 2, "the damaged row is removed"
    template = importlib.resources.files("runfox_aws").joinpath("template.yaml").read_text(encoding="utf-8")
    policy = template.partition("  WorkerPolicy:")[2].partition("  HandlersPolicy:")[0]
    assert called <= set(re.findall(r"(?:dynamodb|sqs):(\w+)", policy))
