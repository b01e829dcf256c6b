"""What `benchmarks/bench.py` measures and tells. Nothing here is about how long anything takes."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
CONTENDERS = BENCHMARKS / "speed" / "contenders"
SHAPES = ["chain", "fan", "loop", "small", "events"]
MODULES = {path.stem for path in [*BENCHMARKS.glob("speed/*.py"), *CONTENDERS.glob("*.py")]}


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for folder in (BENCHMARKS, BENCHMARKS / "speed", CONTENDERS):
        monkeypatch.syspath_prepend(folder)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in {*MODULES, "bench", "speed"}]:
        del sys.modules[name]


def module(name: str) -> Any:
    return importlib.import_module(name)


def figure(*values: float, who: str = "runfox", unit: str = "steps/s") -> Any:
    return module("speed.rows").Figure(who=who, values=values, unit=unit)


def row(**given: Any) -> Any:
    content = {"what": "chain-1000", "place": "sqlite FULL", "ours": figure(1.0), "kind": "peer", "other": None}
    return module("speed.rows").Row(**{**content, **given})


# Workloads


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("place", ["memory", "sqlite NORMAL", "sqlite NORMAL, local queue", "sqlite FULL"])
def test_ours_executes_the_steps_of_a_workload_and_comes_to_its_outcome(shape: str, place: str, tmp_path: Path) -> None:
    workload = module("workloads").Workload(shape, 4)
    measured = module("this_runfox").carry(workload, place, tmp_path)
    assert measured["executed"] == workload.steps
    assert measured["outcome"] == workload.outcome
    assert measured["seconds"] > 0


@pytest.mark.parametrize(
    ("name", "steps", "outcome"),
    [("chain-7", 7, 7), ("fan-5", 7, 11), ("loop-6", 6, 6), ("small-4", 12, 3), ("events-5", 7, 11)],
)
def test_a_workload_has_as_many_steps_as_its_name_says(name: str, steps: int, outcome: int) -> None:
    workload = module("workloads").named(name)
    assert (str(workload), workload.steps, workload.outcome) == (name, steps, outcome)


@pytest.mark.parametrize("text", ["chain", "chain-", "chain-0", "chain-x", "ring-10"])
def test_what_is_no_workload_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write a shape and a size, as in chain-1000"):
        module("workloads").named(text)


@pytest.mark.parametrize("place", ["sqlite FULL", "sqlite NORMAL"])
def test_the_floor_commits_once_for_each_step(place: str, tmp_path: Path) -> None:
    workload = module("workloads").Workload("chain", 5)
    statements: list[str] = []
    floor = module("bare_sqlite")
    connect = floor.sqlite3.connect

    def traced(*arguments: Any, **named: Any) -> Any:
        connection = connect(*arguments, **named)
        connection.set_trace_callback(statements.append)
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(floor.sqlite3, "connect", traced)
        floor.carry(workload, place, tmp_path)
    assert statements.count("BEGIN IMMEDIATE") == statements.count("COMMIT") == workload.steps
    assert sum(statement.startswith("INSERT") for statement in statements) == 3 * workload.steps


def test_a_contender_that_did_something_else_is_found_out() -> None:
    workload = module("workloads").Workload("chain", 5)
    with pytest.raises(ValueError, match=r"chain-5 gave \(4, 5\)"):
        module("serving").check(workload, {"executed": 4, "outcome": 5})


# Asking


def test_a_contender_is_a_process_that_answers_lines(tmp_path: Path) -> None:
    contestants = module("speed.contestants")
    workload = module("speed.workloads").Workload("chain", 3)
    with contestants.Process(Path(sys.executable), "this_runfox.py") as process:
        assert process.about["versions"].keys() == {"runfox-core", "runfox-sqlite", "sqlalchemy"}
        assert process.ask(workload, "sqlite NORMAL", tmp_path)["executed"] == 3
        with pytest.raises(contestants.NotAvailable, match="NoSuchPlace"):
            process.ask(workload, "sqlite NoSuchPlace", tmp_path)
        # It has told what was wrong, and goes on.
        assert process.ask(workload, "memory", tmp_path)["executed"] == 3
    assert list(tmp_path.iterdir()) == []


def test_of_a_contender_that_ends_the_last_words_are_told(tmp_path: Path) -> None:
    contestants = module("speed.contestants")
    with pytest.raises(contestants.NotAvailable, match="No such file or directory"):
        contestants.Process(Path(sys.executable), "nobody.py")


def test_an_environment_that_can_not_be_made_says_why(tmp_path: Path) -> None:
    environments = module("speed.environments")
    with pytest.raises(module("speed.contestants").NotAvailable, match="can't be installed: "):
        environments.python_of(tmp_path, "peer", [str(tmp_path / "no-such-folder")])


def test_an_environment_that_is_there_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environments = module("speed.environments")
    made: list[tuple[str, ...]] = []

    def make(*command: str) -> None:
        made.append(command)
        (tmp_path / "peer").mkdir(exist_ok=True)

    monkeypatch.setattr(environments, "_run", make)
    monkeypatch.setattr(environments.shutil, "which", lambda _: "uv")
    first = environments.python_of(tmp_path, "peer", ["it>=1"])
    count = len(made)
    assert environments.python_of(tmp_path, "peer", ["it>=1"]) == first
    assert len(made) == count
    environments.python_of(tmp_path, "peer", ["it>=2"])
    assert len(made) == 2 * count


# Comparing


class Answering:
    """A contender's process that needs so many seconds for each step, one after another."""

    def __init__(self, name: str, asked: list[tuple[str, str]], *seconds: float, error: str = "") -> None:
        self.about = {"versions": {name: "1.0"}}
        self._name = name
        self._asked = asked
        self._seconds = list(seconds)
        self._error = error

    def ask(self, workload: Any, place: str, _: Path) -> dict[str, float]:
        if str(workload) == "chain-10":
            return {"seconds": 1.0}
        if self._error:
            raise module("speed.contestants").NotAvailable(self._error)
        self._asked.append((self._name, place))
        return {"seconds": workload.steps * self._seconds.pop(0)}

    def close(self) -> None:
        pass


