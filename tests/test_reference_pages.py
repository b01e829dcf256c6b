"""The reference is complete: whatever the code takes, raises, logs or calls has its row, with the right default.

What the pages show is tried in `test_docs`; here the code is asked what has to be there.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import inspect
import re
import time
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import runfox as rfx
import runfox_aws
import runfox_sqlite
from runfox import errors, expressions, plugins
from runfox.backend.commits import OnStateChange
from runfox.definition import Retry, branches, fields, retry, source, steps, validate, yaml_builder
from runfox.expressions import inspection, library
from runfox.expressions.syntax import ARITY
from runfox.jsonvalue import MAX_DEPTH, MAX_INTEGER_DIGITS, MAX_SIZE
from runfox_aws import _plugin as aws_plugin
from runfox_aws import handlers
from runfox_sqlite import _plugin as sqlite_plugin
from runfox_sqlite._json import MAX_TEXT
from runfox_testing import MissingFake, RunnerHarness, StoreHarness, WorkflowDidNotEnd
from runfox_testing.abilities import methods_of

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"
DEFINITION, OPERATORS, SETTINGS, ERRORS, HOOKS = (
    (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    for name in ("definition", "operators", "settings", "errors", "hooks")
)


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one of any level. Headings within blocks are none."""
    bare = re.sub(r"^```.*?^```$", lambda block: block[0].replace("\n#", "\n "), page, flags=re.MULTILINE | re.DOTALL)
    found = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", bare, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"{len(found)} sections {heading!r}"
    return str(found[0])


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of all tables, without their heads."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
        for line in table.splitlines()[2:]
    ]


def names(table: Iterable[list[str]], column: int = 0) -> list[str]:
    """What stands in a column, without its backticks."""
    return [cells[column].strip("`") for cells in table]


def tables(text: str) -> list[list[list[str]]]:
    """The rows of each table."""
    return [rows(table) for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]


# definition.md


@pytest.mark.parametrize(
    ("heading", "number", "keys"),
    [
        ("The definition", 0, (*validate.DEFINITION_KEYS, "x-…")),
        ("A step", 0, (*steps.STEP_KEYS, "x-…")),
        ("A branch", 0, branches.BRANCH_KEYS),
        ("A branch", 2, branches.RESET_KEYS),
        ("Retry", 0, retry.RETRY_KEYS),
        ("Defaults", 0, retry.POLICY_KEYS),
    ],
)
def test_every_key_of_a_definition_has_its_row(heading: str, number: int, keys: tuple[str, ...]) -> None:
    assert sorted(names(tables(section(DEFINITION, heading))[number])) == sorted(keys)


def test_the_defaults_of_a_retry_are_the_right_ones() -> None:
    shown = {cells[0].strip("`"): cells[2] for cells in rows(section(DEFINITION, "Retry"))}
    del shown["when"]
    assert {key: float(value) for key, value in shown.items()} == {key: getattr(Retry(), key) for key in shown}


def test_what_follows_an_error_is_listed() -> None:
    (cell,) = (cells[1] for cells in rows(section(DEFINITION, "A step")) if cells[0] == "`on_error`")
    assert cell == "`continue` or `halt`"


@pytest.mark.parametrize(
    "limit",
    [
        f"{rfx.Limits().definition_size:,} characters",
        f"| {source.MAX_DEPTH}, the definition itself counted |",
        f"{yaml_builder.MAX_EXPANSION >> 20} MiB",
        f"{fields.MAX_OP_LENGTH} characters",
        f"{fields.MAX_SECONDS:,}",
        f"{MAX_INTEGER_DIGITS:,} digits",
        f"{inspection.MAX_PATHS:,}, of {library.MAX_PATH_LENGTH} characters",
        f"first {source.MAX_PROBLEMS};",
    ],
)
def test_the_limits_of_a_definition_are_the_right_ones(limit: str) -> None:
    assert limit in section(DEFINITION, "Limits")


# operators.md


