"""What many checks of stores do: write a record, expect what is stored, expect one winner of a race."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from runfox.errors import RunfoxError, WorkflowNotFound, WriteConflict
from runfox.protocols import Store
from runfox.records import ExecutionSummary, RecordPatch, WorkflowRecord
from runfox.status import WorkflowStatus
from runfox.times import add_seconds
from runfox_testing.case import StoreCase
from runfox_testing.check import describe, expect, violated
from runfox_testing.comparing import record_difference
from runfox_testing.observing import ObservedStore
from runfox_testing.races import Outcome
from runfox_testing.sample_records import copy_of, patched

T = TypeVar("T")


def written(client: Store, record: WorkflowRecord) -> WorkflowRecord:
    """Write a copy of `record`; gives what has to be stored then."""
    client.write(copy_of(record))
    return copy_of(record, version=record.version + 1)


def applied(client: ObservedStore, record: WorkflowRecord, patch: RecordPatch) -> WorkflowRecord:
    """Write a patch of the stored `record`; gives what has to be stored then."""
    wanted = patched(record, patch)
    client.patch(patch)
    return wanted


def expect_stored(client: Store, wanted: WorkflowRecord, what: str) -> WorkflowRecord:
    """What the client loads, which has to be `wanted`. `what` tells the situation: ``after a refused write``."""
    try:
        found = client.load(wanted.workflow_execution_id)
    except WorkflowNotFound:
        violated(f"{what}, load({wanted.workflow_execution_id!r}) raises WorkflowNotFound: nothing is stored")
    expect_record(found, wanted, f"{what}, load")
    return found


def expect_record(found: object, wanted: WorkflowRecord, what: str) -> None:
    """`found` has to equal `wanted`. `what` is whose answer it is."""
    problem = record_difference(found, wanted)
    expect(problem is None, f"{what} gives another record; the first difference: {problem}")


def expect_refused(what: str, call: Callable[[], object]) -> None:
    """The call has to raise an error of runfox that says why the value can't be kept: no conflict, nothing else."""
    try:
        call()
    except WriteConflict:
        violated(f"{what} raised WriteConflict, after which callers load and try the same again for ever")
    except RunfoxError:
        return
    except Exception as error:  # noqa: BLE001  # what was observed
        violated(f"{what} raised {describe(error)}, which is no RunfoxError")
    violated(f"{what} was acknowledged")


def expect_unknown(client: Store, workflow_execution_id: str, what: str) -> None:
    """Loading has to raise `WorkflowNotFound`, and nothing else."""
    try:
        found = client.load(workflow_execution_id)
    except WorkflowNotFound:
        return
    except Exception as error:  # noqa: BLE001  # what was observed
        violated(f"{what}, load({workflow_execution_id!r}) raised {describe(error)} where WorkflowNotFound is due")
    violated(
        f"{what}, load({workflow_execution_id!r}) gave the record {found.workflow_execution_id!r} of version "
        f"{found.version} where WorkflowNotFound is due"
    )


def one_winner(outcomes: Iterable[Outcome[T]], what: str, lost: type[Exception] = WriteConflict) -> int:
    """The number of the one call that succeeded; all others have to have raised `lost`."""
    known = list(outcomes)
    for outcome in known:
        expect(
            outcome.error is None or isinstance(outcome.error, lost),
            f"{what}: one of {len(known)} raised {outcome}, where {lost.__name__} is due to all but one",
        )
    winners = [number for number, outcome in enumerate(known) if outcome.error is None]
    expect(len(winners) == 1, f"{what}: {len(winners)} of {len(known)} were acknowledged, not exactly one")
    return winners[0]


def all_succeeded(outcomes: Iterable[Outcome[T]], what: str) -> list[T]:
    """The answers of calls none of which may fail."""
    answers: list[T] = []
    for outcome in outcomes:
        if isinstance(outcome.error, AssertionError):
            raise outcome.error
        expect(outcome.error is None, f"{what}: a call raised {outcome}")
        answers.append(outcome.value)  # type: ignore[arg-type]  # there is no error, so there is an answer
    return answers


def undisturbed(what: str, call: Callable[[], T]) -> T:
    """The answer of a call in whose way nothing may be."""
    try:
        return call()
    except AssertionError:
        raise
    except Exception as error:  # noqa: BLE001  # what was observed
        violated(f"{what} raised {describe(error)}")


def listed(
    case: StoreCase, ask: Callable[[], list[ExecutionSummary]], wanted: list[str], what: str
) -> list[ExecutionSummary]:
    """The summaries as soon as they are those of `wanted`, execution ids in that order; they have to be. An id to go on
    from may be unknown to a listing for as long as that may be late.
    """

    def answer() -> list[ExecutionSummary] | WorkflowNotFound:
        try:
            return ask()
        except WorkflowNotFound as error:
            return error

    found = case.awaited(answer, lambda found: isinstance(found, list) and ids_of(found) == wanted)
    if isinstance(found, WorkflowNotFound):
        raise found
    expect(ids_of(found) == wanted, f"{what}: the listing has {ids_of(found)}, not {wanted}")
    return found


def expect_undone(
    case: StoreCase, client: ObservedStore, seen: Iterable[WorkflowRecord], wanted: WorkflowRecord, what: str
) -> None:
    """Of a refused call nothing is left for `client`, which may be the one that was refused: it loads `wanted`,
    refreshes what it has `seen` to that, and finds it listed and due as `wanted` says. (All else is not asked for.)
    """
    what = f"{what}, for {client.name}"
    expect_stored(client, wanted, what)
    if "SupportsRefresh" in case.abilities:
        for record in seen:
            expect_record(client.refresh(copy_of(record)), wanted, f"{what}, refresh of version {record.version}")
    key = wanted.workflow_execution_id
    if "SupportsListing" in case.abilities:
        line = ExecutionSummary(
            workflow_execution_id=key,
            name=wanted.name,
            status=wanted.status,
            created_at=wanted.created_at,
            updated_at=wanted.updated_at,
        )
        filters: list[dict[str, Any]] = [{}, {"name": wanted.name}, *({"status": status} for status in WorkflowStatus)]
        for filtered in filters:
            lines = [line] if filtered.get("status", wanted.status) == wanted.status else []

            def ask(filtered: dict[str, Any] = filtered) -> list[ExecutionSummary]:
                return [one for one in client.list_executions(**filtered) if one.workflow_execution_id == key]

            found = case.awaited(ask, lambda answer, lines=lines: answer == lines)  # type: ignore[misc]
            expect(found == lines, f"{what}, the listing by {filtered or 'nothing'} has {found}, not {lines}")
    if "SupportsWake" in case.abilities:
        times = ["9999-12-31T23:59:59.999999Z"]
        if wanted.wake_at is not None:
            times += [wanted.wake_at, add_seconds(wanted.wake_at, -0.000001)]
        for now in times:
            is_due = wanted.wake_at is not None and wanted.wake_at <= now
            answer = case.awaited(lambda now=now: key in client.due(now), lambda due, is_due=is_due: due == is_due)  # type: ignore[misc]
            expect(answer == is_due, f"{what}, due({now!r}) has it: {answer}; its wake_at is {wanted.wake_at!r}")


def ids_of(summaries: Iterable[ExecutionSummary]) -> list[str]:
    """The execution ids, without the workflow's."""
    return [summary.workflow_execution_id.partition("#")[2] for summary in summaries]
