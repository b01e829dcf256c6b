"""Every error: its message, its attributes, the built-in that it also is, and its way through pickle."""

import pickle

import pytest

from runfox import errors
from runfox.errors import Problem, RunfoxError
from runfox.results import DispatchJob, StepResult

ID = "w#e"
JOB = DispatchJob(ID, "resize", {"width": 3}, run_id=2)
PROBLEM = Problem("steps[0].op", "must be a text")
PLACED = Problem("steps[1]", "unknown key 'inptu': did you mean 'input'?", line=4, column=3)

# Each with: arguments, the built-in, the message, the attributes.
CASES: list[tuple[type[RunfoxError], tuple[object, ...], type[BaseException], str, dict[str, object]]] = [
    (
        errors.DefinitionError,
        ([PROBLEM],),
        ValueError,
        "the workflow definition has a problem:\n  steps[0].op: must be a text",
        {"problems": (PROBLEM,)},
    ),
    (
        errors.DefinitionError,
        ([PROBLEM, PLACED],),
        ValueError,
        "the workflow definition has 2 problems:\n  steps[0].op: must be a text\n"
        "  line 4, column 3: steps[1]: unknown key 'inptu': did you mean 'input'?",
        {"problems": (PROBLEM, PLACED)},
    ),
    (
        errors.ExpressionError,
        ("a", "input.total", '{"+": [1, "x"]}', "ValueError: no"),
        ValueError,
        'step \'a\', input.total: {"+": [1, "x"]} failed: ValueError: no',
        {"op": "a", "place": "input.total", "expression": '{"+": [1, "x"]}', "cause": "ValueError: no"},
    ),
    (
        errors.ExpressionError,
        (None, "outputs.sum", "{}", "TypeError"),
        ValueError,
        "outputs.sum: {} failed: TypeError",
        {"op": None, "place": "outputs.sum"},
    ),
    (
        errors.InvalidJSON,
        ("the output of step 'a'", "['x'][0]", "nan is no JSON number"),
        ValueError,
        "the output of step 'a'['x'][0]: nan is no JSON number",
        {"subject": "the output of step 'a'", "path": "['x'][0]", "reason": "nan is no JSON number"},
    ),
    (
        errors.InvalidExecutionId,
        ("a b",),
        ValueError,
        "'a b' can't be an execution id: use 1 to 128 of the characters A-Z a-z 0-9 . _ : -",
        {"execution_id": "a b"},
    ),
    (
        errors.WorkflowNotFound,
        (ID,),
        KeyError,
        "no execution 'w#e' in this store: check the id, and that the store is the one it was created in",
        {"workflow_execution_id": ID},
    ),
    (
        errors.UnknownStep,
        ("shrink", ID),
        KeyError,
        "execution 'w#e' has no step 'shrink'",
        {"op": "shrink", "workflow_execution_id": ID},
    ),
    (
        errors.ExecutionExists,
        (ID,),
        ValueError,
        "execution 'w#e' exists with other inputs: choose another execution_id, or Workflow.resume() the one that is "
        "there",
        {"workflow_execution_id": ID},
    ),
    (
        errors.ExecutionActive,
        (ID,),
        ValueError,
        "execution 'w#e' has not ended: halt() it before deleting it",
        {"workflow_execution_id": ID},
    ),
    (
        errors.ExecutionEnded,
        (ID,),
        ValueError,
        "execution 'w#e' has ended: nothing can change it any more",
        {"workflow_execution_id": ID},
    ),
    (
        errors.NotSupported,
        ("MyStore", "SupportsListing"),
        TypeError,
        "MyStore has no SupportsListing: choose one that implements runfox.protocols.SupportsListing",
        {"what": "MyStore", "ability": "SupportsListing"},
    ),
    (
        errors.NoCurrentJob,
        (),
        LookupError,
        "no job is being executed here: call current_job() inside an executor that a worker runs",
        {},
    ),
    (
        errors.NoWorker,
        (ID,),
        RuntimeError,
        "nothing executes the jobs of 'w#e': pass run(worker=InProcessWorker(runner, execute)), give the Backend an "
        "executor=, or use a runner that other processes can reach",
        {"workflow_execution_id": ID},
    ),
    (
        errors.WaitTimeout,
        (ID, 1.5),
        TimeoutError,
        "execution 'w#e' had not ended after 1.5 s; resume it and run() or result() again",
        {"workflow_execution_id": ID, "seconds": 1.5},
    ),
    (
        errors.WriteConflict,
        (ID, 7),
        Exception,
        "execution 'w#e' is no longer at version 7: load it and decide again",
        {"workflow_execution_id": ID, "version": 7},
    ),
    (
        errors.RecordTooLarge,
        (ID, "400 KB"),
        ValueError,
        "the record of 'w#e' is over the store's limit (400 KB): keep large data elsewhere and pass references",
        {"workflow_execution_id": ID, "detail": "400 KB"},
    ),
    (
        errors.PayloadTooLarge,
        ([JOB], "256 KB"),
        ValueError,
        "over the runner's limit (256 KB): 'resize'",
        {"jobs": (JOB,), "detail": "256 KB", "results": ()},
    ),
    (
        errors.UnknownRoute,
        ([JOB, JOB], "queue 'gpu'", [StepResult("a", {})]),
        ValueError,
        "no queue is known for these jobs (queue 'gpu'): 'resize', 'resize'",
        {"jobs": (JOB, JOB), "results": (StepResult("a", {}),)},
    ),
    (errors.StorageError, ("the disk says no",), RunfoxError, "the disk says no", {}),
    (
        errors.StorageUnavailable,
        ("no folder '/nowhere'",),
        OSError,
        "no folder '/nowhere'",
        {"detail": "no folder '/nowhere'"},
    ),
    (errors.StorageCorrupt, ("no database",), ValueError, "no database", {"detail": "no database"}),
    (
        errors.SchemaTooNew,
        ("runfox-sqlite", 3, 2),
        RuntimeError,
        "the schema has version 3, this runfox-sqlite knows versions up to 2: pip install --upgrade runfox-sqlite",
        {"package": "runfox-sqlite", "found": 3, "known": 2},
    ),
    (
        errors.MissingExtra,
        ("YAML text", "runfox-core[standard]"),
        ImportError,
        "YAML text needs a package that is not installed: pip install 'runfox-core[standard]'",
        {"purpose": "YAML text", "requirement": "runfox-core[standard]"},
    ),
    (
        errors.UnknownScheme,
        ("sqlite", "store", ["memory"], "runfox-sqlite"),
        LookupError,
        "no store is known for 'sqlite' (known: memory); pip install 'runfox-sqlite' brings it",
        {"scheme": "sqlite", "kind": "store", "known": ("memory",), "requirement": "runfox-sqlite"},
    ),
    (
        errors.UnknownScheme,
        ("carrier-pigeon", "runner", [], None),
        LookupError,
        "no runner is known for 'carrier-pigeon' (known: none); a URL begins with one of them and a colon, as in "
        "'memory:' or 'sqlite:///workflows.db'",
        {"known": (), "requirement": None},
    ),
    (
        errors.UnknownScheme,
        ("dynamodb", "runner", ["memory", "sqs"], "runfox-aws", "store"),
        LookupError,
        "no runner is known for 'dynamodb' (known: memory, sqs); it opens a store only, so name both, as in "
        "open_backend('STORE-URL', runner='RUNNER-URL')",
        {"opens": "store"},
    ),
    (
        errors.DuplicateScheme,
        ("sqlite", "store", ["runfox-sqlite", "other"]),
        RuntimeError,
        "the store 'sqlite' is provided by runfox-sqlite and by other: uninstall one of them",
        {"scheme": "sqlite", "kind": "store", "distributions": ("runfox-sqlite", "other")},
    ),
]
NAMES = [f"{case[0].__name__}-{number}" for number, case in enumerate(CASES)]


