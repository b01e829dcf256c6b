"""What the engine answers and what travels between engine, runner and worker. Values only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from runfox.jsonvalue import JSONObject, JSONValue


@dataclass(frozen=True, slots=True)
class DispatchJob:
    """One run of one step, ready to be executed.

    `call` is the token that the executor receives; `op` where nothing else is given. `queue` is the routing key.
    `lease` and `delivery` are what a take adds, and no part of a job's identity.
    """

    workflow_execution_id: str
    op: str
    inputs: JSONObject
    run_id: int = 0
    call: str = ""
    queue: str | None = None
    lease: str | None = field(default=None, compare=False)
    delivery: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if not self.call:
            object.__setattr__(self, "call", self.op)

    def __hash__(self) -> int:
        return hash((self.workflow_execution_id, self.op, self.run_id))

    @property
    def key(self) -> str:
        """The idempotency key of this run, ``workflow_execution_id#op#run_id``: the same at every delivery."""
        return f"{self.workflow_execution_id}#{self.op}#{self.run_id}"


@dataclass(frozen=True, slots=True)
class StepResult:
    """The output of one run. Iterates as the pair ``(op, output)``.

    `run_id` fences the result; without one it stands for the step's newest run.
    """

    op: str
    output: JSONValue
    run_id: int | None = None

    def __iter__(self) -> Iterator[JSONValue]:
        yield self.op
        yield self.output


@dataclass(frozen=True, slots=True)
class Complete:
    """All steps finished; `outcome` holds the resolved outputs."""

    outcome: JSONObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Halt:
    """The workflow was ended by a branch, by an error or from outside; `result` says with what."""

    result: JSONValue = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Steps were claimed; `jobs` are theirs, to be handed to the runner."""

    jobs: list[DispatchJob]


@dataclass(frozen=True, slots=True)
class Pending:
    """Nothing new is ready. `wake_at` is the earliest timer (UTC text), None if only results can bring it on."""

    wake_at: str | None = None


Result: TypeAlias = Complete | Halt | Dispatch | Pending


@dataclass(frozen=True, slots=True)
class StateChangeEvent:
    """Why the shared state changed: `op` is the step whose output was merged."""

    op: str
