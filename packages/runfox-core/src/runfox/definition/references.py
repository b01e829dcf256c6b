"""What steps say of one another: dependencies, targets of ``set``, and the outputs that expressions read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import NamedTuple

from runfox import expressions
from runfox.definition import fields, graph
from runfox.definition.branches import named_ops, targets
from runfox.definition.fields import Report
from runfox.definition.source import Path
from runfox.definition.steps import ReadStep
from runfox.expressions import Reference
from runfox.jsonvalue import JSONObject, JSONValue, shown

MAX_CYCLES = 20
"""Cycles that are reported at once."""

MAX_SPELLED = 50
"""Steps of one cycle that are spelled out."""


class References:
    """The steps by name, and the checks that need them all."""

    def __init__(self, steps: Sequence[ReadStep], report: Report) -> None:
        self._steps = steps
        self._report = report
        self._index: dict[str, int] = {}
        self._paths: expressions.Paths = {}
        for index, read in enumerate(steps):
            first = self._index.setdefault(read.step.op, index)
            if first != index:
                number = steps[first].path[-1]
                message = f"the op {read.step.op!r} is taken by steps[{number}]: give one of them another name"
                report.add((*read.path, "op"), message)

    def check(self, outputs: JSONObject, defaults: JSONObject) -> None:
        """Check everything that the steps, the workflow's outputs and its defaults refer to."""
        needs = [self._needs(read) for read in self._steps]
        order = graph.ordered(needs)
        if len(order) < len(needs):
            self._report_cycles(needs)
        for path, value in _retry_when(defaults, ("defaults",)):
            self._known_references(value, path)
        for key, value in outputs.items():
            self._known_references(value, ("outputs", key))
        distant: list[_Distant] = []
        for index, read in enumerate(self._steps):
            self._check_targets(read)
            for path, value in _expressions(read):
                self._known_references(value, path)
            distant += self._distant_references(index, needs[index])
        self._check_distant(needs, order, distant)

    # Names

    def _needs(self, read: ReadStep) -> list[int]:
        """The numbers of the steps that a step depends on, without itself and unknown ones, which are problems."""
        if not read.step.depends_on:
            return []
        for path, op in named_ops(read.written["depends_on"], (*read.path, "depends_on")):
            if op == read.step.op:
                self._report.add(path, f"{op!r} depends on itself: take it away")
            else:
                self._check_known(op, path)
        return [self._index[op] for op in read.step.depends_on if op in self._index and op != read.step.op]

    def _check_known(self, op: JSONValue, path: Path) -> None:
        """Report a name that no step has; what can't be a name has been reported."""
        if isinstance(op, str) and op not in self._index and fields.is_op(op):
            self._report_unknown(op, path)

    def _report_unknown(self, op: str, path: Path) -> None:
        advice = self._report.suggest(op, self._index, otherwise="name one of the steps")
        self._report.add(path, f"no step is called {shown(op)!r}: {advice}")

    def _check_targets(self, read: ReadStep) -> None:
        branches = read.written.get("branch")
        for index, branch in enumerate(branches if isinstance(branches, list) else ()):
            action = branch.get("action") if isinstance(branch, dict) else None
            if isinstance(action, dict):
                place = (*read.path, "branch", index, "action", "set")
                for path, op in targets(action.get("set"), place):
                    self._check_known(op, path)

    def _report_cycles(self, needs: graph.Needs) -> None:
        for cycle in islice(graph.cycles(needs), MAX_CYCLES):
            names = [self._steps[index].step.op for index in [*cycle, cycle[0]]]
            if len(names) > MAX_SPELLED:
                names[MAX_SPELLED // 2 : -MAX_SPELLED // 2] = [f"({len(names) - MAX_SPELLED} more)"]
            message = f"these steps wait for one another: {' -> '.join(names)}: take one of these dependencies away"
            self._report.add((*self._steps[cycle[0]].path, "depends_on"), message)

    # Expressions

    def _known_references(self, value: JSONValue, path: Path) -> list[tuple[Path, Reference]]:
        """The references in a value to steps that there are. Reports the others, and what is wrong with expressions."""
        if not isinstance(value, (dict, list)):
            return []
        findings = expressions.inspect(value, self._paths)
        for fault in findings.faults:
            self._report.add(path + fault.path, fault.message)
        known: list[tuple[Path, Reference]] = []
        for reference in findings.references:
            place = path + reference.path
            if reference.op in self._index:
                known.append((place, reference))
            else:
                self._report_unknown(reference.op, place)
        return known

    def _distant_references(self, index: int, needs: Sequence[int]) -> Iterator[_Distant]:
        """What the input of a step reads, without a default, of steps that are no direct dependency of it."""
        read = self._steps[index]
        direct: AbstractSet[int] | None = None
        for key, value in read.step.input.items():
            for path, reference in self._known_references(value, (*read.path, "input", key)):
                if direct is None:
                    direct = frozenset(needs)
                other = self._index[reference.op]
                if other not in direct and not reference.has_default:
                    yield _Distant(index, other, path)

    def _check_distant(self, needs: graph.Needs, order: Sequence[int], distant: Sequence[_Distant]) -> None:
        asked: dict[int, set[int]] = {}
        for reference in distant:
            asked.setdefault(reference.step, set()).add(reference.other)
        strangers = graph.strangers(needs, order, asked) if asked else ()
        for step, other, path in distant:
            if (step, other) not in strangers:
                continue
            op = self._steps[other].step.op
            if step == other:
                message = f"{op!r} reads its own output, which it never has when it starts: read 'state', or give a "
                self._report.add(path, f"{message}default")
            else:
                message = f"{op!r} might not have run by then: add it to depends_on, or give a default"
                self._report.add(path, message)


class _Distant(NamedTuple):
    """A step's input reads the output of another, at `path`; both by number."""

    step: int
    other: int
    path: Path


def _expressions(read: ReadStep) -> Iterator[tuple[Path, JSONValue]]:
    """The values of a step, other than its input, that may be expressions."""
    branches = read.written.get("branch")
    for index, branch in enumerate(branches if isinstance(branches, list) else ()):
        if isinstance(branch, dict):
            for key in ("condition", "result"):
                yield (*read.path, "branch", index, key), branch.get(key)
    yield from _retry_when(read.written, read.path)


def _retry_when(owner: JSONObject, path: Path) -> Iterator[tuple[Path, JSONValue]]:
    retry = owner.get("retry")
    if isinstance(retry, dict):
        yield (*path, "retry", "when"), retry.get("when")
