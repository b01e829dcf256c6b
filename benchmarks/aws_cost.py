"""What a step costs on AWS: requests, units and dollars, counted on moto; the same figures at each run, on any machine.

``nox -s cost`` prints one table. ``--json FILE`` and ``--markdown FILE`` write it, ``--calls`` shows each kind of call,
``--only TEXT`` takes the workloads whose name has the text, ``--set MODULE.NAME=NUMBER`` tries another value of a
setting (``--set _commit.TAIL_SIZE=1000``).
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from aws.capacity import dollars
from aws.meter import Count
from aws.workloads import LARGE, SMALL, TASKS, WORKFLOWS, Measured, Workload, measure

WORKLOADS = [
    *(
        Workload(shape=shape, width=100, output=output, way=way)
        for way in ("store", "worker")
        for shape in ("chain", "fan")
        for output in (SMALL, LARGE)
    ),
    Workload(shape="fan", width=100, output=SMALL, way="store", together=10),
    Workload(shape="fan", width=100, output=SMALL, way="worker", together=10),
    Workload(shape="chain", width=100, output=SMALL, way="driver"),
    Workload(shape="chain", width=100, output=SMALL, way="store, cold"),
    Workload(shape="chain", width=1_000, output=SMALL, way="store"),
    Workload(shape="chain", width=1_000, output=SMALL, way="worker"),
    Workload(shape="chain", width=1_000, output=LARGE, way="store"),
]

COLUMNS: Mapping[str, str] = {
    "dynamodb": "DynamoDB requests",
    "sqs": "SQS requests",
    "store_writes": "store: write units",
    "store_reads": "store: read units",
    "runner_writes": "runner: write units",
    "runner_reads": "runner: read units",
    "index_writes": "of them in indexes",
    "usd": "USD per million steps",
    "whole_writes": "whole record: write units",
    "whole_reads": "whole record: read units",
    "whole_usd": "whole record: USD",
    "transaction_writes": "transaction: write units",
    "store_usd": "our store: USD",
}


@dataclass(frozen=True)
class Line:
    """The figures of one workload, each per step; and of each kind of call."""

    workload: Workload
    figures: Mapping[str, float]
    calls: Mapping[str, Mapping[str, float]]


def line_of(measured: Measured) -> Line:
    """What was counted, by the step."""
    steps = measured.workload.steps
    meter, designs = measured.meter, measured.designs
    store, runner, sqs = meter.of(WORKFLOWS), meter.of(TASKS), meter.of("SQS")
    figures = {
        "dynamodb": store.requests + runner.requests,
        "sqs": sqs.requests,
        "store_writes": _writes(store),
        "store_reads": store.read_units,
        "runner_writes": _writes(runner),
        "runner_reads": runner.read_units,
        "index_writes": store.index_units + runner.index_units,
        "usd": 1e6 * (_usd(store) + _usd(runner) + dollars(write=0, read=0, sqs=sqs.requests)),
        "whole_writes": designs.whole.write_units,
        "whole_reads": designs.whole.read_units,
        "whole_usd": 1e6 * _usd(designs.whole),
        "transaction_writes": designs.transaction.write_units,
        "store_usd": 1e6 * _usd(store),
    }
    calls = {
        f"{where}: {label}": {
            "requests": round(count.requests / steps, 3),
            "write_units": round(count.write_units / steps, 3),
            "index_units": round(count.index_units / steps, 3),
            "read_units": round(count.read_units / steps, 3),
            "usd": round(
                1e6 * (dollars(write=0, read=0, sqs=count.requests) if where == "SQS" else _usd(count)) / steps, 3
            ),
        }
        for (where, label), count in sorted(meter.counts.items())
    }
    return Line(measured.workload, {name: round(value / steps, 3) for name, value in figures.items()}, calls)


def _writes(count: Count) -> int:
    return count.write_units + count.index_units


def _usd(count: Count) -> float:
    return dollars(write=_writes(count), read=count.read_units, sqs=0)


# Showing


def rows_of(lines: Iterable[Line]) -> Iterator[list[str]]:
    """The table, with its headings."""
    yield ["per step", "carried by", *COLUMNS.values()]
    for line in lines:
        yield [line.workload.name, line.workload.way, *(f"{line.figures[name]:.2f}" for name in COLUMNS)]


def call_rows(line: Line) -> Iterator[list[str]]:
    """The kinds of calls of one workload, the most expensive first."""
    total = line.figures["usd"]
    yield [f"{line.workload.name} ({line.workload.way})", "requests", "write", "index", "read", "USD/million", "share"]
    for label, call in sorted(line.calls.items(), key=lambda item: -item[1]["usd"]):
        yield [label, *(f"{value:.2f}" for value in call.values()), f"{call['usd'] / total:.0%}"]


def as_text(rows: Iterable[list[str]]) -> str:
    """A table for the terminal; its headings stand in as many lines as they have words."""
    headings, *body = rows
    words = [heading.split(" ") if place > 0 else [heading] for place, heading in enumerate(headings)]
    height = max(map(len, words))
    head = [[column[number] if number < len(column) else "" for column in words] for number in range(height)]
    widths = [max(len(row[place]) for row in (*head, *body)) for place in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (*head, *body)
    )


def as_markdown(rows: Iterable[list[str]]) -> str:
    """The same as a table of Markdown."""
    headings, *body = rows
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (headings, rule, *body)) + "\n"


# Trying settings


@contextmanager
def settings(given: Iterable[str]) -> Iterator[None]:
    """`_module.NAME=number`, in every module of the package that has this name."""
    with ExitStack() as stack:
        for text in given:
            place, _, number = text.partition("=")
            module, _, name = place.rpartition(".")
            present = getattr(importlib.import_module(f"runfox_aws.{module}"), name)
            users = [m for key, m in sys.modules.items() if key.startswith("runfox_aws.") and hasattr(m, name)]
            for user in users:
                assert getattr(user, name) == present
                stack.enter_context(patch.object(user, name, int(number)))
        yield


def main(arguments: list[str] | None = None) -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description="What a step costs on AWS.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--calls", action="store_true", help="show each kind of call")
    parser.add_argument("--only", default="", metavar="TEXT", help="workloads with this text in their name")
    parser.add_argument("--set", action="append", default=[], metavar="MODULE.NAME=NUMBER", help="try a setting")
    options = parser.parse_args(arguments)
    chosen = [one for one in WORKLOADS if options.only in f"{one.name} ({one.way})"]
    with settings(options.set):
        lines = [line_of(measure(one)) for one in chosen]
    tables = [list(rows_of(lines)), *([list(call_rows(line)) for line in lines] if options.calls else [])]
    print("\n\n".join(map(as_text, tables)))
    if options.markdown:
        options.markdown.write_text("\n".join(map(as_markdown, tables)), encoding="utf-8")
    if options.json:
        content = [
            {"workload": line.workload.name, "by": line.workload.way, "per_step": line.figures, "calls": line.calls}
            for line in lines
        ]
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
