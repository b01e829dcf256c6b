"""Files that are removed, replaced, cut or overwritten while they are in use.

The law: each call gives what is right or raises a `StorageError`, and nothing that was acknowledged is missing unless
somebody was told.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import runfox as rfx
from runfox.errors import StorageCorrupt, StorageError, StorageUnavailable, WorkflowNotFound
from runfox.records import WorkflowRecord
from runfox_sqlite import SqliteStore

NOON = "2026-01-31T12:00:00.000000Z"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="files that are open can't be removed here")


def record(number: int) -> WorkflowRecord:
    return WorkflowRecord(
        workflow_id="w", execution_id=f"e{number}", spec={}, created_at=NOON, state={"n": number, "text": "x" * 3000}
    )


_kept_open: list[int] = []


def overwrite(path: str, length: int | None = None, start: int = 0) -> None:
    """Put garbage over a part of a file, without closing it: that would end the locks of this process."""
    descriptor = os.open(path, os.O_WRONLY)
    _kept_open.append(descriptor)
    os.pwrite(descriptor, b"\xab" * (length or size_of(path)), start)


@pytest.fixture(autouse=True)
def closes() -> Iterator[None]:
    yield
    while _kept_open:
        os.close(_kept_open.pop())


def size_of(path: str) -> int:
    return Path(path).stat().st_size


def remove(path: str, *suffixes: str) -> None:
    for suffix in suffixes:
        Path(f"{path}{suffix}").unlink()


HARMLESS: dict[str, Callable[[str], object]] = {
    "log removed": lambda path: remove(path, "-wal"),
    "index removed": lambda path: remove(path, "-shm"),
    "log and index removed": lambda path: remove(path, "-wal", "-shm"),
    "index overwritten": lambda path: overwrite(f"{path}-shm"),
    "index cut": lambda path: os.truncate(f"{path}-shm", 0),
    "index cut in half": lambda path: os.truncate(f"{path}-shm", 16384),
}
"""What loses nothing between two calls: the caller may be told, once, and everything goes on."""

REMOVED = [harm for harm in HARMLESS if "removed" in harm]
"""Those that lose nothing in the middle of a call, either."""

LOSSY: dict[str, Callable[[str], object]] = {
    "log emptied": lambda path: os.truncate(f"{path}-wal", 0),
    "log cut in half": lambda path: os.truncate(f"{path}-wal", size_of(f"{path}-wal") // 2),
    "log overwritten": lambda path: overwrite(f"{path}-wal"),
    "file emptied": lambda path: os.truncate(path, 0),
    "file cut in half": lambda path: os.truncate(path, size_of(path) // 8192 * 4096),
    "file overwritten": overwrite,
    "header overwritten": lambda path: overwrite(path, 100),
    "first page overwritten": lambda path: overwrite(path, 4096),
    "pages overwritten": lambda path: overwrite(path, 5 * 4096, 20 * 4096),
    "file removed": lambda path: remove(path, ""),
    "folder removed": lambda path: shutil.rmtree(Path(path).parent),
}


class Use:
    """A store in use: what was acknowledged, and what the caller was told."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.acknowledged: list[int] = []
        self.told: list[StorageError] = []

    def write(self, count: int) -> None:
        for _ in range(count):
            number = len(self.acknowledged) + len(self.told)
            with self.telling():
                self.store.write(record(number))
                self.acknowledged.append(number)

    def read(self) -> list[int]:
        """What can be read, which is right."""
        found = []
        for number in self.acknowledged:
            with self.telling():
                try:
                    assert self.store.load(f"w#e{number}").state == record(number).state
                    found.append(number)
                except WorkflowNotFound:
                    assert self.told, f"{number} is gone, and nobody was told"
        with self.telling():
            self.store.list_executions()
        return found

    @contextmanager
    def telling(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            assert self.store.path in str(error)  # noqa: PT017  # that it is raised is not sure
            self.told.append(error)


def checkpoint(store: SqliteStore) -> None:
    store._database.query("PRAGMA wal_checkpoint(PASSIVE)")


@pytest.mark.parametrize("moved", [False, True], ids=["in the log", "in the file"])
@pytest.mark.parametrize("harm", HARMLESS)
def test_what_is_harmless_is_told_at_most_once_and_loses_nothing(file: str, harm: str, moved: bool) -> None:
    with SqliteStore(file, synchronous="OFF") as store:
        use = Use(store)
        use.write(40)
        if moved:
            checkpoint(store)
        use.write(5)
        HARMLESS[harm](file)
        use.read()
        use.write(20)
        assert len(use.told) <= 1
        assert use.read() == use.acknowledged
    with SqliteStore(file) as store:
        assert all(store.load(f"w#e{number}").state == record(number).state for number in use.acknowledged)
        assert store._database.query("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("moved", [False, True], ids=["in the log", "in the file"])
@pytest.mark.parametrize("harm", LOSSY)
def test_what_is_lost_is_told(tmp_path: Path, harm: str, moved: bool) -> None:
    (tmp_path / "folder").mkdir()
    file = str(tmp_path / "folder" / "x.db")
    with SqliteStore(file, synchronous="OFF") as store:
        use = Use(store)
        use.write(40)
        if moved:
            checkpoint(store)
        use.write(5)
        LOSSY[harm](file)
        use.read()
        use.write(20)
        use.read()
    if not Path(file).exists():
        assert use.told
        return
    try:
        with SqliteStore(file) as store:
            use.store = store
            use.read()
    except StorageCorrupt:
        pass  # all of it is told


def test_a_log_that_was_cut_is_told_before_anything_is_added_to_it(file: str) -> None:
    with SqliteStore(file) as store:
        use = Use(store)
        use.write(10)
        os.truncate(f"{file}-wal", 0)
        with pytest.raises(StorageCorrupt, match=r"-wal was cut while it was open, .* lost"):
            store.write(record(99))


def test_a_file_that_was_cut_is_told_before_anything_is_added_to_it(file: str) -> None:
    with SqliteStore(file) as store:
        use = Use(store)
        use.write(10)
        checkpoint(store)
        use.read()
        os.truncate(file, 40_960)
        with pytest.raises(StorageCorrupt, match=r"was cut while it was open|is damaged"):
            store.write(record(99))


def test_a_file_that_grew_shorter_as_it_should_is_no_trouble(file: str) -> None:
    """VACUUM and a checkpoint that empties the log, by another program."""
    with SqliteStore(file) as store:
        use = Use(store)
        use.write(40)
        for number in range(30):
            store.delete(f"w#e{number}")
        del use.acknowledged[:30]
        use.told.clear()
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
                "c.execute('VACUUM')\nc.execute('PRAGMA wal_checkpoint(TRUNCATE)')",
                file,
            ],
            check=True,
        )
        assert use.read() == use.acknowledged
        store.write(record(99))
        assert use.told == []


