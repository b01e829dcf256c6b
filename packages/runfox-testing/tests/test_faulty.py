"""`FaultyStore` and `FaultyRunner`: what they inject is lawful, on record, and the same for the same seed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfox import (
    Backend,
    InMemoryStore,
    InProcessRunner,
    InProcessWorker,
    RecordPatch,
    StorageError,
    Workflow,
    WorkflowNotFound,
    WorkflowRecord,
    WriteConflict,
)
from runfox.protocols import (
    SupportsDelete,
    SupportsListing,
    SupportsLongPolling,
    SupportsPatch,
    SupportsRefresh,
    SupportsWait,
    SupportsWake,
)
from runfox.results import DispatchJob
from runfox.times import LATEST
from runfox_testing import Faults, FaultyRunner, FaultyStore, ManualClock
from runfox_testing.faults import Injected, Injector
from runfox_testing.mutants.late import LateRunner
from runfox_testing.mutants.polling import PollingRunner

KEY = "w#e"
STORE_ABILITIES = [SupportsPatch, SupportsRefresh, SupportsListing, SupportsDelete, SupportsWake]
METHODS = {
    SupportsPatch: "patch",
    SupportsRefresh: "refresh",
    SupportsListing: "list_executions",
    SupportsDelete: "delete",
    SupportsWake: "due",
}


def a_record() -> WorkflowRecord:
    return WorkflowRecord(workflow_id="w", execution_id="e", spec={"steps": [{"op": "a"}]}, created_at="c")


def a_patch(version: int = 1) -> RecordPatch:
    return RecordPatch(workflow_execution_id=KEY, version=version, updated_at="u", state={"k": 1})


def jobs(*ops: str, run_id: int = 0) -> list[DispatchJob]:
    return [DispatchJob(KEY, op, {"op": op}, run_id) for op in ops]


def a_runner(*ops: str, **options: Any) -> InProcessRunner:
    runner = InProcessRunner(**options)
    runner.dispatch(KEY, jobs(*ops))
    return runner


def ops(found: Any) -> list[str]:
    return [item.op for item in found]


# Faults


@pytest.mark.parametrize("name", ["conflicts", "lost_replies", "failures", "duplicates", "delays", "reorder"])
@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan, math.inf, True, "0.5", None])
def test_a_rate_is_a_probability(name: str, rate: Any) -> None:
    with pytest.raises(ValueError, match=rf"Faults\({name}=.*: a rate is a probability, a number from 0 to 1"):
        Faults(**{name: rate})


@pytest.mark.parametrize("limit", [-1, 0.5, True, "3"])
def test_a_limit_is_a_number_of_faults(limit: Any) -> None:
    with pytest.raises(ValueError, match=r"Faults\(limit=.*: use the number of faults, 0 or more, or None"):
        Faults(limit=limit)


@pytest.mark.parametrize("seed", ["x", None, 1.5, False])
def test_a_seed_is_an_integer(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"Faults\(seed=.*: use an integer"):
        Faults(seed=seed)


def test_both_ends_of_the_range_are_rates() -> None:
    assert Faults(conflicts=0, delays=1, limit=0) == Faults(conflicts=0.0, delays=1.0, limit=0)


# Abilities


class SmallStore:
    """The least that is a store."""

    def __init__(self) -> None:
        self._store = InMemoryStore()

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        return self._store.load(workflow_execution_id)

    def write(self, record: WorkflowRecord) -> None:
        self._store.write(record)


class SmallRunner:
    """A runner that can't wait, has no lease of its own, and is closed."""

    durable = True
    shared = True

    def __init__(self) -> None:
        self._runner = InProcessRunner()
        self.closed = False
        for name in ("dispatch", "gather", "list_pending_jobs", "take_pending_jobs", "extend_lease"):
            setattr(self, name, getattr(self._runner, name))
        for name in ("submit_work_result", "forget", "held"):
            setattr(self, name, getattr(self._runner, name))

    def close(self) -> None:
        self.closed = True


def store_with(*abilities: type) -> Any:
    names = [METHODS[ability] for ability in abilities]
    members = {name: lambda self, *args, _method=name, **options: (_method, args, options) for name in names}
    return type("Store", (SmallStore,), members)()


