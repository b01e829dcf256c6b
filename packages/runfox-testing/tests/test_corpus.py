"""The corpus of whole workflows, held to what it says: the kit compares other parts with the run in memory, so that
both can't be wrong together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import runfox_testing
from runfox_testing.clock import ManualClock
from runfox_testing.corpus_cases import FEATURES, CorpusCase, corpus_cases
from runfox_testing.driving import MOVES, Driving, Scene, in_memory, play, told

FOLDER = Path(runfox_testing.__file__).with_name("corpus")
CASES = [pytest.param(case, id=case.name) for feature in FEATURES for case in corpus_cases(feature)]
DEFAULTS: dict[str, Any] = {"inputs": {}, "queue": None}


def jobs_taken(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Of every job that was taken and has more than an op: what it has."""
    found = {}
    for job in (job for scene in scenes if scene.event[0] == "take" for job in scene.jobs):
        fields = {"inputs": job.inputs, "call": job.call, "queue": job.queue}
        told_of = {name: value for name, value in fields.items() if value != {**DEFAULTS, "call": job.op}[name]}
        if told_of:
            found[f"{job.op}/{job.run_id}"] = told_of
    return found


@pytest.mark.parametrize("case", CASES)
def test_it_goes_as_the_corpus_says(case: CorpusCase) -> None:
    scenes = play(in_memory(case.story, ManualClock().now), case.story)
    record = scenes[-1].record
    assert told(scenes) == case.expected["trace"]
    assert record.status.value == case.expected["status"]
    # The text tells 1 from 1.0 and True, and 0.0 from -0.0.
    assert json.dumps(record.outcome) == json.dumps(case.expected["outcome"])
    assert json.dumps(jobs_taken(scenes)) == json.dumps(case.expected.get("jobs", {}))


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    names = [case.values[0].name for case in CASES]  # type: ignore[union-attr]  # each is a CorpusCase
    assert len(names) == len(set(names)) >= 50
    assert {path.stem for path in FOLDER.glob("*.json")} == set(FEATURES)


def test_every_event_move_and_key_is_explained_and_used() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    raw = [case for path in FOLDER.glob("*.json") for case in json.loads(path.read_text("utf-8"))]
    keys = {key for case in raw for key in case}
    events = {event[0] for case in raw for event in case.get("events", ())}
    moves = {move for case in raw for move in case.get("moves", ())}
    for name in keys | events | set(MOVES):
        assert f"`{name}`" in readme, name
    known = {name.removeprefix("_on_") for name in vars(Driving) if name.startswith("_on_")} | {"take"}
    assert events <= known
    assert known <= events | {"lose", "settle_alone"}, "these come with moves"
    assert {"reversed", "twice", "lost", "undispatched"} <= moves <= set(MOVES)


def test_what_the_corpus_shows_at_its_end_is_the_end() -> None:
    for case in (case.values[0] for case in CASES):
        assert isinstance(case, CorpusCase)
        assert case.expected["status"] in ("complete", "halted")
        assert math.isfinite(len(case.story.events))
