"""The state machines of RUN-MODEL: calls of several clients, held against a model that is written from the contract."""

from __future__ import annotations

import functools
import sys
from collections.abc import Collection

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from runfox.jsonvalue import JSONValue
from runfox.results import DispatchJob
from runfox.times import LATEST, format_time
from runfox_testing.case import RunnerCase
from runfox_testing.check import expect
from runfox_testing.checks.runner_expectations import Entry, Model
from runfox_testing.checks.runner_jobs import BETWEEN, expect_equal_jobs, expect_results, names, told
from runfox_testing.comparing import short
from runfox_testing.observing import ObservedRunner
from runfox_testing.sample_jobs import job
from runfox_testing.shrinking import ShrinkBudget

_EXECUTIONS = ("flow#1", "flow#12")
_QUEUES = {"a": None, "ab": "fast"}
"""The queue of each op."""
_STEPS = [(execution, op) for execution in _EXECUTIONS for op in _QUEUES]
_CLIENTS = 3
_LONG = 100_000.0
_LENGTHS = (10.0, 60.0)
"""Seconds of leases, on a clock that can be moved; in real time all leases are `_LONG`."""

_MOST_CALLS = 1_000

_clients = st.integers(0, _CLIENTS - 1)
_executions = st.sampled_from(_EXECUTIONS)
_ops = st.sampled_from(list(_QUEUES))
_changes = st.sampled_from([0, 0, 0, 0, 0, 1, -1])
"""What a run's number is more than that of the step's newest: most calls are for the newest."""

_steps = st.lists(st.tuples(_ops, _changes), min_size=1, max_size=3)
_anything = st.integers(0, 99)
_outputs: st.SearchStrategy[JSONValue] = st.sampled_from([{"n": 1}, {"n": 2}, {}, None, False, [], "text"])
_limits = st.sampled_from([None, None, 1, 2, 3, 0, -1])
_queues = st.sampled_from([None, None, None, [None], ["fast"], ["fast", None], ["unknown"], []])


