"""What is carried out: names as ``chain-1000``, what they mean, how many steps they execute.

The contenders run in environments of their own, so this file imports nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

SHAPES = {
    "chain": "N steps in a row, each reading the one before",
    "fan": "one root, N steps on it, one join reading all N",
    "loop": "one step that a `set` branch repeats N times",
    "small": "N executions of a three-step workflow, one after another",
    "events": "fan-N through `resume` and `settle`, a new handle for each event",
}
"""What the contenders carry out in one call."""

SMALL_STEPS = 3


def named(text: str) -> Workload:
    """The workload of a name. Raises `ValueError`."""
    shape, _, size = text.partition("-")
    if shape not in SHAPES or not size.isdigit() or int(size) < 1:
        raise ValueError(f"{text!r} is no workload: write a shape and a size, as in chain-1000 ({', '.join(SHAPES)})")
    return Workload(shape, int(size))


class Workload(NamedTuple):
    """A shape and its size. Each step gives the sum of what it reads, and one more."""

    shape: str
    size: int

    def __str__(self) -> str:
        return f"{self.shape}-{self.size}"

    @property
    def steps(self) -> int:
        """How many steps are executed."""
        return {"fan": self.size + 2, "events": self.size + 2, "small": self.size * SMALL_STEPS}.get(
            self.shape, self.size
        )

    @property
    def outcome(self) -> int:
        """The value in the end; of ``small`` that of each execution."""
        return {"fan": 2 * self.size + 1, "events": 2 * self.size + 1, "small": SMALL_STEPS}.get(self.shape, self.size)

    @property
    def definition(self) -> dict[str, Any]:
        """One execution, as data."""
        if self.shape == "chain":
            return _chain(self.size)
        if self.shape == "loop":
            return _loop(self.size)
        if self.shape == "small":
            return _chain(SMALL_STEPS)
        return _fan(self.size)


def total(inputs: dict[str, Any]) -> int:
    """What a step gives."""
    return sum(value or 0 for value in inputs.values()) + 1


def _op(number: int) -> str:
    return f"step-{number:05d}"


def _output_of(op: str) -> dict[str, str]:
    return {"var": f"steps.{op}.output.value"}


def _chain(length: int) -> dict[str, Any]:
    first = {"op": _op(0), "input": {"value": {"var": "input.value"}}}
    rest = [
        {"op": _op(number), "depends_on": [_op(number - 1)], "input": {"value": _output_of(_op(number - 1))}}
        for number in range(1, length)
    ]
    return {"name": "chain", "steps": [first, *rest], "outputs": {"value": _output_of(_op(length - 1))}}


def _fan(width: int) -> dict[str, Any]:
    ops = [_op(number) for number in range(width)]
    steps = [
        {"op": "root", "input": {"value": {"var": "input.value"}}},
        *({"op": op, "depends_on": ["root"], "input": {"value": _output_of("root")}} for op in ops),
        {"op": "join", "depends_on": ops, "input": {op: _output_of(op) for op in ops}},
    ]
    return {"name": "fan", "steps": steps, "outputs": {"value": _output_of("join")}}


def _loop(times: int) -> dict[str, Any]:
    again = {
        "op": "again",
        "input": {"value": {"var": "state.value"}},
        "branch": [
            {
                "condition": {"<": [{"var": "value"}, times]},
                "action": {"set": "steps.again.status", "value": "ready"},
            },
            {"condition": {">=": [{"var": "value"}, times]}, "action": "complete"},
        ],
    }
    return {"name": "loop", "steps": [again], "outputs": {"value": _output_of("again")}}
