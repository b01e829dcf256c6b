"""On what it was measured."""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path


def about(folder: Path) -> dict[str, str]:
    """The processor, the system, Python, and where the files were."""
    return {
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "load": _load(),
        "system": f"{platform.system()} {platform.release()}",
        "files on": file_system(folder),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def processor() -> str:
    """The model, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def file_system(folder: Path) -> str:
    """Its kind: in memory (tmpfs) nothing is ever synced, and synchronous FULL says nothing."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "unknown"
    place = folder.resolve()
    holding = [(len(at), kind) for _, at, kind, *_ in mounts if place.is_relative_to(at)]
    return max(holding, default=(0, "unknown"))[1]


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
