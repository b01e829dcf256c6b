"""The pytest plugin. It is imported wherever the package is installed, so it imports little before it is needed."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runfox_testing.check import KINDS, TRAITS

if TYPE_CHECKING:
    from runfox_testing.check import Check
    from runfox_testing.conformance import Conformance
    from runfox_testing.session import KitSession

# The modules whose asserts would tell too little without pytest's rewriting.
pytest.register_assert_rewrite("runfox_testing.checks")

INCOMPLETE = 6
"""The exit status where all that ran was well, but not all that should have run did."""

_SESSION = pytest.StashKey["KitSession"]()
_LOST_WORKER = pytest.StashKey[bool]()
_CHOSEN: Mapping[str, str] = {"store": "--runfox-store", "runner": "--runfox-runner"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the kit."""
    group = parser.getgroup("runfox", "conformance of runfox stores and runners")
    group.addoption("--runfox-store", metavar="NAME", help="the store: a scheme (sqlite) or module:HarnessClass")
    group.addoption("--runfox-runner", metavar="NAME", help="the runner: a scheme or module:HarnessClass")
    group.addoption(
        "--runfox-profile",
        choices=("quick", "ci", "thorough"),
        default="quick",
        help="how much is tried (default: quick, a minute at most)",
    )
    group.addoption("--runfox-seed", type=int, default=0, metavar="N", help="the seed of all chance (default: 0)")
    group.addoption("--runfox-contract", metavar="X.Y", help="the version of the contract (default: the newest)")
    group.addoption("--runfox-endpoint-url", metavar="URL", help="where a service under test listens, for its harness")
    group.addoption(
        "--runfox-report",
        action="append",
        default=[],
        metavar="FILE",
        help="write a report: FILE.json or FILE.md; may be given several times",
    )
    group.addoption(
        "--runfox-partial",
        action="store_true",
        help="checks are left out on purpose, by -k, -m or node ids: what was not selected is no reason to fail",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Markers; and the options, checked while there is somebody to tell."""
    for kind in KINDS.values():
        config.addinivalue_line("markers", f"runfox_{kind}: a check of the conformance kit for a {kind}")
    for trait, what in TRAITS.items():
        config.addinivalue_line("markers", f"runfox_{trait}: a check of the conformance kit that {what}")
    for path in config.getoption("--runfox-report"):
        if not path.endswith((".json", ".md")):
            raise pytest.UsageError(f"--runfox-report={path}: write FILE.json or FILE.md")
        if not Path(path).absolute().parent.is_dir():
            raise pytest.UsageError(f"--runfox-report={path}: there is no folder {Path(path).parent}")
        if not hasattr(config, "workerinput"):
            # The report of another run must not stand for this one's.
            Path(path).unlink(missing_ok=True)
    contract = config.getoption("--runfox-contract")
    if contract is not None:
        _check_contract(contract)


def _check_contract(contract: str) -> None:
    from runfox_testing.clauses import CONTRACT
    from runfox_testing.verdict import version

    try:
        known = (1,) <= version(contract) <= version(CONTRACT)
    except ValueError:
        known = False
    if not known:
        raise pytest.UsageError(f"--runfox-contract={contract}: this kit knows 1.0 to {CONTRACT}")


# Collecting


def pytest_pycollect_makeitem(collector: Any, name: str, obj: Any) -> Any:
    """Every class that names a harness is collected, whatever it is called; those of the suite where their options are
    given.
    """
    conformance = sys.modules.get("runfox_testing.conformance")
    if conformance is None or not (isinstance(obj, type) and issubclass(obj, conformance.Conformance)):
        return None
    if "runfox_options" in vars(obj):
        obj = _of_options(obj, collector.config)
        if obj is None:
            return []
    elif obj.__module__ != collector.module.__name__ or vars(obj).get("__test__") is False:
        return None
    try:
        obj.harness_types()
    except ValueError:
        return None  # a base of others; if pytest collects it all the same, it says what is missing
    if any("__init__" in vars(one) for one in obj.__mro__[:-1]):
        raise pytest.Collector.CollectError(
            f"{name} has an __init__, so pytest can't run it: put that into the harness"
        )
    _declare(f"{collector.nodeid}::{name}", obj, collector.config)
    item = pytest.Class.from_parent(collector, name=name)
    if item.obj is not obj:
        item.obj = obj
    return item


def _of_options(suite: Any, config: pytest.Config) -> type[Conformance] | None:
    """A class of the suite with the harnesses that the options name; None where they name none for it."""
    from runfox_testing.naming import UnknownHarness, harness_named

    if not _asked(config):
        raise pytest.Collector.CollectError(
            f"nothing to check: give {' or '.join(f'{option}=NAME' for option in _CHOSEN.values())}"
        )
    needed: tuple[str, ...] = suite.runfox_options
    if not all(config.getoption(_CHOSEN[kind]) for kind in needed):
        return None
    names: dict[str, Any] = dict(vars(suite))
    for kind in needed:
        try:
            harness = harness_named(config.getoption(_CHOSEN[kind]), kind)
        except UnknownHarness as error:
            raise pytest.Collector.CollectError(f"{_CHOSEN[kind]}: {error}") from error
        names["harness" if len(needed) == 1 else f"{kind}_harness"] = harness
    names = {key: value for key, value in names.items() if key not in ("__dict__", "__weakref__")}
    return type(suite.__name__, (suite,), names)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One node for each check of a conformance class."""
    if "runfox_check" not in metafunc.fixturenames or metafunc.cls is None:
        return
    parent = metafunc.definition.parent
    assert parent is not None
    parameters = [
        pytest.param(
            check,
            id=check.id,
            marks=[getattr(pytest.mark, f"runfox_{word}") for word in (check.kind, *check.traits)],
        )
        for check in _declare(parent.nodeid, metafunc.cls, metafunc.config)
    ]
    metafunc.parametrize("runfox_check", parameters)


def _declare(key: str, cls: type[Conformance], config: pytest.Config) -> list[Check]:
    try:
        cls.harness_types()
        return _session(config).declare(key, cls, _name(key, cls, config), _command(key, cls, config))
    except ValueError as error:
        raise pytest.Collector.CollectError(str(error)) from error


def _name(key: str, cls: type[Conformance], config: pytest.Config) -> str:
    options = vars(cls).get("runfox_options")
    return key if options is None else _name_of(options, config)


def _name_of(kinds: tuple[str, ...], config: pytest.Config) -> str:
    return " and ".join(f"{kind} {config.getoption(_CHOSEN[kind])}" for kind in kinds)


def _asked(config: pytest.Config) -> list[str]:
    """The names of the subjects that the options ask for."""
    given = tuple(kind for kind, option in _CHOSEN.items() if config.getoption(option))
    wanted = [(kind,) for kind in given] + ([given] if len(given) > 1 else [])
    return [_name_of(kinds, config) for kinds in wanted]


def _command(key: str, cls: type[Conformance], config: pytest.Config) -> Callable[[str], str]:
    """What runs one check of the class again."""
    names = ["--runfox-profile", "--runfox-seed", "--runfox-contract", "--runfox-endpoint-url"]
    usual = {"--runfox-profile": "quick", "--runfox-seed": 0}
    options = vars(cls).get("runfox_options")
    if options is not None:
        names = [_CHOSEN[kind] for kind in options] + names
    given = [(name, config.getoption(name)) for name in names]
    tail = "".join(f" {name}={value}" for name, value in given if value is not None and value != usual.get(name))
    if options is not None:
        return lambda check_id: f"pytest --pyargs runfox_testing.suite{tail} --runfox-partial -k {check_id}"
    file, _, names_in_file = key.partition("::")
    place = os.path.relpath(config.rootpath / file, config.invocation_params.dir)
    return lambda check_id: f"pytest '{place}::{names_in_file}::test_clause[{check_id}]'{tail} --runfox-partial"


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is selected is what has to run."""
    if _SESSION not in session.config.stash:
        return
    subjects = _session(session.config).accounts.subjects
    for item in session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if "runfox_check" in parameters and item.parent is not None and item.parent.nodeid in subjects:
            subjects[item.parent.nodeid].selected.add(parameters["runfox_check"].id)


# Running


@pytest.fixture
def runfox_run(request: pytest.FixtureRequest) -> Callable[[Check], None]:
    """Runs a check for the class that asks for it."""
    kit = _session(request.config)
    more = sorted(request.node.callspec.params.keys() - {"runfox_check"})
    if more:
        problem = f"{request.node.parent.nodeid} is run with several values of {more[0]!r}, and has one verdict"
        if problem not in kit.accounts.problems:
            kit.accounts.problems.append(problem)
    return functools.partial(kit.run, request.node.parent.nodeid)


def _session(config: pytest.Config) -> KitSession:
    if _SESSION not in config.stash:
        from runfox_testing.clauses import CONTRACT
        from runfox_testing.profiles import PROFILES
        from runfox_testing.session import KitSession

        config.stash[_SESSION] = KitSession(
            profile=PROFILES[config.getoption("--runfox-profile")],
            seed=config.getoption("--runfox-seed"),
            contract=config.getoption("--runfox-contract") or CONTRACT,
            endpoint_url=config.getoption("--runfox-endpoint-url"),
            asked=_asked(config),
        )
    return config.stash[_SESSION]


# Telling


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """pytest-xdist: what a worker knows comes to the controller."""
    told = getattr(node, "workeroutput", {}).get("runfox")
    if told is None:
        node.config.stash[_LOST_WORKER] = True
    elif told["subjects"]:
        from runfox_testing.verdict import Subject

        accounts = _session(node.config).accounts
        accounts.problems += told["problems"]
        for key, data in told["subjects"].items():
            subject = Subject.from_data(data)
            accounts.subjects.setdefault(key, subject).merge(subject)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The accounts are closed: the reports are written, and the verdict is part of the exit status."""
    config = session.config
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output["runfox"] = {"subjects": {}, "problems": []}
    if not _is_of_concern(config):
        return
    kit = _session(config)
    kit.close()
    accounts = kit.accounts
    if output is not None:
        subjects = {key: subject.to_data() for key, subject in accounts.subjects.items()}
        output["runfox"] = {"subjects": subjects, "problems": accounts.problems}
        return
    if config.stash.get(_LOST_WORKER, False):
        accounts.problems.append("a worker process was lost, and with it what it knew")
    from runfox_testing import report
    from runfox_testing.verdict import Verdict

    for path in config.getoption("--runfox-report"):
        report.write(path, kit)
    verdict = accounts.verdict()
    is_excused = config.getoption("--runfox-partial") and accounts.is_partial_by_choice()
    if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        if verdict is Verdict.FAILED:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif verdict is Verdict.INCOMPLETE and not is_excused:
            session.exitstatus = INCOMPLETE


def _is_of_concern(config: pytest.Config) -> bool:
    """True if the kit has something to say: not where pytest only lists things."""
    only_lists = config.option.collectonly or config.option.showfixtures or config.option.show_fixtures_per_test
    return not only_lists and (_SESSION in config.stash or bool(_asked(config)))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What the kit found."""
    if not _is_of_concern(config):
        return
    from runfox_testing import report

    kit = _session(config)
    terminalreporter.section(f"runfox conformance: {report.conditions(kit)}")
    for gap in kit.accounts.gaps():
        terminalreporter.line(f"INCOMPLETE: {gap}", red=True)
    for subject in kit.accounts.subjects.values():
        report.write_summary(terminalreporter, subject, kit.accounts.contract)
    for path in config.getoption("--runfox-report"):
        terminalreporter.line(f"report: {path}")


def pytest_report_header(config: pytest.Config) -> str | None:
    """What is checked, above the results."""
    return f"runfox conformance: {', '.join(_asked(config))}" if _asked(config) else None
