"""Generated blocks of a Markdown page: what stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_BLOCK = re.compile(r"^<!-- generated: (?P<name>[a-z-]+) -->\n(?:(?!<!-- generated).*\n)*?<!-- end -->$", re.MULTILINE)
_OPENING = re.compile(r"^<!-- generated: (?P<name>.*) -->$", re.MULTILINE)


def names(page: str) -> list[str]:
    """The names of a page's blocks, in order."""
    return _OPENING.findall(page)


def filled(page: str, makers: Mapping[str, Callable[[], str]]) -> str:
    """The page with each block made anew. Raises `ValueError` for one that is not closed, or that nobody makes."""
    closed = [block["name"] for block in _BLOCK.finditer(page)]
    if closed != names(page):
        raise ValueError(f"blocks {names(page)} are opened, and {closed} closed by <!-- end -->")
    unknown = [name for name in closed if name not in makers]
    if unknown:
        raise ValueError(f"nobody makes the blocks {unknown}; there are {sorted(makers)}")

    def fill(block: re.Match[str]) -> str:
        name = block["name"]
        return f"<!-- generated: {name} -->\n\n{makers[name]().strip()}\n\n<!-- end -->"

    return _BLOCK.sub(fill, page)


def mermaid(*lines: str) -> str:
    """A diagram as a fenced block."""
    return "\n".join(["```mermaid", *lines, "```"])
