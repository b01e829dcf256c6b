"""A report on a web server's access log: what a job looks like that may be killed at any moment.

    plan ──▶ parse_00 … parse_15 ──▶ join ──▶ report
             (four at a time)          └─▶ halts when too many lines are malformed

`plan` cuts the log into shards, each `parse_…` counts what is in one of them, `join` adds the counts up, `report`
writes the text. Run it twice, and the second run prints the stored report at once. Kill it, and the next run parses
only what was not stored. Run it in two terminals, and they share the shards: the threads of one Python process share
one processor core, a second process brings another.

Why it is built like this:

- The execution's id is made from the log's digest (and the limit for malformed lines), so the same log is the same
  execution, under whatever path it lies. A path that the steps need but that says nothing about the result is not an
  input of the workflow: the executor has it.
- Results and queue are both in SQLite. A result counts from the moment a worker hands it in, and any process can go on
  with the rest. With `InProcessRunner` in place of `SqliteRunner` a restart would not wait for leases, but a second
  process could not help, and results that were handed in but not yet settled would be lost with the process.
- What was running at the kill belongs to the dead process until its lease lapses. Leases are renewed while a job runs,
  so they can be far shorter than the jobs: with three seconds a restart loses at most these, and begins meanwhile with
  what nobody had taken.

Exit status: 0 with a report, 1 when the log was refused, 2 when it can't be read, 130 when interrupted.
"""

import argparse
import hashlib
import itertools
import json
import re
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sample_log import write_sample

import runfox as rfx
from runfox_sqlite import SqliteRunner, SqliteStore

SHARDS = 16
CONCURRENCY = 4
LEASE_SECONDS = 3.0
LINES_NAMED = 50

# The workflow


def definition(shards: int) -> dict[str, Any]:
    """The workflow, for a number of shards."""
    parsers = [f"parse_{number:02}" for number in range(shards)]
    return {
        "name": "log_report",
        "defaults": {"on_error": "halt", "retry": {"max_attempts": 3, "delay": 0.2}},
        "steps": [
            {"op": "plan", "input": {"shards": shards}},
            *(
                {
                    "op": op,
                    "call": "parse",
                    "depends_on": ["plan"],
                    "input": {"name": op, "shard": {"var": f"steps.plan.output.shards.{number}"}},
                }
                for number, op in enumerate(parsers)
            ),
            {
                "op": "join",
                "depends_on": parsers,
                "input": {"counts": {"vars": "steps[*].output.counts"}},
                "branch": [
                    {
                        "condition": {">": [{"var": "malformed_percent"}, {"var": "input.max_malformed_percent"}]},
                        "action": "halt",
                        "result": {
                            "status": "refused",
                            "reason": "too many malformed lines",
                            "malformed_percent": {"var": "malformed_percent"},
                            "max_malformed_percent": {"var": "input.max_malformed_percent"},
                            "malformed_lines": {"var": "total.malformed_lines"},
                        },
                    }
                ],
            },
            {"op": "report", "depends_on": ["join"], "input": {"total": {"var": "steps.join.output.total"}}},
        ],
        "outputs": {"report": {"var": "steps.report.output.text"}},
    }


class Executor:
    """Runs the steps on one log. `pause` seconds are added to each shard, so that there is time to pull the plug."""

    def __init__(self, log: Path, pause: float = 0.0) -> None:
        self.log = log
        self.pause = pause

    def __call__(self, op: str, inputs: dict[str, Any]) -> dict[str, Any]:
        match op:
            case "plan":
                return {"shards": plan(self.log, inputs["shards"])}
            case "parse":
                shard = inputs["shard"]
                say(f"{inputs['name']}: parsing {shard['lines']} lines from line {shard['line']}")
                time.sleep(self.pause)
                return {"counts": parse(self.log, **shard)}
            case "join":
                total = join(inputs["counts"])
                return {"total": total, "malformed_percent": percent(total["malformed"], total["lines"])}
            case "report":
                return {"text": report(inputs["total"])}
            case _:
                raise ValueError(f"no such step: {op}")


