"""A griffe extension: each law of the contract begins a paragraph, and its id leads to the law's checks.

In the source a law follows another on the next line, which Markdown would run together.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_IDS = re.compile(r"^((?:STORE|RUN|FLOW)-[A-Z]+(?:, (?:STORE|RUN|FLOW)-[A-Z]+)*):", re.MULTILINE)


def with_links(docstring: str) -> str:
    """The docstring with each law in a paragraph of its own, its ids as links to their headings in contract.md."""
    return _IDS.sub(_paragraph, docstring)


def _paragraph(law: re.Match[str]) -> str:
    ids = law.group(1).split(", ")
    return "\n" + ", ".join(f"[{one}][{one.lower()}]" for one in ids) + ":"


class ContractClauses(griffe.Extension):
    """Applied to the docstrings of `runfox.protocols`."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called once for each object."""
        if obj.docstring is not None and obj.module.path == "runfox.protocols":
            obj.docstring.value = with_links(obj.docstring.value)
