"""Every page of the documentation and every README: what their blocks show is what comes of them.

A page's blocks run in order, in an empty folder of the page's own (`docs/run_page.py`):

- ``python`` runs, and ``text`` behind it is what it printed; with ``raises`` it has to raise, and ``text`` is the
  error. What a comment behind ``print(…)`` says is printed, too.
- a block with ``title="…"`` is a file, which another block runs, imports or reads.
- ``console`` has commands (``$ …``, continued by ``> …``) and what they print, and behind it ``[exit status N]`` where
  that is not 0.
- ``yaml`` and ``json`` are whole definitions, which are valid; or ``invalid``, and ``text`` is the error.
- ``sh`` installs, or begins a session of nox; it is held against the packages, not run. ``tree`` lists files.

``...`` in what is printed stands for what differs from run to run. ``<!-- test: pytest -->`` makes the Python of a page
one file of tests. The blocks of the guide to backends stand in its example (`test_guides`).
"""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUN_PAGE = Path(__file__).parent / "docs" / "run_page.py"
STRANGER = ROOT / "examples" / "custom_backend"
READMES = [ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md")), STRANGER / "README.md"]
PAGES = [
    *READMES,
    *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
EXCERPTS = ROOT / "docs" / "guides" / "write-your-own-backend.md"

FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
FENCES = re.compile(r"^[ >]*(?:`{3,}|~{3,})", re.MULTILINE)
INDENTED = re.compile(r"\n\n {4,}\S[^\n]*")
GENERATED = re.compile(r"^<!-- generated: .*?^<!-- end -->$", re.MULTILINE | re.DOTALL)
RUN = ("python", "console", "yaml", "json")
PROMISED = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    kind: str
    text: str
    place: str
    title: str
    flags: list[str]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks_of(path: Path) -> list[Block]:
    """The blocks of a page that say what they are, in order."""
    text = text_of(path)
    found = []
    for match in FENCE.finditer(text):
        kind, *rest = match["info"].split(maxsplit=1) or ["?"]
        title = re.search(r'title="([^"]*)"', "".join(rest))
        flags = re.sub(r'\w+="[^"]*"', "", "".join(rest)).split()
        line = text.count("\n", 0, match.start()) + 1
        place = f"{path.relative_to(ROOT)}:{line}"
        found.append(Block(kind, textwrap.dedent(match["text"]), place, title[1] if title else "", flags))
    return found


def agrees(shown: str, seen: str) -> bool:
    return doctest.OutputChecker().check_output(shown, seen, doctest.ELLIPSIS)


def broken_promises(code: str, printed: str) -> list[str]:
    """The values in comments behind ``print(…)`` that were not printed in the order of the code."""
    lines = iter(printed.splitlines())
    return [value for value in PROMISED.findall(code) if value not in lines]


def run_page(blocks: list[Block], folder: Path) -> list[dict[str, str | None]]:
    """What came of each block."""
    result = subprocess.run(
        [sys.executable, "-W", "error", str(RUN_PAGE)],
        cwd=folder,
        input=json.dumps([asdict(block) for block in blocks]),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Exception in thread" not in result.stderr
    outcomes: list[dict[str, str | None]] = json.loads(result.stdout)
    return outcomes


def disagreements(blocks: list[Block], outcomes: list[dict[str, str | None]]) -> list[str]:
    """Where the page shows something else than what came of its blocks."""
    wrong = []
    for number, (block, outcome) in enumerate(zip(blocks, outcomes, strict=True)):
        shown, seen = None, outcome["printed"] or ""
        if block.kind == "console" and not block.title:
            shown = block.text
        elif block.kind == "text":
            shown = block.text
            before = outcomes[number - 1]
            seen = before["raised"] or before["printed"] or ""
        elif block.kind == "python":
            wrong += [
                f"{block.place}: not printed, or not here: {value}" for value in broken_promises(block.text, seen)
            ]
        if shown is not None and not agrees(shown, seen):
            wrong.append(f"{block.place}: the page shows\n{shown}\nand this came of it\n{seen}")
    return wrong


TESTS = [path for path in PAGES if "<!-- test: pytest -->" in text_of(path)]
PROGRAMS = [path for path in PAGES if path != EXCERPTS and path not in TESTS]


def each(pages: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", pages, ids=lambda path: path.relative_to(ROOT).as_posix())


each_page = each(PAGES)


@each(PROGRAMS)
def test_what_the_blocks_of_a_page_show_is_what_comes_of_them(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = [block for block in blocks_of(path) if block.kind not in ("sh", "mermaid", "tree")]
    if path.parent == STRANGER:
        monkeypatch.setenv("PYTHONPATH", str(STRANGER / "src"))
    assert disagreements(blocks, run_page(blocks, tmp_path) if blocks else []) == []


@each(TESTS)
def test_a_page_of_tests_is_a_file_of_tests_that_pass(path: Path, tmp_path: Path) -> None:
    code = "\n\n".join(block.text for block in blocks_of(path) if block.kind == "python")
    (tmp_path / "test_page.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-W", "error", "-p", "no:cacheprovider", "test_page.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert broken_promises(code, result.stdout) == []


@each_page
def test_a_page_has_no_block_that_nobody_tries(path: Path) -> None:
    text = GENERATED.sub("", text_of(path))
    blocks = blocks_of(path)
    assert len(FENCES.findall(text_of(path))) == 2 * len(blocks), "a fence that is no block: three backticks, a kind"
    assert INDENTED.findall(FENCE.sub("", text)) == [], "code is fenced"
    for block, before in zip(blocks, [None, *blocks], strict=False):
        match block.kind:
            case "text":
                assert path == EXCERPTS or (before is not None and before.kind in RUN and not before.title), block.place
            case "mermaid":
                assert block.text not in text, f"{block.place}: drawn by hand"
            case "sh" | "tree" | "python" | "console" | "yaml" | "json":
                assert not set(block.flags) - {"raises", "invalid"}, block.place
            case _:
                assert block.title or path == EXCERPTS, f"{block.place}: {block.kind} that is no file"
        if block.flags:
            behind = [other.kind for other in blocks[blocks.index(block) + 1 :]]
            assert behind[:1] == ["text"], f"{block.place}: what is the error?"
        if block.title:
            name = Path(block.title)
            if name.suffix == ".py":
                compile(block.text, block.place, "exec")
            others = "\n".join(other.text for other in blocks if other is not block)
            assert re.search(rf"\b{re.escape(name.stem)}\b", others), f"{block.place}: nobody uses {name}"


@each_page
def test_what_a_page_installs_is_there(path: Path) -> None:
    for block in blocks_of(path):
        if block.kind != "sh":
            continue
        for words in (line.split() for line in block.text.splitlines()):
            local = [word.strip("'\"").partition("[")[0] for word in words if word.strip("'\"").startswith("./")]
            assert [name for name in local if not (ROOT / name / "pyproject.toml").is_file()] == [], block.place
            assert local or words[-1] == ".venv" or {"nox", "pytest"} & {Path(word).name for word in words}, block.place


@each_page
def test_relative_links_lead_somewhere(path: Path) -> None:
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text_of(path)) if "://" not in target]
    assert [target for target in targets if not (path.parent / target).exists()] == []


# The tests of pages themselves


def test_a_page_that_shows_what_does_not_come_of_its_blocks_is_found(tmp_path: Path) -> None:
    def block(kind: str, text: str, *flags: str, title: str = "") -> Block:
        return Block(kind, text, f"page.md:{kind}", title, list(flags))

    right = [
        block("python", "x = 1\nprint(x)  # 1\n"),
        block("text", "1\n"),
        block("python", "print(x + 1, 'at', object())\n"),
        block("text", "2 at <object object at 0x...>\n"),
        block("python", "{}[x]\n", "raises"),
        block("text", "KeyError: 1\n"),
        block("python", "print(9)\n", title="nine.py"),
        block(
            "console",
            "$ python nine.py\n9\n$ exit_with() { return 3; }\n$ printf half; \\\n> exit_with\nhalf\n[exit status 3]\n",
        ),
        block("console", "$ python -c 'import os; os.kill(os.getpid(), 9)'\n[exit status 137]\n"),
        block("yaml", "steps: [{op: a}]\n"),
        block("json", '{"steps": []}\n', "invalid"),
        block("text", "DefinitionError: the workflow definition has a problem:\n  ...steps: ...\n"),
    ]
    assert disagreements(right, run_page(right, tmp_path)) == []
    wrong = [
        block("python", "print(2)  # 1\n"),
        block("text", "1\n"),
        block("console", "$ echo 2\n1\n"),
        block("console", "$ false\n"),
    ]
    places = [entry.partition(": ")[0] for entry in disagreements(wrong, run_page(wrong, tmp_path))]
    assert places == ["page.md:python", "page.md:text", "page.md:console", "page.md:console"]
    for bad in (
        block("python", "{}[1]\n"),
        block("python", "pass\n", "raises"),
        block("yaml", "steps: []\n"),
        block("yaml", "steps: [{op: a}]\n", "invalid"),
    ):
        with pytest.raises(AssertionError, match="page"):
            run_page([bad], tmp_path)
