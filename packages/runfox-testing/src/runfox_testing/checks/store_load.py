"""STORE-LOAD: the record as last written, and nothing for an unknown id."""

from __future__ import annotations

from dataclasses import replace

from runfox.errors import WorkflowNotFound, WriteConflict
from runfox.records import StepRecord
from runfox.status import StepStatus, WorkflowStatus
from runfox.times import LATEST
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect, expect_raises, violated
from runfox_testing.checks.stored import expect_stored, expect_unknown, written
from runfox_testing.sample_records import OPS, WORKFLOW_ID, at, complete_step, copy_of, full_record, new_record

IDS = (
    "a",
    "A",
    "aa",
    "a_b",
    "aXb",
    "a-b",
    "a.b",
    "a:b",
    "0",
    "00",
    "1e5",
    "-1",
    "-",
    "_",
    "__",
    ".",
    "..",
    "...",
    ".a",
    "a.",
    ":",
    "::",
    "a::b",
    "None",
    "null",
    "nan",
    "true",
    "CON",
    "x" * 127,
    "x" * 128,
    "X" * 128,
    "._:-" * 32,
)
"""Execution ids that are legal, and easily taken for something else or for one another."""


@check(
    "STORE-LOAD-01",
    causes=["the driver's own error for a missing row, key or file comes through", "None is returned"],
)
def an_unknown_id_is_not_found(case: StoreCase) -> None:
    """In an empty store any id raises `WorkflowNotFound`, which is a `KeyError` and names the id."""
    client = case.client()
    unknown = new_record("nobody").workflow_execution_id
    error = expect_raises(WorkflowNotFound, f"load({unknown!r}) from an empty store", lambda: client.load(unknown))
    expect(isinstance(error, KeyError), "WorkflowNotFound is no KeyError")
    named = getattr(error, "workflow_execution_id", None)
    expect(named == unknown, f"the error names {named!r}, not {unknown!r}")


@check(
    "STORE-LOAD-02",
    causes=[
        "ids are found by prefix, by LIKE (`_` stands for any character), or without regard to case",
        "an id is cut off at some length, or only one of its two parts is looked at",
    ],
)
def similar_ids_are_not_found(case: StoreCase) -> None:
    """An id that is not stored raises `WorkflowNotFound` however similar the stored ones are."""
    client = case.client()
    stored = ["exec-one", "exec_two", "Exec.Three", "x" * 127, "only-one"]
    for execution_id in stored:
        client.write(new_record(execution_id))
    client.write(new_record("only-other", workflow_id="f" * 32))
    unknown = [
        "exec-on",
        "xec-one",
        "exec-onee",
        "exec-one-",
        "exec",
        "execXtwo",
        "exec__two",
        "EXEC-ONE",
        "exec.three",
        "exec-two",
        "x" * 126,
        "x" * 128,
        "only-other",
        "_" * 8,
    ]
    for execution_id in unknown:
        expect_unknown(client, f"{WORKFLOW_ID}#{execution_id}", f"beside {stored}")
    expect_unknown(client, f"{'f' * 32}#only-one", "beside an execution of this id, but of another workflow")
    for plain in ("exec-one", WORKFLOW_ID, f"{WORKFLOW_ID}#", "#exec-one"):
        expect_unknown(client, plain, "for a part of a stored id")


@check(
    "STORE-LOAD-03",
    causes=[
        "a field of WorkflowRecord or StepRecord has no column, or is not read back",
        "an enum comes back as a plain text, an integer as a float or a text",
        "times go through a date type that rounds them or writes them in another form",
    ],
)
def every_field_comes_back(case: StoreCase) -> None:
    """A record in which every field is set comes back field for field, each with its type."""
    store, other = case.clients(2)
    wanted = written(store, full_record())
    found = expect_stored(other, wanted, "after the write of a record with every field set")
    expect(
        isinstance(found.status, WorkflowStatus),
        f"the status is {found.status!r}, a {type(found.status).__name__} and no WorkflowStatus",
    )
    extreme = full_record("extreme", created_at="1970-01-01T00:00:00.000000Z", updated_at=LATEST, wake_at=LATEST)
    extreme.steps["third"] = replace(extreme.steps["third"], run_id=2**40, attempt=2**31, ready_at=LATEST)
    expect_stored(other, written(store, extreme), "after the write of a record with times and counts far off")
    touched = [op for op in found.steps if found.steps[op] != StepRecord(op=op)]
    expect(touched == [op for op in OPS if op != "second"], f"the touched steps are {touched}")


