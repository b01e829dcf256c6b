"""STORE-CLAIM: what is claimed is true, and is called as the contract has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from runfox.records import ExecutionSummary, WorkflowRecord
from runfox.status import WorkflowStatus
from runfox_testing.abilities import ATTRIBUTES, abilities_of
from runfox_testing.case import StoreCase
from runfox_testing.check import check, describe, expect, violated
from runfox_testing.sample_records import NOON, at, copy_of, new_record, patch_of

_ID = new_record("call").workflow_execution_id


def _version(number: int) -> WorkflowRecord:
    return new_record("call", version=number)


def _calls() -> Mapping[str, list[tuple[str, tuple[Any, ...], dict[str, Any]]]]:
    """Every way to call each method, by the ability that it belongs to, in an order in which all succeed."""
    summary = ExecutionSummary(
        workflow_execution_id=_ID, name="workflow", status=WorkflowStatus.IN_PROGRESS, created_at=NOON, updated_at=NOON
    )
    return {
        "": [
            ("write", (_version(0),), {}),
            ("write", (), {"record": _version(1)}),
            ("load", (_ID,), {}),
            ("load", (), {"workflow_execution_id": _ID}),
        ],
        "SupportsPatch": [
            ("patch", (patch_of(_version(2)),), {}),
            ("patch", (), {"patch": patch_of(_version(3))}),
        ],
        "SupportsRefresh": [
            ("refresh", (_version(1),), {}),
            ("refresh", (), {"record": _version(1)}),
        ],
        "SupportsListing": [
            ("list_executions", (), {}),
            ("list_executions", (), {"status": WorkflowStatus.COMPLETE}),
            (
                "list_executions",
                (),
                {"status": None, "name": "workflow", "since": NOON, "limit": 5, "after": summary.cursor},
            ),
        ],
        "SupportsWake": [
            ("due", (at(60),), {}),
            ("due", (at(60), 5), {}),
            ("due", (), {"now": at(60), "limit": 5}),
        ],
        "SupportsDelete": [
            ("delete", (_ID,), {}),
            ("write", (_version(0),), {}),
            ("delete", (), {"workflow_execution_id": _ID}),
        ],
    }


@check(
    "STORE-CLAIM-01",
    causes=[
        "an argument has another name than in runfox.protocols, or can't be given by name",
        "an optional argument is missing, or a new one is required",
        "a method is there only to satisfy isinstance, and raises NotImplementedError",
    ],
)
def methods_take_the_contracts_arguments(case: StoreCase) -> None:
    """Every method of the store and of the abilities that it claims can be called with the contract's arguments, by
    position and by name, and answers.
    """
    client = case.client().raw
    for ability, calls in _calls().items():
        if ability and ability not in case.abilities:
            continue
        for method, arguments, options in calls:
            given = [type(argument).__name__ for argument in arguments] + [f"{name}=" for name in options]
            call: Callable[..., object] = getattr(client, method)
            try:
                call(*arguments, **options)
            except Exception as error:  # noqa: BLE001  # what was observed
                violated(f"{method}({', '.join(given)}) raised {describe(error)}")


@check(
    "STORE-CLAIM-02",
    causes=[
        "durable or shared is a method, or something else that only looks true",
        "durable or shared is set by what has happened in this client",
    ],
)
def claims_are_booleans_and_the_same_for_every_client(case: StoreCase) -> None:
    """`durable` and `shared` are True or False where they are there, and every client claims the same, before and
    after it was used.
    """
    first, second = case.clients(2)
    for attribute in ATTRIBUTES:
        claimed = getattr(first.raw, attribute, False)
        expect(
            claimed is True or claimed is False,
            f"{attribute} is {claimed!r} ({type(claimed).__name__}), which is neither True nor False",
        )
    first.write(new_record())
    second.load(new_record().workflow_execution_id)
    harness = case.harnesses[0]
    claims = {client.name: abilities_of(client.raw, harness) - {"clock"} for client in (first, second, case.client())}
    for name, found in claims.items():
        wanted = case.abilities - {"clock"}
        expect(
            found == wanted,
            f"{name} claims {sorted(found)}, the first client of all claimed {sorted(wanted)}",
        )


@check(
    "STORE-CLAIM-03",
    needs=("shared",),
    causes=[
        "the harness hands out one object for all clients, so that nothing of several clients would be checked",
        "a store is kept for each URL and given to everybody who opens it",
    ],
)
def two_clients_are_two_objects(case: StoreCase) -> None:
    """With `shared`, opening a store twice gives two independent clients of one store."""
    first, second = case.clients(2)
    expect(first.raw is not second.raw, "two calls of the harness's open() gave one and the same object")
    record = new_record()
    first.write(copy_of(record))
    found = second.load(record.workflow_execution_id)
    expect(found.version == 1, f"the second client sees version {found.version} of what the first has written once")
