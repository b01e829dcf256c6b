"""The pytest plugin. It is imported wherever the package is installed, so it imports little before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from runfox_testing.conformance import Conformance
    from runfox_testing.session import KitSession

# The modules whose asserts would tell too little without pytest's rewriting.
pytest.register_assert_rewrite("runfox_testing.checks")

INCOMPLETE = 6
"""The exit status where all that ran was well, but not all that should have run did."""

_SESSION = pytest.StashKey["KitSession"]()
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
        help="checks are left out on purpose: INCOMPLETE is said, but is no reason to fail",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Markers; and the options, checked while there is somebody to tell."""
    # The keys of `check.TRAITS`, which is not imported for this.
    for kind in ("store", "runner", "workflow"):
        config.addinivalue_line("markers", f"runfox_{kind}: a check of the conformance kit for a {kind}")
    for trait, what in (
        ("threads", "races threads"),
        ("processes", "starts processes of its own"),
        ("kills", "kills processes"),
        ("property", "generates examples"),
        ("time", "lets time pass"),
    ):
        config.addinivalue_line("markers", f"runfox_{trait}: a check of the conformance kit that {what}")
    for path in config.getoption("--runfox-report"):
        if not path.endswith((".json", ".md")):
            raise pytest.UsageError(f"--runfox-report={path}: write FILE.json or FILE.md")
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


def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> Any:
    """The classes of the suite are collected where their options are given, under names that do not begin with Test."""
    needed = vars(obj).get("runfox_options") if isinstance(obj, type) else None
    if needed is None:
        return None
    given = [kind for kind in _CHOSEN if collector.config.getoption(_CHOSEN[kind])]
    if not given:
        raise pytest.Collector.CollectError(
            f"nothing to check: give {' or '.join(f'{option}=NAME' for option in _CHOSEN.values())}"
        )
    if not set(needed) <= set(given):
        return []
    _choose(obj, collector.config)
    return pytest.Class.from_parent(collector, name=name, obj=obj)


def _choose(suite: Any, config: pytest.Config) -> None:
    """Give a class of the suite the harnesses that the options name."""
    from runfox_testing.naming import UnknownHarness, harness_named

    attributes = {"store": "store_harness", "runner": "runner_harness"} if len(suite.runfox_options) > 1 else {}
    for kind in suite.runfox_options:
        try:
            harness = harness_named(config.getoption(_CHOSEN[kind]), kind)
        except UnknownHarness as error:
            raise pytest.Collector.CollectError(f"{_CHOSEN[kind]}: {error}") from error
        setattr(suite, attributes.get(kind, "harness"), harness)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One node for each check of a conformance class."""
    if "runfox_check" not in metafunc.fixturenames or metafunc.cls is None:
        return
    cls: type[Conformance] = metafunc.cls
    session = _session(metafunc.config)
    try:
        cls.harness_types()
        checks = session.declare(cls, _name(cls, metafunc.config), _command(cls, metafunc))
    except ValueError as error:
        raise pytest.Collector.CollectError(str(error)) from error
    parameters = [
        pytest.param(
            check,
            id=check.id,
            marks=[getattr(pytest.mark, f"runfox_{word}") for word in (check.kind, *check.traits)],
        )
        for check in checks
    ]
    metafunc.parametrize("runfox_check", parameters)


def _name(cls: type[Conformance], config: pytest.Config) -> str:
    options = vars(cls).get("runfox_options")
    if options is None:
        return cls.__name__
    return " and ".join(f"{kind} {config.getoption(_CHOSEN[kind])}" for kind in options)


def _command(cls: type[Conformance], metafunc: pytest.Metafunc) -> Callable[[str], str]:
    """What runs one check of the class again."""
    config = metafunc.config
    names = ["--runfox-profile", "--runfox-seed", "--runfox-contract", "--runfox-endpoint-url"]
    usual = {"--runfox-profile": "quick", "--runfox-seed": 0}
    options = vars(cls).get("runfox_options")
    if options is not None:
        names = [_CHOSEN[kind] for kind in options] + names
    given = [(name, config.getoption(name)) for name in names]
    tail = "".join(f" {name}={value}" for name, value in given if value is not None and value != usual.get(name))
    if options is not None:
        return lambda check_id: f"pytest --pyargs runfox_testing.suite{tail} -k {check_id}"
    node = metafunc.definition.nodeid
    return lambda check_id: f"pytest '{node}[{check_id}]'{tail}"


# Running


@pytest.fixture(scope="session")
def runfox_session(request: pytest.FixtureRequest) -> KitSession:
    """The kit's part of this session."""
    return _session(request.config)


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
        )
    return config.stash[_SESSION]


# Telling


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """pytest-xdist: what a worker knows comes to the controller."""
    from runfox_testing.verdict import Subject

    session = _session(node.config)
    for key, data in getattr(node, "workeroutput", {}).get("runfox", {}).items():
        subject = Subject.from_data(data)
        if key in session.subjects:
            session.subjects[key].merge(subject)
        else:
            session.subjects[key] = subject


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The verdict is part of the exit status."""
    config = session.config
    if _SESSION not in config.stash and not _is_chosen(config):
        return
    kit = _session(config)
    kit.close()
    workeroutput = getattr(config, "workeroutput", None)
    if workeroutput is not None:
        workeroutput["runfox"] = {key: subject.to_data() for key, subject in kit.subjects.items()}
        return
    if config.option.collectonly:
        return
    from runfox_testing.verdict import Verdict, overall

    verdict = overall(kit.subjects.values(), kit.contract)
    is_excused = verdict is Verdict.INCOMPLETE and config.getoption("--runfox-partial")
    if _uncollected(config, kit):
        verdict, is_excused = Verdict.INCOMPLETE, False
    if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) and not is_excused:
        if verdict is Verdict.FAILED:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif verdict is Verdict.INCOMPLETE:
            session.exitstatus = INCOMPLETE


def _uncollected(config: pytest.Config, kit: KitSession) -> list[str]:
    """What the options ask for and nobody collected."""
    names = {subject.name for subject in kit.subjects.values()}
    asked = [f"{kind} {config.getoption(option)}" for kind, option in _CHOSEN.items() if config.getoption(option)]
    return [name for name in asked if name not in names]


def _is_chosen(config: pytest.Config) -> bool:
    return any(config.getoption(option) for option in _CHOSEN.values())


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What the kit found, and the reports that were asked for."""
    if config.option.collectonly or (_SESSION not in config.stash and not _is_chosen(config)):
        return
    from runfox_testing import report

    kit = _session(config)
    terminalreporter.section(f"runfox conformance: {report.conditions(kit)}")
    for name in _uncollected(config, kit):
        terminalreporter.line(f"INCOMPLETE: {name}: not collected; add: --pyargs runfox_testing.suite", red=True)
    for subject in kit.subjects.values():
        report.write_summary(terminalreporter, subject, kit.contract)
    for path in config.getoption("--runfox-report"):
        report.write(path, kit)
        terminalreporter.line(f"report: {path}")


def pytest_report_header(config: pytest.Config) -> str | None:
    """What is checked, above the results."""
    chosen = [f"{kind} {config.getoption(option)}" for kind, option in _CHOSEN.items() if config.getoption(option)]
    return f"runfox conformance: {', '.join(chosen)}" if chosen else None
