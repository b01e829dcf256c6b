"""Settling what was executed, and dispatching what follows.

Of one execution one thread of a worker settles at a time. Results that other threads bring meanwhile wait for it, and
are settled together in its next commit: so the wider a workflow is, the fewer commits a result costs, and nobody waits
for company.
"""

from __future__ import annotations

import threading

from runfox.backend.engine import Engine
from runfox.results import StepResult
from runfox.worker.caretaker import Caretaker


class Settling:
    """Brings executions on with the results of one worker's threads. The caretaker is told how each stands then, and of
    every error after which nobody can say what took effect: the results are in the runner.
    """

    def __init__(self, engine: Engine, caretaker: Caretaker) -> None:
        self.caretaker = caretaker
        self._engine = engine
        self._lock = threading.Lock()
        # By execution that a thread is settling: what has come in meanwhile.
        self._in_hand: dict[str, list[StepResult]] = {}

    def settle(self, workflow_execution_id: str, result: StepResult) -> None:
        """Settle a result that was submitted, or leave it to the thread that is settling its execution."""
        with self._lock:
            in_hand = self._in_hand.get(workflow_execution_id)
            if in_hand is not None:
                in_hand.append(result)
                return
            self._in_hand[workflow_execution_id] = []
        results = [result]
        try:
            while results:
                self._carry(workflow_execution_id, results)
                results = self._next(workflow_execution_id)
        except BaseException as error:
            # An interrupt, in what a runner executes when it is handed jobs. What others left here is in the runner.
            self.caretaker.failed(workflow_execution_id, error)
            with self._lock:
                del self._in_hand[workflow_execution_id]
            raise

    def _carry(self, workflow_execution_id: str, results: list[StepResult]) -> None:
        try:
            turn = self._engine.carry(workflow_execution_id, results)
        except Exception as error:  # noqa: BLE001  # told to whoever repairs
            self.caretaker.failed(workflow_execution_id, error)
        else:
            self.caretaker.settled(workflow_execution_id, turn)

    def _next(self, workflow_execution_id: str) -> list[StepResult]:
        with self._lock:
            results = self._in_hand.pop(workflow_execution_id)
            if results:
                self._in_hand[workflow_execution_id] = []
            return results
