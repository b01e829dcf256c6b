"""What a built page or style sheet loads from another host when it is opened."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_LINKS_THAT_LOAD = {
    "stylesheet",
    "preload",
    "modulepreload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "icon",
    "manifest",
}
_HOST = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_IN_STYLES = re.compile(r"""(?:url\(\s*|@import\s+)["']?(?P<url>(?:https?:)?//[^"')\s;]+)""", re.IGNORECASE)


def loaded_from_elsewhere(text: str) -> list[str]:
    """The addresses of scripts, styles, fonts, images and frames on other hosts; links that a reader follows are none.

    What a script loads is not seen.
    """
    page = _Page()
    page.feed(text)
    page.close()
    return [*page.urls, *(found["url"] for found in _IN_STYLES.finditer(text))]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag != "link":
            url = values.get("src", "")
        elif _LINKS_THAT_LOAD & set(values.get("rel", "").lower().split()):
            url = values.get("href", "")
        else:
            return
        if _HOST.match(url):
            self.urls.append(url)
