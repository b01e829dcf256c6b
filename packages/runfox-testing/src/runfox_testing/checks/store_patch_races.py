"""STORE-PATCH: patches and writes of one version at the same moment, and generated sequences of patches."""

from __future__ import annotations

from functools import partial
from typing import Any

import hypothesis
from hypothesis import strategies as st

from runfox.protocols import Store
from runfox.records import RecordPatch, StepRecord, WorkflowRecord
from runfox.status import StepStatus, WorkflowStatus
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect
from runfox_testing.checks.store_races import COUNTED, expect_counted
from runfox_testing.checks.stored import all_succeeded, applied, expect_stored, one_winner, written
from runfox_testing.checks.watching import expect_fresh, expect_whole, watch
from runfox_testing.json_strategies import objects, texts, values
from runfox_testing.processes import race_of_processes
from runfox_testing.sample_records import (
    OPS,
    at,
    chain_patch,
    chain_write,
    complete_step,
    copy_of,
    new_record,
    patch_of,
    patched,
)
from runfox_testing.shrinking import ShrinkBudget
from runfox_testing.store_calls import count_up, count_up_by_patches


def patch_of_contender(base: WorkflowRecord, contender: int) -> RecordPatch:
    """What one of several contenders changes in `base`: its number is in every part of it."""
    steps = {op: complete_step(op, {"winner": contender}) for op in OPS}
    state: Any = {"winner": contender, f"only {contender}": True}
    return patch_of(base, outcome=contender, state=state, steps=steps, wake_at=at(contender))


@check(
    "STORE-PATCH-14",
    needs=("SupportsPatch",),
    traits=("threads",),
    causes=["the version is compared before the statement that writes", "a losing patch has written some of its parts"],
)
def of_many_patches_of_one_version_one_succeeds(case: StoreCase) -> None:
    """Of N clients that patch the same version at the same moment exactly one succeeds, all others raise
    `WriteConflict`, and only what the one changed is changed.
    """
    store = case.client()
    clients = case.clients(case.profile.contenders)
    for number in range(case.profile.rounds):
        case.history.clear()
        base = written(store, new_record(f"e{number}"))
        patches = [patch_of_contender(base, place) for place in range(len(clients))]
        calls = [partial(client.patch, patch) for client, patch in zip(clients, patches, strict=True)]
        winner = one_winner(case.race(*calls), f"{len(calls)} clients patch version 1 at once")
        expect_stored(store, patched(base, patches[winner]), f"after patch {winner} had won")


@check(
    "STORE-PATCH-15",
    needs=("SupportsPatch",),
    traits=("threads",),
    causes=["patches and whole writes are guarded by different locks or conditions"],
)
def patches_and_writes_together_lose_nothing(case: StoreCase) -> None:
    """Clients of which some add to one number by patches and others by whole writes lose nothing."""
    store = case.client()
    clients = case.clients(case.profile.contenders)
    record = new_record(state={"before": 1, "count": 0})
    store.write(record)
    counts = [
        partial(count_up_by_patches if place % 2 else count_up, client, record.workflow_execution_id, COUNTED)
        for place, client in enumerate(clients)
    ]
    all_succeeded(case.race(*counts), "counting up by patches and by writes")
    expect_counted(store, record, COUNTED * len(clients))


@check(
    "STORE-PATCH-16",
    needs=("SupportsPatch", "shared"),
    traits=("processes",),
    causes=["patches are guarded by a lock of this process only"],
)
def processes_that_patch_lose_nothing(case: StoreCase) -> None:
    """Several processes that add to one number by patches lose nothing."""
    store = case.client()
    children = case.processes(case.profile.processes)
    record = new_record(state={"count": 0})
    store.write(record)
    times = COUNTED * case.profile.rounds
    arguments = [(record.workflow_execution_id, times)] * len(children)
    for answer in race_of_processes(children, count_up_by_patches, arguments):
        expect(not isinstance(answer, Exception), f"a process that counted up raised {answer!r}")
    expect_counted(store, record, times * len(children))


@check(
    "STORE-PATCH-17",
    needs=("SupportsPatch",),
    traits=("threads",),
    causes=["header, state and steps of a patch become visible one by one"],
)
def no_reader_sees_half_of_a_patch(case: StoreCase) -> None:
    """While one client writes patch after patch, what others load is always one version, whole, and never older than
    what they have seen, or what was acknowledged before they asked.
    """
    writer = case.client()

    def make(version: int) -> None:
        if version == 1:
            writer.write(chain_write(1))
        else:
            writer.patch(chain_patch(version))

    def load(client: Store, latest: WorkflowRecord) -> WorkflowRecord:
        return client.load(latest.workflow_execution_id)

    for seen in watch(case, make, load):
        expect_whole((record for _, record in seen.answers), "load")
        expect_fresh(seen, "load")


_steps = st.builds(
    lambda op, status, output, run_id: StepRecord(op=op, status=status, output=output, run_id=run_id),
    st.sampled_from(OPS),
    st.sampled_from(StepStatus),
    st.none() | objects(2, 3),
    st.integers(0, 9),
)

_changes = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(WorkflowStatus),
        "outcome": values(4),
        "wake_at": st.none() | st.integers(0, 99).map(at),
        "state": st.dictionaries(st.sampled_from(["a", "b", "c"]) | texts(4), values(3), max_size=3),
        "steps": st.lists(_steps, max_size=3).map(lambda steps: {step.op: step for step in steps}),
    },
)


@check(
    "STORE-PATCH-18",
    needs=("SupportsPatch",),
    traits=("property",),
    causes=["a combination that the other checks have no sample of; the example below is the smallest that differs"],
)
def generated_patches_equal_writes(case: StoreCase) -> None:
    """Generated sequences of patches, with a whole write in between now and then, give after each the record that
    loading, applying and writing gives.
    """
    store, other = case.clients(2)
    count = 0

    budget = ShrinkBudget(case.history)

    @hypothesis.seed(case.seed)
    @case.settings()
    @hypothesis.given(st.lists(_changes, min_size=3, max_size=6), st.booleans())
    def equal(sequence: list[dict[str, Any]], rewritten: bool) -> None:
        budget.run(patches_equal_writes, sequence, rewritten)

    def patches_equal_writes(sequence: list[dict[str, Any]], rewritten: bool) -> None:
        nonlocal count
        count += 1
        case.history.clear()
        wanted = written(store, new_record(f"g{count}"))
        for number, changes in enumerate(sequence):
            wanted = applied(store, wanted, patch_of(wanted, **changes))
            expect_stored(other, wanted, f"after generated patch {number + 1}")
            if rewritten and number == 1:
                wanted = written(other, copy_of(wanted))

    budget.search(equal)
    expect(count >= case.profile.examples // 2, f"only {count} sequences were tried")
