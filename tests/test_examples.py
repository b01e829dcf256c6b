"""Every example, run as a user runs it: with no arguments, a process of its own, in an empty folder of its own.

What it has to print stands in ``tests/examples``, under the example's path; ``...`` in it is for what differs from run
to run (an id, a time). `test_log_report` has more of the longest one.
"""

from __future__ import annotations

import ast
import doctest
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
EXPECTED = Path(__file__).parent / "examples"
HELPERS = {"uses/sample_log.py"}
"""What examples import, and nobody runs."""

NAMES = sorted(
    path.relative_to(EXAMPLES).as_posix()
    for path in [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("ops/*.py"), *EXAMPLES.glob("uses/*.py")]
)
RUN = [name for name in NAMES if name not in HELPERS]

each_example = pytest.mark.parametrize("name", RUN)


@each_example
def test_an_example_prints_what_is_expected_and_nothing_of_trouble(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    expected = (EXPECTED / name).with_suffix(".txt").read_text(encoding="utf-8")
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert len(expected.splitlines()) >= 2
    if not doctest.OutputChecker().check_output(expected, result.stdout, doctest.ELLIPSIS):
        assert result.stdout == expected


@each_example
def test_an_example_says_what_it_shows(name: str) -> None:
    docstring = ast.get_docstring(ast.parse((EXAMPLES / name).read_text(encoding="utf-8")))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":"))


def test_every_expected_output_is_of_an_example() -> None:
    assert sorted(path.relative_to(EXPECTED).with_suffix(".py").as_posix() for path in EXPECTED.rglob("*.txt")) == RUN


def test_the_quickstart_runs_again_in_the_same_folder(tmp_path: Path) -> None:
    for _ in range(2):
        command = [sys.executable, "-W", "error", str(EXAMPLES / "quickstart.py")]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (0, "")
        assert (tmp_path / "quickstart.db").is_file()


def test_the_quickstart_is_read_at_a_glance() -> None:
    assert len((EXAMPLES / "quickstart.py").read_text(encoding="utf-8").splitlines()) <= 40
