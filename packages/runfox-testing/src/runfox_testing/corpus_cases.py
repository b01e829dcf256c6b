"""The corpus of whole workflows: ``corpus/*.json``, one file for each feature. Its README says what a case holds."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources

from runfox.jsonvalue import JSONObject
from runfox_testing.driving import Script, Story

FEATURES = ("order", "branches", "loops", "timers", "values", "routing", "errors")
"""The files, without their suffix."""


@dataclass(frozen=True, slots=True)
class CorpusCase:
    """A story, and how it goes."""

    name: str
    story: Story
    expected: JSONObject


@functools.cache
def corpus_cases(feature: str) -> tuple[CorpusCase, ...]:
    """The cases of one feature."""
    text = resources.files("runfox_testing").joinpath("corpus", f"{feature}.json").read_text("utf-8")
    return tuple(
        CorpusCase(
            name=case["name"],
            story=Story(
                definition=case["definition"],
                inputs=case.get("inputs", {}),
                script=Script(case.get("outputs", {})),
                events=case.get("events", (("start",),)),
                moves=case.get("moves", ()),
            ),
            expected=case["expected"],
        )
        for case in json.loads(text)
    )
