"""Runs the blocks of one page in the current folder: blocks as JSON on standard input, what came of them on standard output.

Python blocks share this process and one namespace, commands share one bash. A block is ``{"kind", "text", "place",
"title", "flags"}``; of each, ``{"printed", "raised"}`` is told.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import runfox as rfx

KILLED = re.compile(r"^bash: line \d+: +\d+ (Killed|Terminated)\b.*\n", re.MULTILINE)
"""What bash says of a job that was killed; its number differs from run to run."""


class Shell:
    """One bash for all the commands of a page."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )

    def run(self, command: str) -> str:
        """What the command prints, and ``[exit status N]`` behind it where N is not 0."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        end = uuid.uuid4().hex
        self._process.stdin.write(f"{{ {command}\n}} < /dev/null\nprintf '\\n{end} %s\\n' $?\n")
        self._process.stdin.flush()
        printed = ""
        for line in self._process.stdout:
            if line.startswith(end):
                status = int(line.split()[1])
                break
            printed += line
        else:
            raise AssertionError(f"bash ended in: {command}")
        # The line break before the mark is ours, unless the command's last line had none.
        printed = KILLED.sub("", printed.removesuffix("\n"))
        if status:
            if printed and not printed.endswith("\n"):
                printed += "\n"
            printed += f"[exit status {status}]\n"
        return printed

    def close(self) -> None:
        """End bash and whatever its commands have left running."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def run_python(block: dict[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    text, place = block["text"], block["place"]
    linecache.cache[place] = (len(text), None, text.splitlines(keepends=True), place)
    printed = io.StringIO()
    raised = None
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(text, place, "exec"), namespace)
        except Exception as error:
            if "raises" not in block["flags"]:
                raise
            raised = f"{type(error).__name__}: {error}\n"
    if "raises" in block["flags"] and raised is None:
        raise AssertionError(f"{place} raised nothing")
    return {"printed": printed.getvalue(), "raised": raised}


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it is said to print."""
    found: list[list[str]] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append([line[2:].rstrip("\n"), ""])
        elif line.startswith("> ") and found[-1][0].endswith("\\"):
            found[-1][0] += "\n" + line[2:].rstrip("\n")
        else:
            found[-1][1] += line
    return [(command, printed) for command, printed in found]


def run_console(block: dict[str, Any], shell: Shell) -> dict[str, Any]:
    printed = ""
    for command, _ in commands(block["text"]):
        shown = command.replace("\n", "\n> ")
        printed += f"$ {shown}\n{shell.run(command)}"
    return {"printed": printed, "raised": None}


def check_definition(block: dict[str, Any]) -> dict[str, Any]:
    read = rfx.Workflow.from_yaml if block["kind"] == "yaml" else rfx.Workflow.from_json
    try:
        read(block["text"], rfx.Backend())
    except rfx.DefinitionError as error:
        if "invalid" not in block["flags"]:
            raise
        return {"printed": "", "raised": f"{type(error).__name__}: {error}\n"}
    if "invalid" in block["flags"]:
        raise AssertionError(f"{block['place']} is valid")
    return {"printed": "", "raised": None}


def main() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    shell = Shell()
    outcomes = []
    sys.path.insert(0, "")  # the page's folder, for the files that it imports
    try:
        for block in json.load(sys.stdin):
            outcome = {"printed": "", "raised": None}
            if block["title"]:
                path = Path(block["title"])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block["text"], encoding="utf-8")
            elif block["kind"] == "python":
                outcome = run_python(block, namespace)
            elif block["kind"] == "console":
                outcome = run_console(block, shell)
            elif block["kind"] in ("yaml", "json"):
                outcome = check_definition(block)
            outcomes.append(outcome)
    finally:
        shell.close()
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