def compared(processes: dict[str, Answering], mode: str, rounds: int) -> list[Any]:
    def open_process(who: Any) -> Answering:
        if who.name not in processes:
            raise module("speed.contestants").NotAvailable("can't be installed: no network")
        return processes[who.name]

    comparing = module("speed.comparing")
    entered = comparing.Field(open_process, Path(), lambda _: None)
    workload = module("speed.workloads").Workload("chain", 1_000)
    return list(comparing.compare(entered, workload, mode, rounds))


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    # In the second round the machine was ten times as slow, for both.
    asked: list[tuple[str, str]] = []
    processes = {
        "runfox-core": Answering("runfox-core", asked, 0.001, 0.010, 0.001),
        "langgraph": Answering("langgraph", asked, 0.008, 0.080, 0.009),
    }
    langgraph, missing = compared(processes, "memory", 3)
    assert langgraph.other.who == "langgraph 1.0"
    assert langgraph.ours.median == pytest.approx(1_000)
    assert langgraph.other.median == pytest.approx(1_000 / 9)
    assert langgraph.ratios == pytest.approx([8, 8, 9])
    assert langgraph.ratio == pytest.approx(8)
    assert missing.other == "runfox of PyPI (chain-100): not available: can't be installed: no network"
    assert (missing.ratio, missing.reached) == (None, None)


def test_what_the_figures_of_each_are_of_is_told_of_all_that_were_asked() -> None:
    comparing, contestants = module("speed.comparing"), module("speed.contestants")
    entered = comparing.Field(lambda _: Answering("dbos", [], 0.001), Path(), lambda _: None)
    entered.process(contestants.PEERS[0])
    assert entered.versions() == {"dbos": "1.0"}
    assert entered.notes() == {"dbos 1.0": contestants.PEERS[0].note}


def test_contenders_take_turns_and_none_is_always_first() -> None:
    asked: list[tuple[str, str]] = []
    names = ("runfox-core", "sqlite3")
    compared({name: Answering(name, asked, *[0.001] * 8) for name in names}, "sqlite NORMAL", 4)
    rounds = [asked[start : start + 3] for start in range(0, len(asked), 3)]
    assert len(rounds) == 4
    assert all(len(set(one)) == 3 for one in rounds)
    assert {one[0] for one in rounds} >= {("runfox-core", "sqlite NORMAL"), ("sqlite3", "sqlite NORMAL")}


def test_the_peers_are_measured_once_for_both_of_our_queues() -> None:
    asked: list[tuple[str, str]] = []
    names = ("runfox-core", "sqlite3", "dbos", "langgraph", "runfox")
    rows = compared({name: Answering(name, asked, 0.001, 0.002) for name in names}, "sqlite FULL", 1)
    assert len(asked) == 6
    assert [(row.place, row.other.who, row.kind) for row in rows] == [
        (place, who, kind)
        for place in ("sqlite FULL", "sqlite FULL, local queue")
        for who, kind in (
            ("bare sqlite3", "floor"),
            ("dbos 1.0", "peer"),
            ("langgraph 1.0", "peer"),
            ("runfox 1.0 of PyPI (chain-100)", "peer"),
        )
    ]


def test_a_peer_that_fails_makes_its_own_rows_empty() -> None:
    asked: list[tuple[str, str]] = []
    processes = {
        "runfox-core": Answering("runfox-core", asked, 0.001),
        "langgraph": Answering("langgraph", asked, error="GraphRecursionError: too deep"),
        "runfox": Answering("runfox", asked, 0.002),
    }
    failed, fine = compared(processes, "memory", 1)
    assert failed.other == "langgraph 1.0: not available: GraphRecursionError: too deep"
    assert fine.ratio == pytest.approx(2)


