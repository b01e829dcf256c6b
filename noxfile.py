"""One verb, one session. A bare ``nox`` runs them all; the tests come last, so that their summary does, too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13"]
OLDEST = PYTHONS[0]
CORE = "runfox-core"
WHEELS = ROOT / "dist"
THIRD_PARTY = ROOT / "examples" / "custom_backend"
NEWEST = PYTHONS[-1]
KIT = "packages/runfox-testing/tests"
AWS = "packages/runfox-aws/tests"
ON_A_SERVER = (f"{AWS}/store", f"{AWS}/runner", f"{AWS}/test_conformance.py", "tests/test_chaos_aws.py")

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "imports", "docs", "quickstart", "bare", "wheels", "third_party", "tests"]
nox.options.error_on_missing_interpreters = bool(os.environ.get("CI"))
nox.options.reuse_venv = "no"

os.environ["UV_PYTHON_DOWNLOADS"] = "never"


def _show_pyenv_interpreters() -> None:
    """pyenv hides every version that PYENV_VERSION does not name: name the newest patch of each that is tested."""
    pyenv = shutil.which("pyenv")
    if pyenv is None or os.environ.get("PYENV_VERSION"):
        return
    listed = subprocess.run([pyenv, "versions", "--bare"], capture_output=True, text=True, check=False).stdout.split()
    newest: dict[str, tuple[int, str]] = {}
    for version in listed:
        minor, _, patch = version.rpartition(".")
        if minor in PYTHONS and patch.isdigit():
            newest[minor] = max(newest.get(minor, (-1, "")), (int(patch), version))
    if newest:
        os.environ["PYENV_VERSION"] = ":".join(newest[minor][1] for minor in PYTHONS if minor in newest)


_show_pyenv_interpreters()


def packages() -> list[Path]:
    """The folders of all packages, the core first."""
    folders = [path.parent for path in ROOT.glob("packages/*/pyproject.toml")]
    return sorted(folders, key=lambda folder: (folder.name != CORE, folder.name))


def install_groups(session: nox.Session, *groups: str) -> None:
    """Install dependency groups of the root pyproject.toml."""
    session.install(*nox.project.dependency_groups(PROJECT, *groups))


def install_from_tree(session: nox.Session) -> None:
    """Install every package from the tree, editable, with the core's extra."""
    requirements: list[str] = []
    for folder in packages():
        extra = "[standard]" if folder.name == CORE else ""
        requirements += ["--editable", f"{folder}{extra}"]
    session.install(*requirements)


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Rules and format of every Python file."""
    install_groups(session, "lint")
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")


@nox.session(python=OLDEST)
def types(session: nox.Session) -> None:
    """mypy, strict, over what ships and over the tools. Tests do without: their stand-ins take what they are given."""
    install_groups(session, "types")
    install_from_tree(session)
    session.install("nox")
    sources = [str(folder.relative_to(ROOT) / "src") for folder in packages()]
    session.run("mypy", *sources, "noxfile.py", "conftest.py", "tools")


@nox.session(python=OLDEST)
def imports(session: nox.Session) -> None:
    """The import contracts of pyproject.toml."""
    install_groups(session, "imports")
    install_from_tree(session)
    session.run("lint-imports", *session.posargs)


@nox.session(python=OLDEST)
def docs(session: nox.Session) -> None:
    """The site, into build/site, strictly: a page outside the nav or a link that leads nowhere is an error.

    So is a script, style or font that a page loads from another host.
    The packages are read, not imported. `-- serve` serves it while it is being written.
    """
    install_groups(session, "docs")
    # The theme's notice of its successor; the group `docs` in pyproject.toml says what we make of it.
    env = {"NO_MKDOCS_2_WARNING": "1"}
    session.run("mkdocs", *(session.posargs or ("build",)), "--strict", env=env)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests; on the oldest Python with the core's coverage. Arguments go to pytest, and leave coverage out.

    What takes minutes and is the same on every Python runs on one: the kit's own tests on the oldest, what needs
    DynamoDB and SQS, played by moto, on the newest.
    """
    install_groups(session, "tests")
    install_from_tree(session)
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    if session.python == NEWEST:
        # They wait for their servers most of the time.
        session.run("pytest", "-n", "2", *ON_A_SERVER)
    patterns = PROJECT["tool"]["pytest"]["ini_options"]["testpaths"]
    folders = sorted(str(folder.relative_to(ROOT)) for pattern in patterns for folder in ROOT.glob(pattern))
    if session.python != OLDEST:
        folders.remove(KIT)
    # Not deselected: the kit would say of what it has collected that it is incomplete.
    here = [*folders, *(f"--ignore={path}" for path in ON_A_SERVER)]
    if session.python == OLDEST:
        session.run("coverage", "erase")
        session.run("coverage", "run", "-m", "pytest", *here)
        session.run("coverage", "report")
    else:
        session.run("pytest", *here)


