"""The document that runfox began with (`seed/document.txt`): every block of it that is meant to run, runs unchanged.

A block is known by the heading above it and its number there. What a block takes for granted (SPEC, execute, backend)
is given to it by name; nothing else is.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

import runfox as rfx
from runfox.backend.base import Backend
from runfox.backend.inmemory_store import InMemoryStore
from runfox.backend.inprocess_runner import InProcessRunner
from runfox.backend.inprocess_worker import InProcessWorker
from runfox.protocols import Runner
from runfox.results import Complete, Dispatch, DispatchJob, Halt, Pending, StateChangeEvent
from runfox.status import StepStatus, WorkflowStatus
from runfox.workflow import Workflow
from runfox_aws import create_tables
from runfox_sqlite import SqliteRunner, SqliteStore

SEED = Path(__file__).parent / "seed"
Names = dict[str, Any]

HEADING_OR_BLOCK = re.compile(
    r"^#+ (?P<heading>[^\n]+)$|^```(?P<language>\w*)\n(?P<block>.*?)^```$", re.MULTILINE | re.DOTALL
)


def _blocks(language: str) -> dict[str, str]:
    """The blocks of a language, by heading and number."""
    found: dict[str, str] = {}
    heading, number = "", 0
    text = (SEED / "document.txt").read_text(encoding="utf-8")
    for match in HEADING_OR_BLOCK.finditer(text):
        if match["heading"]:
            heading, number = match["heading"], 0
        elif match["language"] == language:
            number += 1
            found[f"{heading} {number}"] = match["block"]
    return found


PYTHON = _blocks("python")
YAML = _blocks("yaml")


def run_block(name: str, **given: Any) -> Names:
    """Execute a block with the given names. Returns all names that there are afterwards."""
    exec(compile(PYTHON[name], f"<{name}>", "exec"), given)
    return given


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def spec() -> str:
    """The SPEC of the quickstart."""
    return str(_assigned("SPEC"))


@pytest.fixture
def execute() -> Callable[[str, Names], Names]:
    """The executor of the quickstart."""
    names: Names = {}
    exec(_statement("execute"), names)
    function: Callable[[str, Names], Names] = names["execute"]
    return function


def _assigned(name: str) -> object:
    names: Names = {}
    exec(_statement(name), names)
    return names[name]


def _statement(name: str) -> str:
    """The statement of the quickstart that makes a name."""
    source = PYTHON["Quickstart 1"]
    for node in ast.parse(source).body:
        named = node.name if isinstance(node, ast.FunctionDef) else ""
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named = node.targets[0].id
        if named == name:
            return ast.get_source_segment(source, node) or ""
    raise LookupError(name)


# Every block has a test below


def test_every_block_of_the_document_is_known_here() -> None:
    assert set(PYTHON) == {
        "Quickstart 1",
        "Quickstart 2",
        "Local (synchronous) 1",
        "Local with SQLite persistence 1",
        "Async local (SQLite worker) 1",
        "Event-driven (distributed) 1",
        "Distributed (DynamoDB + SQS) 1",
        "Backend 1",
        "Worker harness 1",
        "Executor 1",
        "Observing state changes 1",
        "Executor contract and error handling 1",
    }
    assert set(YAML) == {
        "Input references 1",
        "Branch conditions 1",
        "Data-driven loops 1",
        "Outputs 1",
        "Executor contract and error handling 1",
    }


# Python


def test_the_quickstart_prints_its_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    names = run_block("Quickstart 1")
    assert isinstance(names["result"], rfx.Complete)
    assert names["result"].outcome == {"message": "HELLO, WORLD"}
    assert capsys.readouterr().out == "{'message': 'HELLO, WORLD'}\n"


def test_a_definition_is_read_from_a_file(
    spec: str, execute: Callable[[str, Names], Names], in_an_empty_folder: Path
) -> None:
    (in_an_empty_folder / "example.yaml").write_text(spec, encoding="utf-8")
    names = run_block("Quickstart 2", rfx=rfx, backend=rfx.Backend(executor=execute))
    assert names["wf"].run() == rfx.Complete({"message": "HELLO, WORLD"})


# The blocks of the execution modes give no inputs: `input.name` is null then.
WITHOUT_A_NAME = rfx.Complete({"message": "HELLO, NONE"})


def test_local(spec: str, execute: Callable[[str, Names], Names]) -> None:
    names = run_block(
        "Local (synchronous) 1",
        rfx=rfx,
        InMemoryStore=InMemoryStore,
        InProcessRunner=InProcessRunner,
        InProcessWorker=InProcessWorker,
        SPEC=spec,
        execute=execute,
    )
    assert names["result"] == WITHOUT_A_NAME


def test_local_with_sqlite_keeps_the_record_across_processes(spec: str, execute: Callable[[str, Names], Names]) -> None:
    names = run_block("Local with SQLite persistence 1", rfx=rfx, SPEC=spec, execute=execute)
    assert names["result"] == WITHOUT_A_NAME
    names["backend"].close()

    script = (
        "import sys, runfox as rfx; from runfox.backend import SqliteStore\n"
        "wf = rfx.Workflow.resume(sys.argv[1], rfx.Backend(store=SqliteStore('workflow.db')))\n"
        "print(wf.status, wf.outcome)"
    )
    later = subprocess.run([sys.executable, "-c", script, names["wf"].id], capture_output=True, text=True, check=True)
    assert later.stdout == "complete {'message': 'HELLO, NONE'}\n"


@pytest.fixture
def external_worker(in_an_empty_folder: Path) -> Iterator[None]:
    """A process that follows the worker protocol on workflow.db."""
    command = [sys.executable, str(SEED / "external_worker.py"), "workflow.db"]
    with subprocess.Popen(command, cwd=in_an_empty_folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.kill()


@pytest.mark.usefixtures("external_worker")
def test_async_local_waits_for_the_results_of_an_external_worker(spec: str) -> None:
    names = run_block("Async local (SQLite worker) 1", rfx=rfx, SPEC=spec)
    assert names["result"] == WITHOUT_A_NAME
    names["backend"].close()


@pytest.fixture(params=["memory", "sqlite"])
def backend(request: pytest.FixtureRequest) -> Iterator[rfx.Backend]:
    """A backend with a queue that somebody else has to work on."""
    if request.param == "memory":
        yield rfx.Backend()
        return
    with rfx.Backend(store=SqliteStore("workflow.db"), runner=SqliteRunner("workflow.db")) as backend:
        yield backend


def test_event_driven_with_a_queue(spec: str, execute: Callable[[str, Names], Names], backend: rfx.Backend) -> None:
    names = run_block("Event-driven (distributed) 1", rfx=rfx, backend=backend)
    names["start_workflow"](spec, {"name": "world"})
    delivered = []
    while jobs := backend.take_tasks():
        for job in jobs:
            delivered.append(job)
            names["handle_result"](job.workflow_execution_id, job.op, execute(job.op, job.inputs))
    assert [job.op for job in delivered] == ["make_greeting", "shout"]
    assert rfx.Workflow.resume(delivered[0].workflow_execution_id, backend).outcome == {"message": "HELLO, WORLD"}


def test_event_driven_with_a_queue_that_delivers_twice_and_late(
    spec: str, execute: Callable[[str, Names], Names], backend: rfx.Backend
) -> None:
    names = run_block("Event-driven (distributed) 1", rfx=rfx, backend=backend)
    names["start_workflow"](spec, {"name": "world"})
    results = []
    while jobs := backend.take_tasks():
        results += [(job.workflow_execution_id, job.op, execute(job.op, job.inputs)) for job in jobs]
        for result in results + results[::-1]:
            names["handle_result"](*result)
    assert len(results) == 2
    assert rfx.Workflow.resume(results[0][0], backend).outcome == {"message": "HELLO, WORLD"}


def test_event_driven_with_a_branch_that_halts(backend: rfx.Backend) -> None:
    names = run_block("Event-driven (distributed) 1", rfx=rfx, backend=backend)
    names["start_workflow"](_steps(_step("score", YAML["Branch conditions 1"]), _step("publish", after="score")), {})
    (job,) = backend.take_tasks()
    names["handle_result"](job.workflow_execution_id, job.op, {"scores": {"unsafe": 0.9}})
    workflow = rfx.Workflow.resume(job.workflow_execution_id, backend)
    assert workflow.status is rfx.WorkflowStatus.HALTED
    assert workflow.outcome == {"status": "rejected", "reason": "unsafe"}
    assert backend.take_tasks() == []


class LocalRunner(InProcessRunner):
    """A queue that executes what it is given inside `dispatch`."""

    def __init__(self, execute: Callable[[str, Names], Names]) -> None:
        super().__init__()
        self._execute = execute

    def dispatch(self, workflow_execution_id: str, jobs: Any) -> list[rfx.StepResult]:
        return [rfx.StepResult(job.op, self._execute(job.call, job.inputs), job.run_id) for job in jobs]


def test_event_driven_with_a_runner_that_executes_at_once(
    spec: str, execute: Callable[[str, Names], Names], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner: Runner = LocalRunner(execute)
    backend = rfx.Backend(runner=runner)
    names = run_block("Event-driven (distributed) 1", rfx=rfx, backend=backend)
    names["start_workflow"](spec, {"name": "world"})
    (summary,) = backend.list_executions()
    workflow = rfx.Workflow.resume(summary.workflow_execution_id, backend)
    assert workflow.step_statuses == {"make_greeting": "complete", "shout": "ready"}
    names["_dispatch"](workflow, workflow.advance())  # "before the next advance()", says the block
    assert workflow.advance() == rfx.Complete({"message": "HELLO, WORLD"})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS as the block takes it for granted: credentials, both tables, the three queues."""
    for name, value in {"DEFAULT_REGION": "eu-west-2", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with mock_aws():
        create_tables(workflows="workflows", tasks="tasks")
        for name in ("instruct", "image-embedding", "compute"):
            boto3.client("sqs").create_queue(QueueName=name)
        yield


ROUTED = """
name: routed
steps:
  - op: make_greeting
    input: {model_type: instruct, name: {var: input.name}}
  - op: shout
    depends_on: [make_greeting]
    input: {model_type: compute, text: {var: steps.make_greeting.output.text}}
outputs:
  message: {var: steps.shout.output.text}
"""


@pytest.mark.usefixtures("aws")
def test_the_aws_block_and_the_event_driven_pattern_on_it(execute: Callable[[str, Names], Names]) -> None:
    names = run_block("Distributed (DynamoDB + SQS) 1", rfx=rfx, SPEC=ROUTED)
    backend, workflow = names["backend"], names["wf"]
    pattern = run_block("Event-driven (distributed) 1", rfx=rfx, backend=backend)
    for op, queue in (("make_greeting", "instruct"), ("shout", "compute")):
        (job,) = backend.take_tasks(queues=[queue])
        assert job.op == op
        pattern["handle_result"](job.workflow_execution_id, job.op, execute(job.op, job.inputs))
    assert rfx.Workflow.resume(workflow.id, backend).outcome == {"message": "HELLO, WORLD"}


@pytest.mark.usefixtures("aws")
def test_on_aws_a_job_without_a_route_is_an_unknown_route(spec: str) -> None:
    names = run_block("Distributed (DynamoDB + SQS) 1", rfx=rfx, SPEC=spec)
    assert names["backend"].pending_tasks() == []
    with pytest.raises(rfx.UnknownRoute, match="make_greeting"):
        names["runner"].dispatch(names["wf"].id, names["result"].jobs)


def test_a_backend_is_a_store_and_a_runner() -> None:
    runner = InProcessRunner()
    backend = run_block("Backend 1", rfx=rfx, InMemoryStore=InMemoryStore, runner=runner)["backend"]
    assert backend.runner is runner
    assert isinstance(backend.store, InMemoryStore)


def test_the_worker_harness(spec: str, execute: Callable[[str, Names], Names]) -> None:
    runner = InProcessRunner()
    wf = rfx.Workflow.from_yaml(spec, rfx.Backend(runner=runner), inputs={"name": "world"})
    names = run_block("Worker harness 1", InProcessWorker=InProcessWorker, runner=runner, execute=execute, wf=wf)
    assert names["result"] == rfx.Complete({"message": "HELLO, WORLD"})


def test_an_executor_is_a_plain_callable_and_none_counts_as_an_empty_output(spec: str) -> None:
    execute = run_block("Executor 1")["execute"]
    wf = rfx.Workflow.from_yaml(spec, rfx.Backend(executor=execute), inputs={"name": "world"})
    assert wf.run() == rfx.Complete({"message": None})
    assert wf.backend.load(wf.id).steps["shout"].output == {}


def test_on_state_change_sees_each_merge(capsys: pytest.CaptureFixture[str]) -> None:
    runner = InProcessRunner()
    backend = run_block("Observing state changes 1", rfx=rfx, InMemoryStore=InMemoryStore, runner=runner)["backend"]
    wf = rfx.Workflow.from_yaml(_steps(_step("fetch"), _step("score", after="fetch")), backend)
    outputs: dict[str, Names] = {"fetch": {"score": "not yet"}, "score": {"score": 0.25}}
    wf.run(worker=InProcessWorker(runner, lambda op, inputs: outputs[op]))
    assert capsys.readouterr().out == "0.25\n"


def _recommended(output: Names, *, fails: bool = False) -> tuple[object, Names | None]:
    """The recommended executor around a step that gives `output` or raises, with the branch that goes with it: the
    workflow's result and the step's output.
    """

    def run_step(op: str, inputs: Names) -> Names:
        if inputs["fails"]:
            raise OSError("no such host")
        return output

    execute = run_block("Executor contract and error handling 1", run_step=run_step)["execute"]
    step = 'input:\n  fails: {"var": "input.fails"}\n' + YAML["Executor contract and error handling 1"]
    wf = rfx.Workflow.from_yaml(_steps(_step("call", step)), rfx.Backend(executor=execute), inputs={"fails": fails})
    return wf.run(), wf.backend.load(wf.id).steps["call"].output


def test_the_recommended_executor_turns_errors_into_results_that_a_branch_can_see() -> None:
    failed = {"error": "no such host", "ok": False}
    assert _recommended({}, fails=True) == (rfx.Halt({"status": "error"}), failed)
    assert _recommended({"ok": True}) == (rfx.Complete({}), {"ok": True})


def test_the_branch_for_errors_leaves_an_output_alone_that_does_not_mention_ok() -> None:
    assert _recommended({"done": True}) == (rfx.Complete({}), {"done": True})


# YAML


def _steps(*steps: str) -> str:
    return "steps:\n" + "".join(steps)


def _step(op: str, block: str = "", after: str = "") -> str:
    """A step with a block of the document in it, which is indented and otherwise as it stands."""
    depends_on = f"    depends_on: [{after}]\n" if after else ""
    return f"  - op: {op}\n{depends_on}{textwrap.indent(block, '    ')}"


def _run(spec: str, outputs: dict[str, Names], inputs: Names | None = None) -> tuple[object, rfx.WorkflowRecord]:
    backend = rfx.Backend(executor=lambda op, given: outputs[op])
    wf = rfx.Workflow.from_yaml(spec, backend, inputs=inputs)
    return wf.run(), backend.load(wf.id)


def test_input_references_are_resolved() -> None:
    received: list[Names] = []

    def execute(op: str, inputs: Names) -> Names:
        if op == "caption":
            return {"text": "a fox", "score": 0.5, "running_total": 3}
        if op == "rate":
            return {"score": 0.75, "running_total": 4}
        received.append(inputs)
        return {}

    spec = _steps(
        _step("caption"), _step("rate", after="caption"), _step("use", YAML["Input references 1"], after="rate")
    )
    rfx.Workflow.from_yaml(spec, rfx.Backend(executor=execute), inputs={"image": "fox.png"}).run()
    assert received == [
        {"threshold": 0.7, "text": "a fox", "image": "fox.png", "total": 4, "scores": [0.5, 0.75]},
    ]


@pytest.mark.parametrize(
    ("unsafe", "expected"),
    [(0.69, rfx.Complete({})), (0.7, rfx.Halt({"status": "rejected", "reason": "unsafe"}))],
)
def test_halt_ends_the_workflow_with_the_branch_result(unsafe: float, expected: object) -> None:
    spec = _steps(_step("score", YAML["Branch conditions 1"]), _step("publish", after="score"))
    result, record = _run(spec, {"score": {"scores": {"unsafe": unsafe}}, "publish": {}})
    assert result == expected
    halted = isinstance(expected, rfx.Halt)
    assert record.status == ("halted" if halted else "complete")
    assert record.steps["publish"].status == ("ready" if halted else "complete")


def test_complete_marks_the_step_complete_whatever_retries_are_left() -> None:
    branch = 'max_attempts: 3\nbranch:\n  - condition: {"==": [{"var": "kind"}, "hopeless"]}\n    action: complete\n'
    result, record = _run(_steps(_step("call", branch)), {"call": {"ok": False, "kind": "hopeless"}})
    assert result == rfx.Complete({})
    assert record.steps["call"].run_id == 0


def test_max_attempts_is_a_budget_for_errors() -> None:
    spec = _steps(_step("call", "max_attempts: 3\n"))
    assert _run(spec, {"call": {"ok": False}})[1].steps["call"].run_id == 2
    assert _run(spec, {"call": {"ok": True}})[1].steps["call"].run_id == 0


def _fibonacci(op: str, inputs: Names) -> Names:
    if op == "seed":
        return {"fib_n": 0, "fib_n1": 1}
    return {"fib_n": inputs["b"], "fib_n1": inputs["a"] + inputs["b"]}


def test_a_data_driven_loop_runs_until_its_condition_ends_it() -> None:
    seen: list[object] = []
    backend = rfx.Backend(
        executor=_fibonacci, on_state_change=lambda _id, _previous, new, _event: seen.append(new["fib_n"])
    )
    wf = rfx.Workflow.from_yaml(YAML["Data-driven loops 1"], backend)
    assert wf.run() == rfx.Complete({})
    assert seen == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]
    assert backend.load(wf.id).state == {"fib_n": 144, "fib_n1": 233}
    assert backend.load(wf.id).steps["iterate"].run_id == 11


