"""MkDocs hooks of the site: what a page says of files outside docs/. What is not there ends a strict build.

A relative link that leaves docs/ leads to a file of the repository. It stays as it is in the page, where GitHub follows
it, and becomes the file's address in the repository on the site.

``<!-- source: PATH -->`` becomes the text of a file of the repository, folded up. On GitHub nothing is seen of it.
"""

from __future__ import annotations

import logging
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from markdown import Extension, Markdown
from markdown.treeprocessors import Treeprocessor

from repository_links import address

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_SOURCE = re.compile(r"^<!-- source: (?P<path>\S+) -->$", re.MULTILINE)
_log = logging.getLogger("mkdocs.hooks.repository")  # below `mkdocs`, whose warnings strict mode counts


class RepositoryLinks(Extension):
    """The links of one page after another: `page` is its path below docs/."""

    def __init__(self, root: Path, repository: str) -> None:
        super().__init__()
        self.root = root
        self.repository = repository
        self.page = ""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802  # Markdown's name
        """Before MkDocs looks at links, which knows only files below docs/."""
        md.treeprocessors.register(_Rewriter(md, self), "repository_links", priority=1)


class _Rewriter(Treeprocessor):
    def __init__(self, md: Markdown, links: RepositoryLinks) -> None:
        super().__init__(md)
        self._links = links

    def run(self, root: Element) -> None:
        links = self._links
        for element in root.iter("a"):
            link = element.get("href", "")
            try:
                to = address(link, page=links.page, root=links.root, repository=links.repository)
            except FileNotFoundError:
                _log.warning("Doc file '%s' has a link '%s' to a file that the repository lacks.", links.page, link)
            else:
                element.set("href", to)


_links: RepositoryLinks | None = None


def on_config(config: MkDocsConfig) -> None:
    """Add the extension to those of the configuration."""
    global _links  # noqa: PLW0603  # MkDocs hands hooks no place of their own
    assert config.repo_url
    _links = RepositoryLinks(Path(config.docs_dir).parent, config.repo_url)
    config.markdown_extensions.append(_links)  # type: ignore[arg-type]  # Markdown takes instances, too


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """The page whose Markdown is converted next."""
    assert _links is not None
    _links.page = page.file.src_uri
    root = _links.root

    def source(comment: re.Match[str]) -> str:
        path = root / comment["path"]
        if path.is_file():
            return _folded(comment["path"], path.read_text(encoding="utf-8"))
        _log.warning("Doc file '%s' shows '%s', which the repository lacks.", page.file.src_uri, comment["path"])
        return ""

    return _SOURCE.sub(source, markdown)


def _folded(name: str, text: str) -> str:
    language = "python" if name.endswith(".py") else "text"
    block = f"~~~~ {language}\n{text.rstrip()}\n~~~~"
    return f'??? quote "`{name}`"\n\n{textwrap.indent(block, "    ")}\n'
