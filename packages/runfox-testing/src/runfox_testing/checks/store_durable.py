"""STORE-DURABLE and STORE-SHARED: what was acknowledged survives, and several processes see one store."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runfox.errors import WorkflowNotFound
from runfox.status import WorkflowStatus
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect
from runfox_testing.checks.stored import expect_record, expect_stored, expect_unknown, written
from runfox_testing.json_samples import everything
from runfox_testing.sample_records import (
    at,
    chain_record,
    chain_write,
    copy_of,
    full_record,
    new_record,
    patch_of,
    patched,
)
from runfox_testing.store_calls import (
    CHAIN,
    delete,
    keep_patching,
    keep_writing,
    list_all,
    list_due,
    load,
    patch_stored,
    write,
)


@check(
    "STORE-DURABLE-01",
    needs=("durable",),
    causes=["what was written is only flushed by a later call", "closing rolls back what was not committed"],
)
def what_was_written_is_there_after_closing_and_opening(case: StoreCase) -> None:
    """After all clients were closed, a new one loads every record as it was written last, field for field."""
    store = case.client()
    wanted = []
    for number in range(5):
        record = written(store, full_record(f"e{number}", state=everything()))
        if number % 2:
            record = written(store, copy_of(record, outcome=[number], state={"second": number}))
        if number == 3 and "SupportsPatch" in case.abilities:
            patch = patch_of(record, state={"third": None}, wake_at=None)
            store.patch(patch)
            record = patched(record, patch)
        wanted.append(record)
    for _ in range(2):
        store = case.reopened()
        for record in wanted:
            expect_stored(store, record, "after all clients were closed and a new one was opened")
    expect_stored(store, written(store, wanted[0]), "after a write by the new client")


@check(
    "STORE-DURABLE-02",
    needs=("durable",),
    traits=("processes",),
    causes=["what is kept lives in this process, or in a temporary place of its own"],
)
def a_new_process_finds_what_was_written(case: StoreCase) -> None:
    """After all clients of this process were closed, another process loads every record, and writes it on."""
    store = case.client()
    wanted = [written(store, full_record(f"e{number}", outcome=number)) for number in range(3)]
    case.close_clients()
    child = case.process()
    for record in wanted:
        try:
            found = child.call(load, record.workflow_execution_id)
        except WorkflowNotFound:
            found = None
        expect(found is not None, "another process finds nothing of what was written before all clients were closed")
        expect_record(found, record, "after all clients were closed, load in another process")
    child.call(write, copy_of(wanted[0], outcome="written there"))
    child.open([], "")
    later = copy_of(wanted[0], outcome="written there", version=wanted[0].version + 1)
    expect_stored(case.client(), later, "after another process has written and closed")


def _kill_loop(case: StoreCase, kills: int, function: Callable[..., Iterator[int]], what: str) -> None:
    """Kill processes that write on, and look at what each has left. Where only one process may have the store open at
    a time, this one has it closed while another one has it open.
    """
    written(case.client(), chain_write(1))
    version = 1
    for kill in range(kills):
        case.history.clear()
        if "shared" not in case.abilities:
            case.close_clients()
        child = case.process()
        child.start(function, version)
        acknowledged = version
        wanted = version + case.random.randint(1, 25)
        for number in child.items():
            acknowledged = number
            if number >= wanted:
                child.kill()
        expect(acknowledged > version, f"a process that {what} acknowledged nothing before it was killed")
        client = case.client()
        found = client.load(CHAIN)
        expect(
            acknowledged <= found.version <= acknowledged + 1,
            f"a process that {what} was killed when it had acknowledged version {acknowledged}; version "
            f"{found.version} is stored (kill {kill + 1})",
        )
        expect_record(found, chain_record(found.version), f"after a process that {what} was killed, load")
        version = found.version + 1
        expect_stored(client, written(client, chain_write(version)), "after a process was killed, and a write here")


@check(
    "STORE-DURABLE-03",
    needs=("durable",),
    traits=("processes", "kills"),
    causes=[
        "write returns before its effect is where it survives the process: a buffer, a queue, a background thread",
        "a record is written in several steps, and nothing takes back the first ones",
        "a lock of a process that is no more keeps others out",
    ],
)
def nothing_acknowledged_is_lost_when_a_writer_is_killed(case: StoreCase) -> None:
    """After SIGKILL of a process that writes version after version, the last acknowledged one is stored, or the one
    after it, whole; and others go on writing.
    """
    _kill_loop(case, case.profile.kills, keep_writing, "writes")


@check(
    "STORE-DURABLE-04",
    needs=("durable", "SupportsPatch"),
    traits=("processes", "kills"),
    causes=["the parts of a patch (header, state, steps) are written one after the other outside one transaction"],
)
def nothing_acknowledged_is_lost_when_a_patcher_is_killed(case: StoreCase) -> None:
    """After SIGKILL of a process that writes patch after patch, the last acknowledged one is stored, or the one after
    it, whole; and others go on.
    """
    _kill_loop(case, (case.profile.kills + 1) // 2, keep_patching, "patches")


@check(
    "STORE-DURABLE-05",
    needs=("durable", "SupportsDelete"),
    causes=["a deletion is only marked in memory, or a part of the record comes back from a log or a cache"],
)
def what_was_deleted_stays_deleted(case: StoreCase) -> None:
    """After all clients were closed, a new one knows nothing of what was deleted, and the others are there."""
    store = case.client()
    gone, kept = written(store, full_record("gone")), written(store, full_record("kept"))
    store.delete(gone.workflow_execution_id)
    store = case.reopened()
    expect_unknown(store, gone.workflow_execution_id, "after a deletion, closing and opening")
    expect_stored(store, kept, "after another execution was deleted, closing and opening")
    expect_stored(store, written(store, new_record("gone")), "after the id was used again")


@check(
    "STORE-SHARED-01",
    needs=("shared",),
    traits=("processes",),
    causes=["a process keeps what it has read, or what it has written", "each process has a store of its own"],
)
def processes_see_each_others_writes_in_turns(case: StoreCase) -> None:
    """Two other processes and this one write in turns, and each sees at once what was written last, wherever it was."""
    store = case.client()
    children = case.processes(2)
    wanted = written(store, new_record())
    for turn in range(6):
        for child in children:
            try:
                found = child.call(load, wanted.workflow_execution_id)
            except WorkflowNotFound:
                found = None
            expect(found is not None, f"another process does not find what was written in turn {turn}")
            expect_record(found, wanted, f"in turn {turn}, load in another process")
        expect_stored(store, wanted, f"in turn {turn}, in this process")
        record = copy_of(wanted, state={"turn": turn, f"only {turn}": True}, updated_at=at(turn))
        if turn % 3 < 2:
            children[turn % 3].call(write, record)
            wanted = copy_of(record, version=record.version + 1)
        else:
            wanted = written(store, record)
        if "SupportsPatch" in case.abilities:
            patch = patch_of(wanted, state={"patched": turn}, outcome=[turn])
            children[(turn + 1) % 2].call(patch_stored, patch)
            wanted = patched(wanted, patch)
    expect_stored(store, wanted, "in the end")


@check(
    "STORE-SHARED-02",
    needs=("shared",),
    traits=("processes",),
    causes=["listings, what is due or deletions are known to one process only"],
)
def processes_see_each_others_listings_and_deletions(case: StoreCase) -> None:
    """What another process has created or deleted is created or deleted for this one: to load, to list, and to wake;
    each as far as it is claimed.
    """
    store = case.client()
    child = case.process()
    record = new_record("there", wake_at=at(0), status=WorkflowStatus.IN_PROGRESS)
    key = record.workflow_execution_id
    child.call(write, record)
    expect_stored(store, copy_of(record, version=1), "after another process has created it")

    def seen_here_and_there(wanted: list[str], what: str) -> None:
        if "SupportsListing" in case.abilities:
            for where, ask in (("this", lambda: list_all(store)), ("the other", lambda: child.call(list_all))):
                found = case.awaited(ask, lambda ids: ids == wanted)
                expect(found == wanted, f"{what}, {where} process lists {found}, not {wanted}")
        if "SupportsWake" in case.abilities:
            for where, ask in (("this", lambda: store.due(at(0))), ("the other", lambda: child.call(list_due, at(0)))):
                found = case.awaited(ask, lambda ids: ids == wanted)
                expect(found == wanted, f"{what}, in {where} process {found} is due, not {wanted}")

    seen_here_and_there([key], "after another process has created it")
    if "SupportsDelete" in case.abilities:
        child.call(delete, key)
        expect_unknown(store, key, "after another process has deleted it")
        seen_here_and_there([], "after another process has deleted it")
        store.write(new_record("here", wake_at=at(0)))
        key = new_record("here").workflow_execution_id
        seen_here_and_there([key], "after this process has created another")
        store.delete(key)
        seen_here_and_there([], "after this process has deleted it")
