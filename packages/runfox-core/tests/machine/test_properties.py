"""The machine under random definitions, results and orders: what must hold whatever happens."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from runfox import machine
from runfox.definition import parse_dict
from runfox.machine import Decision, Snapshot
from runfox.plan import Plan
from runfox.records import RecordPatch, StepRecord, WorkflowRecord
from runfox.results import Complete, Dispatch, DispatchJob, Halt, StepResult
from runfox.status import StepStatus
from runfox.times import add_seconds

T0 = "2026-01-31T12:00:00.000000Z"
MOST_RUNS = 6


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    """Graphs of up to eight steps with branches, loops, retries and timeouts. Conditions read what results bring."""
    steps: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 8))):
        op = f"s{number}"
        before = [step["op"] for step in steps]
        step: dict[str, Any] = {"op": op}
        if before:
            step["depends_on"] = draw(st.lists(st.sampled_from(before), unique=True, max_size=3))
        if step.get("depends_on"):
            step["input"] = {"seen": {"var": f"steps.{step['depends_on'][0]}.output.n"}, "state": {"var": "state.n"}}
        if draw(st.booleans()):
            targets = draw(st.lists(st.sampled_from([*before, op]), min_size=1, max_size=2, unique=True))
            step["branch"] = [
                {"condition": {"==": [{"var": "then"}, "halt"]}, "action": "halt", "result": {"op": op}},
                {"condition": {"==": [{"var": "then"}, "set"]}, "action": {"set": targets}},
                {"condition": {"==": [{"var": "then"}, "complete"]}, "action": "complete"},
            ]
        if draw(st.booleans()):
            step["retry"] = {
                "max_attempts": draw(st.integers(1, 3)),
                "delay": draw(st.sampled_from([0, 5])),
                "jitter": draw(st.sampled_from([0, 1])),
            }
        if draw(st.integers(0, 3)) == 0:
            step["timeout"] = draw(st.sampled_from([1, 30]))
        if draw(st.integers(0, 4)) == 0:
            step["on_error"] = "halt"
        steps.append(step)
    return {"steps": steps, "outputs": {"n": {"vars": "steps[*].output.n"}}}


outputs = st.fixed_dictionaries(
    {"n": st.integers(0, 3)},
    optional={"ok": st.booleans(), "then": st.sampled_from(["halt", "set", "set", "complete", "nothing"])},
)


class Run:
    """Drives one execution, commits every decision, and checks the invariants on the way."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self.plan = Plan(parse_dict(definition))
        record = WorkflowRecord(
            workflow_id="w",
            execution_id="e",
            spec=self.plan.definition.spec,
            steps={op: StepRecord(op=op) for op in self.plan.steps},
            version=1,
            created_at=T0,
            updated_at=T0,
            wake_at=add_seconds(T0, 60),
        )
        self.snapshot = Snapshot(self.plan, record)
        self.now = T0
        self.flying: list[DispatchJob] = []
        self.claimed: Counter[tuple[str, int]] = Counter()
        self.applied: Counter[tuple[str, int]] = Counter()
        self.patches: list[RecordPatch] = []

    def commit(self, decision: Decision, *, puts_off: bool = False) -> None:
        before = replace(
            self.snapshot.record, state=dict(self.snapshot.record.state), steps=dict(self.snapshot.record.steps)
        )
        if decision.patch is None:
            return
        self.patches.append(decision.patch)
        expected = decision.patch.applied(before)
        decision.committed()
        after = self.snapshot.record
        assert replace(expected, version=before.version + 1) == after
        self._check_steps(before, after)
        self._check_frontier()
        if not puts_off and before.wake_at is not None and after.wake_at is not None:
            assert after.wake_at <= before.wake_at
        assert (after.wake_at is None) == after.status.ended
        if isinstance(decision.answer, Dispatch):
            self.flying.extend(decision.answer.jobs)
            self.claimed.update((job.op, job.run_id) for job in decision.answer.jobs)
            for job in decision.answer.jobs:
                for dependency in self.plan.steps[job.op].dependencies:
                    assert after.steps[dependency].status is StepStatus.COMPLETE

    def _check_steps(self, before: WorkflowRecord, after: WorkflowRecord) -> None:
        assert list(after.steps) == list(self.plan.steps)
        for op, step in after.steps.items():
            was = before.steps[op]
            assert step.run_id >= was.run_id
            if was.status is StepStatus.IN_PROGRESS and step.output is not None and step is not was:
                self.applied[op, was.run_id] += 1
            if step.status is not StepStatus.READY:
                for dependency in self.plan.steps[op].dependencies:
                    assert after.steps[dependency].status is StepStatus.COMPLETE, "a dependent outlived a reset"

    def _check_frontier(self) -> None:
        fresh = Snapshot(self.plan, self.snapshot.record)
        for name in ("waiting", "ready", "running", "remaining"):
            assert getattr(self.snapshot, name) == getattr(fresh, name), name
        assert self.snapshot.next_timer() == fresh.next_timer()

    def settle(self, results: list[StepResult], random: float) -> None:
        self.commit(machine.settle(self.snapshot, results, now=self.now, random=random))

    def finish(self) -> None:
        """Results without errors or branches, until the workflow ends."""
        for _ in range(100):
            if self.snapshot.record.status.ended:
                return
            self.now = add_seconds(self.now, 100)
            flying, self.flying = self.flying, []
            self.settle([StepResult(job.op, {"n": 1}, job.run_id) for job in flying], 0.0)
        raise AssertionError(f"not at an end: {self.snapshot.record}")