@check(
    "STORE-LOAD-04",
    causes=[
        "ids are compared without regard to case, as MySQL's and SQLite's NOCASE collations and some file systems do",
        "ids become file names or parts of keys without escaping (`..`, `:`, a leading `-`)",
        "ids go through a numeric type, or are cut off at some length",
    ],
)
def every_legal_id_is_one_of_its_own(case: StoreCase) -> None:
    """Ids of A-Z a-z 0-9 . _ : - with up to 128 characters are kept apart, whatever else they could mean."""
    store, other = case.clients(2)
    wanted = []
    for execution_id in IDS:
        try:
            wanted.append(written(store, new_record(execution_id, state={"id": execution_id})))
        except WriteConflict:
            violated(f"the creation of {execution_id!r} raised WriteConflict: it is taken for one that is there")
    for record in wanted:
        expect_stored(other, record, f"with {len(IDS)} executions stored")


@check(
    "STORE-LOAD-05",
    causes=["a status is kept by its position or its name, or one has been forgotten in a table"],
)
def every_status_comes_back(case: StoreCase) -> None:
    """Each status of a workflow and of a step comes back as the member that it was."""
    store, other = case.clients(2)
    steps = {status.value: StepRecord(op=status.value, status=status, run_id=1) for status in StepStatus}
    for status in WorkflowStatus:
        record = new_record(f"e-{status.value}", ops=tuple(steps), status=status, steps=dict(steps))
        expect_stored(other, written(store, record), f"after the write of a record that is {status.value}")


@check(
    "STORE-LOAD-06",
    causes=[
        "an empty object is written as NULL, or NULL is read as an empty object",
        "the steps are sorted by name, or come in the order in which they were touched",
    ],
)
def steps_keep_the_definitions_order(case: StoreCase) -> None:
    """Steps come back in the definition's order, whichever of them were touched, and in whatever order they were."""
    store, other = case.clients(2)
    ops = ("zeta", "alpha", "mid", "Beta", "10", "9")
    wanted = written(store, new_record(ops=ops))
    expect_stored(other, wanted, "with no step touched")
    for round_number, op in enumerate(("9", "mid", "zeta", "10", "alpha", "Beta")):
        steps = {**wanted.steps, op: complete_step(op, {"round": round_number})}
        wanted = written(store, replace(copy_of(wanted), steps=steps))
        found = expect_stored(other, wanted, f"with {round_number + 1} steps touched, {op!r} the latest")
        touched = [name for name in found.steps if found.steps[name].run_id]
        due = [name for name in ops if wanted.steps[name].run_id]
        expect(touched == due, f"the touched steps come in the order {touched}, not in the definition's, {due}")


@check(
    "STORE-LOAD-07",
    causes=["rows of several executions are told apart by the execution id alone, or by the definition's"],
)
def executions_keep_apart(case: StoreCase) -> None:
    """Many executions with the same definition and the same steps, and some that differ only in the workflow's id,
    each have their own state, steps and outcome.
    """
    store, other = case.clients(2)
    wanted = []
    for number in range(12):
        for workflow_id in (WORKFLOW_ID, "f" * 32):
            record = full_record(f"e{number}", workflow_id=workflow_id)
            record.state = {"number": number, f"only {number}": workflow_id}
            record.steps["first"] = complete_step("first", {"number": number, "workflow": workflow_id})
            record.outcome = [number, workflow_id]
            record.wake_at = at(number)
            wanted.append(written(store, record))
    for record in wanted:
        expect_stored(other, record, f"with {len(wanted)} executions stored")


@check(
    "STORE-LOAD-08",
    causes=["a record without steps, state or inputs has no rows there, and an inner join finds nothing"],
)
def the_emptiest_record_comes_back(case: StoreCase) -> None:
    """A record whose definition, inputs, state and steps are empty comes back as it is."""
    store, other = case.clients(2)
    record = new_record(ops=(), inputs={}, state={}, steps={}, wake_at=None, status=WorkflowStatus.PENDING)
    record.spec = {}
    wanted = written(store, record)
    found = expect_stored(other, wanted, "after the write of an empty record")
    expect(found.steps == {}, f"there are steps: {sorted(found.steps)}")
