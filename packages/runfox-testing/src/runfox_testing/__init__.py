"""The conformance kit for stores and runners of runfox, and help for everybody's tests of workflows.

Nothing is imported before it is asked for: pytest loads this package's plugin wherever the package is installed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runfox_testing.check import Waiver
    from runfox_testing.clock import ManualClock
    from runfox_testing.conformance import RunnerConformance, StoreConformance, WorkflowConformance
    from runfox_testing.echoing import echo
    from runfox_testing.fakes import NO_ANSWER, MissingFake
    from runfox_testing.faults import Faults
    from runfox_testing.faulty_runner import FaultyRunner
    from runfox_testing.faulty_store import FaultyStore
    from runfox_testing.harness import RunnerHarness, StoreHarness
    from runfox_testing.running import WorkflowDidNotEnd, WorkflowRun, run_workflow

__all__ = [
    "NO_ANSWER",
    "Faults",
    "FaultyRunner",
    "FaultyStore",
    "ManualClock",
    "MissingFake",
    "RunnerConformance",
    "RunnerHarness",
    "StoreConformance",
    "StoreHarness",
    "Waiver",
    "WorkflowConformance",
    "WorkflowDidNotEnd",
    "WorkflowRun",
    "echo",
    "run_workflow",
]

_MODULES = {
    "NO_ANSWER": "fakes",
    "Faults": "faults",
    "FaultyRunner": "faulty_runner",
    "FaultyStore": "faulty_store",
    "ManualClock": "clock",
    "MissingFake": "fakes",
    "RunnerConformance": "conformance",
    "RunnerHarness": "harness",
    "StoreConformance": "conformance",
    "StoreHarness": "harness",
    "Waiver": "check",
    "WorkflowConformance": "conformance",
    "WorkflowDidNotEnd": "running",
    "WorkflowRun": "running",
    "echo": "echoing",
    "run_workflow": "running",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
