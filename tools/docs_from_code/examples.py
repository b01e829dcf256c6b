"""The list of examples: each file with the first paragraph of its docstring, its source, and what it prints.

The sources are named in comments, ``<!-- source: PATH -->``, which the site's hooks turn into the files' text.
"""

from __future__ import annotations

import ast
from pathlib import Path

from docs_from_code.tree import EXAMPLES, ROOT, toml

FOLDERS = {".": "To begin with", "ops": "One thing at a time", "uses": "Whole uses"}
STRANGER = EXAMPLES / "custom_backend"
EXPECTED = ROOT / "tests" / "examples"


def all_examples() -> str:
    """The page's list."""
    parts = []
    for folder, title in FOLDERS.items():
        shown = [path for path in sorted((EXAMPLES / folder).glob("*.py")) if _expected(path).is_file()]
        if shown:
            parts += [f"## {title}", *(part for path in shown for part in _example(path))]
    return "\n\n".join([*parts, *_backend()])


def _example(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstring = ast.get_docstring(tree)
    assert docstring is not None, f"{path} has no docstring"
    sources = [path, *_helpers(path, tree)]
    return [
        f"### {path.name}",
        docstring.split("\n\n")[0],
        " · ".join([*(_link(source, source.name) for source in sources), _link(_expected(path), "what it prints")]),
        *(_source(source) for source in [*sources, _expected(path)]),
    ]


def _helpers(path: Path, tree: ast.Module) -> list[Path]:
    """The files beside an example that it imports."""
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    return [other for other in sorted(path.parent.glob("*.py")) if other.stem in imported]


def _backend() -> list[str]:
    project = toml(STRANGER / "pyproject.toml")["project"]
    files = sorted((STRANGER / "src").rglob("*.py")) + sorted((STRANGER / "tests").rglob("*.py"))
    guide = "[Write your own backend](guides/write-your-own-backend.md) walks through it."
    return [
        "## A backend of your own",
        f"### {STRANGER.name}",
        f"{_link(STRANGER, project['name'])}, a distribution of its own: {project['description']}. {guide}",
        *(_source(path) for path in files),
    ]


def _expected(path: Path) -> Path:
    return (EXPECTED / path.relative_to(EXAMPLES)).with_suffix(".txt")


def _link(path: Path, text: str) -> str:
    return f"[{text}](../{path.relative_to(ROOT).as_posix()})"


def _source(path: Path) -> str:
    return f"<!-- source: {path.relative_to(ROOT).as_posix()} -->"