def play(definition: dict[str, Any], data: st.DataObject) -> Run:
    run = Run(definition)
    run.commit(machine.advance(run.snapshot, now=run.now))
    for _ in range(data.draw(st.integers(0, 25), label="events")):
        match data.draw(st.sampled_from(["settle", "settle", "one", "wait", "attend", "stale"]), label="event"):
            case "settle":
                some = (
                    st.lists(st.sampled_from(run.flying), unique_by=lambda job: job.key) if run.flying else st.just([])
                )
                chosen = data.draw(some)
                results = [StepResult(job.op, data.draw(outputs), job.run_id) for job in chosen]
                run.settle(results, data.draw(st.floats(0, 0.99)))
            case "one" if run.flying:
                job = data.draw(st.sampled_from(run.flying))
                result = StepResult(job.op, data.draw(outputs), job.run_id)
                run.commit(machine.on_step_result(run.snapshot, result, now=run.now, random=0.5))
            case "wait":
                run.now = add_seconds(run.now, data.draw(st.sampled_from([0.5, 5, 40])))
            case "attend":
                run.commit(machine.attend(run.snapshot, now=run.now, recover_after=60), puts_off=True)
            case _ if run.flying:
                job = data.draw(st.sampled_from(run.flying))
                run.settle([StepResult(job.op, {"n": 9}, job.run_id - 1)], 0.0)
        if max(step.run_id for step in run.snapshot.record.steps.values()) > MOST_RUNS:
            break
    return run


@given(definitions(), st.data())
def test_whatever_happens_the_invariants_hold_and_the_end_is_reached(definition: dict[str, Any], data: Any) -> None:
    run = play(definition, data)
    run.finish()
    record = run.snapshot.record
    note(repr(record))
    assert set(run.claimed.values()) <= {1}, "a run was claimed twice"
    assert set(run.applied.values()) <= {1}, "two results of one run were applied"
    answer = machine.look(run.snapshot).answer
    assert isinstance(answer, (Complete, Halt))
    if isinstance(answer, Complete):
        assert all(step.status is StepStatus.COMPLETE for step in record.steps.values())
        seen = [step.output["n"] for step in record.steps.values() if step.output and "n" in step.output]
        assert answer.outcome == {"n": seen}


@given(definitions(), st.lists(outputs, min_size=1, max_size=20))
def test_the_same_events_give_the_same_record(definition: dict[str, Any], sequence: list[dict[str, Any]]) -> None:
    def replay() -> WorkflowRecord:
        run = Run(definition)
        run.commit(machine.advance(run.snapshot, now=run.now))
        for output in sequence:
            flying, run.flying = run.flying, []
            run.settle([StepResult(job.op, output, job.run_id) for job in flying], 0.3)
            run.now = add_seconds(run.now, 3)
        return run.snapshot.record

    assert replay() == replay()


@given(definitions(), st.lists(outputs, min_size=1, max_size=8), st.randoms())
def test_a_batch_gives_what_its_results_give_one_by_one(
    definition: dict[str, Any], sequence: list[dict[str, Any]], random: Any
) -> None:
    together, apart = Run(definition), Run(definition)
    for run in (together, apart):
        run.commit(machine.advance(run.snapshot, now=run.now))
    for output in sequence:
        flying, together.flying, apart.flying = together.flying, [], []
        results = [StepResult(job.op, output, job.run_id) for job in flying]
        random.shuffle(results)
        together.settle(results, 0.0)
        for result in results:
            apart.commit(machine.on_step_result(apart.snapshot, result, now=apart.now, random=0.0))
        apart.settle([], 0.0)
        for op, step in together.snapshot.record.steps.items():
            other = apart.snapshot.record.steps[op]
            # The jitter of a batch is spread over its results, so the delays may differ.
            assert replace(step, ready_at=None) == replace(other, ready_at=None)
        assert together.snapshot.record.state == apart.snapshot.record.state
        if any(step.status is StepStatus.RETRY for step in together.snapshot.record.steps.values()):
            break