def test_ours_must_not_fail() -> None:
    with pytest.raises(RuntimeError, match="chain-1000 on memory went wrong: AssertionError"):
        compared({"runfox-core": Answering("runfox-core", [], error="AssertionError")}, "memory", 1)


# Bars


def test_a_bar_is_reached_from_its_own_side() -> None:
    bar = module("speed.rows").Bar
    assert bar(least=5).admits(5)
    assert not bar(least=5).admits(4.99)
    assert bar(most=1.3).admits(1.3)
    assert not bar(most=1.3).admits(1.31)
    assert [str(bar(least=0.4)), str(bar(most=60))] == ["≥ 0.4", "≤ 60"]


def test_a_bar_holds_for_the_size_that_it_names_and_for_both_queues() -> None:
    bars = module("speed.bars")
    assert bars.against("chain-1000", "sqlite FULL", "dbos").least == 5
    assert bars.against("chain-1000", "sqlite FULL, local queue", "dbos").least == 5
    assert bars.against("chain-100", "sqlite FULL", "dbos") is None
    assert bars.against("chain-1000", "sqlite NORMAL", "dbos") is None
    assert bars.growth("loop-10000").most == 1.3
    assert bars.growth("events-1000").most == 1.5
    assert bars.growth("events-100") is None


def test_a_bar_is_held_against_the_ratio_or_the_figure_itself() -> None:
    bar = module("speed.rows").Bar
    assert row(bar=bar(least=5)).reached is None
    assert row(bar=bar(least=5), ratios=(4.0, 5.0, 6.0)).reached is True
    assert row(bar=bar(most=10, of_figure=True), ours=figure(9.0, 50.0, 9.5)).reached is True
    assert row(ratios=(4.0,)).reached is None


# The table


def rows() -> list[Any]:
    bar = module("speed.rows").Bar(least=5)
    ratios = module("speed.rows").ratios_of((1_000, 1_200, 900), (100, 400, 300))
    theirs = figure(100, 400, 300, who="dbos 3.4.0")
    return [
        row(ours=figure(1_000, 1_200, 900), other=theirs, ratios=ratios, bar=bar),
        row(place="memory", ours=figure(12_345), kind="peer", other="langgraph: not available: no network"),
    ]


def test_the_table_says_what_was_measured_against_whom_and_on_what() -> None:
    text = module("speed.table").as_text(rows(), {"processor": "Fast, 2 cores"})
    headings, first, second, _, about = text.splitlines()
    assert headings.split()[:4] == ["workload", "on", "runfox", "min"]
    cells = [" ".join(cell.split()) for cell in first.split("  ") if cell.strip()]
    assert cells == [
        "chain-1000",
        "sqlite FULL",
        "1,000 steps/s",
        "900 … 1,200",
        "dbos 3.4.0",
        "a peer",
        "300 steps/s",
        "3.00 ×",  # noqa: RUF001
        "≥ 5",
        "not reached",
    ]
    assert "langgraph: not available: no network" in second
    assert about == "processor: Fast, 2 cores"


def test_the_table_in_markdown_has_the_same_cells() -> None:
    text = module("speed.table").as_markdown(rows(), {"processor": "Fast, 2 cores"})
    lines = text.splitlines()
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert "| dbos 3.4.0 | a peer | 300 steps/s | 3.00 × | ≥ 5 | not reached |" in lines[2]  # noqa: RUF001
    assert lines[-1] == "- processor: Fast, 2 cores"


def test_the_table_in_json_has_the_figures_of_every_round() -> None:
    content = json.loads(module("speed.table").as_json(rows(), {"processor": "Fast"}))
    first, second = content["rows"]
    assert first["ours"] == {"who": "runfox", "median": 1_000, "unit": "steps/s", "rounds": [1_000, 1_200, 900]}
    assert first["against"]["rounds"] == [100, 400, 300]
    assert (first["ratio"], first["bar"], first["reached"]) == (3.0, "≥ 5", False)
    assert second["against"] == "langgraph: not available: no network"
    assert content["about"] == {"processor": "Fast"}


# Ours against itself


def test_growth_is_held_against_what_was_measured_before_and_after() -> None:
    comparing, workload = module("speed.comparing"), module("speed.workloads").Workload("chain", 10_000)
    ours = Answering("runfox-core", [], *[0.0010] * 4, 0.0012, *[0.0014] * 4)
    entered = comparing.Field(lambda _: ours, Path(), lambda _: None)
    grown = module("speed.growth").growth(entered, workload, "memory", 1)
    assert grown.other.who == "chain-1000"
    assert grown.ours.median == pytest.approx(1_200)
    assert grown.other.median == pytest.approx(1_200)
    assert grown.reached is True


