"""The report on a web server's log, run as a user runs it: undisturbed, killed, and by two processes."""

from __future__ import annotations

import importlib
import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

LOG_REPORT = Path(__file__).parents[1] / "examples" / "uses" / "log_report.py"

SHARDS = {f"parse_{number:02}" for number in range(16)}
PARSING = re.compile(r"^(parse_\d\d): parsing ", re.MULTILINE)
STORED = re.compile(r"^(parse_\d\d): stored$", re.MULTILINE)


def command(script: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", str(script), *arguments]


def run(script: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(script, *arguments), cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the sample log and the database of an undisturbed run, and the report of that run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    result = run(LOG_REPORT, folder=folder)
    assert result.returncode == 0, result.stderr
    assert set(PARSING.findall(result.stderr)) == SHARDS
    assert set(STORED.findall(result.stderr)) == SHARDS
    return folder, result.stdout


@pytest.fixture
def log(undisturbed: tuple[Path, str], tmp_path: Path) -> Path:
    """The sample log, with no database beside it."""
    copy = tmp_path / "access.log"
    copy.write_bytes((undisturbed[0] / "access.log").read_bytes())
    return copy


SIMPLE_LINE = re.compile(r'\S+ - \S+ \[(../.../....:..):..:.. \+0000\] "(.*?)" (\d{3}) (\d+|-) ".*" ".*"')


def test_the_report_agrees_with_a_plain_count_of_the_log(undisturbed: tuple[Path, str]) -> None:
    folder, report = undisturbed
    lines = (folder / "access.log").read_text(encoding="utf-8").split("\n")[:-1]
    matches = [SIMPLE_LINE.fullmatch(line) for line in lines]
    good = [match for match in matches if match]
    malformed = [number for number, match in enumerate(matches, start=1) if not match]
    hour, in_that_hour = Counter(match[1] for match in good).most_common(1)[0]
    top_path, hits = Counter(match[2].split()[1].split("?")[0] for match in good if " " in match[2]).most_common(1)[0]
    server_errors = sum(match[3].startswith("5") for match in good)

    rows = {row[:14].strip(): row[14:] for row in report.splitlines()}
    assert len(lines) == 10_000
    assert 15 <= len(malformed) <= 25
    assert rows["requests"] == f"{len(good):,}"
    assert rows["bytes sent"] == f"{sum(int(match[4]) for match in good if match[4] != '-'):,}"
    assert rows["error rate"] == f"{round(100 * server_errors / len(good), 2)} % answered with 5xx"
    assert rows["busiest hour"].split(" ", 1)[1] == f"{hour[-2:]}:00 UTC, {in_that_hour:,} requests"
    assert rows["top paths"].split() == [f"{hits:,}", top_path]
    assert rows["malformed"] == f"{len(malformed)} lines: " + ", ".join(map(str, malformed))
    for status, count in Counter(match[3][0] for match in good).items():
        assert rows[f"status {status}xx"] == f"{count:,}"


def test_a_second_run_prints_the_stored_report_and_parses_nothing(undisturbed: tuple[Path, str]) -> None:
    folder, report = undisturbed
    result = run(LOG_REPORT, folder=folder)
    assert (result.returncode, result.stdout) == (0, report)
    assert PARSING.findall(result.stderr) == []


def test_the_same_log_under_another_name_is_the_same_execution(undisturbed: tuple[Path, str]) -> None:
    folder, report = undisturbed
    (folder / "renamed.log").write_bytes((folder / "access.log").read_bytes())
    result = run(LOG_REPORT, "renamed.log", folder=folder)
    assert (result.returncode, result.stdout) == (0, report)
    assert PARSING.findall(result.stderr) == []


def test_another_log_is_another_execution(undisturbed: tuple[Path, str]) -> None:
    folder, report = undisturbed
    with (folder / "access.log").open("rb") as file:
        (folder / "shorter.log").write_bytes(b"".join(file.readlines()[:5_000]))
    result = run(LOG_REPORT, "shorter.log", folder=folder)
    assert result.returncode == 0
    assert result.stdout != report
    assert set(PARSING.findall(result.stderr)) == SHARDS


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize(("event", "count"), [(PARSING, 1), (STORED, 1), (STORED, 9)], ids=["begun", "some", "most"])
def test_killed_at_any_moment_it_goes_on_without_what_is_stored(
    undisturbed: tuple[Path, str], log: Path, event: re.Pattern[str], count: int
) -> None:
    killed = "".join(_lines_until_killed(log.parent, event, count))
    stored = set(STORED.findall(killed))
    assert stored != SHARDS

    result = run(LOG_REPORT, folder=log.parent)

    assert (result.returncode, result.stdout) == (0, undisturbed[1])
    parsed = set(PARSING.findall(result.stderr))
    assert not parsed & stored
    assert parsed | set(PARSING.findall(killed)) == SHARDS


def _lines_until_killed(folder: Path, event: re.Pattern[str], count: int) -> Iterator[str]:
    """What a run says up to the `count`-th event, at which it is killed; it pauses in each shard, so that this is long
    before its end.
    """
    with subprocess.Popen(
        command(LOG_REPORT, "--pause", "0.5"), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            yield line
            count -= event.match(line) is not None
            if count == 0:
                process.kill()
                yield from process.stderr
        assert process.wait() == -signal.SIGKILL


def test_two_processes_share_the_shards(undisturbed: tuple[Path, str], log: Path) -> None:
    with subprocess.Popen(
        command(LOG_REPORT, "--pause", "0.5"),
        cwd=log.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        assert first.stderr is not None
        began = next(line for line in first.stderr if PARSING.match(line))
        second = run(LOG_REPORT, "--pause", "0.5", folder=log.parent)
        rest, report = first.stderr.read(), first.stdout.read()
    assert report == second.stdout == undisturbed[1]
    assert set(PARSING.findall(began + rest)) | set(PARSING.findall(second.stderr)) == SHARDS


def test_it_says_nothing_but_how_far_it_is(log: Path) -> None:
    result = run(LOG_REPORT, folder=log.parent)
    header, *lines = result.stderr.splitlines()
    assert header.startswith("access.log: execution ")
    assert [line for line in lines if not PARSING.match(line) and not STORED.match(line)] == []


def test_too_many_malformed_lines_halt_it_with_the_reason_now_and_later(log: Path) -> None:
    for parsed in (SHARDS, set()):
        result = run(LOG_REPORT, "--max-malformed", "0.1", folder=log.parent)
        payload = json.loads(result.stdout)
        lines = payload.pop("malformed_lines")
        assert result.returncode == 1
        assert payload == {
            "status": "refused",
            "reason": "too many malformed lines",
            "malformed_percent": 0.2,
            "max_malformed_percent": 0.1,
        }
        assert len(lines) == 20
        assert lines == sorted(lines)
        assert set(PARSING.findall(result.stderr)) == parsed


def test_an_empty_log_has_a_report_too(tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    result = run(LOG_REPORT, "empty.log", folder=tmp_path)
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        "requests      0",
        "bytes sent    0",
        "error rate    0.0 % answered with 5xx",
        "busiest hour  none",
        "malformed     0 lines",
    ]


@pytest.mark.parametrize("arguments", [["missing.log"], ["."], ["--database", "missing/folder.db"]])
def test_a_wrong_path_is_told_without_a_traceback(log: Path, arguments: list[str]) -> None:
    result = run(LOG_REPORT, *arguments, folder=log.parent)
    assert (result.returncode, result.stdout) == (2, "")
    (message,) = result.stderr.splitlines()
    assert message.startswith(("can't read the log: ", "can't use the database: "))


@pytest.mark.parametrize("limit", ["-1", "101", "nan", "some"])
def test_a_limit_that_is_no_percentage_is_refused(log: Path, limit: str) -> None:
    result = run(LOG_REPORT, f"--max-malformed={limit}", folder=log.parent)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "--max-malformed" in result.stderr


def test_help_says_what_comes_of_a_kill_and_what_the_exit_status_means(tmp_path: Path) -> None:
    result = run(LOG_REPORT, "--help", folder=tmp_path)
    assert result.returncode == 0
    for words in ("killed", "--max-malformed", "--database", "--pause", "exit status"):
        assert words in result.stdout


@pytest.fixture
def log_report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(LOG_REPORT.parent)
    return importlib.import_module("log_report")


@pytest.mark.parametrize("text", ["", "a", "a\n", "a\nb", "\n" * 50, "a\r\nb\r\n", "x" * 9_000 + "\n" + "y\n" * 3])
@pytest.mark.parametrize("count", [1, 2, 16])
def test_the_shards_hold_every_line_once(log_report: ModuleType, tmp_path: Path, text: str, count: int) -> None:
    log = tmp_path / "some.log"
    log.write_bytes(text.encode())
    shards = log_report.plan(log, count)
    lines = text.encode().splitlines(keepends=True)
    found: list[bytes] = []
    for shard in shards:
        assert shard["line"] == len(found) + 1
        assert shard["offset"] == len(b"".join(found))
        found += lines[len(found) : len(found) + shard["lines"]]
    assert len(shards) == count
    assert found == lines
