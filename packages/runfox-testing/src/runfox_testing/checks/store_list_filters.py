"""STORE-LIST: what the filters keep, and where a page goes on by a plain id."""

from __future__ import annotations

from runfox.errors import WorkflowNotFound
from runfox.records import WorkflowRecord
from runfox.status import WorkflowStatus
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect, expect_raises
from runfox_testing.checks.store_list import create, pages
from runfox_testing.checks.stored import listed, written
from runfox_testing.observing import ObservedStore
from runfox_testing.sample_records import at, copy_of, new_record


def _mixed(case: StoreCase) -> tuple[ObservedStore, dict[str, WorkflowRecord], list[str]]:
    """Executions of all statuses and three names; the ids newest first."""
    store, other = case.clients(2)
    records = {}
    for number in range(12):
        status = list(WorkflowStatus)[number % 4]
        name = ("orders", "orders-2", None)[number % 3]
        records[f"e{number:02d}"] = create(store, f"e{number:02d}", number, status=status, name=name)
    return other, records, sorted(records, reverse=True)


@check(
    "STORE-LIST-10",
    needs=("SupportsListing",),
    causes=["the filter is applied after the page was cut", "the status is compared with another form of it"],
)
def the_status_filters(case: StoreCase) -> None:
    """`status` keeps the executions that have it, in whole pages; the status's text does as well as the member."""
    client, records, newest = _mixed(case)
    for status in WorkflowStatus:
        wanted = [key for key in newest if records[key].status is status]
        expect(0 < len(wanted) < len(newest), "the samples do not tell filters apart")
        for asked in (status, status.value):
            what = f"with status {asked!r}"
            listed(case, lambda asked=asked: client.list_executions(status=asked), wanted, what)  # type: ignore[misc]
        pages(case, client, wanted, 2, status=status)
    changed = copy_of(records["e01"], status=WorkflowStatus.HALTED)
    written(client, changed)
    wanted = [key for key in newest if key == "e01" or records[key].status is WorkflowStatus.HALTED]
    listed(case, lambda: client.list_executions(status=WorkflowStatus.HALTED), wanted, "after one more was halted")


@check(
    "STORE-LIST-11",
    needs=("SupportsListing",),
    causes=["a name is found by its beginning, by LIKE, or without regard to case", "a missing name is no name at all"],
)
def the_name_filters(case: StoreCase) -> None:
    """`name` keeps the executions whose definition has exactly this name; one without a name is called ``workflow``."""
    client, records, newest = _mixed(case)
    for name, count in (("orders", 4), ("orders-2", 4), ("workflow", 4), ("order", 0), ("ORDERS", 0), ("", 0)):
        wanted = [key for key in newest if records[key].name == name]
        expect(len(wanted) == count, "the samples are not what they should be")
        listed(case, lambda name=name: client.list_executions(name=name), wanted, f"with name {name!r}")  # type: ignore[misc]
    for name in ("o%", "order_", "*", "orders "):
        listed(case, lambda name=name: client.list_executions(name=name), [], f"with name {name!r}")  # type: ignore[misc]
    pages(case, client, [key for key in newest if records[key].name == "orders"], 3, name="orders")


@check(
    "STORE-LIST-12",
    needs=("SupportsListing",),
    causes=["since is exclusive, or compared with the last change", "times are compared without their microseconds"],
)
def since_filters_inclusively(case: StoreCase) -> None:
    """`since` keeps the executions that were created then or later, to the microsecond."""
    store, other = case.clients(2)
    seconds = [0, 1, 1.000001, 1.000002, 2, 3]
    for number, second in enumerate(seconds):
        create(store, f"e{number}", second)
    asked = [at(-1), *(at(second) for second in seconds), at(0.5), at(2.999999), at(3.000001), at(99)]
    for since in asked:
        wanted = [f"e{number}" for number, second in enumerate(seconds) if at(second) >= since][::-1]
        listed(case, lambda since=since: other.list_executions(since=since), wanted, f"since {since}")  # type: ignore[misc]
    pages(case, other, ["e5", "e4", "e3", "e2", "e1"], 2, since=at(1))


@check(
    "STORE-LIST-13",
    needs=("SupportsListing",),
    causes=["one filter takes the place of another, or they are joined by OR", "filters are lost on the next page"],
)
def filters_combine(case: StoreCase) -> None:
    """Status, name and `since` together keep what each of them keeps, on every page, with hits and without."""
    client, records, newest = _mixed(case)
    hits = 0
    for status in (None, WorkflowStatus.PENDING, WorkflowStatus.HALTED):
        for name in (None, "orders", "workflow"):
            for since in (None, at(4), at(9)):
                wanted = [
                    key
                    for key in newest
                    if (status is None or records[key].status is status)
                    and (name is None or records[key].name == name)
                    and (since is None or records[key].created_at >= since)
                ]
                hits += bool(wanted)
                pages(case, client, wanted, 2, status=status, name=name, since=since)
    expect(5 < hits < 27, "the samples have not both hits and misses")


@check(
    "STORE-LIST-14",
    needs=("SupportsListing",),
    causes=["only cursors are understood", "an unknown id is taken for the beginning or the end"],
)
def after_takes_an_id(case: StoreCase) -> None:
    """`after` takes a plain workflow_execution_id as well, also of one that the filters leave out; an unknown one
    raises `WorkflowNotFound`.
    """
    client, records, newest = _mixed(case)
    for number in (0, 3, 11):
        after = records[newest[number]].workflow_execution_id
        listed(
            case,
            lambda after=after: client.list_executions(after=after),  # type: ignore[misc]
            newest[number + 1 :],
            f"after {newest[number]}",
        )
    kept = [key for key in newest[3:] if records[key].status is WorkflowStatus.PENDING]
    after = records[newest[2]].workflow_execution_id
    expect(records[newest[2]].status is not WorkflowStatus.PENDING, "the sample passes the filter")
    what = "the pending ones after one that is not"
    listed(case, lambda: client.list_executions(after=after, status=WorkflowStatus.PENDING), kept, what)
    for unknown in ("nobody", new_record("nobody").workflow_execution_id, f"{after}x", after[:-1]):
        expect_raises(
            WorkflowNotFound,
            f"a listing after the unknown id {unknown!r}",
            lambda unknown=unknown: client.list_executions(after=unknown),  # type: ignore[misc]
        )
