"""FLOW-STEP: the same definition with the same results takes the same steps as on the parts in memory.

Everything that can be seen is compared after every event: the answer, the jobs that are handed out, those that are
pending, and the whole record with its times and its version.
"""

from __future__ import annotations

import json
import math
import time

import hypothesis

from runfox.backend import Backend
from runfox_testing.case import WorkflowCase
from runfox_testing.check import Violation, check, describe, expect, violated
from runfox_testing.clock import ManualClock
from runfox_testing.corpus_cases import corpus_cases
from runfox_testing.definition_strategies import stories
from runfox_testing.driving import Driving, Scene, Story, in_memory, play, replay_difference

_FEWEST = 2
"""Events of an execution: it begins, and it ends."""


@check(
    "FLOW-STEP-01",
    needs=("queue",),
    causes=[
        "a commit keeps only a part of what a patch holds",
        "a dispatch that comes again enqueues what is taken, or does not offer a known result",
        "results are gathered in another order than that in which they were submitted",
    ],
)
def steps_run_in_the_definitions_order(case: WorkflowCase) -> None:
    """Chains, fan-outs and joins go as in memory, also after claims, dispatches and gathers whose end was lost."""
    _play_corpus(case, "order")


@check(
    "FLOW-STEP-02",
    needs=("queue",),
    causes=["an outcome that is a scalar or None is not kept", "the status is kept, but the outcome is not"],
)
def branches_end_workflows_alike(case: WorkflowCase) -> None:
    """Branches that halt or complete, errors that halt and a halt from outside end as in memory, with that outcome."""
    _play_corpus(case, "branches")


@check(
    "FLOW-STEP-03",
    needs=("queue",),
    causes=[
        "a step's output is kept where a reset clears it",
        "a run's entry is not replaced by that of a newer run",
        "a result is kept by step, not by step and run",
    ],
)
def loops_go_round_alike(case: WorkflowCase) -> None:
    """Steps that are reset run again with a new run_id, and results of runs before that are stale."""
    _play_corpus(case, "loops")


@check(
    "FLOW-STEP-04",
    needs=("queue",),
    causes=["ready_at, start_time or attempt of a step are not kept", "wake_at is kept in another form or rounded"],
)
def retries_and_timeouts_happen_at_their_time(case: WorkflowCase) -> None:
    """Retries come after their delay and timeouts at their time, and a result that has come in is before a timeout."""
    _play_corpus(case, "timers")


@check(
    "FLOW-STEP-05",
    needs=("queue",),
    causes=[
        "numbers come back as another type (1.0 as 1), or text is changed on the way",
        "a patch of the state replaces the state",
        "the inputs that a claim keeps are not stored",
    ],
)
def values_reach_steps_and_outcome_whole(case: WorkflowCase) -> None:
    """Inputs, outputs, the state and the outcome hold what they hold in memory, to the letter and in that order."""
    _play_corpus(case, "values")


@check(
    "FLOW-STEP-06",
    needs=("queue",),
    causes=["a job's call or queue is lost on the way", "a take serves queues that it was not asked for"],
)
def jobs_go_to_their_queues_with_their_calls(case: WorkflowCase) -> None:
    """A job is taken from its queue and no other, and brings its call with it."""
    _play_corpus(case, "routing")


@check(
    "FLOW-STEP-07",
    needs=("queue",),
    causes=[
        "a result that nobody asked for is kept and gathered",
        "an output that is not JSON is stored as something else",
        "an outcome that tells of an error is not kept",
    ],
)
def errors_end_what_they_end_in_memory(case: WorkflowCase) -> None:
    """Expressions that fail, outputs that are not JSON or no mapping, and results of unknown runs go as in memory."""
    _play_corpus(case, "errors")


@check(
    "FLOW-STEP-08",
    needs=("queue",),
    traits=("property",),
    causes=["see the event at which it went another way: the record before it was still the same"],
)
def generated_workflows_go_as_in_memory(case: WorkflowCase) -> None:
    """Any workflow, with any results in any order, takes the same steps as in memory."""
    compared = 0
    smallest: tuple[int, Violation] | None = None
    ends_at = math.inf

    @hypothesis.seed(case.seed)
    @case.settings()
    @hypothesis.given(stories())
    def check_story(story: Story) -> None:
        nonlocal compared, smallest, ends_at
        if time.monotonic() > ends_at:
            raise _SmallEnough
        case.fresh_namespace()
        text = json.dumps(story.definition)
        try:
            compared += _play_both(case, story, "generated", "generated")
        except Violation as violation:
            violation.add_note(f"definition: {text}\ninputs: {json.dumps(story.inputs)}")
            violation.add_note(f"outputs: {json.dumps(story.script.outputs)}\nmoves: {json.dumps(story.moves)}")
            ends_at = min(ends_at, time.monotonic() + case.profile.patience / 2)
            if smallest is None or len(text) <= smallest[0]:
                smallest = len(text), violation
            raise

    try:
        check_story()
    except _SmallEnough:
        assert smallest is not None
        raise smallest[1] from None
    wanted = case.profile.examples * _FEWEST
    expect(compared >= wanted, f"{compared} events were compared where {wanted} is the least")


class _SmallEnough(BaseException):
    """Hypothesis has looked for a smaller example long enough; no Exception, so that it ends what it does."""


def _play_corpus(case: WorkflowCase, feature: str) -> None:
    """Each case of the corpus, as an execution of its own."""
    for number, corpus_case in enumerate(corpus_cases(feature)):
        case.history.clear()
        compared = _play_both(case, corpus_case.story, f"“{corpus_case.name}”", f"{feature}-{number}")
        expect(compared >= _FEWEST, f"only {compared} events of “{corpus_case.name}” were compared")


def _play_both(case: WorkflowCase, story: Story, title: str, execution_id: str) -> int:
    """Play the story in memory and on the pair; the number of events that were compared."""
    clock = case.movable or ManualClock(time.time())
    clock.now = math.ceil(clock.now)
    reference = in_memory(story, clock.now, execution_id)
    scenes = play(reference, story)
    backend = Backend(store=case.store(), runner=case.runner(), clock=clock)
    driving = Driving(story, backend, clock, execution_id=execution_id, awaited=case.awaited)
    for number, wanted in enumerate(scenes):
        _play_event(case, driving, wanted, f"{title}, event {number + 1} of {len(scenes)}, {_event(wanted)}")
    return len(scenes)


def _play_event(case: WorkflowCase, driving: Driving, wanted: Scene, title: str) -> None:
    try:
        found = driving.apply(wanted.event, wanted)
    except Violation:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, it does not happen in memory
        violated(f"{title}: it raised {describe(error)}")
    case.history.add(f"{_event(found)} -> {found.answer}")
    problem = replay_difference(found, wanted)
    expect(problem is None, f"{title}: {problem}")


def _event(scene: Scene) -> str:
    name, *arguments = scene.event
    return f"{name}({', '.join(map(repr, arguments))})"
