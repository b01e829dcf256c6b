"""How a contender is asked: a line of JSON comes in, one goes out. Runs in any environment, so it imports nothing else.

A contender is a script that calls `serve`. What it carries out it times itself, from handing in the first workflow to
having the last outcome; making the environment, opening the place and building what can be built once is left out.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from workloads import Workload  # from the folder above, which no environment knows

Measured = Mapping[str, Any]
"""``seconds``, ``executed`` steps, ``outcome``, and what else there is to tell."""

Carry = Callable[[Workload, str, Path], Measured]
"""Carries out a workload on a place (``memory``, ``sqlite FULL``, …) with its files in a folder."""


def serve(carry: Carry, *distributions: str) -> None:
    """Answer until the input ends. What anybody prints goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**content: Any) -> None:
        print(json.dumps(content), file=answers, flush=True)

    answer(python=platform.python_version(), versions={name: version(name) for name in distributions})
    for line in sys.stdin:
        request = json.loads(line)
        workload = Workload(request["shape"], request["size"])
        try:
            with tempfile.TemporaryDirectory(dir=request["folder"]) as folder:
                measured = carry(workload, request["place"], Path(folder))
            check(workload, measured)
        except Exception as error:  # noqa: BLE001  # told to whoever asked
            answer(error=f"{type(error).__name__}: {error}")
        else:
            # Only now, when nothing is left to do: the next one is measured at once.
            answer(**measured)


def check(workload: Workload, measured: Measured) -> None:
    """What was measured is what was asked for. Raises `ValueError`."""
    found = (measured["executed"], measured["outcome"])
    if found != (workload.steps, workload.outcome):
        raise ValueError(f"{workload} gave {found}, not {(workload.steps, workload.outcome)}")