@pytest.mark.parametrize("number", range(2 ** len(STORE_ABILITIES)))
def test_a_faulty_store_has_the_abilities_of_its_store_and_no_others(number: int) -> None:
    given = [ability for place, ability in enumerate(STORE_ABILITIES) if number >> place & 1]
    store = FaultyStore(store_with(*given), Faults())
    assert [ability for ability in STORE_ABILITIES if isinstance(store, ability)] == given
    assert [ability for ability in STORE_ABILITIES if hasattr(store, METHODS[ability])] == given
    assert isinstance(store, FaultyStore)
    assert not hasattr(store, "close")


def test_a_faulty_runner_waits_if_its_runner_does() -> None:
    assert isinstance(FaultyRunner(InProcessRunner(), Faults()), SupportsWait)
    assert not isinstance(FaultyRunner(InProcessRunner(), Faults()), SupportsLongPolling)
    runner = FaultyRunner(SmallRunner(), Faults())  # type: ignore[arg-type]  # its methods are attributes
    assert not isinstance(runner, SupportsWait)
    assert not isinstance(runner, SupportsLongPolling)
    assert isinstance(runner, FaultyRunner)


def a_polling_runner(*steps: str) -> PollingRunner:
    runner = PollingRunner()
    runner.dispatch(KEY, jobs(*steps))
    return runner


def test_a_faulty_runner_lets_workers_wait_if_its_runner_does() -> None:
    runner = FaultyRunner(a_polling_runner("a", "b", "c"), Faults())
    assert isinstance(runner, SupportsLongPolling)
    assert ops(runner.poll_pending_jobs(60, 2, [None], 30)) == ["a", "b"]
    assert ops(runner.poll_pending_jobs(60)) == ["c"]
    assert runner.poll_pending_jobs(0) == []
    assert runner.injected == ()


def test_a_poll_fails_before_it_takes_and_loses_its_reply_after() -> None:
    inner = a_polling_runner("a")
    failing, losing = FaultyRunner(inner, Faults(failures=1.0)), FaultyRunner(inner, Faults(lost_replies=1.0))
    assert isinstance(failing, SupportsLongPolling)
    assert isinstance(losing, SupportsLongPolling)
    with pytest.raises(StorageError, match="poll_pending_jobs failed before"):
        failing.poll_pending_jobs(60)
    assert ops(inner.list_pending_jobs()) == ["a"]
    with pytest.raises(StorageError, match="the reply of poll_pending_jobs was lost"):
        losing.poll_pending_jobs(60)
    assert inner.list_pending_jobs() == []


def test_a_polled_job_is_delivered_a_second_time() -> None:
    runner = FaultyRunner(a_polling_runner("a"), Faults(duplicates=1.0))
    assert isinstance(runner, SupportsLongPolling)
    (first,) = runner.poll_pending_jobs(60)
    (second,) = runner.poll_pending_jobs(60)
    assert (first.op, first.delivery, second.op, second.delivery) == ("a", 1, "a", 2)
    assert not runner.extend_lease(first)


def test_polled_jobs_come_in_another_order() -> None:
    runner = FaultyRunner(a_polling_runner("a", "b", "c"), Faults(reorder=1.0))
    assert isinstance(runner, SupportsLongPolling)
    found = ops(runner.poll_pending_jobs(60))
    assert found != ["a", "b", "c"] == sorted(found)


def test_attributes_are_handed_on() -> None:
    store = FaultyStore(InMemoryStore(), Faults())
    assert (store.durable, store.shared) == (False, False)
    store = FaultyStore(SmallStore(), Faults())
    assert (store.durable, store.shared) == (False, False), "what is missing counts as False"
    runner = FaultyRunner(InProcessRunner(lease_seconds=7), Faults())
    assert (runner.durable, runner.shared, runner.ordered, runner.lease_seconds) == (False, False, True, 7)
    assert not FaultyRunner(LateRunner(), Faults()).ordered
    assert not hasattr(runner, "close")
    small: Any = SmallRunner()
    faulty: Any = FaultyRunner(small, Faults(failures=1.0))
    assert (faulty.durable, faulty.shared) == (True, True)
    assert not hasattr(faulty, "lease_seconds")
    faulty.close()
    assert small.closed


def test_a_backend_closes_what_is_wrapped() -> None:
    closed: list[str] = []

    class Closing(InMemoryStore):
        def close(self) -> None:
            closed.append("store")

    Backend(store=FaultyStore(Closing(), Faults())).close()
    assert closed == ["store"]