@nox.session(python=OLDEST)
def chaos(session: nox.Session) -> None:
    """Processes that die at random and at every named point, for minutes; a short run is among the tests."""
    install_from_tree(session)
    session.run("python", "-W", "error", str(ROOT / "tests" / "chaos" / "chaos.py"), *session.posargs)


@nox.session(python=OLDEST)
def cost(session: nox.Session) -> None:
    """What a step costs on AWS, counted on moto: requests, units, dollars. Arguments go to the script."""
    install_groups(session, "tests")
    install_from_tree(session)
    session.run("python", "-W", "error", str(ROOT / "benchmarks" / "aws_cost.py"), *session.posargs)


@nox.session(python=OLDEST)
def bench(session: nox.Session) -> None:
    """What runfox adds to a step, in time, against SQLite alone and others. Arguments go to the script (`-- --help`).

    The others have environments of their own, which are kept from one run to the next.
    """
    install_from_tree(session)
    environments = ("--environments", str(session.cache_dir / "bench"))
    session.run("python", "-W", "error", str(ROOT / "benchmarks" / "bench.py"), *environments, *session.posargs)


@nox.session(python=OLDEST)
def build(session: nox.Session) -> None:
    """Every package's wheel and that of the example of a stranger's, into dist/."""
    install_groups(session, "build")
    shutil.rmtree(WHEELS, ignore_errors=True)
    for folder in [*packages(), THIRD_PARTY]:
        build = ("python", "-m", "build", "--wheel", "--installer", "uv")
        session.run(*build, "--outdir", str(WHEELS), str(folder), silent=True)


def wheel_of(folder: Path) -> Path:
    """The wheel that `build` made of a package's present version."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stem = project["name"].replace("-", "_")
    return WHEELS / f"{stem}-{project['version']}-py3-none-any.whl"


@nox.session(python=OLDEST, requires=["build"])
def bare(session: nox.Session) -> None:
    """The core's wheel with nothing else installed, used from a folder outside the tree."""
    session.install("--no-deps", str(wheel_of(ROOT / "packages" / CORE)))
    script = ROOT / "tests" / "bare" / "bare_core.py"
    session.chdir(session.create_tmp())
    session.run("python", "-I", "-W", "error", str(script))


@nox.session(python=OLDEST, requires=["build"])
def wheels(session: nox.Session) -> None:
    """All wheels in an empty environment, used from a folder outside the tree.

    Ours are given by path, and the script checks that they came from there: none may come from an index.
    """
    requirements = [str(wheel_of(folder)) + ("[standard]" if folder.name == CORE else "") for folder in packages()]
    session.install(*requirements)
    script = ROOT / "tests" / "wheels" / "installed_packages.py"
    session.chdir(session.create_tmp())
    session.run("python", "-I", "-W", "error", str(script), *[folder.name for folder in packages()])


@nox.session(python=OLDEST)
def quickstart(session: nox.Session) -> None:
    """The README's first line, as it stands there, in a bare copy of the tree."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^```sh\n(.*quickstart\.py)\n```$", readme, re.MULTILINE)
    tree = Path(session.create_tmp()) / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    made = shutil.ignore_patterns(".*", "build", "dist", "__pycache__", "*.egg-info", "*.db*")
    shutil.copytree(ROOT, tree, ignore=made)
    session.chdir(tree)
    session.run("bash", "-c", line, external=True)


@nox.session(python=OLDEST, requires=["build"])
def third_party(session: nox.Session) -> None:
    """A stranger's distribution, installed as such beside the wheels of core and kit: passes all that it claims."""
    ours = [ROOT / "packages" / name for name in (CORE, "runfox-testing")]
    session.install(f"{wheel_of(ours[0])}[standard]", str(wheel_of(ours[1])), f"{wheel_of(THIRD_PARTY)}[test]")
    folder = Path(session.create_tmp())
    shutil.rmtree(folder / "tests", ignore_errors=True)
    shutil.copytree(THIRD_PARTY / "tests", folder / "tests")
    session.chdir(folder)
    # The folder is within the tree, whose settings are not a stranger's.
    session.run("pytest", "-c", os.devnull, "--rootdir=.", "-W", "error", "tests", *session.posargs)


@nox.session(python=OLDEST)
def reference(session: nox.Session) -> None:
    """Write what is made from code: diagrams, the list of examples, the contract with its checks, the kill matrix."""
    install_groups(session, "tests")
    install_from_tree(session)
    session.run("python", "-m", "docs_from_code", env={"PYTHONPATH": str(ROOT / "tools")})
    for module, page in (("runfox_testing.reference", "contract.md"), ("runfox_testing.mutants", "kill-matrix.md")):
        text = session.run("python", "-m", module, silent=True)
        assert isinstance(text, str)
        (ROOT / "docs" / "reference" / page).write_text(text, encoding="utf-8")
