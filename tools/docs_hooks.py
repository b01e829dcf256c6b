"""MkDocs hooks of the site.

A relative link that leaves docs/ leads to a file of the repository. It stays as it is in the page, where GitHub follows
it, and becomes the file's address in the repository on the site. One that leads nowhere is a warning, which ends a
strict build.
"""

from __future__ import annotations

import logging
import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from markdown import Extension, Markdown
from markdown.treeprocessors import Treeprocessor

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

BRANCH = "main"

_log = logging.getLogger("mkdocs.hooks.links")  # below `mkdocs`, whose warnings strict mode counts


class RepositoryLinks(Extension):
    """Links of the page at hand (`page`, its path below docs/) that leave docs/, as links into the repository."""

    def __init__(self, docs: Path, repository: str) -> None:
        super().__init__()
        self.docs = docs
        self.repository = repository.rstrip("/")
        self.page = ""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802  # Markdown's name
        """Before MkDocs looks at links, which knows only files below docs/."""
        md.treeprocessors.register(_Rewriter(md, self), "repository_links", priority=1)

    def address(self, link: str) -> str:
        """Where a link leads on the site."""
        scheme, host, path, _, anchor = urlsplit(link)
        if scheme or host or not path or path.startswith("/"):
            return link
        target = posixpath.normpath(posixpath.join(posixpath.dirname(self.page), path))
        if not target.startswith("../"):
            return link
        inside = os.path.relpath(self.docs / target, self.docs.parent)
        file = self.docs.parent / inside
        if inside.startswith("..") or not file.exists():
            _log.warning("Doc file '%s' contains a link '%s', but the repository has no such file.", self.page, link)
            return link
        kind = "tree" if file.is_dir() else "blob"
        fragment = f"#{anchor}" if anchor else ""
        return f"{self.repository}/{kind}/{BRANCH}/{Path(inside).as_posix()}{fragment}"


class _Rewriter(Treeprocessor):
    def __init__(self, md: Markdown, links: RepositoryLinks) -> None:
        super().__init__(md)
        self._links = links

    def run(self, root: Element) -> None:
        for element in root.iter("a"):
            element.set("href", self._links.address(element.get("href", "")))


_links: RepositoryLinks | None = None


def on_config(config: MkDocsConfig) -> None:
    """Add the extension to those of the configuration."""
    global _links  # noqa: PLW0603  # MkDocs hands hooks no place of their own
    assert config.repo_url
    _links = RepositoryLinks(Path(config.docs_dir), config.repo_url)
    config.markdown_extensions.append(_links)  # type: ignore[arg-type]  # Markdown takes instances, too


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """The page whose Markdown is converted next."""
    assert _links is not None
    _links.page = page.file.src_uri
    return markdown
