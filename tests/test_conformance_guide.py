"""The workflow file in the guide "Conformance in CI": its commands run, and what it names is there.

Its commands run as GitHub runs them, on the tests of `examples/custom_backend`, with few of the checks: all of them
are `nox -s third_party`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "guides" / "conformance-in-ci.md"
STRANGER = ROOT / "examples" / "custom_backend"
FEW = '-k "STORE-LOAD-01 or RUN-TAKE-01"'


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    (text,) = re.findall(
        r'^```yaml title="\.github/workflows/conformance\.yml"\n(.*?)^```$',
        GUIDE.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def steps_of(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    (job,) = workflow["jobs"].values()
    steps: list[dict[str, Any]] = job["steps"]
    return steps


def command_of(workflow: dict[str, Any], name: str) -> str:
    (step,) = (step for step in steps_of(workflow) if step.get("name") == name)
    command: str = step["run"]
    return command


def stranger() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((STRANGER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def run_as_github_does(command: str, folder: Path, options: str) -> int:
    """The exit status of a command in a folder; `options` are pytest's, before those of the command."""
    python = Path(sys.executable).parent
    result = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command],
        cwd=folder,
        env=os.environ
        | {
            "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(STRANGER / "src"),
            "PYTEST_ADDOPTS": f"-p no:cacheprovider {options}",
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode in (0, 6), result.stdout + result.stderr
    return result.returncode


def test_its_commands_check_a_backend_and_leave_a_report(workflow: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(STRANGER / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    check = command_of(workflow, "Check")
    assert run_as_github_does(check, tmp_path, f"{FEW} --runfox-partial") == 0
    report = json.loads((tmp_path / "conformance.json").read_text(encoding="utf-8"))
    assert (report["contract"], report["profile"], report["verdict"]) == ("1.0", "ci", "INCOMPLETE")
    clauses = {name: counts for subject in report["subjects"] for name, counts in subject["clauses"].items()}
    assert (clauses["STORE-LOAD"]["passed"], clauses["RUN-TAKE"]["passed"]) == (1, 1)
    assert run_as_github_does(command_of(workflow, "Show the report"), tmp_path, "") == 0
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert summary == (tmp_path / "conformance.md").read_text(encoding="utf-8")


def test_its_check_is_red_where_checks_were_left_out(workflow: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(STRANGER / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    assert run_as_github_does(command_of(workflow, "Check"), tmp_path, '-k "STORE-LOAD-01"') == 6


def test_it_installs_what_brings_the_kit(workflow: dict[str, Any]) -> None:
    (extra,) = re.findall(r'pip install "\.\[(\w+)\]"$', command_of(workflow, "Install"))
    assert [entry for entry in stranger()["optional-dependencies"][extra] if entry.startswith("runfox-testing")]


def test_it_runs_on_every_python_that_the_example_names(workflow: dict[str, Any]) -> None:
    (job,) = workflow["jobs"].values()
    named = [entry.rpartition(" ")[2] for entry in stranger()["classifiers"] if re.search(r":: 3\.\d+$", entry)]
    assert job["strategy"]["matrix"]["python"] == named


def test_it_keeps_each_report_that_it_asks_for(workflow: dict[str, Any]) -> None:
    asked = re.findall(r"--runfox-report=(\S+)", command_of(workflow, "Check"))
    (kept,) = (step["with"]["path"] for step in steps_of(workflow) if "upload-artifact" in step.get("uses", ""))
    assert kept.split() == asked


def test_its_actions_are_pinned_to_commits(workflow: dict[str, Any]) -> None:
    used = [step["uses"] for step in steps_of(workflow) if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name)] == []
