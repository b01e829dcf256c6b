"""The generated workflows are valid, they end, and they reach what makes workflows hard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import HealthCheck, given, seed, settings

from runfox.definition import parse_dict
from runfox.records import StepRecord
from runfox.results import DispatchJob
from runfox.status import WorkflowStatus
from runfox_testing.clock import ManualClock
from runfox_testing.definition_strategies import definitions, stories
from runfox_testing.driving import Scene, Story, in_memory, play

ALL_CHECKS = list(HealthCheck)
EXAMPLES = 150


def play_in_memory(story: Story) -> list[Scene]:
    return play(in_memory(story, ManualClock().now), story)


@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=ALL_CHECKS)
@given(definitions())
def test_every_generated_definition_is_valid(definition: dict[str, object]) -> None:
    assert parse_dict(definition).spec == definition


def steps_of(scenes: list[Scene]) -> list[StepRecord]:
    return [step for scene in scenes for step in scene.record.steps.values()]


def jobs_of(scenes: list[Scene]) -> list[DispatchJob]:
    return [job for scene in scenes for job in scene.jobs]


RARE: dict[str, Callable[[list[Scene]], bool]] = {
    "halts": lambda scenes: scenes[-1].record.status is WorkflowStatus.HALTED,
    "loops": lambda scenes: any(step.run_id and not step.attempt for step in steps_of(scenes)),
    "delays": lambda scenes: any(step.ready_at and step.ready_at != step.end_time for step in steps_of(scenes)),
    "timeouts": lambda scenes: any((step.output or {}).get("timeout") is True for step in steps_of(scenes)),
    "time": lambda scenes: any(scene.event[0] == "pass" for scene in scenes),
    "calls": lambda scenes: any(job.call != job.op for job in jobs_of(scenes)),
    "queues": lambda scenes: any(job.queue for job in jobs_of(scenes)),
    "joins": lambda scenes: any(len(step.depends_on) > 1 for step in parse_dict(scenes[-1].record.spec).steps),
    "defaults": lambda scenes: "defaults" in scenes[-1].record.spec,
}
COMMON: dict[str, Callable[[list[Scene]], bool]] = {
    "inputs": lambda scenes: any(job.inputs for job in jobs_of(scenes)),
    "fan-out": lambda scenes: any(len(scene.jobs) > 1 for scene in scenes),
    "outcomes": lambda scenes: scenes[-1].record.outcome not in ({}, None),
}


def test_generated_workflows_end_and_reach_everything() -> None:
    counts: Counter[str] = Counter()

    @seed(0)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=ALL_CHECKS)
    @given(stories())
    def count(story: Story) -> None:
        scenes = play_in_memory(story)
        assert scenes[-1].record.status.ended
        counts.update(name for name, happens in {**RARE, **COMMON}.items() if happens(scenes))

    count()
    assert min(counts[name] for name in RARE) >= EXAMPLES // 50, counts
    assert min(counts[name] for name in COMMON) >= EXAMPLES // 10, counts
