"""An environment for each peer, with nothing of ours in it. One that is there already is used again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from speed.contestants import NotAvailable

_INSTALL_SECONDS = 300


def python_of(folder: Path, name: str, requirements: Sequence[str]) -> Path:
    """The interpreter of the environment `name`. Raises `NotAvailable` where it can't be made."""
    place = folder / name
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    content = json.dumps([sys.version, *requirements])
    mark = place / "bench.json"
    if mark.is_file() and mark.read_text(encoding="utf-8") == content:
        return python
    shutil.rmtree(place, ignore_errors=True)
    uv = shutil.which("uv")
    if uv is None:
        venv.create(place, with_pip=True)
        _run(str(python), "-m", "pip", "install", "--quiet", *requirements)
    else:
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(place))
        _run(uv, "pip", "install", "--quiet", "--python", str(python), *requirements)
    mark.write_text(content, encoding="utf-8")
    return python


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAvailable(f"can't be installed: {error}") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise NotAvailable(f"can't be installed: {lines[-1] if lines else done.returncode}")
