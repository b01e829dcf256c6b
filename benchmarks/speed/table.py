"""The rows as a table, for a terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from speed.rows import Figure, Row

HEADINGS = ("workload", "on", "runfox", "min … max", "against", "which is", "theirs", "ratio", "bar", "reached")
_NUMBERS = frozenset((2, 3, 6, 7, 8))
_KINDS = {"peer": "a peer", "floor": "the floor", "itself": "ours"}


def cells(row: Row) -> tuple[str, ...]:
    """One row as text. All that stands under `runfox` is ours."""
    other = row.other
    against, theirs = (other.who, _figure(other)) if isinstance(other, Figure) else (other or "", "")
    return (
        row.what,
        row.place,
        _figure(row.ours),
        " … ".join(map(_number, row.ours.spread)) if len(row.ours.values) > 1 else "",
        against,
        _KINDS.get(row.kind, ""),
        theirs,
        "" if row.ratio is None else f"{_number(row.ratio)} ×",  # noqa: RUF001  # the sign of multiplication is meant
        "" if row.bar is None else str(row.bar),
        {None: "", True: "reached", False: "not reached"}[row.reached],
    )


def as_text(rows: Sequence[Row], about: Mapping[str, str]) -> str:
    """For a terminal, with the machine below."""
    lines = [HEADINGS, *map(cells, rows)]
    # One that says why it is not available says it at length.
    widths = [max(len(line[place]) for line in lines if len(line[place]) <= 40) for place in range(len(HEADINGS))]
    table = [
        "  ".join(
            cell.rjust(width) if place in _NUMBERS else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*table, "", *(f"{name}: {value}" for name, value in about.items())])


def as_markdown(rows: Sequence[Row], about: Mapping[str, str]) -> str:
    """The same as a table of Markdown."""
    rule = ["---:" if place in _NUMBERS else "---" for place in range(len(HEADINGS))]
    body = [[cell.replace("|", "\\|") for cell in cells(row)] for row in rows]
    table = ["| " + " | ".join(line) + " |" for line in (HEADINGS, rule, *body)]
    return "\n".join([*table, "", *(f"- {name}: {value}" for name, value in about.items())]) + "\n"


def as_json(rows: Sequence[Row], about: Mapping[str, str]) -> str:
    """The same with the figures of every round."""
    content = {"about": dict(about), "rows": [_content(row) for row in rows]}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _content(row: Row) -> dict[str, object]:
    other = row.other
    return {
        "workload": row.what,
        "on": row.place,
        "ours": _figure_content(row.ours),
        "kind": row.kind or None,
        "against": _figure_content(other) if isinstance(other, Figure) else other,
        "ratio": row.ratio,
        "ratios": list(row.ratios),
        "bar": None if row.bar is None else str(row.bar),
        "reached": row.reached,
    }


def _figure_content(figure: Figure) -> dict[str, object]:
    return {"who": figure.who, "median": figure.median, "unit": figure.unit, "rounds": list(figure.values)}


def _figure(figure: Figure) -> str:
    return f"{_number(figure.median)} {figure.unit}"


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
