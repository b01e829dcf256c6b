"""Clients that remember what they were asked and what they answered, for the history in a failure's report."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from runfox.jsonvalue import JSONValue
from runfox.protocols import Runner, Store
from runfox.records import UNSET, ExecutionSummary, RecordPatch, WorkflowRecord
from runfox.results import DispatchJob, StepResult
from runfox.status import WorkflowStatus
from runfox_testing.check import describe
from runfox_testing.comparing import short

_REMEMBERED = 200
_WIDTH = 60


class History:
    """The latest calls of a check's clients, oldest first. Threads may add to it."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_REMEMBERED)

    def add(self, line: str) -> None:
        """Remember a call."""
        self._lines.append(line)

    def clear(self) -> None:
        """What came before does not matter for what comes now."""
        self._lines.clear()

    def latest(self, count: int) -> list[str]:
        """The last `count` lines."""
        return list(self._lines)[-count:]


class Observed:
    """A client under test, `raw`, behind a note-taker."""

    def __init__(self, raw: Any, name: str, history: History) -> None:
        self.raw = raw
        self.name = name
        self._history = history

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        try:
            answer = getattr(self.raw, method)(*arguments, **options)
        except Exception as error:
            self._note(method, arguments, options, f"raised {describe(error)}")
            raise
        self._note(method, arguments, options, brief(answer))
        return answer

    def _note(self, method: str, arguments: tuple[Any, ...], options: dict[str, Any], answer: str) -> None:
        told = [brief(argument) for argument in arguments]
        told += [f"{name}={brief(value)}" for name, value in options.items() if value is not None]
        self._history.add(f"{self.name}.{method}({', '.join(told)}) -> {answer}")


class ObservedStore(Observed):
    """A store's client. The methods of abilities that it does not have raise AttributeError, as its own would."""

    raw: Store

    def load(self, workflow_execution_id: str) -> WorkflowRecord:
        loaded: WorkflowRecord = self._call("load", workflow_execution_id)
        return loaded

    def write(self, record: WorkflowRecord) -> None:
        self._call("write", record)

    def patch(self, patch: RecordPatch) -> None:
        self._call("patch", patch)

    def refresh(self, record: WorkflowRecord) -> WorkflowRecord:
        refreshed: WorkflowRecord = self._call("refresh", record)
        return refreshed

    def list_executions(
        self,
        *,
        status: WorkflowStatus | None = None,
        name: str | None = None,
        since: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        listed: list[ExecutionSummary] = self._call(
            "list_executions", status=status, name=name, since=since, limit=limit, after=after
        )
        return listed

    def delete(self, workflow_execution_id: str) -> None:
        self._call("delete", workflow_execution_id)

    def due(self, now: str, limit: int = 100) -> list[str]:
        ids: list[str] = self._call("due", now, limit)
        return ids


class ObservedRunner(Observed):
    """A runner's client."""

    raw: Runner

    def dispatch(self, workflow_execution_id: str, jobs: Sequence[DispatchJob]) -> list[StepResult]:
        results: list[StepResult] = self._call("dispatch", workflow_execution_id, jobs)
        return results

    def gather(self, workflow_execution_id: str) -> list[StepResult]:
        results: list[StepResult] = self._call("gather", workflow_execution_id)
        return results

    def list_pending_jobs(self) -> list[DispatchJob]:
        jobs: list[DispatchJob] = self._call("list_pending_jobs")
        return jobs

    def take_pending_jobs(
        self,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        jobs: list[DispatchJob] = self._call(
            "take_pending_jobs", limit=limit, queues=queues, lease_seconds=lease_seconds
        )
        return jobs

    def extend_lease(self, job: DispatchJob, seconds: float | None = None) -> bool:
        extended: bool = self._call("extend_lease", job, seconds)
        return extended

    def submit_work_result(
        self, workflow_execution_id: str, op: str, output: JSONValue, run_id: int | None = None
    ) -> None:
        self._call("submit_work_result", workflow_execution_id, op, output, run_id)

    def forget(self, workflow_execution_id: str, runs: Iterable[tuple[str, int]] | None = None) -> None:
        self._call("forget", workflow_execution_id, runs)

    def held(self, before: str) -> list[str]:
        ids: list[str] = self._call("held", before)
        return ids

    def wait(self, workflow_execution_id: str, timeout: float) -> bool:
        woken: bool = self._call("wait", workflow_execution_id, timeout)
        return woken

    def poll_pending_jobs(
        self,
        timeout: float,
        limit: int | None = None,
        queues: Collection[str | None] | None = None,
        lease_seconds: float | None = None,
    ) -> list[DispatchJob]:
        jobs: list[DispatchJob] = self._call(
            "poll_pending_jobs", timeout, limit=limit, queues=queues, lease_seconds=lease_seconds
        )
        return jobs


def brief(value: object) -> str:
    """A value in a few words."""
    match value:
        case WorkflowRecord():
            return f"<{_short(value.workflow_execution_id)} version {value.version}>"
        case RecordPatch():
            changed = [
                name for name in ("status", "outcome", "wake_at", "state", "steps") if getattr(value, name) is not UNSET
            ]
            return f"<patch of {_short(value.workflow_execution_id)} version {value.version}: {', '.join(changed)}>"
        case DispatchJob():
            delivery = f" delivery {value.delivery}" if value.delivery else ""
            return f"<job {_short(value.workflow_execution_id)} {_short(value.op)} run {value.run_id}{delivery}>"
        case StepResult():
            return f"<result {_short(value.op)} run {value.run_id}: {short(value.output)}>"
        case ExecutionSummary():
            return f"<{_short(value.workflow_execution_id)} {value.status}>"
        case list() if len(value) > 3:
            return f"[{', '.join(_brief_item(item) for item in value[:2])}, … {len(value)} in all]"
        case list():
            return f"[{', '.join(_brief_item(item) for item in value)}]"
        case _:
            return short(value)


def _brief_item(item: object) -> str:
    # Lists may be in one another 500 times, or be in themselves.
    return short(item) if isinstance(item, list) else brief(item)


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
