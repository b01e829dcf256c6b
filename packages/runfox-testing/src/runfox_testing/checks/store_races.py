"""STORE-CAS: of all that write one version at the same moment exactly one succeeds, between threads and processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from runfox.protocols import Store
from runfox.records import WorkflowRecord
from runfox_testing.case import StoreCase
from runfox_testing.check import check, expect
from runfox_testing.checks.stored import all_succeeded, expect_stored, one_winner, written
from runfox_testing.processes import race_of_processes
from runfox_testing.races import Outcome
from runfox_testing.sample_records import copy_of, new_record
from runfox_testing.store_calls import count_up, marked_by, write_marked

COUNTED = 8
"""How often each of the clients that count up together does so."""


def expect_counted(client: Store, record: WorkflowRecord, total: int) -> None:
    """All that was added to `record`, which was stored as its first version, has to be there."""
    found = client.load(record.workflow_execution_id)
    count = found.state["count"]
    expect(count == total, f"{total} were counted up and acknowledged, {count} are stored")
    expect(found.version == 1 + total, f"after {total} acknowledged writes the version is {found.version}")


@check(
    "STORE-CAS-08",
    traits=("threads",),
    causes=[
        "the version is read, compared and written in separate statements, in a transaction that does not lock",
        "a losing write has replaced some of the rows or files before it noticed",
    ],
)
def of_many_writers_of_one_version_one_succeeds(case: StoreCase) -> None:
    """Of N clients that write the same version at the same moment exactly one succeeds, all others raise
    `WriteConflict`, and what the one wrote is stored whole.
    """
    store = case.client()
    clients = case.clients(case.profile.contenders)
    for number in range(case.profile.rounds):
        case.history.clear()
        base = written(store, new_record(f"e{number}"))
        writes = [partial(client.write, marked_by(base, place)) for place, client in enumerate(clients)]
        winner = one_winner(case.race(*writes), f"{len(writes)} clients write version 1 at once")
        expect_stored(store, copy_of(marked_by(base, winner), version=2), f"after writer {winner} had won")


@check(
    "STORE-CAS-09",
    traits=("threads",),
    causes=["whether the execution exists is asked before it is inserted", "an upsert replaces what is there"],
)
def of_many_creators_of_one_id_one_succeeds(case: StoreCase) -> None:
    """Of N clients that create the same execution at the same moment exactly one succeeds, all others raise
    `WriteConflict`, and what the one wrote is stored whole.
    """
    store = case.client()
    clients = case.clients(case.profile.contenders)
    for number in range(case.profile.rounds):
        case.history.clear()
        base = new_record(f"e{number}")
        writes = [partial(client.write, marked_by(base, place)) for place, client in enumerate(clients)]
        winner = one_winner(case.race(*writes), f"{len(writes)} clients create one execution at once")
        expect_stored(store, copy_of(marked_by(base, winner), version=1), f"after creator {winner} had won")


@check(
    "STORE-CAS-10",
    traits=("threads",),
    causes=[
        "an update is lost between load and write",
        "a conflict is raised although the write took effect, so that the caller counts it again",
    ],
)
def counting_up_together_loses_nothing(case: StoreCase) -> None:
    """N clients that add to one number by load, write and again after a conflict lose nothing and add nothing twice."""
    store = case.client()
    clients = case.clients(case.profile.contenders)
    record = new_record(state={"count": 0})
    store.write(record)
    counts = [partial(count_up, client, record.workflow_execution_id, COUNTED) for client in clients]
    all_succeeded(case.race(*counts), "counting up")
    expect_counted(store, record, COUNTED * len(clients))


@check(
    "STORE-CAS-11",
    traits=("threads",),
    causes=["a conflict of any row or file counts as one of the record", "something all executions share is versioned"],
)
def writers_of_different_executions_do_not_disturb_each_other(case: StoreCase) -> None:
    """Clients that each write an execution of their own at the same time, with one definition, never see a conflict,
    and none of their writes is lost or goes elsewhere.
    """
    clients = case.clients(case.profile.contenders)

    def write_all(client: Store, place: int) -> WorkflowRecord:
        record = new_record(f"e{place}")
        for version in range(6):
            record = marked_by(copy_of(record, version=version), place * 100 + version)
            client.write(record)
        return copy_of(record, version=6)

    writes = [partial(write_all, client, place) for place, client in enumerate(clients)]
    for wanted in all_succeeded(case.race(*writes), "each client writes an execution of its own"):
        expect_stored(case.client(), wanted, "after each client had written an execution of its own")


@check(
    "STORE-CAS-12",
    needs=("shared",),
    traits=("processes",),
    causes=["the compare-and-set is guarded by a lock of this process only"],
)
def of_many_processes_that_write_one_version_one_succeeds(case: StoreCase) -> None:
    """Of several processes that write, or create, the same version at the same moment exactly one succeeds, all others
    raise `WriteConflict`, and what the one wrote is stored whole.
    """
    store = case.client()
    children = case.processes(case.profile.processes)
    for number in range(case.profile.rounds * 2):
        case.history.clear()
        base = new_record(f"e{number}")
        if number % 2:
            base = written(store, base)
        arguments = [(base, place) for place in range(len(children))]
        outcomes: list[Outcome[None]] = [
            Outcome(value=None, error=error if isinstance(error, Exception) else None)
            for error in race_of_processes(children, write_marked, arguments)
        ]
        winner = one_winner(outcomes, f"{len(children)} processes write version {base.version} at once")
        wanted = copy_of(marked_by(base, winner), version=base.version + 1)
        expect_stored(store, wanted, f"after process {winner} had won")


@check(
    "STORE-CAS-13",
    needs=("shared",),
    traits=("processes",),
    causes=["an update is lost between load and write of two processes", "a process reads from a cache of its own"],
)
def processes_that_count_up_lose_nothing(case: StoreCase) -> None:
    """Several processes that add to one number by load, write and again after a conflict lose nothing."""
    store = case.client()
    children = case.processes(case.profile.processes)
    record = new_record(state={"count": 0})
    store.write(record)
    times = COUNTED * case.profile.rounds
    answers = race_of_processes(children, count_up, [(record.workflow_execution_id, times)] * len(children))
    for answer in answers:
        expect(not isinstance(answer, Exception), f"a process that counted up raised {answer!r}")
    expect_counted(store, record, times * len(children))


# One client for several threads


@check(
    "STORE-THREADS-01",
    traits=("threads",),
    causes=[
        "one connection, cursor or transaction serves all threads without a lock",
        "the connection refuses other threads than the one that opened it (sqlite3's check_same_thread)",
    ],
)
def one_client_serves_threads_that_write_one_version(case: StoreCase) -> None:
    """Of N threads that write one version through one client exactly one succeeds; the others raise `WriteConflict`."""
    store, other = case.clients(2)
    for number in range(case.profile.rounds):
        case.history.clear()
        base = new_record(f"e{number}")
        if number % 2:
            base = written(other, base)
        writes = [partial(store.write, marked_by(base, place)) for place in range(case.profile.contenders)]
        winner = one_winner(case.race(*writes), f"{len(writes)} threads write version {base.version} by one client")
        wanted = copy_of(marked_by(base, winner), version=base.version + 1)
        expect_stored(other, wanted, f"after thread {winner} had won")


@check(
    "STORE-THREADS-02",
    traits=("threads",),
    causes=["two threads share a transaction, so that one commits or rolls back what the other has written"],
)
def one_client_counts_up_for_many_threads(case: StoreCase) -> None:
    """N threads that add to one number through one client lose nothing."""
    store, other = case.clients(2)
    record = new_record(state={"count": 0})
    other.write(record)
    count = partial(count_up, store, record.workflow_execution_id, COUNTED)
    all_succeeded(case.race(*[count] * case.profile.contenders), "counting up through one client")
    expect_counted(other, record, COUNTED * case.profile.contenders)


@check(
    "STORE-THREADS-03",
    traits=("threads",),
    causes=["answers of one connection reach the thread that did not ask", "a cursor is used by two threads at once"],
)
def one_client_gives_each_thread_its_own_answer(case: StoreCase) -> None:
    """Threads that write and load executions of their own through one client each get what is theirs."""
    store, other = case.clients(2)

    def write_and_load(place: int) -> WorkflowRecord:
        record = new_record(f"e{place}")
        for version in range(6):
            record = marked_by(copy_of(record, version=version), place * 100 + version)
            store.write(record)
            expect_stored(store, copy_of(record, version=version + 1), f"in thread {place}, beside other threads")
        return copy_of(record, version=6)

    calls: list[Callable[[], WorkflowRecord]] = [
        partial(write_and_load, place) for place in range(case.profile.contenders)
    ]
    for wanted in all_succeeded(case.race(*calls), "each thread writes and loads by one client"):
        expect_stored(other, wanted, "after each thread had written an execution of its own by one client")
