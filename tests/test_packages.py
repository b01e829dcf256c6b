"""What every package of the repository keeps to."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(folder: Path) -> list[str]:
    data = project(folder)
    return data["dependencies"] + [one for extra in data.get("optional-dependencies", {}).values() for one in extra]


def test_the_core_depends_on_nothing():
    assert project(ROOT / "packages" / "runfox-core")["dependencies"] == []


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_a_package_says_what_it_is(folder):
    data = project(folder)
    assert data["name"] == folder.name
    assert data["requires-python"] == ">=3.11"
    assert (folder / data["readme"]).read_text(encoding="utf-8").startswith(f"# {folder.name}\n")
    assert (folder / "LICENSE").read_text(encoding="utf-8") == (ROOT / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_the_changelog_knows_the_version(folder):
    changelog = (folder / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{project(folder)['version']}]" in changelog


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_ranges_are_compatible_ranges_with_both_ends(folder):
    for requirement in requirements(folder):
        assert re.fullmatch(r"[A-Za-z0-9-]+(\[[a-z,]+\])?>=[0-9.]+,<[0-9.]+", requirement), requirement


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.name)
def test_a_package_is_typed(folder):
    assert list(folder.glob("src/*/py.typed"))


def test_the_test_command_is_one_line_told_the_same_everywhere():
    command = 'python3 -m venv .venv && .venv/bin/pip install --quiet "nox[uv]" && .venv/bin/nox'
    for name in (".ci/run", "CONTRIBUTING.md", "README.md"):
        assert command in (ROOT / name).read_text(encoding="utf-8").splitlines(), name
