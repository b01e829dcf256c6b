"""A small computer: its program is data, its memory is the workflow's state, and each instruction is a run of a step.

    boot ──▶ cycle ──┐     `set` sends `cycle` back until the program stops, goes wrong, or takes too long
               ▲─────┘

The program is an input of the workflow, `[["push", 6], ["push", 7], ["mul"], ["stop"]]`. It reads `state.pc` (the
number of the next instruction) and `state.stack`. What keeps a loop over somebody else's data in bounds:

- The definition fetches the instruction: a `var` whose path is put together from `state.pc`. Beyond the program's end
  it is null, which the machine can't run.
- A program that goes wrong gives `ok: false`, and so does an exception. Branches are asked of a failed run, too, and
  the first one halts with the place where it happened. Without it, the way back, which is asked last and always open,
  would send the failed run back for ever.
- A program may never stop. The machine counts its cycles, and a branch ends it. `max_attempts` would not: every single
  run succeeds.
"""

import runfox as rfx

MACHINE = """
name: stack_machine
steps:
  - op: boot

  - op: cycle
    depends_on: [boot]
    input:
      pc: {"var": "state.pc"}
      stack: {"var": "state.stack"}
      cycles: {"var": "state.cycles"}
      instruction: {"var": {"cat": ["input.program.", {"var": "state.pc"}]}}
    branch:
      - condition: {"===": [{"var": "ok"}, false]}
        action: halt
        result: {error: {"var": "error"}, pc: {"var": "state.pc"}, stack: {"var": "state.stack"}}
      - condition: {"var": "stopped"}
        action: complete
      - condition: {">=": [{"var": "state.cycles"}, 50]}
        action: halt
        result: {error: no stop in 50 cycles, pc: {"var": "state.pc"}, stack: {"var": "state.stack"}}
      - condition: true
        action: {set: cycle, value: ready}

outputs:
  stack: {"var": "state.stack"}
  cycles: {"var": "state.cycles"}
"""

# How many values an instruction takes from the stack, and what it puts there instead.
EFFECTS = {
    "dup": (1, lambda a: [a, a]),
    "drop": (1, lambda a: []),
    "swap": (2, lambda a, b: [b, a]),
    "rot": (3, lambda a, b, c: [b, c, a]),
    "add": (2, lambda a, b: [a + b]),
    "sub": (2, lambda a, b: [a - b]),
    "mul": (2, lambda a, b: [a * b]),
    "div": (2, lambda a, b: [a // b]),
}


def execute(op, inputs):
    if op == "boot":
        return {"pc": 0, "stack": [], "cycles": 0}
    if op == "cycle":
        return cycle(**inputs)
    raise ValueError(f"no such step: {op}")


def cycle(pc, stack, cycles, instruction):
    """Run one instruction, and give the state that follows."""
    following, stopped = pc + 1, False
    match instruction:
        case ["push", number]:
            stack.append(number)
        case ["jump_unless_zero", target] if stack:
            following = target if stack[-1] else following
        case ["stop"]:
            stopped = True
        case ["div"] if stack[-1:] == [0]:
            return {"ok": False, "error": "division by zero"}
        case [name] if name in EFFECTS and len(stack) >= EFFECTS[name][0]:
            count, effect = EFFECTS[name]
            stack[-count:] = effect(*stack[-count:])
        case None:
            return {"ok": False, "error": "the program has no such instruction"}
        case _:
            return {"ok": False, "error": f"can't run {instruction}"}
    return {"pc": following, "stack": stack, "cycles": cycles + 1, "stopped": stopped}


FACTORIAL_OF_3 = [
    ["push", 1],  # the product so far
    ["push", 3],  # the next factor
    ["dup"],  # 2: product factor factor
    ["rot"],  #    factor factor product
    ["mul"],
    ["swap"],  #    product factor
    ["push", 1],
    ["sub"],
    ["jump_unless_zero", 2],
    ["drop"],
    ["stop"],
]
OTHERS = {
    "nothing to add": [["push", 1], ["add"], ["stop"]],
    "1 / 0": [["push", 1], ["push", 0], ["div"], ["stop"]],
    "no stop": [["push", 1], ["push", 2], ["add"]],
    "for ever": [["push", 1], ["jump_unless_zero", 1]],
}


def run(program, on_state_change=None):
    with rfx.open_backend("memory:", executor=execute, on_state_change=on_state_change) as backend:
        match rfx.Workflow.from_yaml(MACHINE, backend, inputs={"program": program}).run():
            case rfx.Complete(outcome):
                print(f"  stopped with {outcome['stack']} after {outcome['cycles']} cycles")
            case rfx.Halt(result):
                print(f"  halted at {result['pc']} with {result['stack']}: {result['error']}")


def trace(_workflow_id, previous, state, event):
    """Called after each merge into the state: prints the instruction that has run, and the stack after it."""
    if event.op == "cycle":
        instruction = " ".join(map(str, FACTORIAL_OF_3[previous["pc"]]))
        print(f"  {previous['pc']:>2}  {instruction:<20}{state['stack']}")


print("3!")
run(FACTORIAL_OF_3, trace)
for name, program in OTHERS.items():
    print(name)
    run(program)
