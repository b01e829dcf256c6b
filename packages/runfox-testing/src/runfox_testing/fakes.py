"""Fake executors: what each step's runs give, written down beforehand."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from runfox.errors import RunfoxError
from runfox.results import DispatchJob


class NoAnswer(enum.Enum):
    """The type of `NO_ANSWER`."""

    NO_ANSWER = "no answer"

    def __repr__(self) -> str:
        return "NO_ANSWER"


NO_ANSWER: Final = NoAnswer.NO_ANSWER
"""What an executor under `run_workflow` gives in place of an output where a run never ends: only a timeout ends it."""

FakeOutput: TypeAlias = "Mapping[str, Any] | Exception | NoAnswer | None"
"""What one run gives; an exception is raised."""

Fake: TypeAlias = "FakeOutput | Callable[[dict[str, Any]], FakeOutput] | Sequence[FakeOutput]"
"""What a step's runs give: the same each time, what a function makes of the inputs, or one after another."""


class MissingFake(RunfoxError, LookupError):
    """A fake executor does not say what a run gives; `op` and `run_id` are the run's, `detail` is what is missing."""

    def __init__(self, op: str, run_id: int, detail: str) -> None:
        self.op = op
        self.run_id = run_id
        self.detail = detail
        super().__init__(f"the fake executor does not know run {run_id} of step {op!r}: {detail}")


def fake_output(fakes: Mapping[str, Fake], job: DispatchJob) -> object:
    """What `fakes` have for a run: by the step's op, or else by what it calls. Raises `MissingFake`, and the exception
    that stands for the output.

    A list has the output of run 0, of run 1, …, so that a run that is delivered again gives the same again.
    """
    key = job.op if job.op in fakes else job.call
    if key not in fakes:
        wanted = repr(job.op) if job.call == job.op else f"{job.op!r} or {job.call!r}"
        raise MissingFake(job.op, job.run_id, f"add {wanted}; it has {', '.join(map(repr, fakes)) or 'nothing'}")
    fake = fakes[key]
    if isinstance(fake, (list, tuple)):
        if job.run_id >= len(fake):
            raise MissingFake(job.op, job.run_id, f"its list for {key!r} has {len(fake)}, the first for run 0")
        fake = fake[job.run_id]
    elif callable(fake):
        fake = fake(job.inputs)
    if isinstance(fake, Exception):
        raise fake
    return fake