class RunnerMachine(RuleBasedStateMachine):
    """Calls of several clients, and what is due after each of them."""

    def __init__(self, case: RunnerCase, budget: ShrinkBudget) -> None:
        super().__init__()
        budget.begin()
        case.fresh_namespace()
        self._budget = budget
        self.case = case
        self.clients = case.clients(_CLIENTS)
        self.model = Model(case.now)
        self.taken: list[DispatchJob] = []

    @initialize()
    def begin(self) -> None:
        """The first run of every step is there."""
        for execution in _EXECUTIONS:
            self._dispatch(0, execution, [(op, 1) for op in _QUEUES])

    def teardown(self) -> None:
        """Tells the budget what a rule has raised: this is called all the same."""
        error = sys.exception()
        if isinstance(error, Exception):
            self._budget.failed(error, len(self.case.history.latest(_MOST_CALLS)))

    # Drivers

    @rule(client=_clients, execution=_executions, steps=_steps)
    def dispatch(self, client: int, execution: str, steps: list[tuple[str, int]]) -> None:
        """New runs, known ones, older and newer ones."""
        self._dispatch(client, execution, self._runs(execution, steps))

    def _runs(self, execution: str, steps: list[tuple[str, int]]) -> list[tuple[str, int]]:
        return [(op, self.model.newest(execution, op) + change) for op, change in steps]

    def _dispatch(self, client: int, execution: str, runs: list[tuple[str, int]]) -> None:
        self.case.pass_time(BETWEEN)
        wanted = [
            job(op, run_id, execution=execution, queue=_QUEUES[op])
            for op, run_id in runs
            # Whether a runner remembers which was the newest of the runs that it has forgotten is its own affair.
            if run_id >= self.model.forgotten.get((execution, op), 0)
        ]
        answer = self.clients[client].dispatch(execution, wanted)
        expect(answer == [], f"dispatch gave {short(answer)} for jobs that it had to queue")
        self.model.dispatch(wanted)

    @rule(client=_clients, execution=_executions)
    def gather(self, client: int, execution: str) -> None:
        """The results since the last gather and dispatch."""
        found = self.clients[client].gather(execution)
        wanted = [(entry.job.op, entry.job.run_id, entry.output) for entry in self.model.gather(execution)]
        if self.model.went_back:
            # Who orders by time can't tell the order any more.
            found = sorted(found, key=lambda result: result.op)
            wanted.sort(key=lambda result: result[0])
        expect_results(found, wanted, f"gathered for {execution}")

    @rule(client=_clients, execution=_executions, steps=st.none() | _steps | _steps | _steps)
    def forget(self, client: int, execution: str, steps: list[tuple[str, int]] | None) -> None:
        """All of an execution, or some runs, known or not."""
        self._forget(client, execution, None if steps is None else self._runs(execution, steps))

    def _forget(self, client: int, execution: str, runs: list[tuple[str, int]] | None) -> None:
        self.clients[client].forget(execution, None if runs is None else iter(runs))
        self.model.forget(execution, runs)

    # Workers

    @rule(client=_clients, seconds=st.sampled_from([0.0, 1e-6, 5.0, 60.0]))
    def look(self, client: int, seconds: float) -> None:
        """Every pending job, twice the same; and the executions with an entry that was not touched since."""
        wanted = [entry.job for entry in self.model.pending()]
        for _ in range(2):
            found = self.case.awaited(
                self.clients[client].list_pending_jobs, lambda found: names(found) == names(wanted)
            )
            expect_equal_jobs(found, wanted, "pending")
        self._expect_held(client, seconds)

    def _expect_held(self, client: int, seconds: float) -> None:
        moments = [(LATEST, float("inf"))]
        if self.case.clock is not None and not self.model.went_back:
            moments.append((format_time(self.case.now() - seconds), self.case.now() - seconds))
        for before, moment in moments:
            surely, perhaps = self.model.held_before(moment)

            def is_right(found: list[str], surely: set[str] = surely, perhaps: set[str] = perhaps) -> bool:
                return surely <= set(found) <= perhaps and len(found) == len(set(found))

            found = self.case.awaited(functools.partial(self.clients[client].held, before), is_right)
            now = self.case.utc()
            expect(is_right(found), f"held before {before} (now it is {now}) are {found}, not {sorted(surely)}")

    @rule(
        client=_clients,
        limit=_limits,
        queues=_queues,
        length=st.sampled_from(_LENGTHS),
    )
    def take(self, client: int, limit: int | None, queues: Collection[str | None] | None, length: float) -> None:
        """So many of the pending jobs, oldest first."""
        self.taken += self._take(self.clients[client], limit, queues, length)

    def _take(
        self, client: ObservedRunner, limit: int | None, queues: Collection[str | None] | None, length: float
    ) -> list[DispatchJob]:
        seconds = length if self.case.clock else _LONG
        due = [entry for entry in self.model.pending() if queues is None or entry.job.queue in queues]
        count = len(due) if limit is None else min(max(limit, 0), len(due))
        if self.case.harness.lag_seconds and count:
            found = self.case.take(client, count, queues=queues, lease_seconds=seconds)
        else:
            found = client.take_pending_jobs(limit, queues, seconds)
        entries = [self._due_entry(one, due) for one in found]
        expect(len(found) == count, f"{told(found)} were taken where {count} of {told(e.job for e in due)} are due")
        if not self.model.went_back and "ordered" in self.case.abilities:
            fresh = [entry.number for entry in due if entry.is_fresh]
            order = [entry.number for entry in entries if entry.is_fresh]
            expect(order == fresh[: len(order)], f"{told(found)} were taken, and not the oldest first")
        for entry, one in zip(entries, found, strict=True):
            self._expect_delivery(entry, one)
            self.model.take(entry, one, seconds)
        return found

    def _due_entry(self, found: DispatchJob, due: list[Entry]) -> Entry:
        matching = [entry for entry in due if names([entry.job]) == names([found])]
        expect(matching, f"{told([found])} was taken where {told(entry.job for entry in due)} are due")
        expect_equal_jobs([found], [matching[0].job], "taken")
        return matching[0]

    def _expect_delivery(self, entry: Entry, found: DispatchJob) -> None:
        least = entry.delivery + 1
        right = found.delivery >= least if entry.was_given_back else found.delivery == least
        expect(right, f"the delivery after number {entry.delivery} has `delivery` {found.delivery}")
        used = {one.lease for one in self.taken}
        expect(isinstance(found.lease, str) and found.lease, f"a taken job has the lease {found.lease!r}")
        expect(found.lease not in used, f"a lease has the token of an earlier one, {found.lease!r}")

    @precondition(lambda self: self.taken)
    @rule(client=_clients, which=_anything, seconds=st.sampled_from([None, 0, *_LENGTHS]))
    def extend(self, client: int, which: int, seconds: float | None) -> None:
        """A lease that lives, or lived once, is renewed or given back."""
        one = self.taken[-1 - which % len(self.taken)]
        given = seconds if self.case.clock or not seconds else _LONG
        answer = self.clients[client].extend_lease(one, given)
        wanted = self.model.extend(one, given)
        expect(answer is wanted, f"a renewal of {told([one])} for {given} s gave {answer!r} where {wanted} is due")

    @rule(client=_clients, which=_anything, change=st.none() | _changes, output=_outputs)
    def submit(self, client: int, which: int, change: int | None, output: JSONValue) -> None:
        """A first result, a second one, one for an unknown or superseded run."""
        execution, op = _STEPS[which % len(_STEPS)]
        run_id = None if change is None else self.model.newest(execution, op) + change
        self._submit(client, execution, op, run_id, output)

    def _submit(self, client: int, execution: str, op: str, run_id: int | None, output: JSONValue) -> None:
        self.case.pass_time(BETWEEN)
        self.clients[client].submit_work_result(execution, op, output, run_id)
        self.model.submit(execution, op, run_id, output)

    @precondition(lambda self: self.taken)
    @rule(client=_clients, which=_anything, output=_outputs)
    def submit_taken(self, client: int, which: int, output: JSONValue) -> None:
        """The result of a job that somebody has taken, now or once."""
        one = self.taken[-1 - which % len(self.taken)]
        self._submit(client, one.workflow_execution_id, one.op, one.run_id, output)

    @rule(client=_clients, limit=_limits, output=_outputs)
    def work(self, client: int, limit: int | None, output: JSONValue) -> None:
        """Jobs are taken and submitted, as a worker does."""
        for one in self._take(self.clients[client], limit, None, _LENGTHS[0]):
            self.taken.append(one)
            self._submit(client, one.workflow_execution_id, one.op, one.run_id, output)

    @rule(client=_clients, execution=_executions)
    def attend(self, client: int, execution: str) -> None:
        """Everything is dispatched again, and results are gathered, as a driver does."""
        runs = [(entry.job.op, entry.job.run_id) for entry in self.model.entries(execution)]
        self._dispatch(client, execution, runs)
        self.gather(client, execution)

    # Time

    @precondition(lambda self: self.case.clock is not None)
    @rule(which=_anything, how=st.sampled_from(["to the end", "to just before the end", "somewhere"]))
    def time_passes(self, which: int, how: str) -> None:
        """The clock goes forward to the end of a lease, to just before it, or somewhere."""
        leases = self.model.leases()
        if how == "somewhere" or not leases:
            self.case.pass_time(9.0)
            return
        left = leases[which % len(leases)].until - self.case.now()
        self.case.pass_time(max(0.0, left - self.case.margin) if how == "to just before the end" else left)

    @precondition(lambda self: self.case.clock is not None)
    @rule(client=_clients, seconds=st.sampled_from([0.5, 5.0, 1_000.0]))
    def the_clock_goes_back(self, client: int, seconds: float) -> None:
        """The clock goes back. Before and after it all that is pending is taken: whether a lease that has lapsed on
        one clock lives again when the clock comes there once more, the contract does not say.
        """
        self.taken += self._take(self.clients[client], None, None, _LENGTHS[0])
        self.case.pass_time(-seconds)
        self.model.went_back = True
        self.taken += self._take(self.clients[client], None, None, _LENGTHS[0])


