"""What a runner holds, as the contract has it: the model that RUN-MODEL's sequences of calls are held against."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runfox.jsonvalue import JSONValue, copy_json
from runfox.results import DispatchJob

_MICROSECOND = 1e-6
"""What UTC text is rounded to."""


@dataclass(slots=True, eq=False)
class Entry:
    """One run. `number` is that of its dispatch, whose jobs are all of one age. `lease` is the token of the latest
    lease, None where there never was one or it was given back; `submitted` is the result's place in the order of
    submits, None where there is no result.

    `touched` and `perhaps_touched` are the last moments at which it was touched for sure, and at which a call came
    that may count as a touch.
    """

    number: int
    job: DispatchJob
    touched: float
    perhaps_touched: float
    lease: str | None = None
    since: float = 0.0
    length: float = 0.0
    delivery: int = 0
    was_given_back: bool = False
    submitted: int | None = None
    output: JSONValue = None
    gatherable: bool = False

    @property
    def until(self) -> float:
        """When the latest lease ends."""
        return self.since + self.length

    @property
    def is_fresh(self) -> bool:
        """True if nobody ever took it: a job that comes back may be anywhere among those that are to be taken."""
        return self.delivery == 0


class Model:
    """The entries, one for each step: that of its newest run. `now` gives seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.went_back = False
        self.forgotten: dict[tuple[str, str], int] = {}
        """The newest run of a step that was forgotten."""
        self._now = now
        self._numbers = itertools.count()
        self._entries: dict[tuple[str, str], Entry] = {}

    def entries(self, execution: str) -> list[Entry]:
        """The execution's."""
        return [entry for (known, _), entry in self._entries.items() if known == execution]

    def newest(self, execution: str, op: str) -> int:
        """The newest run of a step, 1 for one that there is not."""
        entry = self._entries.get((execution, op))
        return self.forgotten.get((execution, op), 1) if entry is None else entry.job.run_id

    def pending(self) -> list[Entry]:
        """What can be taken, in the order of the dispatches."""
        found = [entry for entry in self._entries.values() if entry.submitted is None and not self._is_leased(entry)]
        return sorted(found, key=lambda entry: entry.number)

    def leases(self) -> list[Entry]:
        """What is taken."""
        return [entry for entry in self._entries.values() if self._is_leased(entry)]

    def held_before(self, moment: float) -> tuple[set[str], set[str]]:
        """The executions of which an entry was last touched before `moment`: those that surely were, and those of which
        it may be said.
        """
        surely = {
            execution
            for (execution, _), entry in self._entries.items()
            if max(entry.touched, entry.perhaps_touched) < moment - _MICROSECOND
        }
        perhaps = {
            execution for (execution, _), entry in self._entries.items() if entry.touched < moment + _MICROSECOND
        }
        return surely, perhaps

    def dispatch(self, jobs: Sequence[DispatchJob]) -> None:
        """RUN-DISPATCH."""
        number = next(self._numbers)
        for job in jobs:
            key = (job.workflow_execution_id, job.op)
            entry = self._entries.get(key)
            if entry is None or entry.job.run_id < job.run_id:
                self._entries[key] = Entry(number, job, self._now(), self._now())
            elif entry.job.run_id == job.run_id:
                entry.touched = self._now()
                entry.gatherable = entry.submitted is not None
            else:
                entry.perhaps_touched = self._now()

    def gather(self, execution: str) -> list[Entry]:
        """RUN-GATHER."""
        found = [entry for entry in self.entries(execution) if entry.gatherable]
        for entry in found:
            entry.gatherable = False
            entry.touched = self._now()
        return sorted(found, key=lambda entry: entry.submitted or 0)

    def forget(self, execution: str, runs: Sequence[tuple[str, int]] | None) -> None:
        """RUN-FORGET."""
        for entry in self.entries(execution):
            if runs is None or (entry.job.op, entry.job.run_id) in runs:
                del self._entries[execution, entry.job.op]
                self.forgotten[execution, entry.job.op] = entry.job.run_id

    def take(self, entry: Entry, found: DispatchJob, seconds: float) -> None:
        """RUN-TAKE, of one job."""
        entry.lease = found.lease
        entry.delivery = found.delivery
        entry.was_given_back = False
        entry.since = entry.touched = self._now()
        entry.length = seconds

    def extend(self, job: DispatchJob, seconds: float | None) -> bool:
        """RUN-LEASE."""
        entry = self._entries.get((job.workflow_execution_id, job.op))
        if entry is None or not self._is_leased(entry) or entry.lease != job.lease:
            return False
        entry.touched = entry.since = self._now()
        if seconds is not None:
            entry.length = seconds
        if seconds == 0:
            entry.lease = None
            entry.was_given_back = True
        return True

    def submit(self, execution: str, op: str, run_id: int | None, output: JSONValue) -> None:
        """RUN-SUBMIT."""
        entry = self._entries.get((execution, op))
        if entry is None or run_id not in (None, entry.job.run_id):
            return
        if entry.submitted is not None:
            entry.perhaps_touched = self._now()
        else:
            entry.submitted = next(self._numbers)
            entry.output = copy_json(output, "the output")
            entry.gatherable = True
            entry.touched = self._now()

    def _is_leased(self, entry: Entry) -> bool:
        """A lease lives from its beginning on: before that the clock went back, and nobody knows how long it is."""
        return entry.submitted is None and entry.lease is not None and entry.since <= self._now() < entry.until
