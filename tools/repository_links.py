"""Relative links of a page that leave docs/, as links into the repository."""

from __future__ import annotations

import posixpath
from pathlib import Path
from urllib.parse import urlsplit

BRANCH = "main"


def address(link: str, *, page: str, root: Path, repository: str) -> str:
    """Where a link of `page` (a path below docs/) leads on the site: itself, unless it leaves docs/.

    Raises `FileNotFoundError` for one that leads out of docs/ to nothing below `root`.
    """
    scheme, host, path, _, anchor = urlsplit(link)
    if scheme or host or not path or path.startswith("/"):
        return link
    target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), path))
    if target == "docs" or target.startswith("docs/"):
        return link
    file = root / target
    if target.startswith("..") or not file.exists():
        raise FileNotFoundError(target)
    kind = "tree" if file.is_dir() else "blob"
    fragment = f"#{anchor}" if anchor else ""
    return f"{repository.rstrip('/')}/{kind}/{BRANCH}/{target}{fragment}"
