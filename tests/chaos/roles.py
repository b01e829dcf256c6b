"""What the processes of the chaos suite do, which is what any user's process would.

A driver creates executions, all of which may be there already, starts some, runs some, and ends. A worker and a hand
(a worker that has a runner only) work until SIGTERM. What is added is where they may die (`deaths`), and what they note
(`ledger`).
"""

from __future__ import annotations

import importlib
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from deaths import Deaths
from ledger import Ledger
from orders import DRIVER, HAND, WORKER, Orders
from workload import Json, output_of, seconds_of, small_work, work

from runfox import Backend, Worker, Workflow
from runfox.backend import InProcessWorker


class Executor:
    """Notes when it begins and ends, and takes its time in between, as is fit for leases of `lease` seconds."""

    def __init__(self, ledger: Ledger, deaths: Deaths, lease: float) -> None:
        self._ledger = ledger
        self._deaths = deaths
        self._lease = lease
        self._numbers = count()

    def __call__(self, call: str, inputs: Json) -> Json:
        number = next(self._numbers)
        # Every run of these works is applied, so that the counter is the number of the run.
        self._ledger.note("begin", number, inputs["id"], inputs["op"], inputs["n"])
        self._deaths.passing("executing")
        time.sleep(seconds_of(inputs, self._lease))
        output = output_of(call, inputs)
        self._ledger.note("end", number)
        return output


_MANY = 1_000_000
"""Deliveries: deaths are many here, and none is the executor's fault."""


def main(orders: Orders) -> None:
    """Do what is ordered."""
    ledger = Ledger(Path(orders.ledger), orders.serial)
    deaths = Deaths(ledger, orders.point, orders.count)
    parts = importlib.import_module(f"{orders.backend}_deaths").Parts(orders, deaths, ledger)
    runner = parts.runner()
    executor = Executor(ledger, deaths, 0.0 if orders.crowd else orders.lease)
    if orders.role == HAND:
        _work(runner, executor, orders)
        return
    backend = Backend(store=parts.store(), runner=runner, recover_after=orders.recover_after)
    if orders.role == WORKER:
        _work(backend, executor, orders)
    elif orders.role == DRIVER:
        _drive(backend, executor, orders)


def _work(target: Any, executor: Executor, orders: Orders) -> None:
    Worker(
        target,
        executor,
        orders.concurrency,
        queues=orders.queues,
        max_deliveries=_MANY,
        sweep_interval=orders.sweep_interval,
    ).run()


def _drive(backend: Backend, executor: Executor, orders: Orders) -> None:
    """Create executions, and start some of them; then run others for a while each, without help or with our own."""
    to_run: list[tuple[Workflow, InProcessWorker | None]] = []
    for number in range(orders.first, orders.last):
        todo = (small_work if orders.crowd else work)(orders.seed, number)
        workflow = Workflow.from_dict(todo.definition, backend, todo.inputs, todo.execution_id)
        chance = Random(f"drive/{orders.seed}/{number}")
        way = "start" if orders.crowd else chance.choice(("leave", "start", "start", "run", "run and execute"))
        if way == "start":
            workflow.start()
        elif way == "run":
            to_run.append((workflow, None))
        elif way == "run and execute":
            to_run.append((workflow, InProcessWorker(backend.runner, executor, max_deliveries=_MANY)))
    for workflow, own in to_run:
        with suppress(TimeoutError):  # whoever is alive brings it to its end
            workflow.run(own, timeout=orders.lease)
