"""The names that the package promises, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import runfox
import runfox.backend

NAMES = """
UNSET Backend Complete DefinitionError Dispatch DispatchJob DuplicateScheme ExecutionActive ExecutionEnded
ExecutionExists ExecutionSummary ExpressionError Halt InMemoryStore InProcessRunner InProcessWorker
InvalidExecutionId InvalidJSON Limits MissingExtra NoCurrentJob NoWorker NotSupported PayloadTooLarge Pending Problem
RecordPatch RecordTooLarge RunfoxError SchemaTooNew StateChangeEvent StepRecord StepResult StepStatus StorageCorrupt
StorageError StorageUnavailable UnknownRoute UnknownScheme UnknownStep WaitTimeout Worker Workflow WorkflowNotFound
WorkflowRecord WorkflowStatus WriteConflict current_job open_backend open_runner open_store sweep
"""

BACKEND_NAMES = "Backend InMemoryStore InProcessRunner InProcessWorker Runner Store sweep"

IMPORT = """
import sys
import runfox
standard = sys.stdlib_module_names
print(*sorted({name.partition(".")[0] for name in sys.modules} - standard - set(sys.argv[1:])))
"""


def test_the_package_exports_these_names_and_no_others() -> None:
    assert sorted(runfox.__all__) == sorted(NAMES.split())
    assert all(hasattr(runfox, name) for name in runfox.__all__)


def test_the_backends_export_these_names_and_no_others() -> None:
    assert sorted(runfox.backend.__all__) == sorted(BACKEND_NAMES.split())
    assert all(hasattr(runfox.backend, name) for name in runfox.backend.__all__)


def test_what_is_exported_twice_is_the_same() -> None:
    for name in set(runfox.__all__) & set(runfox.backend.__all__):
        assert getattr(runfox, name) is getattr(runfox.backend, name)


def test_every_exported_class_and_function_is_documented() -> None:
    for name in runfox.__all__:
        if name != "UNSET":
            assert getattr(runfox, name).__doc__, name


def modules_after(program: str) -> set[str]:
    """What a fresh interpreter has in memory that is neither the standard library's nor was there before."""
    before = subprocess.run(
        [sys.executable, "-c", "import sys; print(*{name.partition('.')[0] for name in sys.modules})"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    done = subprocess.run([sys.executable, "-c", program, *before], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_brings_nothing_but_the_standard_library() -> None:
    assert modules_after(IMPORT) == {"runfox"}


RUN = """
steps = [{"op": "a", "input": {"x": {"var": "input.x"}}}]
backend = runfox.Backend(lambda op, inputs: inputs)
workflow = runfox.Workflow.from_dict({"steps": steps, "outputs": {"x": {"var": "state.x"}}}, backend, {"x": 1})
assert workflow.run().outcome == {"x": 1}
"""


def test_a_workflow_without_operators_brings_nothing_either() -> None:
    assert modules_after(IMPORT.replace("import runfox\n", "import runfox\n" + RUN)) == {"runfox"}
