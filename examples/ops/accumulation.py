"""Steps that add to a shared state: a van loads crates at three stops, and `state` holds what is in it.

The keys of every output are merged into `state`, and the latest value of a key wins. Merging is all that happens: 4
does not become 4 + 3 by itself. Each stop reads the total, adds its own, and returns the new one.

That is why the stops depend on one another. Side by side, two of them would read the same total, and one addition
would be lost. Where steps can run side by side, give each a key of its own and add them up afterwards (fan_in.py).
"""

import runfox as rfx

ROUND = """
name: round
defaults: {on_error: halt}   # a stop that fails would leave the total as it was
steps:
  - op: depot
    input: {crates: 0}

  - {op: bakery, call: load, depends_on: [depot], input: {total: {"var": "state.crates"}, crates: 4}}
  - {op: dairy, call: load, depends_on: [bakery], input: {total: {"var": "state.crates"}, crates: 3}}
  - {op: farm, call: load, depends_on: [dairy], input: {total: {"var": "state.crates"}, crates: 6}}

outputs:
  crates: {"var": "state.crates"}            # the latest
  at_the_dairy: {"var": "steps.dairy.output.crates"}   # an output stays what it was
"""


def execute(op, inputs):
    if op == "depot":
        return {"crates": inputs["crates"]}
    if op == "load":  # `call`: one function for three steps
        return {"crates": inputs["total"] + inputs["crates"]}
    raise ValueError(f"no such step: {op}")


def tell(_workflow_id, previous, state, event):
    print(f"{event.op:<8}{previous.get('crates', '-'):>3} -> {state['crates']}")


with rfx.open_backend("memory:", executor=execute, on_state_change=tell) as backend:
    result = rfx.Workflow.from_yaml(ROUND, backend).run()

print(result)