def test_the_memory_of_a_step_is_traced_in_a_process_of_its_own(tmp_path: Path) -> None:
    comparing, growth, bench = module("speed.comparing"), module("speed.growth"), module("bench")
    entered = comparing.Field(lambda _: None, tmp_path, lambda _: None)
    told = growth.memory(entered, bench.open_traced, module("speed.workloads").Workload("chain", 20), "memory")
    assert told.what == "chain-20: memory"
    assert told.ours.median > 0
    assert told.other.median > 0
    assert told.bar is None


# The parts that are not about workloads


def test_workers_carry_all_executions_to_their_outcome(tmp_path: Path) -> None:
    workload = module("speed.workloads").Workload("small", 3)
    assert module("speed.workers").seconds_of(workload, 2, "sqlite NORMAL", tmp_path) > 0
    assert list(tmp_path.iterdir()) == []


def test_latency_has_a_figure_for_each_result(tmp_path: Path) -> None:
    found = module("speed.latency").milliseconds(3, "sqlite NORMAL", tmp_path)
    assert len(found) == 3
    assert all(value > 0 for value in found)


def test_import_time_is_what_is_more_than_a_bare_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    imports = module("speed.imports")
    seconds = {"import runfox": 0.050, "pass": 0.010}
    monkeypatch.setattr(imports, "_seconds", seconds.__getitem__)
    told = imports.import_time(3, lambda _: None)
    assert told.ours.values == pytest.approx([40, 40, 40])
    assert told.other.median == pytest.approx(10)
    assert told.reached is True


def test_importing_runfox_brings_no_module_of_others() -> None:
    assert module("speed.imports").third_party_modules() == []


def test_the_file_system_is_that_of_the_longest_mount(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = module("speed.machine")
    mounts = f"a / ext4 rw 0 0\nb {tmp_path} tmpfs rw 0 0\nc {tmp_path}x xfs rw 0 0\n"
    monkeypatch.setattr(machine.Path, "read_text", lambda *_, **__: mounts)
    assert machine.file_system(tmp_path) == "tmpfs"


# The command


def test_the_command_lists_its_subjects(capsys: pytest.CaptureFixture[str]) -> None:
    module("bench").main(["--list"])
    told = capsys.readouterr().out
    others = ["workers", "growth", "memory", "import", "latency"]
    assert [line.split()[0] for line in told.splitlines()] == [*SHAPES, *others]


@pytest.mark.parametrize("given", ["chian", "chain-x", "workers-2"])
def test_the_command_refuses_what_it_does_not_know(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        module("bench").main([given])
    assert f"{given!r} is no workload" in capsys.readouterr().err


def test_the_command_prints_and_writes_one_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = module("bench")
    monkeypatch.setattr(bench, "EVENT_PLACES", ("memory",))
    markdown, data = tmp_path / "table.md", tmp_path / "table.json"
    bench.main(["events-20", "--quick", "--folder", str(tmp_path), "--markdown", str(markdown), "--json", str(data)])
    told = capsys.readouterr()
    assert "events-20" in told.out
    assert "processor: " in told.out
    assert "python: " in told.out
    assert "runfox-core " in told.out
    assert "| events-20 | memory |" in markdown.read_text(encoding="utf-8")
    assert json.loads(data.read_text(encoding="utf-8"))["rows"][0]["against"]["who"] == "events-2"
    assert "events-20 on memory" in told.err


def test_where_it_is_interrupted_the_command_shows_what_it_has() -> None:
    bench, comparing = module("bench"), module("speed.comparing")
    told: list[str] = []

    class Interrupted:
        entered = comparing.Field(lambda _: None, Path(), told.append)

        def measure(self, _: Any) -> Iterator[Any]:
            yield row(ours=figure(12.0), kind="")
            raise KeyboardInterrupt

    assert [one.what for one in bench.measured(Interrupted(), [])] == ["chain-1000"]
    assert told == ["chain-1000 | sqlite FULL | 12.0 steps/s", "interrupted"]


def test_every_peer_has_a_script_and_an_environment_of_its_own() -> None:
    contestants = module("speed.contestants")
    assert [peer.name for peer in contestants.PEERS] == ["dbos", "langgraph", "runfox"]
    for one in (contestants.OURS, contestants.FLOOR, *contestants.PEERS):
        assert (CONTENDERS / one.script).is_file()
        assert bool(one.requirements) is (one.kind == "peer")


def test_the_modules_of_the_benchmark_hide_none_of_anybody() -> None:
    # Scripts find their neighbours first: one named dbos.py would be imported in place of dbos.
    assert not MODULES & (sys.stdlib_module_names | {"dbos", "langgraph", "runfox", "sqlalchemy"})
