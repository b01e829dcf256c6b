"""MkDocs hooks of the site: files outside docs/, and the script for diagrams. What is not there ends a strict build.

A relative link that leaves docs/ leads to a file of the repository. It stays as it is in the page, where GitHub follows
it, and becomes the file's address in the repository on the site.

``<!-- source: PATH -->`` becomes the text of a file of the repository, folded up. On GitHub nothing is seen of it.

The site needs no other host: pages with diagrams bring the script that draws them, and a page or style sheet that asks
for a script, style or font from elsewhere ends a strict build.
"""

from __future__ import annotations

import logging
import re
import textwrap
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from markdown import Extension, Markdown
from markdown.treeprocessors import Treeprocessor
from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

from other_hosts import loaded_from_elsewhere
from repository_links import address

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

MERMAID = "assets/javascripts/mermaid.min.js"

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


def on_files(files: Files, *, config: MkDocsConfig) -> None:
    """Add Mermaid, which the theme would load from another host."""
    script = distribution("mermaidx").locate_file("mermaidx/assets/mermaid.js")
    files.append(File.generated(config, MERMAID, abs_src_path=str(script)))


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


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Load Mermaid, which is large, where there is something to draw. The theme uses what it finds as `mermaid`."""
    if '<pre class="mermaid">' not in html:
        return html
    return f'{html}\n<script src="{get_relative_url(MERMAID, page.url)}"></script>'


def on_post_build(*, config: MkDocsConfig) -> None:
    """Look through the pages and styles as they were built."""
    site = Path(config.site_dir)
    for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        for url in loaded_from_elsewhere(path.read_text(encoding="utf-8")):
            _log.warning("Built file '%s' loads '%s' from another host.", path.relative_to(site), url)


def _folded(name: str, text: str) -> str:
    language = "python" if name.endswith(".py") else "text"
    block = f"~~~~ {language}\n{text.rstrip()}\n~~~~"
    return f'??? quote "`{name}`"\n\n{textwrap.indent(block, "    ")}\n'