def test_every_operator_has_its_row() -> None:
    assert sorted(names(rows(section(OPERATORS, "The table")))) == sorted(expressions.OPERATORS)


def test_the_numbers_of_arguments_are_the_right_ones() -> None:
    shown = {cells[0].strip("`"): cells[1] for cells in rows(section(OPERATORS, "The table"))}
    assert shown.pop("literal") == "anything"
    assert shown == {operator: told_arity(operator) for operator in shown}


def told_arity(operator: str) -> str:
    low, high = ARITY.get(operator, (0, None))
    if high is None:
        return f"{low} or more" if low else "any number"
    return f"{low}" if low == high else f"{low} or {high}"


@pytest.mark.parametrize("operator", sorted(expressions.OPERATORS))
def test_every_operator_is_shown_with_its_result(operator: str) -> None:
    assert re.search(rf'^.*\{{"{re.escape(operator)}": .*  gives  ', OPERATORS, re.MULTILINE)


# settings.md

REQUIRED = inspect.Parameter.empty
SETTLED: list[tuple[str, Callable[..., Any]]] = [
    ("Backend", rfx.Backend),
    ("Limits", rfx.Limits),
    ("open_backend", rfx.open_backend),
    ("Worker", rfx.Worker),
    ("InProcessWorker", rfx.InProcessWorker),
    ("InMemoryStore", rfx.InMemoryStore),
    ("InProcessRunner", rfx.InProcessRunner),
    ("SqliteStore", runfox_sqlite.SqliteStore),
    ("SqliteRunner", runfox_sqlite.SqliteRunner),
    ("DynamoDBStore", runfox_aws.DynamoDBStore),
    ("SQSRunner", runfox_aws.SQSRunner),
    ("create_tables", runfox_aws.create_tables),
]


def defaults_of(call: Callable[..., Any]) -> dict[str, object]:
    """The parameters of a call with their defaults."""
    return {name: parameter.default for name, parameter in inspect.signature(call).parameters.items() if name != "self"}


def told_default(cell: str) -> object:
    """The default that a cell shows."""
    known: dict[str, object] = {"required": REQUIRED, "`time.time`": time.time, "`Limits()`": rfx.Limits()}
    return known[cell] if cell in known else ast.literal_eval(cell.strip("`"))


@pytest.mark.parametrize(("heading", "call"), SETTLED, ids=[heading for heading, _ in SETTLED])
def test_every_parameter_has_its_row_with_its_default(heading: str, call: Callable[..., Any]) -> None:
    text = section(SETTINGS, heading)
    found = tables(text)[0] if "|" in text else []
    shown = {cells[0].strip("`"): told_default(cells[1]) for cells in found}
    assert shown == defaults_of(call)


def test_every_parameter_of_driving_and_sweeping_has_its_row_with_its_default() -> None:
    shown = {(cells[0], cells[1]): told_default(cells[2]) for cells in rows(section(SETTINGS, "Driving and sweeping"))}
    calls = {"Workflow.run": rfx.Workflow.run, "Workflow.result": rfx.Workflow.result, "sweep": rfx.sweep}
    wanted = {
        (f"`{name}`", f"`{parameter}`"): default
        for name, call in calls.items()
        for parameter, default in defaults_of(call).items()
        if parameter != "backend"
    }
    assert shown == wanted


def test_every_option_of_a_url_is_in_the_table_of_urls() -> None:
    table = {cells[0]: cells[3] for cells in tables(section(SETTINGS, "open_backend"))[1]}
    options = {
        "sqlite:///": set(sqlite_plugin._OPTIONS),
        "dynamodb://": set(aws_plugin._STORE_OPTIONS),
        "sqs://": {*aws_plugin._RUNNER_OPTIONS, "queue.NAME"},
    }
    for scheme, known in options.items():
        (cell,) = (cell for url, cell in table.items() if f"`{scheme}" in url and cell != "the same")
        assert set(re.findall(r"`([\w.]+)`", cell)) == known


