"""Write every generated block of every page anew."""

from __future__ import annotations

from docs_from_code.pages import up_to_date

if __name__ == "__main__":
    for page, text in up_to_date().items():
        page.write_text(text, encoding="utf-8")
