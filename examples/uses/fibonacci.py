"""The Fibonacci numbers up to a limit: a loop whose end depends on the data.

`add` leaves by `complete` when the next number would be over the limit, and else sends itself back by `set`. How that
works, and what is easily taken for something else:

- A reset clears the step's output. What one round hands to the next is in `state`, which a reset leaves alone; the
  first round finds there what `begin` gave.
- Branches are asked in their order, after the output was merged into `state`, and a loop has no limit but theirs. So
  that it has a way out at all, a step with a `set` branch must have one with `complete` or `halt`, too; a definition
  without is refused when the workflow is created.
- They are asked of a failed run, too, before `max_attempts` and `on_error` count. With `condition: true` for the way
  back a step that fails would be sent back for ever. Here it is not: no branch acts, and `on_error` halts.
- `max_attempts` is no loop counter. It says how often `add` may run until it succeeds, in each round anew.
- `outputs` are resolved once, at the end: `numbers` is what the last round left.
"""

import runfox as rfx

FIBONACCI = """
name: fibonacci
steps:
  - op: begin

  - op: add
    depends_on: [begin]
    input:
      a: {"var": "state.a"}
      b: {"var": "state.b"}
      numbers: {"var": "state.numbers"}
    branch:
      - condition: {">": [{"+": [{"var": "state.a"}, {"var": "state.b"}]}, {"var": "input.limit"}]}
        action: complete
      - condition: {"!==": [{"var": "ok"}, false]}
        action: {set: add, value: ready}
    on_error: halt

outputs:
  numbers: {"var": "state.numbers"}
"""


def execute(op, inputs):
    if op == "begin":
        return {"a": 0, "b": 1, "numbers": [0, 1]}
    if op == "add":
        total = inputs["a"] + inputs["b"]
        return {"a": inputs["b"], "b": total, "numbers": [*inputs["numbers"], total]}
    raise ValueError(f"no such step: {op}")


def tell(_workflow_id, previous, state, event):
    """Called after each merge into the state."""
    if event.op == "add":
        print(f"{previous['a']:>3} + {previous['b']:<3}= {state['b']}")


with rfx.open_backend("memory:", executor=execute, on_state_change=tell) as backend:
    workflow = rfx.Workflow.from_yaml(FIBONACCI, backend, inputs={"limit": 100})
    result = workflow.run()
    add = backend.load(workflow.id).steps["add"]

print("numbers up to 100:", *result.outcome["numbers"])
print(f"add ran {add.run_id + 1} times")  # runs are counted from 0, over all rounds