def test_every_scheme_of_ours_is_in_the_table_of_urls() -> None:
    urls = " ".join(cells[0] for cells in tables(section(SETTINGS, "open_backend"))[1])
    assert [scheme for scheme in ("memory", *plugins.OUR_PACKAGES) if f"`{scheme}:" not in urls] == []


@pytest.mark.parametrize(
    "limit",
    [f"{fields.MAX_OP_LENGTH} of letters", f"{MAX_DEPTH} containers", f"{MAX_SIZE >> 20} MiB", f"{MAX_TEXT:,} bytes"],
)
def test_the_hard_limits_are_the_right_ones(limit: str) -> None:
    assert limit in section(SETTINGS, "Hard limits")


def sources() -> Iterator[tuple[Path, ast.Module]]:
    """The modules of the packages, but for those that only serve tests."""
    for package in ("runfox-core", "runfox-sqlite", "runfox-aws"):
        for path in sorted((ROOT / "packages" / package / "src").rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_every_kind_of_thread_has_its_row() -> None:
    shown = {name.removesuffix("_…") for name in names(rows(section(SETTINGS, "Threads")))}
    begun = {
        keyword.value.value
        for _, tree in sources()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if isinstance(keyword.value, ast.Constant) and str(keyword.value.value).startswith("runfox-")
        if keyword.arg in ("name", "thread_name_prefix")
    }
    assert begun
    assert shown == begun


def test_no_environment_variable_is_read() -> None:
    readers = [
        path.name
        for path, tree in sources()
        if path.name not in ("_moto.py", "testing.py")
        if any(isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") for node in ast.walk(tree))
    ]
    assert readers == []


# errors.md

RAISED = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, errors.RunfoxError) and not found.__name__.startswith("_")
]
EVERY_ERROR = [*RAISED, MissingFake, WorkflowDidNotEnd]

each_error = pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: error.__name__)


def test_every_error_is_exported() -> None:
    assert [error.__name__ for error in RAISED if error.__name__ not in rfx.__all__] == []


@each_error
def test_an_error_has_its_section_that_begins_with_the_built_ins_that_it_is(error: type[Exception]) -> None:
    kinds = [kind for kind in error.__mro__ if kind.__module__ == "builtins"]
    lowest = {
        kind.__name__ for kind in kinds if not any(other is not kind for other in kinds if issubclass(other, kind))
    }
    first_sentence = section(ERRORS, error.__name__).strip().partition(". ")[0]
    named = {name for name in re.findall(r"`(\w+)`", first_sentence) if name in vars(builtins)}
    assert named - {"Exception"} == lowest - {"Exception"}


@each_error
def test_the_section_of_an_error_names_its_attributes(error: type[Exception]) -> None:
    text = section(ERRORS, error.__name__)
    # The roots of others take whatever they are given.
    made = vars(error).get("__init__") or vars(error.__mro__[1]).get("__init__")
    taken = list(inspect.signature(made).parameters)[1:] if inspect.isfunction(made) else []
    assert [name for name in taken if f"`{name}`" not in text] == []


def test_no_section_is_of_an_error_that_there_is_not() -> None:
    known = {error.__name__ for error in EVERY_ERROR} | {"Problem", "Outcomes"}
    assert set(re.findall(r"^### (.+)$", ERRORS, re.MULTILINE)) == known


def test_every_kind_of_error_result_has_its_row() -> None:
    given = {
        value.value
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "error_type" and isinstance(value, ast.Constant)
    }
    assert given
    shown = section(ERRORS, "Error results")
    assert [kind for kind in given if f"`{kind}`" not in shown] == []


LEVELS = {"error": "error", "exception": "error", "warning": "warning", "info": "info", "log": "any"}
"""The level of each method of a logger; that of `log` is decided when it is called."""