# The steps


def plan(log: Path, shards: int) -> list[dict[str, int]]:
    """Cut a log into shards of about one size: for each, its offset, the number of its first line, how many it has."""
    size = log.stat().st_size
    position, line = 0, 1
    begins = [(position, line)]
    with log.open("rb") as file:
        for raw in file:
            position, line = position + len(raw), line + 1
            while len(begins) < shards and position >= size * len(begins) / shards:
                begins.append((position, line))
    begins += [(position, line)] * (shards + 1 - len(begins))
    return [
        {"offset": offset, "line": line, "lines": next_line - line}
        for (offset, line), (_, next_line) in itertools.pairwise(begins)
    ]


# Combined format: host, identity, user, [time], "request", status, size, "referrer", "user agent".
QUOTED = r'"((?:[^"\\]|\\.)*)"'
LINE = re.compile(rf"\S+ \S+ \S+ \[([^\]]+)\] {QUOTED} ([1-5]\d\d) (\d{{1,15}}|-) {QUOTED} {QUOTED}", re.ASCII)


def parse(log: Path, offset: int, line: int, lines: int) -> dict[str, Any]:
    """Count what is in one shard of a log."""
    size = 0
    malformed: list[int] = []
    paths, statuses, hours = Counter[str](), Counter[str](), Counter[str]()
    with log.open("rb") as file:
        file.seek(offset)
        for number, raw in enumerate(itertools.islice(file, lines), start=line):
            found = LINE.fullmatch(raw.decode("utf-8", "replace").rstrip("\r\n"))
            hour = found and hour_of(found[1])
            if found is None or hour is None:
                malformed.append(number)
                continue
            request = found[2].split()
            paths[request[1].partition("?")[0] if len(request) == 3 else "(no HTTP)"] += 1
            statuses[found[3][0] + "xx"] += 1
            hours[hour] += 1
            size += 0 if found[4] == "-" else int(found[4])
    return {
        "lines": lines,
        "bytes": size,
        "paths": dict(paths),
        "statuses": dict(statuses),
        "hours": dict(hours),
        "malformed": len(malformed),
        "malformed_lines": malformed[:LINES_NAMED],
    }


def hour_of(stamp: str) -> str | None:
    """The hour of a time like ``14/Mar/2026:13:55:36 +0000``, in UTC; None if it is no time."""
    try:
        return datetime.strptime(stamp, "%d/%b/%Y:%H:%M:%S %z").astimezone(UTC).strftime("%Y-%m-%d %H:00 UTC")
    except ValueError:
        return None


def join(counts: list[dict[str, Any]]) -> dict[str, Any]:
    """The counts of all shards, added up."""
    total: dict[str, Any] = {name: sum(shard[name] for shard in counts) for name in ("lines", "bytes", "malformed")}
    for name in ("paths", "statuses", "hours"):
        total[name] = dict(sum((Counter(shard[name]) for shard in counts), Counter()))
    total["malformed_lines"] = [number for shard in counts for number in shard["malformed_lines"]][:LINES_NAMED]
    return total


def report(total: dict[str, Any]) -> str:
    """The text of the report."""
    requests = total["lines"] - total["malformed"]
    statuses, hours, paths = (most(total[name]) for name in ("statuses", "hours", "paths"))
    rows = [
        ("requests", f"{requests:,}"),
        ("bytes sent", f"{total['bytes']:,}"),
        ("error rate", f"{percent(total['statuses'].get('5xx', 0), requests)} % answered with 5xx"),
        ("busiest hour", f"{hours[0][0]}, {hours[0][1]:,} requests" if hours else "none"),
        *((f"status {status}", f"{count:,}") for status, count in sorted(statuses)),
        *(("top paths" if rank == 0 else "", f"{count:>7,}  {path}") for rank, (path, count) in enumerate(paths[:10])),
        ("malformed", f"{total['malformed']:,} lines" + named(total)),
    ]
    return "\n".join(f"{name:<14}{value}" for name, value in rows)


