"""STORE-LIST: what is listed, in which order, and what follows the records."""

from __future__ import annotations

from typing import Any

from runfox.errors import WorkflowNotFound
from runfox.records import ExecutionSummary, WorkflowRecord
from runfox.status import WorkflowStatus
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect, expect_raises
from runfox_testing.checks.stored import applied, ids_of, listed, written
from runfox_testing.comparing import difference
from runfox_testing.json_samples import TEXTS
from runfox_testing.observing import ObservedStore
from runfox_testing.sample_records import at, copy_of, new_record, patch_of


def create(client: ObservedStore, execution_id: str, second: float, **fields: Any) -> WorkflowRecord:
    """An execution that was created so many seconds after noon."""
    return written(client, new_record(execution_id, created_at=at(second), updated_at=at(second), **fields))


def pages(
    case: StoreCase, client: ObservedStore, wanted: list[str], limit: int, *, plain: bool = False, **filters: Any
) -> list[str]:
    """Everything, page by page; each page has to be the next `limit` of `wanted`, which are execution ids.

    With `plain` the next page is asked for by the id, otherwise by the cursor. The second page is asked for by a client
    that has asked for nothing before.
    """
    found: list[ExecutionSummary] = []
    what = f"in pages of {limit}" + (" by id" if plain else "")
    for begin in range(0, len(wanted) + limit, limit):
        after = None if not found else found[-1].workflow_execution_id if plain else found[-1].cursor
        due = wanted[begin : begin + limit]
        asked = case.client() if begin // limit == 1 else client
        found += listed(
            case,
            lambda after=after, asked=asked: asked.list_executions(limit=limit, after=after, **filters),  # type: ignore[misc]
            due,
            f"{what}, after {ids_of(found)[-1:] or 'the beginning'}",
        )
        if not due:
            break
    return ids_of(found)


@check(
    "STORE-LIST-01",
    needs=("SupportsListing",),
    causes=["the order is that of insertion, of ids, or of the last change", "an empty store raises"],
)
def executions_are_listed_newest_first(case: StoreCase) -> None:
    """A listing is empty for an empty store, and else has every execution once, the one created last first, whatever
    the order in which they were written, changed, or sort by id.
    """
    store, other = case.clients(2)
    expect(other.list_executions() == [], "an empty store lists something")
    seconds = {"m": 3, "a": 1, "z": 2, "b": 5.000001, "y": 5, "c": 0, "x": 4}
    records = {execution_id: create(store, execution_id, second) for execution_id, second in seconds.items()}
    wanted = ["b", "y", "x", "m", "z", "a", "c"]
    listed(case, other.list_executions, wanted, "of seven executions")
    written(store, copy_of(records["a"], updated_at=at(99)))
    for client in (store, other):
        listed(case, client.list_executions, wanted, "after the oldest but one was changed last")


@check(
    "STORE-LIST-02",
    needs=("SupportsListing",),
    causes=["a page begins with the last one of the page before, or leaves one out", "pages are counted by offset"],
)
def pages_have_no_gaps_and_no_doubles(case: StoreCase) -> None:
    """Pages of any size, gone through by cursor or by id, also by another client than the page before, give each
    execution once, in the order of the whole listing; the last page is followed by an empty one.
    """
    store, other = case.clients(2)
    order = case.random.sample(range(11), 11)
    for number in order:
        create(store, f"e{number:02d}", number)
    wanted = [f"e{number:02d}" for number in reversed(range(11))]
    for limit in (1, 2, 3, 5, 10, 11, 12):
        for plain in (False, True):
            found = pages(case, other, wanted, limit, plain=plain)
            expect(found == wanted, f"pages of {limit} give {found}, not {wanted}")


@check(
    "STORE-LIST-03",
    needs=("SupportsListing",),
    causes=["the cursor is the time alone", "the order of what was created at the same time changes between queries"],
)
def executions_of_the_same_moment_are_each_listed_once(case: StoreCase) -> None:
    """Executions that were created in the same microsecond come once each, in an order that pages of any size keep."""
    store, other = case.clients(2)
    for number in range(9):
        create(store, f"{'xyz'[number % 3]}{number}", 1 if number < 7 else 2 * (number % 2))
    found = case.awaited(other.list_executions, lambda summaries: len(summaries) == 9)
    wanted = ids_of(found)
    expect(len(set(wanted)) == 9, f"nine executions were created, the listing has {wanted}")
    for limit in (1, 2, 3, 4, 8):
        for plain in (False, True):
            pages(case, other, wanted, limit, plain=plain)


@check(
    "STORE-LIST-04",
    needs=("SupportsListing",),
    causes=["pages are counted by offset", "the cursor is looked up, and lost with its execution"],
)
def going_on_is_not_disturbed_by_creation(case: StoreCase) -> None:
    """While executions are created, the pages that follow give every older one once: neither is one left out nor one
    given again.
    """
    store, other = case.clients(2)
    for number in range(8):
        create(store, f"e{number}", number)
    found: list[ExecutionSummary] = []
    for begin in range(0, 8, 2):
        wanted = [f"e{7 - begin}", f"e{6 - begin}"]
        after = found[-1].cursor if found else None
        found += listed(
            case,
            lambda after=after: other.list_executions(limit=2, after=after),  # type: ignore[misc]
            wanted,
            f"with {begin} created since the first page",
        )
        create(store, f"n{begin}", 100 + begin)
        create(store, f"n{begin + 1}", 101 + begin)
    expect(len(other.list_executions(after=found[-1].cursor)) == 0, "after the oldest one something follows")


