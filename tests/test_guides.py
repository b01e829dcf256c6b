"""What guides show and no page can run: excerpts of an example, the unit of a service. (`test_docs` runs the rest.)"""

from __future__ import annotations

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
BACKEND = ROOT / "docs" / "guides" / "write-your-own-backend.md"
WORKERS = ROOT / "docs" / "guides" / "workers.md"
STRANGER = ROOT / "examples" / "custom_backend"


def blocks(path: Path, info: str) -> list[str]:
    """The blocks of a page whose first line goes on like this."""
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{info}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_code_of_the_guide_to_backends_stands_in_the_example() -> None:
    files = [path.read_text(encoding="utf-8") for path in STRANGER.rglob("*") if path.suffix in (".py", ".toml")]
    shown = blocks(BACKEND, "python") + blocks(BACKEND, "toml")
    assert len(shown) >= 10
    assert [code for code in shown if not any(code in file for file in files)] == []


def test_the_unit_in_the_guide_to_workers_starts_the_worker_of_the_guide_and_lets_it_end() -> None:
    (text,) = blocks(WORKERS, 'ini title="runfox-worker.service"')
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # systemd's names have capitals
    unit.read_string(text)
    service = unit["Service"]
    program, script = service["ExecStart"].split()
    assert program == f"{service['WorkingDirectory']}/.venv/bin/python"
    (worker,) = blocks(WORKERS, f'python title="{re.escape(script)}"')
    assert ".run()" in worker
    assert (service["KillSignal"], service["KillMode"]) == ("SIGTERM", "mixed")
    assert int(service["TimeoutStopSec"]) > 0
    assert set(unit) - {"DEFAULT"} == {"Unit", "Service", "Install"}