def logged() -> Iterator[tuple[str, str, str]]:
    """File, level and text of every message but those of debugging."""
    for path, tree in sources():
        if path.name in ("_moto.py", "testing.py"):
            continue
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if not isinstance(call.func.value, ast.Name) or call.func.value.id != "logger":
                continue
            if call.func.attr not in LEVELS:
                assert call.func.attr == "debug"
                continue
            message = call.args[1 if call.func.attr == "log" else 0]
            assert isinstance(message, ast.Constant), f"{path.name}: a message that is made elsewhere"
            yield path.name, LEVELS[call.func.attr], str(message.value)


@pytest.mark.parametrize(("file", "level", "message"), list(logged()))
def test_every_message_that_is_logged_has_its_row(file: str, level: str, message: str) -> None:
    plain = re.sub(r"%[srd]", "X", message)
    shown = [cells[1] for cells in rows(section(ERRORS, "What is logged")) if level in (cells[0], "any")]
    patterns = [".*".join(re.escape(part.strip()) for part in text.split("…")) for text in shown]
    if message == "a worker can take jobs again":
        patterns.append(re.escape(message))  # it stands beside the error that it ends
        assert message in ERRORS
    assert any(re.fullmatch(pattern, plain) for pattern in patterns), f"{file}: {message}"


# hooks.md


def test_every_hook_of_plugins_has_its_row() -> None:
    hooks = [name for name, member in vars(plugins.Hooks).items() if isinstance(member, staticmethod)]
    assert hooks
    assert names(tables(section(HOOKS, "Plugins"))[0]) == hooks


@pytest.mark.parametrize("provider", [plugins.StoreProvider, plugins.RunnerProvider])
def test_every_field_of_a_provider_has_its_row_with_its_default(provider: Any) -> None:
    shown = {cells[0].strip("`"): told_default(cells[1]) for cells in tables(section(HOOKS, "Plugins"))[1]}
    missing = dataclasses.MISSING
    wanted = {
        field.name: field.default_factory()
        if field.default_factory is not missing
        else REQUIRED
        if field.default is missing
        else field.default
        for field in dataclasses.fields(provider)
    }
    assert shown == wanted


def test_every_field_of_a_job_has_its_row() -> None:
    wanted = [field.name for field in dataclasses.fields(rfx.DispatchJob)] + ["key"]
    assert sorted(names(rows(section(HOOKS, "current_job")))) == sorted(wanted)


def test_every_argument_of_on_state_change_has_its_row() -> None:
    arguments, _ = typing.get_args(OnStateChange)
    assert len(rows(section(HOOKS, "on_state_change"))) == len(arguments)


def test_everything_with_a_clock_is_named() -> None:
    timed = [heading for heading, call in SETTLED if "clock" in inspect.signature(call).parameters]
    text = section(HOOKS, "Clocks")
    assert [name for name in timed if f"`{name}`" not in text] == []


def test_every_handler_has_its_row_and_every_parameter_its_default() -> None:
    first, *others = tables(section(HOOKS, "Handlers for Lambda"))
    factories = {
        name: call
        for name, call in vars(handlers).items()
        if inspect.isfunction(call) and call.__module__ == handlers.__name__ and not name.startswith("_")
    }
    assert sorted([*names(first), "feed"]) == sorted(factories)
    shown = {(cells[0], cells[1]): told_default(cells[2]) for table in others for cells in table}
    assert shown == {
        (f"`{name}`", f"`{parameter}`"): default
        for name, call in factories.items()
        for parameter, default in defaults_of(call).items()
    }


def test_every_member_of_a_harness_has_its_row() -> None:
    methods, attributes = tables(section(HOOKS, "The harness of the kit"))
    base = StoreHarness.__mro__[1]
    assert sorted(names(methods)) == sorted(methods_of(base))
    assert sorted(names(attributes)) == sorted({**base.__annotations__, **RunnerHarness.__annotations__})


def test_the_defaults_of_a_harness_are_the_right_ones() -> None:
    _, attributes = tables(section(HOOKS, "The harness of the kit"))
    shown = {cells[0].strip("`"): told_default(cells[1]) for cells in attributes if cells[1] != "set by the kit"}
    assert shown == {name: getattr(RunnerHarness, name) for name in shown}
