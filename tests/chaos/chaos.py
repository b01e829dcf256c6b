"""Many processes on one SQLite file, or on DynamoDB and SQS, die at random and at every named point, and lose nothing.

``chaos.py`` carries workflows to their end with processes that are killed (SIGKILL), terminated (SIGTERM) and paused
(SIGSTOP); then, undisturbed, a crowd of executions that live at once. It says what happened, and exits with 1 if
anything is not as it should be:

- every execution has ended, with the status, the outcome and the outputs of a run that nobody disturbs;
- of every run one result was applied, that which was submitted for it, and it was merged;
- no job was handed out beside a living lease, or after its result had been submitted;
- nothing is left in the queue, the file is sound (on AWS: no item is there that nobody names, but for what was killed),
  SIGTERM ends with 0, and nobody has complained on standard error.

What is drawn by lot comes from the seed. What the operating system does with it does not: a seed gives the same
workflows and the same plan of deaths, never quite the same run.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from herd import Herd, Settings
from place import BACKENDS, place_of
from verdict import Verdict, judge

_MOST_PROBLEMS = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments ask for. Gives the exit status."""
    parser = _parser()
    parser.set_defaults(**_DEFAULTS[parser.parse_known_args(arguments)[0].backend])
    asked = parser.parse_args(arguments)
    seed = random.randrange(10**6) if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    sound = True
    if asked.executions:
        sound &= _run("chaos", _chaos(asked, seed), asked)
    if asked.crowd:
        sound &= _run("crowd", _crowd(asked, seed), asked)
    return 0 if sound else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=BACKENDS, default="sqlite", help="what to run on; aws is moto's server")
    parser.add_argument("--seed", type=int, help="what everything random comes from (default: a new one)")
    parser.add_argument("--executions", type=int, default=1_000, help="how many workflows at least; 0 leaves this out")
    parser.add_argument("--rounds", type=int, default=6, help="how often each named point is died at")
    parser.add_argument("--points", default="", help="a regular expression: the named points to die at")
    parser.add_argument("--deaths", type=int, default=150, help="how many more are killed, terminated or paused")
    parser.add_argument("--workers", type=int, default=4, help="worker processes at a time")
    parser.add_argument("--drivers", type=int, default=2, help="driver processes at a time")
    parser.add_argument("--lease", type=float, default=1.5, help="seconds of a lease")
    parser.add_argument("--interval", type=float, default=0.4, help="seconds between random deaths, on average")
    parser.add_argument("--crowd", type=int, default=3_000, help="how many executions live at once; 0 leaves this out")
    parser.add_argument("--crowd-workers", type=int, default=10, help="worker processes of the crowd")
    parser.add_argument("--minutes", type=float, default=20.0, help="after which a part of a run counts as hanging")
    parser.add_argument("--keep", type=Path, help="a folder to leave database, ledger and standard errors in")
    return parser


_DEFAULTS: dict[str, dict[str, int]] = {"sqlite": {}, "aws": {"executions": 300, "rounds": 3, "deaths": 60, "crowd": 0}}
"""What is less than usual: moto's server answers one request at a time."""


def _chaos(asked: argparse.Namespace, seed: int) -> Settings:
    return Settings(
        seed=seed,
        executions=asked.executions,
        deaths=asked.deaths,
        rounds=asked.rounds,
        points=asked.points,
        workers=asked.workers,
        drivers=asked.drivers,
        lease=asked.lease,
        recover_after=asked.lease,
        interval=asked.interval,
        deadline=60 * asked.minutes,
    )


def _crowd(asked: argparse.Namespace, seed: int) -> Settings:
    """Leases are long here: nobody dies, and a machine that is busy is no reason to run anything twice."""
    return Settings(
        seed=seed,
        executions=asked.crowd,
        workers=asked.crowd_workers,
        batch=-(-asked.crowd // 2),
        lease=30.0,
        recover_after=10.0,
        sweep_interval=1.0,
        deadline=60 * asked.minutes,
        crowd=True,
    )


def _run(name: str, settings: Settings, asked: argparse.Namespace) -> bool:
    """One run, in a folder that is removed unless it is kept. True if nothing is wrong."""
    keep: Path | None = asked.keep
    folder = Path(tempfile.mkdtemp(prefix="runfox-chaos-")) if keep is None else keep / name
    folder.mkdir(parents=True, exist_ok=keep is None)
    try:
        with place_of(asked.backend, folder) as place:
            herd = Herd(settings, folder, place)
            herd.run()
            verdict = judge(herd)
        print("\n".join(_report(name, herd, verdict)), flush=True)
        return not verdict.problems
    finally:
        if keep is None:
            shutil.rmtree(folder)


def _report(name: str, herd: Herd, verdict: Verdict) -> Iterable[str]:
    tale = herd.tale
    yield f"\n{name}"
    yield from _table(
        {
            "executions": f"{verdict.executions:,} ({_counts(verdict.statuses)})",
            "alive at once": f"{tale.most_alive:,} at most",
            "processes": f"{sum(tale.started.values()):,} ({_counts(tale.started)})",
            "results applied": f"{verdict.results:,}",
            "runs executed": f"{verdict.executed:,}, {verdict.again:,} of them again",
            "dispatched late": f"{verdict.late:,}",
            "seconds": f"{tale.seconds:.0f}",
        }
    )
    if not herd.settings.crowd:
        yield "how processes ended"
        points = herd.place.points
        named = {f"at: {point}": f"{tale.fates[point]:,}" for point in points}
        yield from _table(named | {fate: f"{count:,}" for fate, count in tale.fates.items() if fate not in points})
    yield f"problems: {len(verdict.problems)}" if verdict.problems else "nothing is wrong"
    yield from verdict.problems[:_MOST_PROBLEMS]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))


def _table(rows: dict[str, str]) -> Iterable[str]:
    width = max(map(len, rows))
    return [f"  {name:<{width}}  {value}" for name, value in rows.items()]


if __name__ == "__main__":
    sys.exit(main())
