"""Nothing is lost on DynamoDB and SQS, whoever dies: the short run of ``tests/chaos`` on a local server.

``nox -s chaos -- --backend aws`` is long.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="the local server is moto's")

CHAOS = Path(__file__).parent / "chaos" / "chaos.py"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_deaths_on_both_sides_of_every_request_lose_nothing() -> None:
    asked = {
        "backend": "aws",
        "executions": "36",
        "rounds": "1",
        "points": "^(before|after) [A-Z]|paused",
        "deaths": "5",
    }
    options = [f"--{name}={value}" for name, value in asked.items()]
    command = [sys.executable, "-W", "error", str(CHAOS), *options, "--crowd=0", "--workers=3"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout + result.stderr
    assert "nothing is wrong" in result.stdout
