"""What the state machine of STORE-MODEL draws: which client, which execution, and what is written of it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from runfox.records import StepRecord
from runfox.status import StepStatus, WorkflowStatus
from runfox_testing.sample_records import OPS, at

IDS = ("a", "b", "A")
CLIENTS = 3

# What JSON can hold has checks of its own; here it is small, so that more calls are made of it.
_values: st.SearchStrategy[Any] = st.sampled_from(
    [None, 0, 0.0, -0.0, 1, 1.0, True, "", "\0", [], {}, [None], {"a": 1}]
)
_states = st.dictionaries(st.sampled_from(["x", "y", "z", "", "\ud800"]), _values, max_size=3)
_step = st.builds(
    StepRecord,
    op=st.sampled_from(OPS),
    status=st.sampled_from(StepStatus),
    output=st.none() | _states,
    run_id=st.integers(0, 3),
    attempt=st.integers(0, 2),
    host=st.sampled_from([None, "", "h"]),
)
_several_steps = st.lists(_step, max_size=3).map(lambda steps: {step.op: step for step in steps})
wake_times = st.none() | st.integers(0, 20).map(at)
names = st.sampled_from([None, "orders", "workflow"])
aims = st.sampled_from(range(12))
"""Which execution: mostly one that is there."""
client_numbers = st.sampled_from(range(CLIENTS))
offsets = st.sampled_from([0, 0, 0, 0, 0, 0, -1, 1])
"""How far a version is from the stored one: mostly not at all."""


whole_fields = st.fixed_dictionaries(
    {
        "name": names,
        "state": _states,
        "inputs": _states,
        "status": st.sampled_from(WorkflowStatus),
        "outcome": _values,
        "wake_at": wake_times,
        "updated_at": st.integers(0, 99).map(at),
        "steps": _several_steps,
    }
)
"""What a whole write says; the rest is the same in all of them."""

patch_fields = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(WorkflowStatus),
        "outcome": _values,
        "wake_at": wake_times,
        "state": _states,
        "steps": _several_steps,
    },
)
