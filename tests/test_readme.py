"""What the README of the repository promises. That its code runs and its links lead somewhere, `test_docs` holds."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(path), re.MULTILINE | re.DOTALL)


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


def test_every_package_is_named_with_its_readme() -> None:
    named = re.findall(r"\[`(runfox-\w+)`\]\(packages/(runfox-\w+)/README\.md\)", text_of(README))
    assert set(named) == {(path.parent.name,) * 2 for path in ROOT.glob("packages/*/pyproject.toml")}


def test_the_readme_warns_of_the_other_distribution_of_that_name() -> None:
    assert "pip uninstall runfox" in text_of(README)
