"""The references behind a socket, so that there is one that several processes share and that outlives its clients.

The parts in memory live in the session's process; a client sends each call over a connection of its own. Mutants of
either end are made by changing one class.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, ClassVar

from runfox.backend import InMemoryStore, InProcessRunner
from runfox.errors import InvalidJSON, StorageUnavailable
from runfox.jsonvalue import JSONValue
from runfox.records import ExecutionSummary, RecordPatch, WorkflowRecord
from runfox.results import DispatchJob, StepResult
from runfox.status import WorkflowStatus
from runfox_testing.clock import ManualClock
from runfox_testing.harness import RunnerHarness, StoreHarness

_RECURSION_LIMIT = 10_000
"""To pickle a value takes more calls inside one another than the value has levels, and those may be 500."""


class Server:
    """One object for each namespace, and a thread for each connection."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._objects: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._listener = Listener(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        """``host:port``."""
        host, port = self._listener.address
        return f"{host}:{port}"

    def forget(self, namespace: str) -> None:
        """Let the object of a namespace go."""
        with self._lock:
            self._objects.pop(namespace, None)

    def stop(self) -> None:
        """Accept no more."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: Connection[Any, Any]) -> None:
        with connection, contextlib.suppress(EOFError, OSError):
            namespace, method, arguments, options = connection.recv()
            with self._lock:
                if namespace not in self._objects:
                    self._objects[namespace] = self._make()
                served = self._objects[namespace]
            try:
                answer = (True, getattr(served, method)(*arguments, **options))
            except Exception as error:  # noqa: BLE001  # the client's
                answer = (False, error)
            connection.send(answer)


class _Stub:
    """The client's end."""

    durable = True
    shared = True

    def __init__(self, address: str, namespace: str) -> None:
        self._address = address
        self._namespace = namespace

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        host, _, port = self._address.partition(":")
        try:
            with Client((host, int(port))) as connection:
                try:
                    connection.send((self._namespace, method, arguments, options))
                except RecursionError:
                    raise InvalidJSON(f"an argument of {method}", "", "nested too deep to be sent") from None
                is_answer, answer = connection.recv()
        except (OSError, EOFError) as error:
            raise StorageUnavailable("the server does not answer") from error
        if not is_answer:
            raise answer
        return answer


class StoreStub(_Stub):
    """A store that is elsewhere."""

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        return self._call("load", workflow_execution_id)  # type: ignore[no-any-return]  # what the reference gives

    def write(self, record: WorkflowRecord) -> None:
        self._call("write", record)

    def patch(self, patch: RecordPatch) -> None:
        self._call("patch", patch)

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        fresh: WorkflowRecord = self._call("refresh", record)
        # Over a connection "the argument itself" is a copy of it.
        return record if fresh == record else fresh

    def list_executions(
        self,
        *,
        status: WorkflowStatus | None = None,
        name: str | None = None,
        since: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        return self._call(  # type: ignore[no-any-return]  # what the reference gives
            "list_executions", status=status, name=name, since=since, limit=limit, after=after
        )

    def delete(self, workflow_execution_id: str) -> None:
        self._call("delete", workflow_execution_id)

    def due(self, now: str, limit: int = 100) -> list[str]:
        return self._call("due", now, limit)  # type: ignore[no-any-return]  # what the reference gives


class RunnerStub(_Stub):
    """A runner that is elsewhere."""

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        return self._call("dispatch", workflow_execution_id, jobs)  # type: ignore[no-any-return]  # the reference's

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        return self._call("gather", workflow_execution_id)  # type: ignore[no-any-return]  # the reference's

    def list_pending_jobs(self) -> list[DispatchJob]:
        return self._call("list_pending_jobs")  # type: ignore[no-any-return]  # the reference's

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        wanted = None if queues is None else list(queues)
        return self._call("take_pending_jobs", limit, wanted, lease_seconds)  # type: ignore[no-any-return]  # its

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        return self._call("extend_lease", job, seconds)  # type: ignore[no-any-return]  # the reference's

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        self._call("submit_work_result", workflow_execution_id, op, output, run_id)

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        self._call("forget", workflow_execution_id, None if runs is None else list(runs))

    def held(self, before: str) -> list[str]:
        return self._call("held", before)  # type: ignore[no-any-return]  # the reference's

    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        return self._call("wait", workflow_execution_id, timeout)  # type: ignore[no-any-return]  # the reference's


class _Served:
    """A harness that serves what `make_served` gives, one for each namespace, to what `make_client` gives."""

    endpoint_url: str | None
    _server: Server | None = None

    def make_served(self) -> Any:
        """What lives in the session's process."""
        raise NotImplementedError

    def make_client(self, address: str, namespace: str) -> Any:
        """What talks to it."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin to serve."""
        self._server = Server(self.make_served)
        self.endpoint_url = self._server.address

    def stop(self) -> None:
        """Serve no more."""
        if self._server is not None:
            self._server.stop()

    def open(self, namespace: str) -> Any:
        """A client of the server."""
        sys.setrecursionlimit(max(sys.getrecursionlimit(), _RECURSION_LIMIT))
        assert self.endpoint_url is not None
        return self.make_client(self.endpoint_url, namespace)

    def destroy(self, namespace: str) -> None:
        """Let it go."""
        if self._server is not None:
            self._server.forget(namespace)


class ServedStoreHarness(_Served, StoreHarness):
    """`implementation` behind a socket."""

    implementation: ClassVar[Callable[..., Any]] = InMemoryStore

    def make_served(self) -> Any:
        """The implementation."""
        return type(self).implementation()

    def make_client(self, address: str, namespace: str) -> Any:
        """The reference's client."""
        return StoreStub(address, namespace)


class ServedRunnerHarness(_Served, RunnerHarness):
    """`implementation` behind a socket, by the harness's clock."""

    implementation: ClassVar[Callable[..., Any]] = InProcessRunner

    def __init__(self) -> None:
        self.clock: ManualClock = ManualClock()

    def make_served(self) -> Any:
        """The implementation."""
        return type(self).implementation(clock=self.clock)

    def make_client(self, address: str, namespace: str) -> Any:
        """The reference's client."""
        return RunnerStub(address, namespace)


class StoreClientHarness(ServedStoreHarness):
    """For mutants of the client's end: `implementation` is the client, the server is the reference."""

    def make_served(self) -> Any:
        """The reference."""
        return InMemoryStore()

    def make_client(self, address: str, namespace: str) -> Any:
        """The mutated client."""
        return type(self).implementation(address, namespace)


class RunnerClientHarness(ServedRunnerHarness):
    """For mutants of the client's end: `implementation` is the client, the server is the reference."""

    def make_served(self) -> Any:
        """The reference."""
        return InProcessRunner(clock=self.clock)

    def make_client(self, address: str, namespace: str) -> Any:
        """The mutated client."""
        return type(self).implementation(address, namespace)