def test_a_file_that_was_emptied_is_not_made_anew_by_those_who_have_it_open(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record(0))
        checkpoint(store)
        store._database.pause(1)  # type: ignore[attr-defined]  # closes what is idle, as before a fork
        store._database.go_on()  # type: ignore[attr-defined]
        os.truncate(file, 0)
        for _ in range(2):
            with pytest.raises(StorageCorrupt, match=r"was (emptied|cut) while it was open"):
                store.load("w#e0")
        assert size_of(file) == 0


def test_a_file_that_is_removed_between_two_connections_is_not_made_again(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record(0))
        real = store._database._files  # type: ignore[attr-defined]
        identity = real.identity
        store._database.pause(1)  # type: ignore[attr-defined]
        store._database.go_on()  # type: ignore[attr-defined]
        Path(file).rename(f"{file}.moved")
        with pytest.raises(StorageUnavailable):
            store._database._open(0.0)  # type: ignore[attr-defined]  # as if it had been there a moment before
        assert not Path(file).exists()
        Path(f"{file}.moved").rename(file)
        assert store.load("w#e0").state == record(0).state
        assert real.identity == identity


def test_an_older_copy_in_the_place_of_the_file_is_not_taken_for_it(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record(0))
        checkpoint(store)
        shutil.copy(file, f"{file}.old")
        store.write(record(1))
        Path(f"{file}.old").replace(file)
        for call in (lambda: store.load("w#e1"), lambda: store.write(record(2)), lambda: store.due(NOON)):
            with pytest.raises(StorageUnavailable, match="removed or replaced while it was open"):
                call()


def test_a_log_that_is_removed_in_the_middle_of_a_write_is_told_and_nothing_is_lost(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record(0))

        def change(cursor: Any) -> None:
            cursor.execute("UPDATE executions SET version = 7")
            remove(file, "-wal", "-shm")

        with pytest.raises(StorageUnavailable, match="during a call: nobody can say"):
            store._database.write(change)
        with pytest.raises(StorageUnavailable, match="What was committed is saved"):
            store.load("w#e0")
        assert store.load("w#e0").version == 7


def test_no_connection_is_opened_beside_one_that_has_a_log_that_is_gone(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record(0))

        def look(_: Any) -> None:
            remove(file, "-wal")
            with pytest.raises(StorageUnavailable, match="during a call"):
                store.load("w#e0")
            assert not Path(f"{file}-wal").exists()

        store._database.read(look)