def test_set_resets_the_steps_that_depend_on_its_target() -> None:
    calls: list[str] = []

    def execute(op: str, inputs: Names) -> Names:
        calls.append(op)
        return {"enough": calls.count("check") == 2}

    again = textwrap.dedent("""\
        branch:
          - condition: {"var": "enough"}
            action: complete
          - condition: true
            action: {set: "steps.draft.status", value: ready}
        """)
    spec = _steps(_step("draft"), _step("polish", after="draft"), _step("check", again, after="polish"))
    wf = rfx.Workflow.from_yaml(spec, rfx.Backend(executor=execute))
    assert wf.run() == rfx.Complete({})
    assert calls == ["draft", "polish", "check"] * 2


def test_a_set_branch_without_an_end_is_refused() -> None:
    lines = YAML["Data-driven loops 1"].splitlines(keepends=True)
    endless = "".join(lines[:-2])
    assert "complete" not in endless
    with pytest.raises(rfx.DefinitionError, match=r"steps\[1\].*complete.*halt"):
        rfx.Workflow.from_yaml(endless, rfx.Backend())


def test_outputs_are_resolved_when_the_workflow_completes() -> None:
    result, _ = _run(_steps(_step("embed")) + YAML["Outputs 1"], {"embed": {"vector": [0.5, 1], "running_total": 7}})
    assert result == rfx.Complete({"embedding": [0.5, 1], "total": 7, "status": "accepted"})


# Result types and the project layout


def test_the_results_have_the_fields_of_the_document(spec: str) -> None:
    backend = rfx.Backend()
    wf = rfx.Workflow.from_yaml(spec, backend, inputs={"name": "world"})
    dispatched = wf.advance()
    assert isinstance(dispatched, rfx.Dispatch)
    (job,) = dispatched.jobs
    assert (job.workflow_execution_id, job.op, job.run_id) == (wf.id, "make_greeting", 0)
    assert json.loads(json.dumps(job.inputs)) == {"name": "world"}
    assert wf.advance() == rfx.Pending()
    assert wf.on_step_result("make_greeting", {"text": "hello"}) is None


def test_the_names_of_the_project_layout_are_where_it_says() -> None:
    public: list[type] = [Backend, Workflow, Complete, Dispatch, DispatchJob, Halt, Pending, StateChangeEvent]
    for name in [*public, StepStatus, WorkflowStatus, InMemoryStore, InProcessRunner, InProcessWorker]:
        assert getattr(rfx, name.__name__) is name
