"""The workflows of the chaos suite, and what becomes of each when nobody disturbs it.

A work is known by a seed and a number. Its executor is a pure function of what a step is handed, so that a run which
is executed twice gives the same output twice, and the undisturbed end is the only right one. What has to be different
in a later run of a step (a retry that succeeds at last, a loop that ends) follows from a counter that every output
merges into the state, ``n_<op>``, and that the step's input reads: it is the number of results that were applied.

Steps that run side by side share no key, so the order in which they are settled makes no difference. Where it has to
(a workflow that is halted beside running steps), the steps concerned are `free`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count, pairwise
from random import Random
from typing import Any

from runfox import Backend, Workflow, WorkflowRecord

Json = dict[str, Any]

_LONG_TEXT = (
    15 * "One hundred bytes of text, which no backend keeps where it keeps what is small: inputs and outputs too. "
)
"""What a backend may keep elsewhere, of inputs, and three times as long of outputs."""


@dataclass(frozen=True, slots=True)
class Work:
    """One execution that is to be carried to its end."""

    kind: str
    definition: Json
    inputs: Json
    execution_id: str
    free: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class End:
    """How an execution ended: what has to be equal, disturbed or not. `runs` counts the results that were applied."""

    status: str
    outcome: Any
    outputs: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)


# Executing


def output_of(call: str, inputs: Json) -> Json:
    """What a step gives: a function of nothing but its arguments."""
    op, n = inputs["op"], inputs["n"]
    output: Json = {f"n_{op}": n + 1, op: _number(inputs["seed"], op, n, inputs["of"]) % 1_000}
    if inputs["text"]:
        output[f"text_{op}"] = 3 * inputs["text"]
    if call == "flaky" and n < inputs["failures"]:
        output |= {"ok": False, "error": f"{op} failed for the {n + 1}. time"}
    return output


def _number(*values: object) -> int:
    return int.from_bytes(hashlib.sha256(json.dumps(values).encode()).digest()[:6])


def seconds_of(inputs: Json, lease: float) -> float:
    """For how long a run is busy: mostly not at all, sometimes for longer than a lease that nobody renews."""
    drawn = _number("seconds", inputs["seed"], inputs["op"], inputs["n"]) % 80
    if drawn == 0:
        return 1.2 * lease
    return 0.001 * drawn * lease if drawn < 10 else 0.0


# Definitions


def _var(path: str, *default: Any) -> Json:
    return {"var": [path, *default] if default else path}


def _step(op: str, call: str = "work", of: Iterable[str] = (), **more: Any) -> Json:
    """A step that depends on the steps `of`, and reads the number that each of them gave."""
    depends_on = list(of)
    data = {
        "op": op,
        "seed": _var("input.seed"),
        "id": _var("input.id"),
        "failures": _var("input.failures"),
        "n": _var(f"state.n_{op}", 0),
        "text": _var("input.text"),
        "of": [_var(f"steps.{name}.output.{name}") for name in depends_on],
    }
    step: Json = {"op": op, "call": call, "input": data}
    return step | ({"depends_on": depends_on} if depends_on else {}) | more


def _definition(name: str, steps: list[Json], *shown: str, **more: Any) -> Json:
    outputs = {op: _var(f"steps.{op}.output.{op}") for op in shown}
    return {"name": name, "steps": steps, "outputs": outputs} | more


def _again(target: str | list[str], op: str) -> list[Json]:
    """Back to `target` until the step `op` was applied as often as the inputs want."""
    return [
        {"condition": {"<": [_var(f"state.n_{op}"), _var("input.rounds")]}, "action": {"set": target}},
        {"condition": True, "action": "complete"},
    ]


def _chain(length: int) -> Json:
    steps = [_step("s0")] + [_step(f"s{number}", of=[f"s{number - 1}"]) for number in range(1, length)]
    return _definition("chain", steps, f"s{length - 1}")


def _fan(width: int, **more: Any) -> Json:
    parts = [f"part{number}" for number in range(width)]
    middle = [_step(part, of=["split"], **more) for part in parts]
    return _definition("fan", [_step("split"), *middle, _step("join", of=parts)], "join")


def _layers(width: int) -> Json:
    """Three layers, each step of which waits for all of the layer before."""
    layers = [[f"l{layer}_{number}" for number in range(width)] for layer in range(3)]
    steps = [_step(op) for op in layers[0]]
    for before, present in pairwise(layers):
        steps += [_step(op, of=before) for op in present]
    return _definition("layers", steps, *layers[2])


def _loop(_: int) -> Json:
    steps = [
        _step("draft"),
        _step("review", of=["draft"]),
        _step("judge", of=["review"], branch=_again("draft", "judge")),
    ]
    return _definition("loop", [*steps, _step("publish", of=["judge"])], "publish", "judge")


def _loop_over_fan(width: int) -> Json:
    """A loop whose round is a fan, with a step in it that fails at first."""
    parts = [f"part{number}" for number in range(width)]
    middle = [_step(part, of=["split"]) for part in parts]
    flaky = _step("shaky", "flaky", of=["split"], retry={"max_attempts": 4, "delay": 0.02})
    join = _step("join", of=[*parts, "shaky"], branch=_again([*parts, "shaky"], "join"))
    return _definition("loop over fan", [_step("split"), *middle, flaky, join], "join")


def _retries(width: int) -> Json:
    retry = {"max_attempts": 4, "delay": 0.05, "backoff": 2, "jitter": 0.5}
    parts = [f"try{number}" for number in range(width)]
    slow = [_step(part, "flaky", retry=retry) for part in parts]
    at_once = _step("at_once", "flaky", max_attempts=4)
    return _definition("retries", [*slow, at_once, _step("join", of=[*parts, "at_once"])], "join")


def _exhausted(_: int) -> Json:
    """The budget is smaller than the failures: the error result stands, and the others go on."""
    steps = [_step("first"), _step("hopeless", "flaky", of=["first"], max_attempts=2)]
    return _definition("exhausted", [*steps, _step("after", of=["hopeless"])], "hopeless", "after")


def _halt_by_branch(_: int) -> Json:
    verdict = {"odd": _var("check"), "runs": _var("state.n_check")}
    branch = [
        {"condition": {"==": [{"%": [_var("check"), 2]}, 1]}, "action": "halt", "result": verdict},
    ]
    steps = [_step("fetch"), _step("check", of=["fetch"], branch=branch), _step("store", of=["check"])]
    return _definition("halt by branch", steps, "store")


def _halt_on_error(_: int) -> Json:
    steps = [
        _step("first"),
        _step("fatal", "flaky", of=["first"], on_error="halt", retry={"max_attempts": 2, "delay": 0.02}),
        _step("never", of=["fatal"]),
    ]
    return _definition("halt on error", steps, "never")


def _halt_beside(width: int) -> Json:
    """Halted while others run: whether these were in time is a matter of chance."""
    branch = [{"condition": True, "action": "halt", "result": {"stop": _var("stop")}}]
    others = [_step(f"beside{number}", of=["first"]) for number in range(width)]
    return _definition("halt beside", [_step("first"), _step("stop", of=["first"], branch=branch), *others])


def _queues(width: int) -> Json:
    """Steps of two queues and of none, with a timeout that is not meant to pass."""
    parts = [f"part{number}" for number in range(width)]
    middle = [_step(part, of=["split"], queue="red" if number % 2 else "blue") for number, part in enumerate(parts)]
    steps = [_step("split", queue="red"), *middle, _step("join", of=parts)]
    return _definition("queues", steps, "join", defaults={"timeout": 3_600})


_KINDS: dict[str, Callable[[int], Json]] = {
    "chain": _chain,
    "fan": _fan,
    "layers": _layers,
    "loop": _loop,
    "loop over fan": _loop_over_fan,
    "retries": _retries,
    "exhausted": _exhausted,
    "halt by branch": _halt_by_branch,
    "halt on error": _halt_on_error,
    "halt beside": _halt_beside,
    "queues": _queues,
}


def work(seed: int, number: int) -> Work:
    """The work of a number: the kinds take turns, the rest is chance."""
    kind = list(_KINDS)[number % len(_KINDS)]
    random = Random(f"work/{seed}/{number}")
    width = random.randint(2, 4)
    failures = 3 if kind in ("exhausted", "halt on error") else random.randint(0, 3)
    execution_id = f"w{number:05}"
    inputs = {
        "seed": random.randrange(2**32),
        "id": execution_id,
        "failures": failures,
        "rounds": random.randint(1, 3),
        "text": _LONG_TEXT if number % 4 == 3 else "",
    }
    free = frozenset(f"beside{other}" for other in range(width)) if kind == "halt beside" else frozenset()
    return Work(kind, _KINDS[kind](width), inputs, execution_id, free)


def small_work(seed: int, number: int) -> Work:
    """The work of a number in the crowd: three steps."""
    inputs = {"seed": _number(seed, number), "id": f"c{number:05}", "failures": 0, "rounds": 1, "text": ""}
    return Work("chain", _chain(3), inputs, f"c{number:05}")


# Ends


def undisturbed(work: Work) -> End:
    """How the work ends in the memory of one process, whose clock runs so fast that no delay is waited for."""
    clock = count(start=1_767_225_600.0, step=0.1)
    backend = Backend(executor=output_of, clock=lambda: next(clock))
    workflow = Workflow.from_dict(work.definition, backend, work.inputs, work.execution_id)
    workflow.run(timeout=60.0)
    return end_of(backend.load(workflow.id), work.free)


def end_of(record: WorkflowRecord, free: frozenset[str]) -> End:
    """How a record stands."""
    fixed = [step for op, step in record.steps.items() if op not in free]
    return End(
        status=record.status.value,
        outcome=record.outcome,
        outputs={step.op: step.output for step in fixed},
        runs={step.op: int(str(record.state.get(f"n_{step.op}", 0))) for step in fixed},
    )
