"""STORE-PATCH: what a patch carries survives, and reaches one execution only."""

from __future__ import annotations

from typing import Any

from runfox.jsonvalue import JSONValue
from runfox.records import StepRecord, WorkflowRecord
from runfox.status import StepStatus, WorkflowStatus
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect
from runfox_testing.checks.store_patch import CHANGES
from runfox_testing.checks.stored import applied, expect_stored, written
from runfox_testing.json_samples import everything
from runfox_testing.sample_records import at, full_record, new_record, patch_of


@check(
    "STORE-PATCH-11",
    needs=("SupportsPatch",),
    causes=["patches are encoded by another function than whole records", "keys become paths of an update expression"],
)
def every_json_survives_a_patch(case: StoreCase) -> None:
    """Every kind of JSON survives in a patch's state, as key and value, its outcome, and its steps' outputs and
    inputs, and steps with odd names do.
    """
    store, other = case.clients(2)
    value = everything()
    texts: Any = value["texts"]
    ops = [*texts, "last"]
    wanted = written(store, new_record(ops=ops, state={}))
    for text in texts:
        step = StepRecord(op=text, run_id=1, host=text, output={text: text}, inputs={text: value})
        patch = patch_of(wanted, state={text: value, f"{text}.{text}": text}, outcome={text: text}, steps={text: step})
        wanted = applied(store, wanted, patch)
    expect_stored(other, wanted, "after patches with every kind of JSON in every place")
    ones: list[JSONValue] = [1, 1.0, True, 0, -0.0, 0.0, False, None, {}, []]
    for one in ones:
        wanted = applied(other, wanted, patch_of(wanted, state={"one": one}, outcome=one))
        expect_stored(store, wanted, f"after a patch of the state and the outcome with {one!r}")


@check(
    "STORE-PATCH-12",
    needs=("SupportsPatch",),
    causes=["a status is kept by its position or its name, or one has been forgotten in a table"],
)
def every_status_survives_a_patch(case: StoreCase) -> None:
    """Each status of a workflow and of a step comes back from a patch as the member that it was."""
    store, other = case.clients(2)
    wanted = written(store, new_record())
    for status in (*WorkflowStatus, *reversed(WorkflowStatus)):
        wanted = applied(store, wanted, patch_of(wanted, status=status))
        found = expect_stored(other, wanted, f"after a patch of the status to {status}")
        expect(isinstance(found.status, WorkflowStatus), f"the status is {found.status!r}, no WorkflowStatus")
    for number, step_status in enumerate((*StepStatus, *reversed(StepStatus))):
        step = StepRecord(op="third", status=step_status, run_id=number, attempt=number, ready_at=at(number))
        wanted = applied(store, wanted, patch_of(wanted, steps={"third": step}))
        expect_stored(other, wanted, f"after a patch of a step's status to {step_status}")


@check(
    "STORE-PATCH-13",
    needs=("SupportsPatch",),
    causes=["a patch is found by a part of the id", "rows of the definition are shared, and changed"],
)
def a_patch_changes_one_execution(case: StoreCase) -> None:
    """A patch changes nothing in other executions, those with the same definition or with a similar id."""
    store, other = case.clients(2)
    rest: list[WorkflowRecord] = [
        written(store, full_record("e", workflow_id="f" * 32)),
        *(written(store, full_record(execution_id)) for execution_id in ("E", "ee", "e_", "e.", "e-1", "_")),
    ]
    wanted = written(store, full_record("e"))
    for changes in CHANGES.values():
        wanted = applied(store, wanted, patch_of(wanted, **changes))
    expect_stored(other, wanted, "after patches of it")
    for record in rest:
        expect_stored(other, record, "after patches of another execution")