class CrashingMachine(RunnerMachine):
    """As `RunnerMachine`, with clients that are gone and replies that are lost, after which calls are repeated."""

    @rule(client=_clients, everyone=st.booleans())
    def crash(self, client: int, everyone: bool) -> None:
        """A client is used no more, whatever it has taken; or all are closed. Others come."""
        if everyone and "durable" in self.case.abilities:
            self.case.close_clients()
            self.clients = self.case.clients(_CLIENTS)
        else:
            self.clients[client] = self.case.client()

    @rule(client=_clients, execution=_executions, steps=_steps)
    def dispatch_twice(self, client: int, execution: str, steps: list[tuple[str, int]]) -> None:
        """The reply of a dispatch is lost: another client repeats it."""
        runs = self._runs(execution, steps)
        self._dispatch(client, execution, runs)
        self._dispatch((client + 1) % _CLIENTS, execution, runs)

    @rule(client=_clients, limit=st.integers(1, 3), length=st.sampled_from(_LENGTHS))
    def lost_take(self, client: int, limit: int, length: float) -> None:
        """The reply of a take is lost: nobody has the jobs until their leases lapse."""
        self._take(self.clients[client], limit, None, length)

    @rule(client=_clients, which=_anything, outputs=st.tuples(_outputs, _outputs))
    def submit_twice(self, client: int, which: int, outputs: tuple[JSONValue, JSONValue]) -> None:
        """The reply of a submit is lost: it is repeated, perhaps by one who has executed the job once more."""
        execution, op = _STEPS[which % len(_STEPS)]
        run_id = self.model.newest(execution, op)
        for number, output in enumerate(outputs):
            self._submit((client + number) % _CLIENTS, execution, op, run_id, output)

    @rule(client=_clients, execution=_executions)
    def lost_gather(self, client: int, execution: str) -> None:
        """The reply of a gather is lost: the runs are dispatched again, and gathered."""
        self.gather(client, execution)
        self.attend((client + 1) % _CLIENTS, execution)

    @rule(client=_clients, execution=_executions, steps=_steps)
    def forget_twice(self, client: int, execution: str, steps: list[tuple[str, int]]) -> None:
        """The reply of a forget is lost: it is repeated."""
        runs = self._runs(execution, steps)
        self._forget(client, execution, runs)
        self._forget((client + 1) % _CLIENTS, execution, runs)