def test_calls_go_through_as_they_are() -> None:
    store: Any = FaultyStore(store_with(*STORE_ABILITIES), Faults())
    assert store.list_executions(name="n", after="a") == (
        "list_executions",
        (),
        {"status": None, "name": "n", "since": None, "limit": 100, "after": "a"},
    )
    assert store.due("t", 3) == ("due", ("t", 3), {})
    runner = FaultyRunner(a_runner("a", "b", "c"), Faults())
    assert ops(runner.list_pending_jobs()) == ["a", "b", "c"]
    assert ops(runner.take_pending_jobs(2, None, 30)) == ["a", "b"]
    assert ops(runner.take_pending_jobs(0)) == []
    assert ops(runner.take_pending_jobs(queues=["q"])) == []
    (job,) = runner.take_pending_jobs()
    assert runner.extend_lease(job, 5)
    runner.submit_work_result(KEY, "c", {"n": 1}, 0)
    assert isinstance(runner, SupportsWait)
    assert runner.wait(KEY, 0)
    assert ops(runner.gather(KEY)) == ["c"]
    assert runner.held(LATEST) == [KEY]
    runner.forget(KEY)
    assert runner.held(LATEST) == []
    assert runner.injected == ()


# Stores


def test_a_conflict_has_no_effect() -> None:
    inner = InMemoryStore()
    inner.write(a_record())
    store: Any = FaultyStore(inner, Faults(conflicts=1.0))
    before = inner.load(KEY)
    with pytest.raises(WriteConflict):
        store.patch(a_patch())
    with pytest.raises(WriteConflict):
        store.write(before)
    assert inner.load(KEY) == before
    assert store.injected == (Injected("conflicts", "patch", KEY), Injected("conflicts", "write", KEY))


def test_the_first_write_of_a_record_meets_no_conflict() -> None:
    store = FaultyStore(InMemoryStore(), Faults(conflicts=1.0))
    store.write(a_record())
    assert store.load(KEY).version == 1
    assert store.injected == ()


STORE_CALLS: dict[str, Callable[[Any], Any]] = {
    "load": lambda store: store.load(KEY),
    "write": lambda store: store.write(store.load(KEY)),
    "patch": lambda store: store.patch(a_patch()),
    "refresh": lambda store: store.refresh(a_record()),
    "list_executions": lambda store: store.list_executions(),
    "delete": lambda store: store.delete(KEY),
    "due": lambda store: store.due("9"),
}


@pytest.mark.parametrize("name", STORE_CALLS)
def test_a_failed_call_of_a_store_has_no_effect(name: str) -> None:
    inner = InMemoryStore()
    inner.write(a_record())
    before = inner.load(KEY)
    with pytest.raises(StorageError, match=r"injected: .* failed before it had an effect"):
        STORE_CALLS[name](FaultyStore(inner, Faults(failures=1.0)))
    assert inner.load(KEY) == before


def test_a_lost_reply_of_a_store_comes_after_the_effect() -> None:
    inner = InMemoryStore()
    store: Any = FaultyStore(inner, Faults(lost_replies=1.0))
    with pytest.raises(StorageError, match="injected: the reply of write was lost"):
        store.write(a_record())
    with pytest.raises(StorageError, match="the reply of patch was lost"):
        store.patch(a_patch())
    assert inner.load(KEY).state == {"k": 1}
    with pytest.raises(StorageError, match="the reply of delete was lost"):
        store.delete(KEY)
    with pytest.raises(WorkflowNotFound):
        store.load(KEY)


def test_what_the_store_itself_raises_is_raised() -> None:
    store: Any = FaultyStore(InMemoryStore(), Faults(lost_replies=1.0))
    with pytest.raises(WriteConflict):
        store.patch(a_patch())
    assert store.injected == ()


# Runners


RUNNER_CALLS: dict[str, Callable[[Any], Any]] = {
    "dispatch": lambda runner: runner.dispatch(KEY, jobs("b")),
    "gather": lambda runner: runner.gather(KEY),
    "list_pending_jobs": lambda runner: runner.list_pending_jobs(),
    "take_pending_jobs": lambda runner: runner.take_pending_jobs(),
    "extend_lease": lambda runner: runner.extend_lease(jobs("a")[0], 1),
    "submit_work_result": lambda runner: runner.submit_work_result(KEY, "a", {}, 0),
    "forget": lambda runner: runner.forget(KEY),
    "held": lambda runner: runner.held(LATEST),
    "wait": lambda runner: runner.wait(KEY, 0),
}