def test_all_idle_connections_are_closed_when_one_finds_the_log_gone(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record(0))
        read = store._database.read
        read(lambda _: read(lambda _: read(lambda _: store.load("w#e0"))))  # four, at once
        remove(file, "-wal")
        with pytest.raises(StorageUnavailable, match="What was committed is saved"):
            store.load("w#e0")
        for _ in range(5):
            assert read(lambda _: store.load("w#e0")).state == record(0).state


HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1])
held.execute("SELECT * FROM executions").fetchall()
print("held", flush=True)
sys.stdin.readline()
"""


def test_what_a_log_that_is_gone_holds_is_saved_though_others_have_the_file_open(file: str) -> None:
    """SQLite saves it by itself for the last one who closes the file, if that one is not killed."""
    with SqliteStore(file) as store:
        store.write(record(0))
        other = subprocess.Popen(
            [sys.executable, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        store.write(record(1))
        remove(file, "-wal", "-shm")
        with pytest.raises(StorageUnavailable, match="What was committed is saved"):
            store.load("w#e0")
        other.kill()
        other.communicate()
        assert [store.load(f"w#e{number}").state for number in range(2)] == [record(0).state, record(1).state]


def test_a_log_that_another_program_made_and_wrote_to_is_told(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record(0))
        remove(file, "-wal")
        Path(f"{file}-wal").write_bytes(b"x" * 5000)
        with pytest.raises(StorageCorrupt, match="was replaced while it was open"):
            store.write(record(1))


def test_a_log_that_another_program_made_and_did_not_write_to_does_no_harm(file: str) -> None:
    with SqliteStore(file) as store:
        store.write(record(0))
        remove(file, "-wal")
        Path(f"{file}-wal").touch()
        with pytest.raises(StorageUnavailable, match="What was committed is saved"):
            store.write(record(1))
        store.write(record(1))
        assert store.load("w#e0").state == record(0).state


@pytest.mark.parametrize("gone", [["-wal", "-shm"], ["-wal"], ["-shm"]], ids=" and ".join)
def test_a_file_that_others_use_with_a_log_or_index_that_is_gone_is_not_opened_beside_them(
    file: str, gone: list[str]
) -> None:
    with SqliteStore(file) as store:
        store.write(record(0))
        script = (
            "import sys\nfrom runfox_sqlite import SqliteStore\n"
            "SqliteStore(sys.argv[1], busy_timeout=0.05).load('w#e0')"
        )
        remove(file, *gone)
        done = subprocess.run([sys.executable, "-c", script, file], check=False, capture_output=True, text=True)
        assert "StorageUnavailable" in done.stderr
        assert not any(Path(f"{file}{suffix}").exists() for suffix in gone)
        with pytest.raises(StorageUnavailable, match="What was committed is saved"):
            store.load("w#e0")
        subprocess.run([sys.executable, "-c", script, file], check=True)
        assert store.load("w#e0").state == record(0).state


# In the middle of things


@pytest.mark.parametrize("harm", REMOVED)
def test_many_threads_go_on_when_the_log_or_its_index_is_removed(file: str, harm: str) -> None:
    with SqliteStore(file, synchronous="OFF") as store:
        acknowledged: list[int] = []
        unforeseen: list[BaseException] = []
        done = threading.Barrier(5)

        def work(first: int) -> None:
            try:
                for number in range(first, first + 60):
                    try:
                        store.write(record(number))
                        acknowledged.append(number)
                        store.load(f"w#e{number}")
                    except StorageError:
                        continue
            except BaseException as error:  # noqa: BLE001  # the outcome
                unforeseen.append(error)
            finally:
                done.wait()

        threads = [threading.Thread(target=work, args=(1000 * one,)) for one in range(4)]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 40:
            assert not unforeseen
        HARMLESS[harm](file)
        done.wait()
        for thread in threads:
            thread.join()
        assert unforeseen == []
        with Use(store).telling():
            store.due(NOON)
        assert all(store.load(f"w#e{number}").state == record(number).state for number in acknowledged)


CHAIN: Any = {
    "steps": [{"op": "s0"}, *({"op": f"s{n}", "depends_on": f"s{n - 1}"} for n in range(1, 6))],
    "outputs": {"n": {"var": "steps.s5.output.n"}},
}


class Harms:
    """An executor that does harm in the third step."""

    def __init__(self, harm: Callable[[str], object], path: str) -> None:
        self._harm = harm
        self._path = path

    def __call__(self, op: str, inputs: Any) -> dict[str, Any]:
        if op == "s2":
            self._harm(self._path)
            self._harm = lambda _: None
        return {"n": int(op[1:])}


@pytest.mark.parametrize("harm", HARMLESS)
def test_a_workflow_runs_on_after_what_is_harmless(file: str, harm: str) -> None:
    with rfx.open_backend(f"sqlite:///{file}?lease_seconds=0.2", executor=Harms(HARMLESS[harm], file)) as backend:
        assert rfx.Workflow.from_dict(CHAIN, backend).run() == rfx.Complete({"n": 5})


@pytest.mark.parametrize("harm", ["file removed", "folder removed", "file emptied", "file overwritten"])
def test_a_workflow_without_its_file_ends_with_a_typed_error(tmp_path: Path, harm: str) -> None:
    (tmp_path / "folder").mkdir()
    file = str(tmp_path / "folder" / "x.db")

    def ruin(path: str) -> None:
        with SqliteStore(path) as store:
            checkpoint(store)
        LOSSY[harm](path)

    with rfx.open_backend(f"sqlite:///{file}", executor=Harms(ruin, file)) as backend:
        workflow = rfx.Workflow.from_dict(CHAIN, backend)
        try:
            assert workflow.run() == rfx.Complete({"n": 5})  # from what SQLite has in memory
        except StorageError as error:
            assert file in str(error)  # noqa: PT017  # as above


# Processes


WRITE_FOR_EVER = """
import sys
from runfox.errors import StorageUnavailable
from runfox.records import RecordPatch
from runfox_sqlite import SqliteStore
store = SqliteStore(sys.argv[1], synchronous="NORMAL")
while True:
    try:
        version = store.load(sys.argv[2]).version
        change = {"n": version, f"key{version % 10}": "x" * 500}
        store.patch(RecordPatch(workflow_execution_id=sys.argv[2], version=version, updated_at="", state=change))
        print(version + 1, flush=True)
    except StorageUnavailable as error:
        print("told", flush=True)
