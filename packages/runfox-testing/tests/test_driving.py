"""The driver of whole workflows: what it shows, and that two of them can be compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runfox.backend import Backend, InMemoryStore, InProcessRunner
from runfox.records import RecordPatch
from runfox_testing.clock import ManualClock
from runfox_testing.driving import (
    LATE_SECONDS,
    MOVES,
    NOT_JSON,
    Driving,
    Scene,
    Script,
    Story,
    in_memory,
    play,
    replay_difference,
    told,
)

START = ManualClock().now
DIAMOND: dict[str, Any] = {
    "steps": [
        {"op": "a"},
        {"op": "b", "depends_on": "a", "input": {"n": {"var": "steps.a.output.n"}}},
        {"op": "c", "depends_on": "a", "timeout": 30},
        {"op": "d", "depends_on": ["b", "c"]},
    ]
}
STORY = Story(definition=DIAMOND, script=Script({"a": [{"n": 1}]}))


def scenes_of(story: Story) -> list[Scene]:
    return play(in_memory(story, START), story)


def names(scenes: list[Scene]) -> list[str]:
    return [str(scene.event[0]) for scene in scenes]


def test_a_script_goes_by_op_and_run_and_its_last_output_stays() -> None:
    script = Script({"a": [{"n": 0}, {"n": 1}]})
    assert [script.output("a", run) for run in range(4)] == [{"n": 0}, {"n": 1}, {"n": 1}, {"n": 1}]
    assert script.output("b", 0) == {}
    assert script.output("c", 7) == {}
    assert Script({"a": [{NOT_JSON: True}]}).output("a", 0) == {"set": {1, 2}}


def test_a_scene_has_everything_that_can_be_seen() -> None:
    scenes = scenes_of(STORY)
    rounds = [["take", "give", "settle"], ["take", "give", "give", "settle"], ["take", "give", "settle"]]
    assert names(scenes) == ["start", *rounds[0], *rounds[1], *rounds[2]]
    start, take, _, settle = scenes[:4]
    assert [job.op for job in start.jobs] == [job.op for job in start.pending] == ["a"]
    assert [job.op for job in take.jobs] == ["a"]
    assert take.pending == ()
    assert [job.inputs for job in settle.jobs] == [{"n": 1}, {}]
    assert settle.record.version == 3
    assert scenes[-1].answer == "Complete(outcome={})"
    assert scenes[-1].record.status.ended


def test_the_trace_tells_what_changed() -> None:
    assert told(scenes_of(STORY)) == [
        "start: a=in_progress/0",
        "settle: a=complete/0 b=in_progress/0 c=in_progress/0",
        "settle: b=complete/0 c=complete/0 d=in_progress/0",
        "settle: d=complete/0 complete",
    ]
    late = told(scenes_of(replace(STORY, moves=["all", "late"])))
    assert late[2:4] == [f"pass {LATE_SECONDS:g}", "settle: c=complete/0"]


@pytest.mark.parametrize("move", MOVES)
def test_every_move_leads_to_the_end(move: str) -> None:
    story = replace(STORY, moves=[move] * 4)
    record = scenes_of(story)[-1].record
    assert {op: step.run_id for op, step in record.steps.items()} == dict.fromkeys("abcd", 0)
    assert record.status.value == "complete"


def test_two_executions_with_one_story_are_equal() -> None:
    for one, other in zip(scenes_of(STORY), scenes_of(STORY), strict=True):
        assert replay_difference(one, other) is None


def test_an_event_that_is_refused_is_an_answer() -> None:
    driving = in_memory(STORY, START)
    assert driving.apply(("result", "nobody", {}, 0)).answer == "raised UnknownStep"


def test_an_unknown_event_is_an_error() -> None:
    with pytest.raises(AttributeError):
        in_memory(STORY, START).apply(("dance",))


def test_jobs_of_runs_that_are_over_are_neither_pending_nor_handed_out() -> None:
    """A runner that many processes share is told late what it may forget."""
    clock = ManualClock(START)
    runner = InProcessRunner(clock=clock)
    driving = Driving(STORY, Backend(store=InMemoryStore(), runner=runner, clock=clock), clock)
    driving.apply(("start",))
    scene = driving.apply(("result", "a", {"n": 1}, 0))
    runner.dispatch(driving.id, in_memory(STORY, START).apply(("start",)).jobs)
    assert scene.pending == ()
    assert driving.apply(("take",)).jobs == ()


class Unkept(InMemoryStore):
    """Says nothing of who has claimed a step."""

    def patch(self, patch: RecordPatch) -> None:
        steps = patch.steps
        assert isinstance(steps, dict)
        super().patch(replace(patch, steps={op: replace(step, host=None) for op, step in steps.items()}))


def test_the_first_difference_is_named_with_its_place() -> None:
    clock = ManualClock(START)
    backend = Backend(store=Unkept(), runner=InProcessRunner(clock=clock), clock=clock)
    found = Driving(STORY, backend, clock).apply(("start",))
    wanted = in_memory(STORY, START).apply(("start",))
    problem = replay_difference(found, wanted)
    assert problem is not None
    assert problem.startswith("steps['a'].host: None")


def test_differences_of_answers_jobs_and_what_is_pending_are_named_first() -> None:
    wanted = scenes_of(STORY)[0]
    job = wanted.jobs[0]
    assert replay_difference(replace(wanted, answer=None), wanted) == f"the answer is None, not {wanted.answer}"
    assert replay_difference(replace(wanted, jobs=()), wanted) == "handed out: nothing, not a/0"
    assert replay_difference(replace(wanted, pending=(job, job)), wanted) == "pending: a/0, a/0, not a/0"
    other = replace(wanted, jobs=(replace(job, inputs={"n": 1.0}),))
    assert "handed out: the job a/0.inputs" in (replay_difference(other, wanted) or "")
