"""The guides: what they show runs, or stands in the example that they walk through."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import runfox as rfx

ROOT = Path(__file__).parents[1]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
TESTING = ROOT / "docs" / "guides" / "testing-your-workflow.md"
BACKEND = ROOT / "docs" / "guides" / "write-your-own-backend.md"
WORKERS = ROOT / "docs" / "guides" / "workers.md"
STRANGER = ROOT / "examples" / "custom_backend"


def blocks(path: Path, *languages: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [
        code
        for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        if language in languages
    ]


def test_there_are_guides() -> None:
    assert {TESTING, BACKEND, WORKERS} <= set(GUIDES)


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_links_of_a_guide_lead_somewhere(path: Path) -> None:
    targets = [
        target for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")) if "://" not in target
    ]
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_the_guide_to_testing_is_a_test_file_that_passes(tmp_path: Path) -> None:
    code = blocks(TESTING, "python")
    (tmp_path / "test_guide.py").write_text("\n\n".join(code), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-W", "error", "-p", "no:cacheprovider", "test_guide.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    promised = re.findall(r"^ *print\(.*\)  # (.+)$", "\n".join(code), re.MULTILINE)
    assert promised
    assert [value for value in promised if value not in result.stdout] == []


def test_the_code_of_the_guide_to_backends_stands_in_the_example() -> None:
    files = [path.read_text(encoding="utf-8") for path in STRANGER.rglob("*") if path.suffix in (".py", ".toml")]
    shown = blocks(BACKEND, "python", "toml")
    assert len(shown) >= 10
    assert [code for code in shown if not any(code in file for file in files)] == []


def test_the_two_files_of_the_guide_to_workers_work_together_and_the_worker_ends_well(tmp_path: Path) -> None:
    worker, start, _ = blocks(WORKERS, "python")
    (tmp_path / "worker.py").write_text(worker, encoding="utf-8")
    (tmp_path / "start.py").write_text(start, encoding="utf-8")
    python = [sys.executable, "-W", "error"]
    with subprocess.Popen([*python, "worker.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as working:
        try:
            started = subprocess.run([*python, "start.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert (started.stdout, started.stderr) == ("{'count': 4}\n", "")
            working.terminate()
            assert working.communicate(timeout=60) == (None, "")
            assert working.returncode == 0
        finally:
            working.kill()


def test_the_key_in_the_guide_to_workers_is_the_runs() -> None:
    keys: list[str] = []

    def charge(card: str, amount: int, idempotency_key: str) -> dict[str, bool]:
        keys.append(idempotency_key)
        return {"ok": True}

    scope: dict[str, object] = {"charge": charge}
    exec(blocks(WORKERS, "python")[-1], scope)
    step = {"op": "charge", "input": {"card": "c", "amount": 3}}
    workflow = rfx.Workflow.from_dict({"steps": [step]}, rfx.Backend(executor=scope["execute"]))
    workflow.run()
    assert keys == [f"{workflow.id}#charge#0"]
