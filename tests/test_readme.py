"""What the READMEs promise: their Python runs, their commands and links are the right ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
READMES = [README, *sorted(ROOT.glob("packages/*/README.md"))]

each_readme = pytest.mark.parametrize("path", READMES, ids=lambda path: str(path.relative_to(ROOT)))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(path), re.MULTILINE | re.DOTALL)


def run_python(path: Path, folder: Path) -> str:
    """What the Python blocks of a README print, run one after another as one script in a process of its own."""
    script = folder / "readme_blocks.py"
    script.write_text("\n\n".join(blocks(path, "python")), encoding="utf-8")
    command = [sys.executable, "-W", "error", script.name]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@each_readme
def test_the_python_of_a_readme_runs_in_an_empty_folder(path: Path, tmp_path: Path) -> None:
    run_python(path, tmp_path)


@each_readme
def test_a_value_in_a_comment_behind_print_is_what_is_printed(path: Path, tmp_path: Path) -> None:
    promised = re.findall(r"^print\(.*\)  # (.+)$", "\n".join(blocks(path, "python")), re.MULTILINE)
    printed = run_python(path, tmp_path).splitlines()
    assert [value for value in promised if value not in printed] == []


@each_readme
def test_relative_links_lead_somewhere(path: Path) -> None:
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text_of(path)) if "://" not in target]
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_the_readme_shows_the_outcome_of_its_workflow(tmp_path: Path) -> None:
    assert blocks(README, "text") == [run_python(README, tmp_path)]


def test_the_code_of_the_readme_is_that_of_the_quickstart() -> None:
    (shown,) = blocks(README, "python")
    quickstart = text_of(ROOT / "examples" / "quickstart.py")
    assert shown.strip() in quickstart


def test_one_line_sets_up_and_runs_the_quickstart_on_sqlite() -> None:
    (line,) = [block.strip() for block in blocks(README, "sh") if "quickstart.py" in block]
    assert "\n" not in line
    create, install, run = line.split(" && ")
    assert create == "python3 -m venv .venv"
    assert run == ".venv/bin/python examples/quickstart.py"
    installed = install.removeprefix(".venv/bin/pip install --quiet ").split()
    assert installed == ["'./packages/runfox-core[standard]'", "./packages/runfox-sqlite"]
    for requirement in installed:
        assert (ROOT / requirement.strip("'").removesuffix("[standard]") / "pyproject.toml").is_file()


def test_the_line_that_runs_the_tests_is_the_one_that_ci_runs() -> None:
    line = text_of(ROOT / ".ci" / "run").splitlines()[-1]
    assert line.startswith("python3 -m venv ")
    assert f"```sh\n{line}\n```" in text_of(README)


def test_every_package_is_in_the_table_as_what_it_is() -> None:
    rows = re.findall(r"^\| \[`(runfox-\w+)`\].* \|$", text_of(README), re.MULTILINE)
    assert set(rows) == {path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")}


def test_the_readme_warns_of_the_other_distribution_of_that_name() -> None:
    assert "pip uninstall runfox" in text_of(README)
