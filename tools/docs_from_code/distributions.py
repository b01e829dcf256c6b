"""The distributions and what they depend on, from their pyproject files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docs_from_code.blocks import mermaid
from docs_from_code.tree import ROOT, toml


def packages() -> str:
    """A solid arrow is a dependency, with the extra that it asks for; a dotted one is an extra's of its own."""
    projects = [_project(path) for path in sorted(ROOT.glob("packages/*/pyproject.toml"))]
    ours = {project["name"] for project in projects}
    lines = [f"    {name}[{name}]" for name in sorted(ours)]
    for project in projects:
        name, needed = project["name"], {_name(one): one for one in project["dependencies"]}
        for one, requirement in sorted(needed.items()):
            extra = _extra(requirement)
            lines.append(f"    {name} {f'-- {extra} ' if extra else ''}--> {_node(one, ours)}")
        for extra, requirements in project.get("optional-dependencies", {}).items():
            added = {_name(one) for one in requirements} - needed.keys()
            lines += [f"    {name} -. {extra} .-> {_node(one, ours)}" for one in sorted(added)]
    return mermaid("flowchart LR", *lines)


def _project(path: Path) -> dict[str, Any]:
    project = toml(path)["project"]
    assert isinstance(project, dict)
    return project


def _name(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return name[0]


def _extra(requirement: str) -> str:
    extra = re.search(r"\[(.+)\]", requirement)
    return extra[1] if extra else ""


def _node(name: str, ours: set[str]) -> str:
    return name if name in ours else f"{name}([{name}])"