@pytest.mark.parametrize("name", RUNNER_CALLS)
def test_a_failed_call_of_a_runner_has_no_effect(name: str) -> None:
    inner = a_runner("a", "done")
    inner.submit_work_result(KEY, "done", {}, 0)
    faulty = FaultyRunner(inner, Faults(failures=1.0))
    with pytest.raises(StorageError, match=f"injected: {name} failed before it had an effect"):
        RUNNER_CALLS[name](faulty)
    assert [fault.kind for fault in faulty.injected] == ["failures"]
    assert ops(inner.list_pending_jobs()) == ["a"]
    assert ops(inner.gather(KEY)) == ["done"]


def test_a_lost_reply_of_a_runner_comes_after_the_effect() -> None:
    clock = ManualClock()
    inner = InProcessRunner(clock=clock)
    faulty = FaultyRunner(inner, Faults(lost_replies=1.0))
    lost = pytest.raises(StorageError, match="was lost after its effect")
    with lost:
        faulty.dispatch(KEY, jobs("a"))
    assert ops(inner.list_pending_jobs()) == ["a"]
    with lost:
        faulty.take_pending_jobs(lease_seconds=10)
    assert inner.list_pending_jobs() == []
    clock.advance(10)
    (job,) = inner.take_pending_jobs()
    assert job.delivery == 2, "it comes back when its lease lapses"
    with lost:
        faulty.extend_lease(job, 0)
    assert ops(inner.list_pending_jobs()) == ["a"]
    with lost:
        faulty.submit_work_result(KEY, "a", {"n": 1}, 0)
    with lost:
        faulty.gather(KEY)
    assert inner.gather(KEY) == []
    inner.dispatch(KEY, jobs("a"))
    assert ops(inner.gather(KEY)) == ["a"], "it comes again after a re-dispatch"
    with lost:
        faulty.forget(KEY)
    assert inner.held(LATEST) == []


