"""``python -m runfox_testing.reference``: the contract's clauses with their laws and checks, as Markdown."""

from __future__ import annotations

import sys

from runfox_testing.check import Check, all_checks
from runfox_testing.clauses import CONTRACT, laws

_TITLES = {"STORE": "Stores", "RUN": "Runners", "FLOW": "Workflows on a store and a runner"}


def to_markdown() -> str:
    """The page."""
    checks = list(all_checks().values())
    lines = [
        f"# Contract {CONTRACT}: clauses and checks",
        "",
        "The laws are the docstrings of `runfox.protocols`; the checks are those of `runfox-testing`.",
        "Ids are for life. Made by `nox -s reference`.",
    ]
    for prefix, title in _TITLES.items():
        own = [check for check in checks if check.id.startswith(f"{prefix}-")]
        lines += ["", f"## {title}", "", f"{len(own)} checks."]
        for clause in dict.fromkeys(check.clause for check in own):
            lines += ["", f"### {clause}", "", laws()[clause], ""]
            lines += ["| check | proves | applies to | since |", "|---|---|---|---|"]
            lines += [_row(check) for check in own if check.clause == clause]
    return "\n".join([*lines, ""])


def _row(check: Check) -> str:
    needs = ", ".join(f"`{need}`" for need in sorted(check.needs)) or "all"
    law = check.law.replace("|", "\\|")
    return f"| {check.id} | {law} | {needs} | {check.since} |"


if __name__ == "__main__":
    sys.stdout.write(to_markdown())