"""


@pytest.mark.parametrize("harm", REMOVED)
def test_processes_go_on_after_what_is_harmless_and_lose_nothing_when_they_are_killed(file: str, harm: str) -> None:
    keys = ["w#e0", "w#e1"]
    with SqliteStore(file) as store:
        for number in range(2):
            store.write(record(number))
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, file, key], stdout=subprocess.PIPE, text=True)
        for key in keys
    ]
    lines: list[list[str]] = [[], []]

    def follow(count: int) -> None:
        for process, heard in zip(processes, lines, strict=True):
            assert process.stdout
            numbers = 0
            while numbers < count:
                heard.append(process.stdout.readline())
                assert heard[-1], "the process has ended"
                numbers += heard[-1] != "told\n"

    try:
        follow(30)
        HARMLESS[harm](file)
        while not any("told\n" in heard for heard in lines):
            follow(1)
        follow(100)
    finally:
        for process, heard in zip(processes, lines, strict=True):
            process.send_signal(signal.SIGKILL)
            heard.extend(process.communicate()[0].splitlines(keepends=True))
    with SqliteStore(file) as store:
        for key, heard in zip(keys, lines, strict=True):
            acknowledged = max(int(line) for line in heard if line.endswith("\n") and line != "told\n")
            assert store.load(key).version in (acknowledged, acknowledged + 1)
        assert store._database.query("PRAGMA integrity_check") == [("ok",)]


ANOTHER_USER = """
import os, sys
from runfox.errors import StorageUnavailable
from runfox.records import WorkflowRecord
from runfox_sqlite import SqliteStore
store = SqliteStore(sys.argv[1], busy_timeout=0.05)
os.setgid(65534)
os.setuid(65534)
def open_more(_):
    for _ in range(2):
        try:
            store.load("w#e0")
        except StorageUnavailable as error:
            print(error)
store._database.read(open_more)
store.write(WorkflowRecord(workflow_id="w", execution_id="e1", spec={}))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_rights_that_are_taken_away_are_a_typed_error_and_what_is_open_goes_on() -> None:
    folder = Path(tempfile.mkdtemp())  # pytest's own is for one user
    folder.chmod(0o755)
    try:
        file = str(folder / "x.db")
        with SqliteStore(file) as store:
            store.write(record(0))
        Path(file).chmod(0o600)
        done = subprocess.run([sys.executable, "-c", ANOTHER_USER, file], check=False, capture_output=True, text=True)
        assert (done.returncode, done.stdout.count("allow this user")) == (0, 2), done
        with SqliteStore(file) as store:
            assert len(store.list_executions()) == 2
    finally:
        shutil.rmtree(folder)