class CountingRunner(InProcessRunner):
    """Counts the calls that reach it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.calls: Counter[str] = Counter()

    def dispatch(self, *args: Any) -> Any:
        self.calls["dispatch"] += 1
        return super().dispatch(*args)

    def submit_work_result(self, *args: Any) -> None:
        self.calls["submit"] += 1
        super().submit_work_result(*args)


def test_a_dispatch_and_a_submit_are_made_twice() -> None:
    inner = CountingRunner()
    faulty = FaultyRunner(inner, Faults(duplicates=1.0))
    faulty.dispatch(KEY, jobs("a"))
    faulty.dispatch(KEY, [])
    assert inner.calls["dispatch"] == 3
    faulty.submit_work_result(KEY, "a", {"n": 1}, 0)
    assert inner.calls["submit"] == 2
    faulty.submit_work_result(KEY, "a", {"n": 1})
    assert inner.calls["submit"] == 3, "without a run_id the second could be for a later run"
    assert faulty.injected == (
        Injected("duplicates", "dispatch", KEY),
        Injected("duplicates", "submit_work_result", f"{KEY}#a#0"),
    )
    assert [result.output for result in inner.gather(KEY)] == [{"n": 1}]


def test_a_result_is_gathered_a_second_time_as_after_a_re_dispatch() -> None:
    inner = a_runner("a", "b")
    faulty = FaultyRunner(inner, Faults(duplicates=1.0))
    inner.submit_work_result(KEY, "a", {}, 0)
    assert ops(faulty.gather(KEY)) == ["a"]
    inner.submit_work_result(KEY, "b", {}, 0)
    assert ops(faulty.gather(KEY)) == ["a", "b"]
    assert ops(faulty.gather(KEY)) == ["b"]
    assert faulty.gather(KEY) == []


def test_results_of_both_dispatches_are_handed_on() -> None:
    class LocalRunner(InProcessRunner):
        def dispatch(self, workflow_execution_id: str, jobs: Any) -> Any:
            super().dispatch(workflow_execution_id, jobs)
            for job in self.take_pending_jobs():
                self.submit_work_result(workflow_execution_id, job.op, {}, job.run_id)
            return self.gather(workflow_execution_id)

    assert ops(FaultyRunner(LocalRunner(), Faults(duplicates=1.0)).dispatch(KEY, jobs("a"))) == ["a", "a"]


def test_a_job_is_delivered_a_second_time_as_after_a_lapsed_lease() -> None:
    faulty = FaultyRunner(a_runner("a"), Faults(duplicates=1.0))
    (first,) = faulty.take_pending_jobs()
    (second,) = faulty.take_pending_jobs()
    assert second == first
    assert (first.delivery, second.delivery) == (1, 2)
    assert not faulty.extend_lease(first, 10), "the first taker's lease is over"
    assert faulty.extend_lease(second, 10)
    assert faulty.take_pending_jobs() == [], "it happens once"


def test_a_job_with_a_result_is_delivered_a_second_time_to_whoever_began_late() -> None:
    inner = a_runner("a", "b")
    faulty = FaultyRunner(inner, Faults(duplicates=1.0))
    (first,) = faulty.take_pending_jobs(1)
    faulty.submit_work_result(KEY, "a", {"n": 1}, 0)
    (second,) = faulty.take_pending_jobs(1)
    assert (second, second.delivery) == (first, 2)
    assert not faulty.extend_lease(second)
    faulty.submit_work_result(KEY, "a", {"n": 2}, 0)
    assert [result.output for result in inner.gather(KEY)] == [{"n": 1}]
    assert ops(faulty.take_pending_jobs(5)) == ["b"]


def test_a_second_delivery_keeps_to_the_limit_and_the_queues() -> None:
    inner = InProcessRunner()
    inner.dispatch(KEY, [DispatchJob(KEY, "a", {}, queue="q"), DispatchJob(KEY, "b", {}), DispatchJob(KEY, "c", {})])
    faulty = FaultyRunner(inner, Faults(duplicates=1.0))
    assert ops(faulty.take_pending_jobs(queues=["q"])) == ["a"]
    faulty.submit_work_result(KEY, "a", {}, 0)
    assert ops(faulty.take_pending_jobs(1, [None])) == ["b"]
    faulty.submit_work_result(KEY, "b", {}, 0)
    assert faulty.take_pending_jobs(0) == []
    assert ops(faulty.take_pending_jobs(2)) == ["a", "c"]
    assert ops(faulty.take_pending_jobs(2)) == ["b"]


def test_a_delayed_take_answers_nothing_and_leaves_the_jobs() -> None:
    faulty = FaultyRunner(a_runner("a"), Faults(delays=1.0, limit=1))
    assert faulty.take_pending_jobs() == []
    (job,) = faulty.take_pending_jobs()
    assert job.delivery == 1
    assert faulty.injected == (Injected("delays", "take_pending_jobs"),)


def test_a_delayed_gather_answers_nothing_and_gives_the_results_later() -> None:
    inner = a_runner("a", "b")
    faulty = FaultyRunner(inner, Faults(delays=1.0, limit=1))
    assert isinstance(faulty, SupportsWait)
    inner.submit_work_result(KEY, "b", {}, 0)
    assert faulty.gather(KEY) == []
    assert faulty.wait(KEY, 60), "something can be gathered"
    inner.submit_work_result(KEY, "a", {}, 0)
    assert ops(faulty.gather(KEY)) == ["b", "a"]
    assert faulty.gather(KEY) == []
    assert faulty.injected == (Injected("delays", "gather", KEY),)


def test_what_is_not_there_is_not_delayed() -> None:
    inner = InProcessRunner()
    inner.dispatch(KEY, [DispatchJob(KEY, "a", {}, queue="q")])
    faulty = FaultyRunner(inner, Faults(delays=1.0))
    assert faulty.take_pending_jobs(queues=[None]) == []
    assert faulty.gather(KEY) == []
    assert faulty.injected == ()


def test_results_that_come_late_survive_the_wrapper() -> None:
    inner = a_runner("a")
    inner.submit_work_result(KEY, "a", {"n": 1}, 0)
    assert FaultyRunner(inner, Faults(delays=1.0)).gather(KEY) == []
    inner.dispatch(KEY, jobs("a"))
    assert [result.output for result in inner.gather(KEY)] == [{"n": 1}]


def test_jobs_and_results_come_in_another_order() -> None:
    names = ["a", "b", "c", "d"]
    faulty = FaultyRunner(a_runner(*names), Faults(reorder=1.0))
    taken = ops(faulty.take_pending_jobs())
    for op in names:
        faulty.submit_work_result(KEY, op, {}, 0)
    gathered = ops(faulty.gather(KEY))
    assert sorted(taken) == sorted(gathered) == names
    assert names not in (taken, gathered)
    assert [fault.method for fault in faulty.injected] == ["take_pending_jobs", "gather"]


def test_one_alone_is_not_reordered() -> None:
    faulty = FaultyRunner(a_runner("a"), Faults(reorder=1.0))
    assert ops(faulty.take_pending_jobs()) == ["a"]
    assert faulty.injected == ()


@given(
    st.builds(
        Faults,
        seed=st.integers(0, 2**16),
        delays=st.sampled_from([0.0, 0.5]),
        reorder=st.sampled_from([0.0, 0.5, 1.0]),
        limit=st.integers(0, 20),
    ),
    st.lists(st.sampled_from(["take", "submit", "gather"]), max_size=40),
)
def test_nothing_is_lost_or_doubled_on_the_way(faults: Faults, events: list[str]) -> None:
    names = [f"s{number}" for number in range(6)]
    faulty = FaultyRunner(a_runner(*names), faults)
    taken: list[DispatchJob] = []
    executed: list[str] = []
    gathered: list[str] = []
    for event in [*events, *["take"] * 30, *["submit"] * 30, *["gather"] * 30]:
        match event:
            case "take":
                taken += faulty.take_pending_jobs(2)
            case "submit" if taken:
                executed.append(taken.pop(0).op)
                faulty.submit_work_result(KEY, executed[-1], {}, 0)
            case "gather":
                gathered += ops(faulty.gather(KEY))
    assert sorted(executed) == sorted(gathered) == names


# Seeds, limits, records


def play(faults: Faults | Injector) -> tuple[list[Any], tuple[Injected, ...]]:
    """Many calls, what they answered or raised, and what was injected."""
    runner = FaultyRunner(InProcessRunner(), faults)
    told: list[Any] = []
    for run_id in range(30):
        for call in (
            lambda run_id=run_id: runner.dispatch(KEY, jobs("a", "b", run_id=run_id)),
            lambda: [(job.op, job.run_id, job.delivery) for job in runner.take_pending_jobs()],
            lambda run_id=run_id: runner.submit_work_result(KEY, "a", {"n": run_id}, run_id),
            lambda: runner.gather(KEY),
        ):
            try:
                told.append(call())
            except StorageError as error:
                told.append(str(error))
    return told, runner.injected


MANY = {"lost_replies": 0.2, "failures": 0.2, "duplicates": 0.2, "delays": 0.2, "reorder": 0.2}


def test_the_same_seed_gives_the_same_faults() -> None:
    assert play(Faults(seed=5, **MANY)) == play(Faults(seed=5, **MANY))
    assert play(Faults(seed=5, **MANY)) != play(Faults(seed=6, **MANY))


def test_after_the_limit_there_are_no_more() -> None:
    assert play(Faults(limit=0, **MANY))[1] == ()
    injected = play(Faults(**MANY))[1]
    assert len(injected) > 10
    assert play(Faults(limit=10, **MANY))[1] == injected[:10]


def test_wrappers_that_share_an_injector_count_together() -> None:
    injector = Injector(Faults(failures=1.0, limit=2))
    store, runner = FaultyStore(InMemoryStore(), injector), FaultyRunner(InProcessRunner(), injector)
    with pytest.raises(StorageError):
        store.write(a_record())
    with pytest.raises(StorageError):
        runner.gather(KEY)
    store.write(a_record())
    assert runner.gather(KEY) == []
    assert store.injected == runner.injected == injector.injected


def test_a_fault_is_told_in_words() -> None:
    assert str(Injected("conflicts", "patch", KEY)) == "conflicts in patch of w#e"
    assert str(Injected("delays", "take_pending_jobs")) == "delays in take_pending_jobs"


# Whole workflows, as users run them

FAN: dict[str, Any] = {
    "steps": [
        {"op": "split"},
        *({"op": f"part{number}", "depends_on": "split", "max_attempts": 2} for number in range(4)),
        {"op": "join", "depends_on": [f"part{number}" for number in range(4)]},
    ],
    "outputs": {"parts": {"vars": "steps[*].output.part"}},
}


def execute(op: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"part": op} if op.startswith("part") else {}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_driver_and_its_worker_come_to_the_same_end(seed: int, concurrency: int) -> None:
    errors = Injector(Faults(seed=seed, conflicts=0.2, lost_replies=0.2, failures=0.2, limit=5))
    oddities = Faults(seed=seed, duplicates=0.3, delays=0.3, reorder=0.3, limit=20)
    store, inner = InMemoryStore(), InProcessRunner(lease_seconds=0.5)
    runner = FaultyRunner(FaultyRunner(inner, oddities), errors)
    backend = Backend(store=FaultyStore(store, errors), runner=runner)
    execution = Workflow.from_dict(FAN, Backend(store=store, runner=inner)).id
    result = Workflow(execution, backend).run(InProcessWorker(runner, execute, concurrency), timeout=60)
    assert result == Workflow.from_dict(FAN, Backend(execute)).run()
    assert errors.injected
