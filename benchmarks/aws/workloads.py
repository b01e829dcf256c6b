"""The workloads, carried out on moto in one thread. Nothing here depends on time or chance, so neither do the counts:
the clock goes on by itself, names have a fixed length, and whoever executes is always of the same host.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import boto3
from aws.capacity import indexes_of
from aws.designs import Designs
from aws.meter import Meter
from moto import mock_aws

import runfox as rfx
from runfox.records import RecordPatch, WorkflowRecord
from runfox.results import DispatchJob, StepResult
from runfox_aws import DynamoDBStore, SQSRunner, create_tables
from runfox_aws._schema import TASKS_TABLE, WORKFLOWS_TABLE

REGION = "us-east-1"
WORKFLOWS, TASKS = "workflows", "tasks"
SMALL, LARGE = 50, 5_000
"""Bytes of a step's output."""

_RECEIPT = 412
"""Characters of a receipt handle of SQS; moto's are shorter."""

_HOST = "ip-10-0-0-100.ec2.internal:4711"
_START = 1_767_225_600.0


@dataclass(frozen=True, kw_only=True)
class Workload:
    """`shape` is ``chain`` or ``fan``, of `width` steps (a fan has two more). `way` says who carries it:

    ``store``: a store and a runner in memory, one process. ``store, cold``: the same, each event in a new process.
    ``worker``: a store and SQS, as a `Worker` does, which settles what it has just submitted. ``driver``: as
    `Workflow.run` does, which gathers. `together` results are settled in one commit, where there are as many.
    """

    shape: str
    width: int
    output: int
    way: str
    together: int = 1

    @property
    def name(self) -> str:
        """As the table has it."""
        size = "small" if self.output == SMALL else f"{self.output / 1_000:g} KB"
        by = "" if self.together == 1 else f", {self.together} at a time"
        return f"{self.shape}-{self.width}, {size}{by}"

    @property
    def steps(self) -> int:
        """How many steps are executed."""
        return self.width if self.shape == "chain" else self.width + 2

    @property
    def definition(self) -> dict[str, Any]:
        """As data."""
        return {"chain": _chain, "fan": _fan}[self.shape](self.width)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one workload cost, from `create` to its end."""

    workload: Workload
    meter: Meter
    designs: Designs


def measure(workload: Workload) -> Measured:
    """Carry a workload to its end."""
    with _surroundings() as (dynamodb, sqs, queue):
        meter = Meter(REGION, {WORKFLOWS: indexes_of(WORKFLOWS_TABLE), TASKS: indexes_of(TASKS_TABLE)})
        meter.watch(dynamodb)
        meter.watch(sqs)
        designs = Designs()
        clock = _Clock()
        runner: Any = rfx.InProcessRunner()
        if not workload.way.startswith("store"):
            runner = SQSRunner(queue_url=queue, tasks_table=TASKS, sqs_client=sqs, ddb_client=dynamodb, clock=clock)

        def open_backend() -> rfx.Backend:
            return rfx.Backend(store=_Watched(dynamodb, designs), runner=runner, clock=clock)

        _carry(workload, open_backend)
    return Measured(workload=workload, meter=meter, designs=designs)


def _carry(workload: Workload, open_backend: Callable[[], rfx.Backend]) -> None:
    backend = open_backend()
    workflow = rfx.Workflow.from_dict(workload.definition, backend, inputs={"customer": "0815"}, execution_id="0" * 32)
    workflow.start()
    output = {"value": "x" * (workload.output - len('{"value":""}'))}
    while jobs := backend.runner.take_pending_jobs(workload.together):
        for job in jobs:
            backend.runner.submit_work_result(job.workflow_execution_id, job.op, output, job.run_id)
        if workload.way == "store, cold":
            backend = open_backend()
        backend.engine.carry(workflow.id, _results(workload, backend, jobs, output))
    assert rfx.Workflow.resume(workflow.id, open_backend()).status is rfx.WorkflowStatus.COMPLETE


def _results(
    workload: Workload, backend: rfx.Backend, jobs: list[DispatchJob], output: dict[str, str]
) -> list[StepResult]:
    if workload.way == "worker":
        return [StepResult(job.op, dict(output), job.run_id) for job in jobs]
    return backend.gather(jobs[0].workflow_execution_id)


class _Watched(DynamoDBStore):
    """Tells what is committed."""

    def __init__(self, client: Any, designs: Designs) -> None:
        super().__init__(WORKFLOWS, client)
        self._designs = designs

    def write(self, record: WorkflowRecord) -> None:
        super().write(record)
        self._designs.write(record)

    def patch(self, patch: RecordPatch) -> None:
        super().patch(patch)
        self._designs.patch(patch)


class _Clock:
    """A millisecond passes with each look."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def __call__(self) -> float:
        return _START + next(self._ticks) / 1_000


@contextmanager
def _surroundings() -> Iterator[tuple[Any, Any, str]]:
    """Clients of DynamoDB and SQS in moto, with both tables, and the URL of a queue."""
    nobody = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nobody", "AWS_DEFAULT_REGION": REGION}
    with (
        patch.dict(os.environ, nobody),
        patch("runfox.backend.engine.host", lambda: _HOST),
        patch("moto.sqs.models.generate_receipt_handle", _receipts()),
        mock_aws(),
    ):
        dynamodb, sqs = boto3.client("dynamodb"), boto3.client("sqs")
        create_tables(dynamodb, workflows=WORKFLOWS, tasks=TASKS)
        yield dynamodb, sqs, sqs.create_queue(QueueName="jobs")["QueueUrl"]


def _receipts() -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"{next(numbers):0{_RECEIPT}d}"


# Definitions


def _op(number: int) -> str:
    return f"step-{number:05d}"


def _chain(width: int) -> dict[str, Any]:
    steps = [{"op": _op(0), "input": {"value": {"var": "input.customer"}}}]
    steps += [
        {
            "op": _op(number),
            "depends_on": [_op(number - 1)],
            "input": {"value": {"var": f"steps.{_op(number - 1)}.output.value"}},
        }
        for number in range(1, width)
    ]
    return {"name": "chain", "steps": steps, "outputs": {"value": {"var": f"steps.{_op(width - 1)}.output.value"}}}


def _fan(width: int) -> dict[str, Any]:
    ops = [_op(number) for number in range(1, width + 1)]
    value = {"value": {"var": f"steps.{_op(0)}.output.value"}}
    join = {op: {"var": f"steps.{op}.output.value"} for op in ops}
    steps = [
        {"op": _op(0), "input": {"value": {"var": "input.customer"}}},
        *({"op": op, "depends_on": [_op(0)], "input": value} for op in ops),
        {"op": _op(width + 1), "depends_on": ops, "input": join},
    ]
    return {"name": "fan", "steps": steps, "outputs": {"value": {"var": f"steps.{_op(width + 1)}.output.value"}}}
