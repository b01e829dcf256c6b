"""Whole workflows on the store and the runner."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import runfox as rfx
from runfox_sqlite import SqliteRunner, SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "workflows.db"


def test_the_lease_of_a_job_is_renewed_for_as_long_as_it_runs(path: Path) -> None:
    """Were it not, the idle thread would take the job when the lease lapses."""
    lapsed = threading.Event()
    runs: list[str] = []

    def execute(op: str, inputs: Any) -> Any:
        runs.append(op)
        lapsed.wait(1.0)  # longer than the lease; ends early only if the job is begun a second time
        if len(runs) > 1:
            lapsed.set()
        return {}

    with rfx.Backend(store=SqliteStore(path), runner=SqliteRunner(path, lease_seconds=0.3)) as backend:
        workflow = rfx.Workflow.from_dict({"steps": [{"op": "a"}]}, backend)
        workflow.run(worker=rfx.InProcessWorker(backend.runner, execute, concurrency=2))
    assert runs == ["a"]


def test_an_executor_drives_a_workflow_on_one_file(path: Path) -> None:
    definition = {
        "steps": [
            {"op": "root"},
            *({"op": f"leaf{n}", "depends_on": "root", "input": {"n": n}} for n in range(20)),
            {
                "op": "join",
                "depends_on": [f"leaf{n}" for n in range(20)],
                "input": {"all": {"vars": "steps[*].output.n"}},
            },
        ],
        "outputs": {"sum": {"var": "steps.join.output.sum"}},
    }

    def execute(op: str, inputs: Any) -> Any:
        return {"sum": sum(inputs["all"])} if op == "join" else {"n": inputs.get("n", 0)}

    with rfx.open_backend(f"sqlite:///{path}", executor=execute) as backend:
        workflow = rfx.Workflow.from_dict(definition, backend)
        assert workflow.run() == rfx.Complete({"sum": 190})
        assert backend.runner.held("9999") == []


def test_an_execution_goes_on_in_another_backend(path: Path) -> None:
    definition = {"steps": [{"op": "a"}, {"op": "b", "depends_on": "a"}]}
    with rfx.open_backend(f"sqlite:///{path}") as backend:
        workflow = rfx.Workflow.from_dict(definition, backend, execution_id="one")
        workflow.start()
        (job,) = backend.take_tasks()
        backend.submit_result(job.workflow_execution_id, job.op, {"n": 1}, job.run_id)
    with rfx.open_backend(f"sqlite:///{path}", executor=lambda op, inputs: {"n": 2}) as backend:
        again = rfx.Workflow.from_dict(definition, backend, execution_id="one")
        assert again.id == workflow.id
        assert again.run() == rfx.Complete({})
        assert backend.load(again.id).steps["a"].output == {"n": 1}