def leaves() -> set[type[RunfoxError]]:
    found: set[type[RunfoxError]] = set()
    waiting = [RunfoxError]
    while waiting:
        below = [kind for kind in waiting.pop().__subclasses__() if kind.__module__ == errors.__name__]
        found.update(below)
        waiting += below
    return {kind for kind in found if not kind.__name__.startswith("_")}


def test_every_error_of_the_module_has_a_case_here():
    assert leaves() == {case[0] for case in CASES}


@pytest.mark.parametrize(("kind", "arguments", "built_in", "message", "attributes"), CASES, ids=NAMES)
def test_an_error_writes_its_message_and_keeps_its_data(kind, arguments, built_in, message, attributes):
    error = kind(*arguments)
    assert isinstance(error, RunfoxError)
    assert isinstance(error, built_in)
    assert str(error) == message
    assert {name: getattr(error, name) for name in attributes} == attributes


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(("kind", "arguments"), [case[:2] for case in CASES], ids=NAMES)
def test_an_error_survives_pickling(kind, arguments, protocol):
    error = kind(*arguments)
    copy = pickle.loads(pickle.dumps(error, protocol))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert copy.args == error.args
    assert vars(copy) == vars(error)


def test_notes_survive_pickling():
    error = errors.UnknownStep("shrink", ID)
    error.add_note("while settling")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["while settling"]


def test_the_message_of_a_key_error_is_a_sentence_and_no_repr():
    assert not str(errors.WorkflowNotFound(ID)).startswith(('"', "'"))


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("", "no steps"), "no steps"),
        (Problem("steps", "no steps"), "steps: no steps"),
        (Problem("", "no steps", 1, 2), "line 1, column 2: no steps"),
        (Problem("steps", "no steps", 1, 2), "line 1, column 2: steps: no steps"),
    ],
)
def test_a_problem_says_where_it_is_as_far_as_that_is_known(problem, text):
    assert str(problem) == text
