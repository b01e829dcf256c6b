"""Processes that take part in what is measured here, on a file that they share with us."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from speed.contestants import SCRIPTS


class Participant:
    """A script that says it is ready, and then waits to be told to go."""

    def __init__(self, script: str, *arguments: str) -> None:
        command = [sys.executable, str(SCRIPTS / script), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.read() != "ready":
            raise RuntimeError(f"{script} did not start: see above")

    def go(self) -> None:
        """Begin."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)

    def read(self) -> str:
        """The next line that it says."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def processes(count: int, script: str, *arguments: str) -> Iterator[Sequence[Participant]]:
    """So many of them, ready."""
    with ExitStack() as stack:
        ready = []
        for _ in range(count):
            ready.append(Participant(script, *arguments))
            stack.callback(ready[-1].close)
        yield ready
