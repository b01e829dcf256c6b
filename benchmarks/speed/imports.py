"""What ``import runfox`` adds to a bare interpreter: time, and modules of others."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

from speed import bars
from speed.rows import Figure, Row

_MODULES = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def import_time(rounds: int, tell: Callable[[str], None]) -> Row:
    """Both one after the other, many times. Ours is the difference."""
    tell("import runfox")
    _seconds("import runfox")
    pairs = [(_seconds("import runfox"), _seconds("pass")) for _ in range(rounds)]
    more = tuple(1_000 * (with_it - bare) for with_it, bare in pairs)
    other = Figure(who="bare interpreter", values=tuple(1_000 * bare for _, bare in pairs), unit="ms")
    return Row(
        what="import runfox",
        place="",
        ours=Figure(who="runfox", values=more, unit="ms more"),
        kind="itself",
        other=other,
        bar=bars.IMPORT_MS,
    )


def third_party_modules() -> list[str]:
    """The top-level modules that ``import runfox`` brings and that are neither Python's nor its own."""
    bare, full = (set(json.loads(_output(code))) for code in (_MODULES, "import runfox; " + _MODULES))
    top = {name.partition(".")[0] for name in full - bare}
    return sorted(top - sys.stdlib_module_names - {"runfox"})


def third_party(tell: Callable[[str], None]) -> Row:
    """How many, and which."""
    tell("import runfox: modules")
    found = third_party_modules()
    figure = Figure(who="runfox", values=(len(found),), unit="modules")
    other = ", ".join(found) or None
    return Row(what="third-party", place="", ours=figure, kind="", other=other, bar=bars.THIRD_PARTY)


def _seconds(code: str) -> float:
    begun = time.perf_counter()
    _output(code)
    return time.perf_counter() - begun


def _output(code: str) -> str:
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
