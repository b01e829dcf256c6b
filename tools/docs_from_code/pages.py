"""The pages with generated blocks, and each block's maker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from docs_from_code import distributions, examples, modules, states
from docs_from_code.blocks import filled, names
from docs_from_code.tree import DOCS, ROOT

MAKERS: Mapping[str, Callable[[], str]] = {
    "core-modules": modules.core_modules,
    "examples": examples.all_examples,
    "packages": distributions.packages,
    "step-states": states.step_states,
    "workflow-states": states.workflow_states,
}


def generated_pages() -> list[Path]:
    """Every page that has a generated block."""
    pages = [ROOT / "ARCHITECTURE.md", *sorted(DOCS.rglob("*.md"))]
    return [page for page in pages if names(page.read_text(encoding="utf-8"))]


def up_to_date() -> dict[Path, str]:
    """What each page with generated blocks has to hold."""
    return {page: filled(page.read_text(encoding="utf-8"), MAKERS) for page in generated_pages()}