def most(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Names and counts, the largest first; where they are equal, by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def named(total: dict[str, Any]) -> str:
    """The numbers of the malformed lines, the first ones at least."""
    if not total["malformed_lines"]:
        return ""
    more = total["malformed"] - len(total["malformed_lines"])
    return ": " + ", ".join(map(str, total["malformed_lines"])) + (f" and {more:,} more" if more else "")


def percent(part: int, whole: int) -> float:
    """A share in percent; none of nothing is 0."""
    return round(100 * part / whole, 2) if whole else 0.0


# The command


def main() -> int:
    options = arguments()
    try:
        if options.log is None:
            options.log = sample_in_this_folder()
        execution_id = f"{digest(options.log)}-{options.max_malformed}"
    except OSError as error:
        say(f"can't read the log: {error}")
        return 2
    try:
        return run(options.log, options.database, execution_id, options.max_malformed, options.pause)
    except rfx.StorageError as error:
        say(f"can't use the database: {error}")
        return 2
    except KeyboardInterrupt:
        say("interrupted: the same command goes on from here")
        return 130


def run(log: Path, database: Path, execution_id: str, max_malformed: float, pause: float) -> int:
    """Start the execution, or go on with it, and print what comes of it."""
    store, runner = SqliteStore(database), SqliteRunner(database, lease_seconds=LEASE_SECONDS)
    worker = rfx.InProcessWorker(runner, Executor(log, pause), concurrency=CONCURRENCY)
    with rfx.Backend(store=store, runner=runner, on_state_change=tell) as backend:
        inputs = {"max_malformed_percent": max_malformed}
        workflow = rfx.Workflow.from_dict(definition(SHARDS), backend, inputs, execution_id)
        say(f"{log}: execution {execution_id} in {database}, {workflow.progress:.0%} done")
        result = workflow.run(worker=worker)
    if isinstance(result, rfx.Halt):
        print(json.dumps(result.result))
        say("halted; another limit (--max-malformed) or another database (--database) makes another execution")
        return 1
    assert isinstance(result.outcome, dict)
    print(result.outcome["report"])
    return 0


def tell(_id: str, _previous: object, _state: object, event: rfx.StateChangeEvent | None) -> None:
    """Called after each commit of a result: it is stored, and will not be computed again."""
    if event is not None and event.op.startswith("parse_"):
        say(f"{event.op}: stored")


def digest(log: Path) -> str:
    """What stands for the content of a log."""
    with log.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def sample_in_this_folder() -> Path:
    """The sample log, made if it is not there."""
    log = Path("access.log")
    if not log.exists():
        write_sample(log)
        say(f"no log was named: made a sample, {log}")
    return log


def say(text: str) -> None:
    """Progress goes to standard error, a line at a time from whatever thread; the report alone to standard output."""
    sys.stderr.write(text + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Report on a web server's access log in combined format. The same command again goes on where it "
        "was killed, and prints the stored report when it was not.",
        epilog="exit status: 0 with a report, 1 when the log was refused, 2 when it can't be read",
    )
    parser.add_argument(
        "log", type=Path, nargs="?", help="the access log (default: access.log in this folder, a sample if need be)"
    )
    parser.add_argument(
        "--max-malformed",
        type=up_to_a_hundred,
        default=1.0,
        metavar="PERCENT",
        help="refuse a log of which more is malformed (default: %(default)s)",
    )
    parser.add_argument(
        "--database",
        type=Path,
        default=Path("log_report.db"),
        metavar="FILE",
        help="where to keep executions and queue (default: %(default)s)",
    )
    parser.add_argument(
        "--pause",
        type=up_to_a_hundred,
        default=0.0,
        metavar="SECONDS",
        help="wait in each shard: time to kill it and see what happens (default: %(default)s)",
    )
    return parser.parse_args()


def up_to_a_hundred(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 100")
    return value


if __name__ == "__main__":
    sys.exit(main())