@check(
    "STORE-LIST-05",
    needs=("SupportsListing", "SupportsDelete"),
    causes=["the cursor is the id, and where it stood is not known once it is deleted", "pages are counted by offset"],
)
def going_on_is_not_disturbed_by_deletion(case: StoreCase) -> None:
    """The cursor of an execution that has been deleted still says where to go on, and nothing is left out; its plain
    id raises `WorkflowNotFound`.
    """
    store, other = case.clients(2)
    records = [create(store, f"e{number}", number) for number in range(9)]
    first = listed(case, lambda: other.list_executions(limit=3), ["e8", "e7", "e6"], "the first page")
    for number in (8, 6):
        store.delete(records[number].workflow_execution_id)
    second = listed(
        case,
        lambda: other.list_executions(limit=3, after=first[-1].cursor),
        ["e5", "e4", "e3"],
        "after the last one of the first page was deleted, the second page",
    )
    for number in (3, 2):
        store.delete(records[number].workflow_execution_id)
    listed(
        case,
        lambda: other.list_executions(limit=3, after=second[-1].cursor),
        ["e1", "e0"],
        "after the last one of the second page and the one after it were deleted, the third page",
    )
    gone = records[3].workflow_execution_id

    def is_unknown() -> bool:
        try:
            other.list_executions(after=gone)
        except WorkflowNotFound:
            return True
        return False

    case.awaited(is_unknown, bool)
    expect_raises(
        WorkflowNotFound, "a listing after the id of a deleted one", lambda: other.list_executions(after=gone)
    )


@check(
    "STORE-LIST-06",
    needs=("SupportsListing",),
    causes=["a summary is written when the execution is created, and not again", "an index is not kept up by patches"],
)
def summaries_follow_the_record(case: StoreCase) -> None:
    """A summary has the record's id, name, status, created_at and updated_at, each with its type, after every write and
    patch.
    """
    store, other = case.clients(2)
    create(store, "older", -1)
    record = create(store, "e", 0, name="sample")

    def expect_summary(what: str) -> None:
        wanted = ExecutionSummary(
            workflow_execution_id=record.workflow_execution_id,
            name=record.name,
            status=record.status,
            created_at=record.created_at,
            updated_at=record.updated_at,
        )
        found = case.awaited(other.list_executions, lambda summaries: len(summaries) == 2 and summaries[0] == wanted)
        expect(ids_of(found) == ["e", "older"], f"{what} the listing has {ids_of(found)}")
        problem = difference(found[0], wanted, "the summary")
        expect(problem is None, f"{what} {problem}")

    expect_summary("after the creation")
    for number, status in enumerate(WorkflowStatus):
        record = written(store, copy_of(record, status=status, updated_at=at(10 + number)))
        expect_summary(f"after a write of status {status}")
        if "SupportsPatch" in case.abilities:
            next_status = list(WorkflowStatus)[number - 1]
            record = applied(other, record, patch_of(record, status=next_status, updated_at=at(20 + number)))
            expect_summary(f"after a patch of the status to {next_status}")
            record = applied(store, record, patch_of(record, updated_at=at(30 + number)))
            expect_summary("after a patch of nothing but updated_at")
    record = written(store, copy_of(record, spec=new_record(name="renamed").spec))
    expect_summary("after a write with another definition")


@check(
    "STORE-LIST-07",
    needs=("SupportsListing",),
    causes=["0 stands for no limit", "the limit is the database's page size, not what is asked for"],
)
def the_limit_is_exact(case: StoreCase) -> None:
    """`limit` is the most that a page has: none for 0, one for 1, all for more than there are."""
    store, other = case.clients(2)
    newest = [f"e{number}" for number in reversed(range(5))]
    for number in range(5):
        create(store, f"e{number}", number)
    for limit in (5, 1, 0, 2, 6, 1_000_000):
        listed(
            case,
            lambda limit=limit: other.list_executions(limit=limit),  # type: ignore[misc]
            newest[:limit],
            f"with limit {limit}",
        )


@check(
    "STORE-LIST-08",
    needs=("SupportsListing",),
    causes=["a page ends at the size of the database's own page", "the default is another one"],
)
def a_page_has_a_hundred_where_no_limit_is_given(case: StoreCase) -> None:
    """Without `limit` a page has 100 executions, and the next one the rest."""
    store, other = case.clients(2)
    for number in range(103):
        create(store, f"e{number:03d}", number, ops=("only",))
    newest = [f"e{number:03d}" for number in reversed(range(103))]
    first = listed(case, other.list_executions, newest[:100], "without a limit")
    listed(
        case, lambda: other.list_executions(after=first[-1].cursor), newest[100:], "without a limit, the second page"
    )


@check(
    "STORE-LIST-09",
    needs=("SupportsListing",),
    causes=["names are kept another way than JSON text, one that has no form for NUL or lone surrogates"],
)
def every_name_is_listed_and_found(case: StoreCase) -> None:
    """A definition's name may be any text: it is listed as it is, and found by it."""
    store, other = case.clients(2)
    for number, text in enumerate(TEXTS.values()):
        create(store, f"e{number:02d}", number, name=text, ops=("only",))
    for number, (what, text) in enumerate(TEXTS.items()):
        found = listed(
            case,
            lambda text=text: other.list_executions(name=text),  # type: ignore[misc]
            [f"e{number:02d}"],
            f"by a name with: {what}",
        )
        problem = difference(found[0].name, text, "the name")
        expect(problem is None, f"with: {what}, {problem}")
